//! The README's part on logins, as it is printed there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::readme::steps;

/// What the README takes for granted: a group with alice in it, an sshd, and alice's key on her laptop, which is carol's
/// account here.
const BEFORE: &str = "
groupadd physics && usermod -aG physics alice
install -d -o carol -g carol -m 700 ~carol/.ssh && install -d -o alice -g alice -m 700 ~alice/.ssh
ssh-keygen -q -t ed25519 -N '' -f ~carol/.ssh/id_ed25519 && chown carol: ~carol/.ssh/*
install -o alice -g alice -m 600 ~carol/.ssh/id_ed25519.pub ~alice/.ssh/authorized_keys
printf '%s\\n' 'Host login1' 'HostName localhost' 'User alice' 'StrictHostKeyChecking no' 'LogLevel ERROR' >~carol/.ssh/config
";

#[test]
fn what_the_readme_says_of_logins_works_as_printed() {
    let host = Host::builder().name("login1").start().unwrap();
    host.sh("root", BEFORE).ok();
    host.start_sshd();
    let steps = steps("## Log in, and you are there");
    assert!(steps.len() >= 5, "{steps:#?}");
    for step in steps {
        let user = match (step.user.as_str(), step.machine.as_str()) {
            ("alice", "laptop") => "carol",
            (user, "login1") => user,
            other => panic!("nobody is {other:?}"),
        };
        step.follow(&host, user);
    }
}
