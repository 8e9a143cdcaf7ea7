//! The harmless content of the veil's files.

/// The host's sudoers file cannot be read, and its rules are not meant for container root.
pub(super) fn sudoers() -> String {
    "# Stands in for the host's file, see caddis(1). Change it as you like: it is yours.\n\
     Defaults\tenv_reset\n\
     Defaults\tsecure_path=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\n\
     root\tALL=(ALL:ALL) ALL\n\
     %sudo\tALL=(ALL:ALL) ALL\n\
     @includedir /etc/sudoers.d\n"
        .to_owned()
}

/// Process 1 writes the rule for the user of each environment, so that it is no change of the user's.
pub(super) fn sudoers_include() -> String {
    "# The environment's user needs no password for sudo, see caddis(1).\n\
     @include /run/caddis/sudoers\n"
        .to_owned()
}

/// A daemon that a package's installation starts would end with the session; see invoke-rc.d(8).
pub(super) fn policy_rc_d() -> String {
    "#!/bin/sh\n# Daemons are started by hand in an environment: service NAME start. See caddis(1).\nexit 101\n"
        .to_owned()
}
