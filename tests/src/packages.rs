//! Two who install packages: the administrator on the host, and alice in her environment.

use crate::{Environments, HELPER};
use caddis_lab::{Host, HostChild};

/// Where alice's changes of dpkg's directory are.
pub const UPPER: &str = "/var/lib/caddis/env/1000/default/@/var/lib/dpkg";

/// A host with packages of the test's own beside those of the repository: `p` and `q`, in three versions.
pub fn host() -> Host {
    with_packages(Host::start().unwrap_or_else(|error| panic!("{error}")))
}

/// The same with a host that was started in another way.
pub fn with_packages(host: Host) -> Host {
    let script = r#"
        set -e
        for name in p q; do for version in 1 2 3; do
            dir=/tmp/deb; rm -rf $dir; mkdir -p $dir/DEBIAN $dir/usr/share/$name
            printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n' $name $version > $dir/DEBIAN/control
            echo $version > $dir/usr/share/$name/version
            # The third one has scripts, is interested in something, and has a file that the others have not.
            if [ $version = 3 ]; then
                printf '#!/bin/sh\nexit 0\n' > $dir/DEBIAN/prerm; chmod 755 $dir/DEBIAN/prerm
                cp $dir/DEBIAN/prerm $dir/DEBIAN/postinst
                printf 'interest-noawait /usr/share/%s\ninterest-noawait %s-trigger\n' $name $name > $dir/DEBIAN/triggers
                touch $dir/usr/share/$name/third
            fi
            dpkg-deb --root-owner-group --build $dir /srv/${name}_$version.deb > /dev/null
        done; done
    "#;
    host.sh("root", script).ok();
    host
}

/// What alice does as the root of her environment.
pub fn alice(host: &Host, script: &str) {
    let script = format!("set -e; export DEBIAN_FRONTEND=noninteractive; {script}");
    host.inside_root("alice", &script).ok();
}

/// The same on the host itself.
pub fn admin(host: &Host, script: &str) {
    let script = format!("set -e; export DEBIAN_FRONTEND=noninteractive; {script}");
    host.sh("root", &script).ok();
}

/// Name, version and state of these packages, as alice's dpkg has them, a line each.
pub fn packages(host: &Host, names: &str) -> String {
    let show = "dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\\n'";
    let script = format!("{show} {names} 2> /dev/null | grep -v '^un' | tr -s ' '; true");
    host.inside("alice", &script).ok().stdout
}

/// dpkg and apt find nothing amiss.
#[track_caller]
pub fn healthy(host: &Host) {
    let script = "dpkg --audit && apt-get -qq check && find /var/lib/dpkg -name '*caddis*'";
    let output = host.inside_root("alice", script).ok();
    assert_eq!(
        (output.text(), output.stderr.as_str()),
        ("", ""),
        "{output}"
    );
}

/// What the helper has to tell of alice's packages.
pub fn told(host: &Host) -> String {
    host.sh("alice", &format!("{HELPER} packages default"))
        .ok()
        .stdout
}

/// Whether alice's environment runs while the administrator works, which decides what brings the databases together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// It runs, and `caddis admin refresh` does it.
    Running,
    /// It does not, and the next start does.
    Stopped,
}

/// Lets the administrator work.
pub fn meanwhile(host: &Host, when: When, script: &str) -> Option<HostChild> {
    let session = match when {
        When::Running => {
            let mut session = host.session("alice", "echo ready; read -r end");
            session.until("ready");
            Some(session)
        }
        When::Stopped => {
            host.sh("root", "caddis admin stop --all").ok();
            None
        }
    };
    admin(host, script);
    match when {
        When::Running => admin(host, "caddis admin refresh --quiet"),
        When::Stopped => {
            host.inside("alice", "true").ok();
        }
    }
    session
}
