//! Environments end with their account: the next account with its number begins with nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, eventually};
use caddis_tests::{Environments, State};

const HOOK: &str = "/etc/shadow-maint/userdel-post.d/caddis";
const NOTE: &str = "/var/lib/caddis/env/1500/.account";
const MALLORY: &str = "useradd -u 1500 -m -s /bin/bash mallory";
const EVE: &str = "useradd -u 1500 -m -s /bin/bash eve";
const PLANT: &str = "#!/bin/sh\nprintf '#!/bin/sh\\necho planted as $(id -un)\\n' > /usr/local/bin/ls\nchmod 755 /usr/local/bin/ls\n\
                     sleep 4711 & until grep -qx sleep /proc/$!/comm; do :; done\n";
const POLICY: &str = "[session]\nkeep = [\"sleep\"]\n";

/// A host with mallory, who has planted an `ls` in her default environment and left a process
/// there.
fn planted() -> Host {
    let host = Host::start().unwrap();
    host.policy(POLICY);
    host.sh("root", MALLORY).ok();
    host.write("/srv/plant", PLANT, 0o755);
    host.caddis("mallory", &["root", "/srv/plant"]).run().ok();
    assert_eq!(host.count("^sleep 4711$"), 1);
    host
}

/// Deletes the account, though processes of it are left.
fn delete_mallory(host: &Host) {
    host.sh(
        "root",
        "userdel -rf mallory 2>/dev/null; ! getent passwd mallory",
    )
    .ok();
}

/// What is listed as set aside: former user, number and environment, a line each.
fn set_aside(host: &Host) -> String {
    let show = "import json, sys; [print(e['user'], e['uid'], e['name']) for e in json.load(sys.stdin) if e['state'] == 'set-aside']";
    let list = format!("caddis admin list --orphans --json | python3 -c \"{show}\"");
    host.sh("root", &list).ok().text().to_owned()
}

/// `user` has an environment in which nothing is planted, and nothing of the former instance lives.
fn begins_with_nothing(host: &Host, user: &str) {
    let said = host
        .caddis(user, &["run", "ls", "/usr/local/bin"])
        .run()
        .ok();
    assert!(!said.stdout.contains("planted"), "{said}");
    host.comes_to("^sleep 4711$", 0);
    let said = host.caddis(user, &["list", "--names"]).run().ok();
    assert_eq!(said.text(), "default");
}

/// On the old code the planted program ran as eve, and she shared the environment with the process
/// of mallory's container root.
#[test]
fn another_account_with_the_number_begins_with_nothing() {
    for hook in [true, false] {
        let host = planted();
        if !hook {
            host.sh("root", &format!("rm {HOOK}")).ok();
        }
        delete_mallory(&host);
        assert_eq!(host.count("^sleep 4711$"), usize::from(!hook));
        host.sh("root", EVE).ok();
        // Nothing is shown before she has an environment of her own, either.
        let said = host.caddis("eve", &["list", "--names"]).run().ok();
        assert_eq!(said.text(), "");
        for verb in [
            "diff -e default",
            "stop default",
            "remove --yes default",
            "new --from default x",
        ] {
            host.sh("eve", &format!("caddis {verb}")).fails();
        }
        begins_with_nothing(&host, "eve");
        assert_eq!(set_aside(&host), "mallory 1500 default");
    }
}

/// The second mallory has the name and the number of the first, so only the hook of `userdel` can
/// tell that the first one's environments are not hers.
#[test]
fn the_same_account_made_again_begins_with_nothing() {
    let host = planted();
    delete_mallory(&host);
    // The hook has ended what ran before `userdel` has returned.
    assert_eq!(host.count("^sleep 4711$"), 0);
    host.sh("root", MALLORY).ok();
    begins_with_nothing(&host, "mallory");
    assert_eq!(set_aside(&host), "mallory 1500 default");
    // And again.
    delete_mallory(&host);
    host.sh("root", MALLORY).ok();
    begins_with_nothing(&host, "mallory");
    assert_eq!(
        set_aside(&host),
        "mallory 1500 default\nmallory 1500 default"
    );
}

