//! `caddis admin login`: sshd's own configuration, changed and checked by sshd.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild, Output, eventually};
use caddis_tests::{Environments, Untouched};

const DROP_IN: &str = "/etc/ssh/sshd_config.d/60-caddis.conf";
const EARLIER: &str = "/etc/ssh/sshd_config.d/10-site.conf";
const PROGRAM: &str = "/usr/local/bin/caddis-login";

/// alice and carol are in proj, bob and root in proj and sudo, dave in neither.
fn host() -> Host {
    let host = Host::start().unwrap();
    let script = "mkdir -m 755 /run/sshd; useradd -m -s /bin/bash dave; usermod -aG proj,sudo bob; usermod -aG proj,sudo root";
    host.sh("root", script).ok();
    host
}

fn login(host: &Host, arguments: &[&str]) -> Output {
    host.caddis("root", &[&["admin", "login"], arguments].concat())
        .run()
}

trait Shows {
    /// Checks that the answer contains this.
    fn shows(self, text: &str) -> Output;
}

impl Shows for Output {
    #[track_caller]
    fn shows(self, text: &str) -> Output {
        assert!(self.stdout.contains(text), "no {text:?} in {self}");
        self
    }
}

/// A server whose output is read, and which has said in its file who it is.
fn ready(host: &Host, sshd: &mut HostChild) {
    sshd.until("Server listening on :: port 22");
    eventually("sshd writes its pid", || host.exists("/run/sshd.pid"));
}

/// What sshd says holds for a user.
fn holds(host: &Host, user: &str, keyword: &str) -> String {
    let ask =
        format!("sshd -T -C user={user},host=localhost,addr=127.0.0.1 | sed -n 's/^{keyword} //p'");
    host.sh("root", &ask).ok().text().to_owned()
}

/// Who of all five gets caddis-login.
fn sent(host: &Host) -> Vec<&'static str> {
    let users = ["alice", "bob", "carol", "dave", "root"];
    users
        .into_iter()
        .filter(|user| holds(host, user, "forcecommand") == PROGRAM)
        .collect()
}

#[test]
fn the_members_of_a_group_are_sent_and_nobody_else() {
    let host = host();
    login(&host, &["status"])
        .exits(1)
        .shows("lead to the plain host");
    login(&host, &["enable", "--group", "proj"])
        .ok()
        .shows("Try it: ssh alice@localhost");
    assert_eq!(sent(&host), ["alice", "carol"]);
    assert_eq!(holds(&host, "alice", "exposeauthinfo"), "yes");
    // What was accepted before still is.
    assert_eq!(
        holds(&host, "alice", "acceptenv"),
        "CADDIS_LOGIN_ENV\nLANG\nLC_*"
    );
    let drop_in = host.look(DROP_IN).unwrap();
    assert_eq!(
        (drop_in.st_mode & 0o7777, drop_in.st_uid, drop_in.st_gid),
        (0o644, 0, 0)
    );
    login(&host, &["status"])
        .ok()
        .shows("Logins of members of proj lead into environments");
    // What anybody may know of it.
    host.caddis("alice", &["admin", "login", "status"])
        .run()
        .ok()
        .shows("members of proj");
    let json = login(&host, &["status", "--json"]).ok();
    for field in [
        "\"enabled\": true",
        "\"effective\": true",
        "\"current\": true",
        "\"background_seconds\": 300",
    ] {
        assert!(json.stdout.contains(field), "{json}");
    }
    let json = host
        .caddis("alice", &["admin", "login", "status", "--json"])
        .run()
        .ok();
    assert!(json.stdout.contains("\"effective\": null"), "{json}");
}

