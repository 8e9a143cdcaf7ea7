//! What is not as the administrator thinks is said: whom logins pass by, and what became of the configuration.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_tests::admin_login::{DROP_IN, EARLIER, PROGRAM, Shows, host, login, sent};

#[test]
fn what_goes_past_it_is_said() {
    let host = host();
    for directive in [
        "AuthorizedKeysFile /etc/ssh/keys/%u",
        "AuthorizedKeysCommand /bin/true\nAuthorizedKeysCommandUser nobody",
        "AuthorizedPrincipalsCommand /bin/true\nAuthorizedPrincipalsCommandUser nobody",
        "AuthorizedPrincipalsFile /etc/ssh/principals/%u",
        "PermitUserEnvironment yes",
        "Match Group proj\n    ExposeAuthInfo no",
        "Match Group proj\n    AcceptEnv LANG",
        "AcceptEnv SSH_*",
    ] {
        host.write(EARLIER, format!("{directive}\n"), 0o644);
        let word = directive
            .lines()
            .next_back()
            .unwrap()
            .trim()
            .split(' ')
            .next()
            .unwrap();
        let word = word.strip_suffix("User").unwrap_or(word);
        let output = login(&host, &["enable", "--group", "proj"])
            .ok()
            .says("caddis: warning: ");
        assert!(output.stderr.contains(word), "{output}");
    }
    host.write(
        EARLIER,
        "Match User carol\n    ForceCommand /bin/date\n",
        0o644,
    );
    login(&host, &["enable", "--group", "proj"])
        .ok()
        .says("warning: not for carol: sshd runs `/bin/date`");
    assert_eq!(sent(&host), ["alice"]);
}

/// What an account's shell does not run, sshd does not get to run by it.
#[test]
fn accounts_whose_shell_may_not_run_it_are_named() {
    let host = host();
    host.sh(
        "root",
        "useradd -r -s /bin/rbash kiosk; useradd -s /bin/rbash -G sudo boss",
    )
    .ok();
    let output = login(&host, &["enable"])
        .ok()
        .says("warning: kiosk has the shell /bin/rbash");
    assert!(
        !output.stderr.contains("boss") && !output.stderr.contains("alice"),
        "{output}"
    );
    let refused = host.run(
        "root",
        &["runuser", "-u", "kiosk", "--", "/bin/rbash", "-c", PROGRAM],
    );
    refused.fails().says("restricted");
    let output = login(&host, &["enable", "--group", "proj"]).ok();
    assert!(!output.stderr.contains("kiosk"), "{output}");
}

/// Nobody is locked out unseen.
#[test]
fn whom_the_policy_refuses_is_named() {
    let host = host();
    let policy = |access: &str, bypass: &str| {
        let text = format!("[access]\n{access}\n[login]\nbypass_groups = [{bypass}]\n");
        host.write("/etc/caddis/policy.toml", text, 0o644);
    };
    policy("deny_users = [\"dave\"]", "");
    let warning = "warning: user dave may not use Caddis (policy: access.deny_users), and dave cannot log in over ssh any more; in a group";
    for words in [&["enable"][..], &["status"]] {
        login(&host, words).ok().says(warning);
    }
    policy("users = [\"dave\"]", "");
    login(&host, &["enable"])
        .ok()
        .says("and alice cannot log in over ssh any more; so for 2 more;");
    for (access, bypass, group) in [
        ("deny_users = [\"dave\"]", "\"dave\"", None),
        ("deny_users = [\"dave\"]", "", Some("proj")),
        ("min_uid = 1002", "", None),
    ] {
        policy(access, bypass);
        let group = group.map(|group| ["--group", group]);
        let words = [
            &["enable"][..],
            group.as_ref().map_or(&[], |words| &words[..]),
        ];
        assert_eq!(login(&host, &words.concat()).ok().stderr, "", "{access}");
    }
}

#[test]
fn status_tells_what_became_of_it() {
    let host = host();
    login(&host, &["enable"]).ok();
    host.write(
        EARLIER,
        "Match Group *\n    ForceCommand /bin/date\n",
        0o644,
    );
    login(&host, &["status"]).exits(1).shows("not in force");
    host.write(EARLIER, "Bogus yes\n", 0o644);
    login(&host, &["status"])
        .exits(1)
        .shows("Bad configuration option: Bogus");
    host.sh(
        "root",
        &format!("rm {EARLIER}; echo PermitTTY no >>{DROP_IN}"),
    )
    .ok();
    login(&host, &["status"])
        .exits(125)
        .says("it is not as Caddis wrote it");
    login(&host, &["enable"]).ok();
    login(&host, &["status"]).ok();
}

#[test]
fn login_shells_are_not_forgotten() {
    let host = host();
    host.sh("root", &format!("ln -s {PROGRAM} /usr/bin/login-by-link; usermod -s {PROGRAM} alice; usermod -s /usr/bin/login-by-link carol"))
        .ok();
    login(&host, &["status"])
        .exits(1)
        .shows("caddis-login is the login shell of alice and carol");
    login(&host, &["disable"])
        .ok()
        .says("still the login shell of alice and carol");
}