/// The directory of the former account is renamed once, and each session gets the new one.
#[test]
fn many_sessions_at_once_set_aside_once() {
    for _ in 0..3 {
        let host = planted();
        host.sh("root", &format!("rm {HOOK}")).ok();
        delete_mallory(&host);
        host.sh("root", EVE).ok();
        let race = "for i in 1 2 3 4 5 6 7 8; do caddis run ls /usr/local/bin & done; wait";
        let said = host.sh("eve", race).ok();
        assert!(!said.stdout.contains("planted"), "{said}");
        begins_with_nothing(&host, "eve");
        assert_eq!(set_aside(&host), "mallory 1500 default");
    }
}

/// A process of a deleted account that still runs on the host makes nothing that the next account
/// gets.
#[test]
fn what_a_deleted_account_has_left_on_the_host_plants_nothing() {
    let host = planted();
    host.write("/srv/plant", PLANT, 0o755);
    let mut left = host.spawn("mallory", "read -r _; /usr/local/libexec/caddis/caddis-helper session --as root -- /srv/plant; echo $?");
    host.comes_to("read -r _; /usr/local", 1);
    delete_mallory(&host);
    left.send("\n");
    assert_eq!(left.line(), "125");
    assert!(!host.exists("/var/lib/caddis/env/1500"));
    host.sh("root", EVE).ok();
    begins_with_nothing(&host, "eve");
}

/// While `/etc/passwd` is being written, or cannot be read, nobody's environments are taken away.
#[test]
fn a_list_of_accounts_that_is_not_complete_proves_nothing() {
    let host = planted();
    // One script: without an account of root's no other one starts on the host.
    let script = "\
        cp -a /etc/passwd /srv/whole; admin=/usr/local/libexec/caddis/caddis-admin
        look() { $admin accounts; $admin accounts --deleted mallory; $admin refresh > /dev/null; }
        : > /etc/passwd; look
        echo alice:x:1000:1000::/:/bin/sh > /etc/passwd; look
        head -c 20 /srv/whole > /etc/passwd; look
        grep -v mallory /srv/whole | head -c -5 > /etc/passwd; look
        rm /etc/passwd; look
        cp /srv/whole /etc/passwd; chmod 666 /etc/passwd; look
        cp -a --remove-destination /srv/whole /etc/passwd; look";
    host.sh("root", script).ok();
    assert_eq!(host.count("^sleep 4711$"), 1);
    let said = host.caddis("mallory", &["run", "ls"]).run().ok();
    assert_eq!(said.text(), "planted as mallory");
    assert_eq!(set_aside(&host), "");
}

/// Without the hook of `userdel`, the next refresh does it, and the watcher.
#[test]
fn a_refresh_and_the_watcher_set_aside_what_deleted_accounts_have_left() {
    for watch in [false, true] {
        let host = planted();
        host.sh("root", &format!("rm {HOOK}")).ok();
        let watcher = watch.then(|| caddis_tests::watcher::watch(&host));
        delete_mallory(&host);
        if !watch {
            host.sh("root", "caddis admin refresh").ok();
        }
        host.comes_to("^sleep 4711$", 0);
        eventually("it is set aside", || {
            set_aside(&host) == "mallory 1500 default"
        });
        host.sh("root", MALLORY).ok();
        begins_with_nothing(&host, "mallory");
        drop(watcher);
    }
}

/// Several names of a number are one account; a note that is damaged opens nothing.
#[test]
fn what_is_noted_of_an_account() {
    let host = planted();
    assert_eq!(host.read_text(NOTE), "local mallory\n");
    let passwd = host.read_text("/etc/passwd");
    let also = format!("also:x:1500:1500::/:/bin/sh\n{passwd}");
    host.write("/etc/passwd", also, 0o644);
    host.caddis("mallory", &["run", "ls"]).run().ok();
    // The hook of `userdel` goes by the name.
    host.sh("root", "userdel -f also").ok();
    host.caddis("mallory", &["run", "ls"]).run().ok();
    assert_eq!(set_aside(&host), "");
    // Made by a version without notes: adopted once.
    host.sh("root", &format!("rm {NOTE}")).ok();
    host.caddis("mallory", &["list"]).run().ok();
    assert_eq!(host.read_text(NOTE), "local mallory\n");
    host.sh("root", &format!("rm {NOTE}; caddis admin refresh"))
        .ok();
    assert_eq!(host.read_text(NOTE), "local mallory\n");
    host.write(NOTE, "local mall", 0o600);
    host.caddis("mallory", &["run", "ls"])
        .run()
        .exits(125)
        .says("it is damaged");
}