/// All the way, with a client.
#[test]
fn a_login_leads_where_it_is_said_to() {
    let host = host();
    let mut sshd = host.spawn("root", "exec /usr/sbin/sshd -D -e 2>&1");
    ready(&host, &mut sshd);
    for user in ["alice", "bob", "dave", "root"] {
        let keys = "ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519 && cp ~/.ssh/id_ed25519.pub ~/.ssh/authorized_keys";
        host.sh(user, &format!("mkdir -p -m 700 ~/.ssh && {keys}"))
            .ok();
    }
    let environment = |user: &str| {
        let options = "-o StrictHostKeyChecking=no -o BatchMode=yes";
        let ask = format!("ssh {options} {user}@localhost 'echo in:$CADDIS_ENV'");
        host.sh(user, &ask).ok().text().to_owned()
    };
    let mut reloaded = |arguments: &[&str]| {
        login(&host, arguments).ok();
        sshd.until("Received SIGHUP; restarting");
        ready(&host, &mut sshd);
    };
    reloaded(&["enable", "--group", "proj"]);
    assert_eq!(environment("alice"), "in:default");
    for user in ["bob", "dave", "root"] {
        assert_eq!(environment(user), "in:", "{user}");
    }
    reloaded(&["disable"]);
    assert_eq!(environment("alice"), "in:");
}

#[test]
fn enabling_again_replaces_or_leaves_as_it_is() {
    let host = host();
    login(&host, &["enable", "--group", "proj"]).ok();
    let before = host.files();
    login(&host, &["enable", "--group", "proj", "--group", "proj"]).ok();
    host.still_has(&before);
    login(&host, &["enable"]).ok().shows("Everybody's logins");
    assert_eq!(sent(&host), ["alice", "carol", "dave"]);
    login(&host, &["enable", "--group", "dave", "--group", "alice"]).ok();
    assert_eq!(sent(&host), ["alice", "dave"]);
    login(&host, &["disable"]).ok();
    assert_eq!(sent(&host), [""; 0]);
    assert!(!host.exists(DROP_IN));
    let before = host.files();
    login(&host, &["disable"]).ok().shows("as before");
    host.still_has(&before);
}

#[test]
fn the_running_sshd_is_told() {
    let host = host();
    let mut sshd = host.spawn("root", "exec /usr/sbin/sshd -D -e 2>&1");
    ready(&host, &mut sshd);
    login(&host, &["enable", "--no-reload"])
        .ok()
        .shows("was not told");
    login(&host, &["enable"])
        .ok()
        .shows("sshd has read its configuration again");
    sshd.until("Received SIGHUP; restarting");
    ready(&host, &mut sshd);
    login(&host, &["disable"])
        .ok()
        .shows("sshd has read its configuration again");
    sshd.until("Received SIGHUP; restarting");
    ready(&host, &mut sshd);
}

#[test]
fn a_process_that_is_not_sshd_gets_no_signal() {
    let host = host();
    let mut other = host.spawn(
        "root",
        "trap 'exit 7' HUP; echo $$; while read -r word; do echo $word; done",
    );
    let pid = other.line();
    host.write("/run/sshd.pid", format!("{}\n", pid.trim()), 0o644);
    login(&host, &["enable"])
        .exits(125)
        .says("does not run /usr/sbin/sshd");
    assert_eq!(sent(&host), ["alice", "carol", "dave"]);
    other.send("alive\n");
    assert_eq!(other.line().trim(), "alive");
    for text in ["", "x\n", "0\n", "-1\n", "99999999999\n"] {
        host.write("/run/sshd.pid", text, 0o644);
        login(&host, &["enable"])
            .exits(125)
            .says("holds no process id");
    }
}

