//! Where `caddis-login` leads to the plain host: always for those who administer it, else as the policy says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::login::{Answers, LOGIN, POLICY, WHERE, called, forced};
use caddis_tests::{Environments, HELPER};

#[test]
fn those_who_administer_get_the_plain_host_whatever_happens() {
    let host = Host::start().unwrap();
    host.sh("root", "usermod -aG sudo alice").ok();
    let lands = |user: &str| {
        [
            called(&host, user, LOGIN, "-caddis-login", &["-c", WHERE]).run(),
            forced(&host, user, Some(WHERE)).run(),
            forced(&host, user, None).stdin(WHERE).run(),
            called(&host, user, LOGIN, "caddis-login", &["--host", WHERE]).run(),
        ]
        // The message of the day comes before.
        .map(|output| {
            output
                .ok()
                .text()
                .lines()
                .last()
                .unwrap_or_default()
                .to_owned()
        })
    };
    let host_four_times = ["host"; 4].map(str::to_owned);
    assert_eq!(lands("alice"), host_four_times);
    host.append(POLICY, "\n[nonsense\n");
    assert_eq!(lands("alice"), host_four_times);
    host.write(POLICY, "[access]\nmin_uid = 2000\nnonsense = 1\n", 0o644);
    assert_eq!(lands("carol"), host_four_times);
    host.write(POLICY, "[login]\nbypass_groups = [\"proj\"]\n", 0o644);
    assert_eq!(lands("carol"), host_four_times);
    let bob = called(&host, "bob", LOGIN, "caddis-login", &["-c", WHERE]).run();
    bob.answers("default");
    host.sh("root", &format!("rm {POLICY} {HELPER}")).ok();
    host.sh("root", "usermod -aG sudo bob").ok();
    assert_eq!(lands("bob"), host_four_times);
}

#[test]
fn root_gets_in_without_anything_of_caddis() {
    let host = Host::start().unwrap();
    host.write(POLICY, "nonsense", 0o644);
    host.sh("root", &format!("rm {HELPER}; chsh -s {LOGIN}"))
        .ok();
    for run in [
        called(&host, "root", LOGIN, "-caddis-login", &["-c", WHERE]),
        forced(&host, "root", Some(WHERE)),
        called(&host, "root", LOGIN, "-caddis-login", &[]).stdin(WHERE),
        forced(&host, "root", None).stdin(WHERE),
    ] {
        run.run().answers("host");
    }
    // What is asked of the key goes wrong, too.
    forced(&host, "root", Some(WHERE))
        .env("SSH_USER_AUTH", "/proc")
        .run()
        .answers("host");
    let script =
        format!("mount --bind /dev/null /etc/passwd; exec -a -caddis-login {LOGIN} -c '{WHERE}'");
    host.run("root", &["unshare", "--mount", "bash", "-c", &script])
        .answers("host");
}

#[test]
fn the_plain_host_is_the_policys_to_give() {
    let host = Host::start().unwrap();
    let ask = |string: &str| {
        [
            called(&host, "alice", LOGIN, "caddis-login", &["-c", string]).run(),
            forced(&host, "alice", Some(string)).run(),
        ]
    };
    let string = format!("caddis-login --host  {WHERE} 'a  b'; exit 3");
    for refused in ask(&string) {
        let refused = refused.exits(125);
        assert_eq!(refused.stdout, "");
        assert!(
            refused.stderr.contains("policy: login.host") && refused.stderr.contains("hint: "),
            "{refused}"
        );
    }
    // Nor does a variable say where one is.
    let command = called(
        &host,
        "alice",
        LOGIN,
        "caddis-login",
        &["-c", "readlink /proc/self/ns/user"],
    );
    let outside = host
        .run("alice", &["readlink", "/proc/self/ns/user"])
        .ok()
        .stdout;
    assert_ne!(
        command.env("CADDIS_ENV", "default").run().ok().stdout,
        outside
    );
    host.write(POLICY, "[login]\nhost = true\n", 0o644);
    for allowed in ask(&string) {
        assert_eq!(allowed.exits(3).stdout, "host a  b\n");
    }
    let words = ["--host", "echo", "'a  b'"];
    called(&host, "alice", LOGIN, "caddis-login", &words)
        .run()
        .answers("a  b");
    // Inside there is no way out.
    let inside = host.inside("alice", "caddis-login --host id").exits(125);
    assert!(inside.stderr.contains("leave it first"), "{inside}");
}