/// What was set aside is listed and removed; a removal that was killed is finished by the next.
#[test]
fn orphans_are_listed_and_removed() {
    let host = planted();
    delete_mallory(&host);
    host.sh("root", "caddis admin list --orphans --json --user 1500")
        .ok();
    for nobody in ["eve", "15"] {
        let said = host
            .sh(
                "root",
                &format!("caddis admin list --orphans --json --user {nobody}"),
            )
            .ok();
        assert_eq!(said.text(), "[]");
    }
    host.sh("alice", "caddis admin list --orphans")
        .exits(125)
        .says("only root");
    host.sh("alice", "caddis admin remove --orphans --yes")
        .exits(125)
        .says("only root");
    host.sh("root", "caddis admin remove --orphans </dev/null")
        .exits(125)
        .says("no terminal to ask on");
    host.sh("root", "caddis admin remove --orphans --yes --user alice")
        .ok();
    assert_eq!(set_aside(&host), "mallory 1500 default");
    let mut pty = host.pty("root", &["caddis", "admin", "remove", "--orphans"]);
    pty.expect("Remove 1 environment of the former user mallory (1500, ");
    pty.send("y\n");
    pty.wait().ok();
    assert_eq!(set_aside(&host), "");
    let all = "ls -A /var/lib/caddis/env";
    assert_eq!(host.sh("root", all).ok().text(), "");
    // Killed half-way.
    host.sh("root", MALLORY).ok();
    host.caddis("mallory", &["run", "true"]).run().ok();
    delete_mallory(&host);
    host.sh(
        "root",
        "cd /var/lib/caddis/env; mv .orphan-1500-1 .removed-.orphan-1500-1-1; caddis admin refresh",
    )
    .ok();
    assert_eq!(host.sh("root", all).ok().text(), "");
    // Those of users who are there.
    host.sh("alice", "caddis new one; caddis new two").ok();
    host.sh("root", "caddis admin remove --user alice --yes one")
        .ok();
    assert_eq!(host.sh("alice", "caddis list --names").ok().text(), "two");
}

/// Where libnss-extrausers has the accounts that are not in `/etc/passwd`.
const DIRECTORY: &str = "/var/lib/extrausers/passwd";

/// A host with a name service beside the local files.
fn with_service() -> Host {
    let host = Host::start().unwrap();
    host.policy(POLICY);
    let install = "apt-get install -qq -y libnss-extrausers > /dev/null; \
                   sed -i 's/^passwd:.*/passwd: files extrausers/' /etc/nsswitch.conf; \
                   install -d -o 7000 /home/seven";
    host.sh("root", install).ok();
    // By number: the name service is asked inside as well, and may not answer.
    host.write("/srv/plant", PLANT.replace("id -un", "id -u"), 0o755);
    host
}

/// The account of the number 7000 in the name service.
fn directory(host: &Host, name: &str) {
    let line = format!("{name}:x:7000:7000::/home/seven:/bin/sh\n");
    host.write(DIRECTORY, line, 0o644);
}

/// Something as user 7000. Not with setpriv(1), which asks the name service who that is.
fn seven(host: &Host, command: &str) -> caddis_lab::Output {
    host.sh("root", &as_seven(command))
}

fn as_seven(command: &str) -> String {
    let become_seven = "import os, sys; os.chdir('/'); os.setgroups([]); os.setgid(7000); \
                        os.setuid(7000); os.execvpe(sys.argv[1], sys.argv[1:], \
                        {'HOME': '/home/seven', 'PATH': '/usr/local/bin:/usr/bin:/bin'})";
    format!("python3 -c \"{become_seven}\" {command}")
}