#[test]
fn a_configuration_that_cannot_be_is_not_left_behind() {
    let host = host();
    let refused = |status: i32, words: &str| {
        let before = host.files();
        login(&host, &["enable", "--group", "proj"])
            .exits(status)
            .says(words);
        host.still_has(&before);
        assert!(!host.exists("/run/caddis-login"));
    };
    host.write(EARLIER, "Bogus yes\n", 0o644);
    refused(1, "Bad configuration option: Bogus");
    for (site, words) in [
        (
            "Match Group proj\n    ForceCommand /bin/false\n",
            "sshd runs `/bin/false` (ForceCommand)",
        ),
        (
            "Match Group proj\n    ChrootDirectory /srv\n",
            "sshd locks them into /srv (ChrootDirectory)",
        ),
        (
            "Match User root\n    ForceCommand /usr/local/bin/caddis-login\n",
            "root is to get the plain host",
        ),
    ] {
        host.write(EARLIER, site, 0o644);
        refused(1, words);
    }
    host.sh(
        "root",
        &format!("rm {EARLIER}; sed -i 's/^Include/#&/' /etc/ssh/sshd_config"),
    )
    .ok();
    refused(1, "put the line `Include /etc/ssh/sshd_config.d/*.conf`");
    // After a Match block it is part of it.
    host.sh("root", "printf 'Match User nobody\\nInclude /etc/ssh/sshd_config.d/*.conf\\n' >>/etc/ssh/sshd_config").ok();
    refused(1, "put the line `Include /etc/ssh/sshd_config.d/*.conf`");
    host.sh("root", "rmdir /etc/ssh/sshd_config.d").ok();
    refused(125, "it is not there, so sshd reads no drop-ins");
}

#[test]
fn one_drop_in_in_force_gives_way_to_no_broken_one() {
    let host = host();
    login(&host, &["enable", "--group", "dave"]).ok();
    host.write(
        EARLIER,
        "Match Group proj\n    ForceCommand /bin/false\n",
        0o644,
    );
    let before = host.files();
    login(&host, &["enable", "--group", "proj"]).exits(1);
    host.still_has(&before);
    assert_eq!(sent(&host), ["dave"]);
}

#[test]
fn what_nobody_could_log_in_with_is_refused() {
    let host = host();
    let refused = |words: &str| {
        let before = host.files();
        login(&host, &["enable"]).exits(125).says(words);
        host.still_has(&before);
    };
    host.sh(
        "root",
        "cp -a /etc/caddis/policy.toml /srv/; echo '[nonsense' >>/etc/caddis/policy.toml",
    )
    .ok();
    refused("read policy: /etc/caddis/policy.toml");
    host.sh(
        "root",
        &format!("mv /srv/policy.toml /etc/caddis/; chmod 775 {PROGRAM}"),
    )
    .ok();
    refused("can be changed by others than root");
    host.sh("root", &format!("chmod 700 {PROGRAM}")).ok();
    refused("cannot be run by everybody");
    host.sh(
        "root",
        &format!("chmod 755 {PROGRAM}; chown alice {PROGRAM}"),
    )
    .ok();
    refused("does not belong to root");
    host.sh(
        "root",
        &format!("mv {PROGRAM} /srv/; ln -s /srv/caddis-login {PROGRAM}"),
    )
    .ok();
    refused("is not a regular file");
    host.sh("root", &format!("rm {PROGRAM}")).ok();
    refused("No such file or directory");
    host.caddis("alice", &["admin", "login", "enable"])
        .run()
        .exits(125)
        .says("only root");
    host.caddis("alice", &["admin", "login", "disable"])
        .run()
        .exits(125)
        .says("only root");
}

#[test]
fn groups_that_sshd_would_read_otherwise_are_refused() {
    let host = host();
    host.append("/etc/group", "a*:x:3001:alice\na,b:x:3002:alice\n!sudo:x:3003:alice\na\"b:x:3004:alice\nsame:x:2000:alice\n");
    let before = host.files();
    for name in [
        "a*",
        "a,b",
        "!sudo",
        "a\"b",
        "a b\nMatch all",
        " proj",
        "",
        "sudo",
    ] {
        login(&host, &["enable", "--group", name]).exits(125);
    }
    login(&host, &["enable", "--group", "none-such"])
        .exits(125)
        .says("there is no such group");
    login(&host, &["enable", "--group", "2000"])
        .exits(125)
        .says("there is no such group");
    // sshd would know none of its members.
    login(&host, &["enable", "--group", "same"])
        .exits(125)
        .says("--group proj");
    host.still_has(&before);
}

