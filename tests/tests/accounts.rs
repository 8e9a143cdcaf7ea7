//! Users, groups, passwords and owners inside are the environment's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::{Environments, Untouched, strict};

#[test]
fn users_and_groups_are_made_changed_and_removed() {
    let host = Host::start().unwrap();
    let before = host.files();
    let script = r#"
        adduser --disabled-password --gecos '' dora
        useradd --create-home --shell /bin/bash --uid 5000 --groups games ed
        groupadd --gid 7000 crew
        gpasswd --add ed crew
        usermod --append --groups crew dora
        test "$(id -nG ed)" = "ed games crew"
        test "$(id -u ed):$(getent group crew)" = 5000:crew:x:7000:ed,dora
        test "$(stat -c '%U:%G %a' /home/dora /home/dora/.bashrc | xargs)" = "dora:dora 700 dora:dora 644"

        echo ed:secret | chpasswd
        test "$(passwd --status ed | cut -d' ' -f2)" = P
        passwd --lock ed
        test "$(passwd --status ed | cut -d' ' -f2)" = L
        printf 'one\none\n' | passwd dora
        test "$(passwd --status dora | cut -d' ' -f2)" = P
        chage --maxdays 30 ed
        chage --list ed | grep 'Maximum.*: 30$'
        chsh --shell /bin/sh dora
        vipw --help > /dev/null

        userdel --remove ed
        not id ed
        not test -e /home/ed
        groupdel crew
        deluser --remove-home dora
        not id dora
        # Nothing is left locked.
        not ls /etc/*.lock
        grpck -r
    "#;
    host.inside_root("alice", &strict(script)).ok();
    host.still_has(&before);
}

#[test]
fn a_new_user_their_password_and_home_outlast_the_instance() {
    let host = Host::start().unwrap();
    host.inside_root(
        "alice",
        "adduser --disabled-password --gecos '' dora && echo dora:secret | chpasswd && su dora -c 'echo mine > ~/file'",
    )
    .ok();
    host.caddis("alice", &["stop"]).run().ok();
    assert!(
        host.caddis("alice", &["ps"])
            .run()
            .ok()
            .stdout
            .lines()
            .count()
            <= 1
    );
    assert_eq!(
        host.inside_root("alice", "su - dora -c 'pwd; cat file'")
            .ok()
            .stdout,
        "/home/dora\nmine\n"
    );
    // The password is asked for, as anywhere, and the right one opens.
    for (word, answer) in [
        ("secret", "uid=1003(dora)"),
        ("wrong", "Authentication failure"),
    ] {
        let mut terminal = host.pty("alice", &["caddis", "run", "su", "dora", "-c", "id"]);
        terminal.expect("Password: ");
        terminal.send(&format!("{word}\n"));
        terminal.expect(answer);
    }
    // Others do not have that user, and the host's own next user may well get the same number.
    host.inside("bob", "id dora").fails();
    host.sh("root", "id dora").fails();
}

#[test]
fn su_and_sudo_become_anybody_without_a_password() {
    let host = Host::start().unwrap();
    let before = host.files();
    host.inside_root("alice", "useradd --create-home --shell /bin/bash dora")
        .ok();
    let script = "id -un; sudo id -un; sudo -u dora id -un; sudo -u '#1' id -un; sudo -g games id -gn; sudo -i pwd; \
                  sudo -u dora -i pwd; sudo su - dora -c 'id -un'; sudo su alice -c 'id -nG'; \
                  sudo runuser -u nobody -- id -un; sudo sh -c 'echo $CADDIS_ENV'; newgrp proj <<< 'id -gn'";
    assert_eq!(
        host.inside("alice", script).ok().stdout,
        "alice\nroot\ndora\ndaemon\ngames\n/root\n/home/dora\ndora\nalice proj\nnobody\ndefault\nproj\n"
    );
    host.inside_root("alice", "visudo -c").ok();
    // Of the others inside, nobody can; a rule for one is one's own business.
    host.inside("alice", "sudo -u dora sudo -n id").fails();
    host.inside_root(
        "alice",
        "echo 'dora ALL=(ALL) NOPASSWD: /usr/bin/id' | EDITOR=tee visudo -f /etc/sudoers.d/dora",
    )
    .ok();
    assert_eq!(
        host.inside("alice", "sudo -u dora sudo -n id -u")
            .ok()
            .text(),
        "0"
    );
    host.inside("alice", "sudo -u dora sudo -n cat /etc/shadow")
        .fails();
    // The user of another environment has their own rule, and this one's has none on the host.
    assert_eq!(
        host.inside("bob", "sudo id -u; sudo -u alice id -un")
            .ok()
            .stdout,
        "0\nalice\n"
    );
    host.sh("alice", "sudo -n id").fails();
    host.still_has(&before);
}

/// On disk the changes have the ids that they have inside.
#[test]
fn a_file_can_belong_to_any_of_the_65536_ids() {
    let host = Host::start().unwrap();
    let program = r#"
import os, sys
for place in ["/root/file", "/etc/hosts", "/tmp/file", "/run/file", "/var/tmp/file"]:
    open(place, "a").close()
    step = 1 if place == "/root/file" else 251
    for number in [*range(0, 65536, step), 1000, 1001, 2000, 65534, 65535]:
        os.chown(place, number, 65535 - number)
        found = os.stat(place)
        assert (found.st_uid, found.st_gid) == (number, 65535 - number), (place, number, found)
    for beyond in [65536, 0x80000000]:
        try:
            os.chown(place, beyond, 0)
            sys.exit(f"{place} belongs to {beyond}")
        except OSError as error:
            assert error.errno == 22, error
    os.chown(place, 4242, 4343)
"#;
    host.caddis("alice", &["root", "python3", "-c", program])
        .run()
        .ok();
    let file = "/var/lib/caddis/env/1000/default/@/root/file";
    let look = host.look(file).unwrap();
    assert_eq!((look.st_uid, look.st_gid), (4242, 4343));
    assert_eq!(host.look("/etc/hosts").unwrap().st_uid, 0);
}

#[test]
fn setuid_and_setgid_programs_of_any_user_work_inside() {
    let host = Host::start().unwrap();
    host.inside_root(
        "alice",
        "useradd dora && install -m 4755 -o dora /usr/bin/id /opt/as-dora && \
         install -m 2755 -g games /usr/bin/id /usr/local/bin/as-games && install -m 4755 /usr/bin/id /opt/as-root",
    )
    .ok();
    let script = "/opt/as-dora -un; as-games -gn; /opt/as-root -un; sudo -u dora /opt/as-root -un";
    assert_eq!(
        host.inside("alice", script).ok().stdout,
        "dora\ngames\nroot\nroot\n"
    );
    // Nobody on the host can reach them.
    let upper = "/var/lib/caddis/env/1000/default/@";
    assert!(host.exists(&format!("{upper}/opt/as-root")));
    for user in ["alice", "bob"] {
        host.sh(user, &format!("{upper}/opt/as-root")).exits(126);
        host.sh(user, "/opt/as-root").exits(127);
    }
}