/// A directory service can give the number of one account to another. The second account must not
/// run what the first has planted.
#[test]
fn accounts_of_a_directory_service_are_told_apart() {
    let host = with_service();
    directory(&host, "DOMAIN\\first");
    seven(&host, "caddis root /srv/plant").ok();
    let note = "/var/lib/caddis/env/7000/.account";
    assert_eq!(host.read_text(note), "service DOMAIN\\first\n");
    assert_eq!(seven(&host, "caddis run ls").ok().text(), "planted as 7000");
    // It is asked once, not for each process that joins: the note has the time of the last answer.
    let answered = || {
        host.look(note)
            .map(|stat| (stat.st_mtime, stat.st_mtime_nsec))
    };
    let asked = answered();
    for _ in 0..3 {
        seven(&host, "caddis run true").ok();
    }
    assert_eq!(answered(), asked);
    // Another account; what a service says is asked again after a while.
    directory(&host, "second");
    let age = |time: &str| host.sh("root", &format!("touch -d '{time}' {note}")).ok();
    age("1 hour ago");
    // No verb shows her anything of it.
    for verb in ["diff -e default", "list --names", "ps"] {
        let said = seven(&host, &format!("caddis {verb}"));
        assert!(
            !said.stdout.contains("default") && !said.stdout.contains("sleep"),
            "{said}"
        );
    }
    assert!(
        !seven(&host, "caddis run ls /usr/local/bin")
            .ok()
            .stdout
            .contains("planted")
    );
    host.comes_to("^sleep 4711$", 0);
    assert_eq!(set_aside(&host), "DOMAIN\\first 7000 default");
    assert_eq!(host.read_text(note), "service second\n");
    // A local account of the number is another one as well.
    seven(&host, "caddis new more").ok();
    host.append("/etc/passwd", "third:x:7000:7000::/home/seven:/bin/sh\n");
    seven(&host, "caddis run true").ok();
    assert_eq!(host.read_text(note), "local third\n");
    // One that moves from the file to the service stays the same.
    host.sh("root", "sed -i /^third/d /etc/passwd").ok();
    directory(&host, "third");
    seven(&host, "caddis run true").ok();
    assert_eq!(host.read_text(note), "service third\n");
}

#[test]
fn a_directory_service_that_is_away_takes_nothing_from_anybody() {
    let host = with_service();
    directory(&host, "first");
    seven(&host, "caddis root /srv/plant").ok();
    let note = "/var/lib/caddis/env/7000/.account";
    let age = |time: &str| host.sh("root", &format!("touch -d '{time}' {note}")).ok();
    let session = "/usr/local/libexec/caddis/caddis-helper session -- cat /usr/local/bin/ls";
    for (away, back) in [
        (format!("rm {DIRECTORY}"), "true".to_owned()),
        // Who reads it waits: so do the lab's own commands, so all is one command.
        (
            format!("mkfifo -m 644 {DIRECTORY}"),
            format!("rm {DIRECTORY}"),
        ),
        (
            "chmod 644 /usr/bin/getent".into(),
            "chmod 755 /usr/bin/getent".into(),
        ),
    ] {
        let script = format!(
            "{away}; touch -d '1 hour ago' {note}; {} && caddis admin refresh > /dev/null; \
             status=$?; {back}; exit $status",
            as_seven(session)
        );
        let seen = host.sh("root", &script).ok();
        assert!(seen.stdout.contains("planted"), "{away}: {seen}");
    }
    // Only listed, and removed only by name.
    let list = host.sh("root", "caddis admin list --orphans").ok();
    assert!(list.stdout.contains("no-account"), "{list}");
    host.sh("root", "caddis admin remove --orphans --yes").ok();
    assert_eq!(host.count("^sleep 4711$"), 1);
    // An answer expires: a user who has been given the number since could prevent another one.
    age("2 days ago");
    seven(&host, session)
        .exits(125)
        .says("`getent passwd 7000` must print its line");
    // Without any answer, nothing is made.
    host.sh("root", "caddis admin remove --orphans --user first --yes")
        .ok();
    host.comes_to("^sleep 4711$", 0);
    seven(&host, session)
        .exits(125)
        .says("no account with this number is found");
    assert!(!host.exists("/var/lib/caddis/env/7000"));
}