#[test]
fn groups_with_names_of_directory_services_are_meant() {
    let host = host();
    for name in [
        "domain users",
        "DOM\\staff",
        "staff@example.org",
        "gruppe-ä",
        "x$.+y",
    ] {
        host.append("/etc/group", format!("{name}:x:3001:alice,bob\n"));
        login(&host, &["enable", "--group", name]).ok();
        assert_eq!(sent(&host), ["alice"], "{name}");
        let json = login(&host, &["status", "--json"]).ok();
        assert!(json.stdout.contains("\"effective\": true"), "{json}");
        host.sh("root", "sed -i '/:3001:/d' /etc/group").ok();
    }
}

#[test]
fn the_policy_names_who_is_left_out() {
    let host = host();
    let policy = |groups: &str| {
        host.write(
            "/etc/caddis/policy.toml",
            format!("[login]\nbypass_groups = [{groups}]\n"),
            0o644,
        );
    };
    login(&host, &["enable"]).ok();
    policy("\"2000\", \"none-such\"");
    let older = login(&host, &["status"]).ok().shows("It is older than");
    assert!(
        older
            .stdout
            .contains("run `caddis admin login enable` again")
    );
    login(&host, &["enable"]).ok();
    assert_eq!(sent(&host), ["dave"]);
    policy("");
    login(&host, &["enable"]).ok();
    assert_eq!(sent(&host), ["alice", "bob", "carol", "dave"]);
    let status = login(&host, &["status"]).ok();
    assert!(!status.stdout.contains("older"), "{status}");
    // Turning off needs no policy.
    host.write("/etc/caddis/policy.toml", "[nonsense", 0o644);
    login(&host, &["status"])
        .ok()
        .says("warning: /etc/caddis/policy.toml");
    login(&host, &["disable"]).ok();
    assert_eq!(sent(&host), [""; 0]);
}

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

/// Turning off always works; sshd is told only if it would survive.
#[test]
fn a_broken_configuration_is_no_reason_to_stay_on() {
    let host = host();
    login(&host, &["enable"]).ok();
    let mut sshd = host.spawn("root", "exec /usr/sbin/sshd -D -e 2>&1");
    ready(&host, &mut sshd);
    host.write(EARLIER, "Bogus yes\n", 0o644);
    login(&host, &["disable"])
        .exits(125)
        .says("the running sshd was not told");
    assert!(!host.exists(DROP_IN));
    host.sh("root", &format!("rm {EARLIER}")).ok();
    login(&host, &["disable"])
        .ok()
        .shows("sshd has read its configuration again");
    // It has lived through all of it.
    sshd.until("Received SIGHUP; restarting");
    ready(&host, &mut sshd);
    assert_eq!(sent(&host), [""; 0]);
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

/// Whenever it is killed, sshd finds the old drop-in or the new one. Only caddis itself is: what it starts changes nothing.
#[test]
fn killed_anywhere_it_leaves_a_configuration_that_sshd_takes() {
    let host = host();
    let (old, new) = (["dave"], ["alice", "carol"]);
    let mut seen = (0, 0);
    for calls in [
        "write",
        "openat",
        "renameat,renameat2",
        "fsync,fchmod,flock",
        "unlink,unlinkat,rmdir,mkdir",
    ] {
        for number in 1.. {
            login(&host, &["enable", "--no-reload", "--group", "dave"]).ok();
            let inject = format!("inject={calls}:signal=KILL:when={number}");
            let strace = ["strace", "-o", "/dev/null", "-e", &inject];
            let enable = ["caddis", "admin", "login", "enable", "--group", "proj"];
            let killed = host.run("root", &[&strace[..], &enable].concat());
            host.run("root", &["/usr/sbin/sshd", "-t"]).ok();
            match sent(&host) {
                now if now == old => seen.0 += 1,
                now => {
                    assert_eq!(now, new, "killed at {calls} {number}");
                    seen.1 += 1;
                }
            }
            // It did not make that many calls.
            if killed.code() == 0 {
                break;
            }
            killed.exits(128 + 9);
        }
    }
    assert!(seen.0 > 5 && seen.1 > 5, "{seen:?}");
    login(&host, &["disable"]).ok();
    let left = host.sh("root", "ls -A /etc/ssh/sshd_config.d").ok();
    assert_eq!(left.text(), "");
}
