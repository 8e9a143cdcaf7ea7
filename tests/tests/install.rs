//! `make install` and `make uninstall`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::{Environments, HELPER, State, Untouched, make};

const UNINSTALL: &str = "/srv/scripts/uninstall";
/// What it reads.
const PLACES: &str = "/srv/packaging/hooks/places";
const LOGIN: &str = "/usr/local/bin/caddis-login";
const DROP_IN: &str = "/etc/ssh/sshd_config.d/60-caddis.conf";
/// A file of the site's beside it.
const SITE: &str = "/etc/ssh/sshd_config.d/10-site.conf";
const POLICY: &str = "/etc/caddis/policy.toml";

#[test]
fn what_is_installed_and_with_which_rights() {
    let host = Host::start().unwrap();
    let modes = |path: &str| {
        host.sh("root", &format!("stat -c '%a %U:%G' {path}"))
            .ok()
            .text()
            .to_owned()
    };
    assert_eq!(modes("/usr/local/bin/caddis"), "755 root:root");
    assert_eq!(modes(LOGIN), "755 root:root");
    assert_eq!(modes(HELPER), "4755 root:root");
    assert_eq!(modes("/usr/local/libexec/caddis"), "755 root:root");
    assert_eq!(modes(POLICY), "644 root:root");
    // Static: nothing of an environment is loaded into a setuid program.
    for program in ["/usr/local/bin/caddis", LOGIN, HELPER] {
        assert_eq!(
            host.run("root", &["ldd", program]).text(),
            "statically linked"
        );
    }
    assert!(host.exists("/usr/local/share/man/man1/caddis.1"));
    assert!(host.exists("/usr/local/share/man/man1/caddis-run.1"));
    assert!(host.exists("/usr/local/share/fish/vendor_completions.d/caddis.fish"));
    assert!(host.exists("/usr/local/share/zsh/site-functions/_caddis"));
    host.sh(
        "alice",
        "bash -n /usr/local/share/bash-completion/completions/caddis",
    )
    .ok();
    host.sh("alice", "caddis --version").ok();
    host.sh("alice", "caddis admin policy check /etc/caddis/policy.toml")
        .ok();
}

#[test]
fn installing_again_keeps_the_policy() {
    let host = Host::start().unwrap();
    let changed = "[session]\nlinger = \"5s\"\n";
    host.write(POLICY, changed, 0o640);
    make(&host, "install", &[]);
    assert_eq!(host.read_text(POLICY), changed);
    assert_eq!(host.look(POLICY).unwrap().st_mode & 0o7777, 0o640);
    let left = host.sh("root", "ls -A /usr/local/libexec/caddis").ok();
    assert_eq!(left.text(), "caddis-admin\ncaddis-helper");
}

#[test]
fn uninstalling_keeps_what_belongs_to_users_unless_purged() {
    let host = Host::start().unwrap();
    // On the host itself: an instance that lingers is ended, and nothing of it is left.
    host.sh("root", "mkdir -p /srv/scripts /srv/packaging/hooks")
        .ok();
    host.write(UNINSTALL, include_str!("../../scripts/uninstall"), 0o755);
    host.write(PLACES, include_str!("../../packaging/hooks/places"), 0o644);
    host.inside("alice", "true").ok();
    assert_eq!(host.count("^caddis-init"), 1);
    host.run("root", &[UNINSTALL]).ok();
    assert_eq!(host.count("^caddis-init"), 0);
    assert!(!host.exists("/run/caddis"));
    let left = host
        .sh("root", "find /usr/local -type f -o -name '*caddis*'")
        .ok();
    assert_eq!(left.text(), "");
    assert!(host.exists(POLICY) && host.exists("/var/lib/caddis/env/1000/default"));
    // In the directory of a package.
    make(&host, "uninstall", &["PURGE=1"]);
    assert!(!host.exists(POLICY) && !host.exists("/etc/caddis") && !host.exists("/var/lib/caddis"));
}

/// Without its program, whoever is sent to it could not log in any more.
#[test]
fn uninstalling_locks_nobody_out() {
    let host = Host::start().unwrap();
    host.sh(
        "root",
        "mkdir -p /srv/scripts /srv/packaging/hooks /run/sshd",
    )
    .ok();
    host.write(UNINSTALL, include_str!("../../scripts/uninstall"), 0o755);
    host.write(PLACES, include_str!("../../packaging/hooks/places"), 0o644);
    host.caddis("root", &["admin", "login", "enable"])
        .run()
        .ok();

    // Its login shell, by whatever path.
    let script = format!(
        "ln -s {LOGIN} /usr/bin/by-link; usermod -s /usr/bin/by-link carol; usermod -s {LOGIN} alice"
    );
    host.sh("root", &script).ok();
    let before = host.files();
    host.run("root", &[UNINSTALL])
        .exits(1)
        .says("the login shell of: alice carol");
    host.still_has(&before);
    host.sh(
        "root",
        "rm /usr/bin/by-link; usermod -s /bin/bash alice; usermod -s /bin/bash carol",
    )
    .ok();

    // An sshd that the site has told itself.
    host.sh("root", &format!("cp {DROP_IN} {SITE}")).ok();
    let before = host.files();
    let refused = host.run("root", &[UNINSTALL]).exits(1).says(SITE);
    assert!(!refused.stderr.contains(DROP_IN), "{refused}");
    host.still_has(&before);

    // An sshd that cannot be told goes on sending people there.
    host.write(SITE, "Bogus yes\n", 0o644);
    host.run("root", &[UNINSTALL])
        .exits(1)
        .says("so nothing else is removed");
    assert!(host.exists(LOGIN) && host.exists(HELPER));
    host.sh("root", &format!("rm {SITE}")).ok();

    host.caddis("root", &["admin", "login", "enable"])
        .run()
        .ok();
    host.sh("root", &format!("add-shell {LOGIN}")).ok();
    host.run("root", &[UNINSTALL]).ok();
    assert!(!host.exists(LOGIN) && !host.exists(DROP_IN));
    assert!(!host.read_text("/etc/shells").contains("caddis"));
}

/// The last step of `make run` on a host: what it runs, as whom.
#[test]
fn make_run_ends_in_an_environment_of_the_calling_user() {
    let host = Host::start().unwrap();
    let script = include_str!("../../scripts/open");
    host.write("/usr/local/bin/open-environment", script, 0o755);
    let ask = "id -un; echo $HOME $CADDIS_ENV; echo \"it's\" \\$quoted";
    let open = |user: &str| host.command(user, &["open-environment"]).env("CMD", ask);
    let expected = |user: &str| format!("{user}\n/home/{user} default\nit's $quoted\n");
    assert_eq!(open("alice").run().ok().stdout, expected("alice"));
    assert_eq!(
        open("root").env("SUDO_USER", "bob").run().ok().stdout,
        expected("bob")
    );
    let demo = open("root").run().ok().says("made the user caddis-demo");
    assert_eq!(demo.stdout, expected("caddis-demo"));
    // Only the first time.
    assert!(!open("root").run().ok().stderr.contains("made the user"));
    open("alice").env("CMD", "exit 7").run().exits(7);
}