/// On the old code, a list of accounts without its last newline let every account with the number in.
#[test]
fn while_the_list_of_accounts_says_nothing_a_name_service_decides() {
    let host = with_service();
    host.append("/etc/passwd", "mallory:x:7000:7000::/home/seven:/bin/sh\n");
    seven(&host, "caddis root /srv/plant").ok();
    let note = "/var/lib/caddis/env/7000/.account";
    assert_eq!(host.read_text(note), "local mallory\n");
    host.sh(
        "root",
        "sed -i /^mallory/d /etc/passwd; truncate -s -1 /etc/passwd",
    )
    .ok();
    let session = "/usr/local/libexec/caddis/caddis-helper session -- /usr/local/bin/ls";
    let refused = "must have a line for root and end with a newline";
    seven(&host, session).exits(125).says(refused);
    directory(&host, "eve");
    for verb in ["diff -e default", "list", "ps", "stop", "run ls"] {
        let said = seven(&host, &format!("caddis {verb}"));
        said.exits(125).says(refused);
    }
    assert_eq!(host.count("^sleep 4711$"), 1);
    // A service that has the noted account lets it in, and its note stays a local one.
    directory(&host, "mallory");
    assert_eq!(seven(&host, session).ok().text(), "planted as 7000");
    assert_eq!(host.read_text(note), "local mallory\n");
    // Nothing is set aside before the list is complete.
    directory(&host, "eve");
    host.sh("root", "caddis admin refresh").ok();
    assert_eq!(set_aside(&host), "");
    host.sh("root", "echo >> /etc/passwd").ok();
    seven(&host, "caddis run true").ok();
    assert_eq!(set_aside(&host), "mallory 7000 default");
}

/// The C library takes such lines for nobody's. On the old code, they were another account, and the
/// environments were set aside.
#[test]
fn lines_that_name_nobody_take_nothing_from_anybody() {
    let host = with_service();
    directory(&host, "seven");
    seven(&host, "caddis root /srv/plant").ok();
    let fields = "x:7000:7000::/home/seven:/bin/sh";
    let lines = format!("+seven:{fields}\n#other:{fields}\n-third:{fields}\n");
    host.append("/etc/passwd", lines);
    host.sh("root", "caddis admin refresh").ok();
    assert_eq!(seven(&host, "caddis run ls").ok().text(), "planted as 7000");
    assert_eq!(set_aside(&host), "");
    let note = "/var/lib/caddis/env/7000/.account";
    assert_eq!(host.read_text(note), "service seven\n");
    // One that moves to the local file is noted as such, so that its end there counts.
    host.append("/etc/passwd", format!("seven:{fields}\n"));
    host.sh("root", "caddis admin refresh").ok();
    assert_eq!(host.read_text(note), "local seven\n");
}

/// A caller who stops such a request keeps the lock for as long as they like. On the old code, `diff`
/// could be stopped and killed there.
#[test]
fn a_request_that_sets_aside_is_out_of_reach() {
    let host = planted();
    host.sh("root", &format!("rm {HOOK}")).ok();
    delete_mallory(&host);
    host.sh("root", EVE).ok();
    let hold = "flock /var/lib/caddis/env/1500 sh -c 'echo; read -r _'";
    let mut holder = host.spawn("root", hold);
    holder.line();
    let diff = host.spawn("eve", "caddis diff -e default");
    let waits = "pgrep -U 0 -x caddis-helper";
    eventually("it is root's in every respect", || {
        !host.sh("root", waits).stdout.is_empty()
    });
    for signal in ["STOP", "KILL"] {
        host.sh("eve", &format!("kill -{signal} $(pgrep -x caddis-helper)"))
            .fails()
            .says("Operation not permitted");
    }
    // A refresh names the user, and goes on.
    let said = host.sh("root", "caddis admin refresh");
    said.exits(125).says("look after user 1500");
    holder.send("\n");
    holder.wait().ok();
    diff.wait().fails();
    assert_eq!(set_aside(&host), "mallory 1500 default");
}
