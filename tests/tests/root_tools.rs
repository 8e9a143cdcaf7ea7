//! The tools of a system's administrator do inside what they do on a machine of one's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::{Environments, Untouched, strict};

#[test]
fn alternatives_libraries_time_zone_and_locale_are_set_for_the_environment() {
    let host = Host::start().unwrap();
    let before = host.files();
    let script = r#"
        update-alternatives --install /usr/bin/larva larva /usr/bin/true 10
        update-alternatives --install /usr/bin/larva larva /usr/bin/false 20
        test "$(readlink -f /usr/bin/larva)" = /usr/bin/false
        update-alternatives --set larva /usr/bin/true
        test "$(readlink -f /usr/bin/larva)" = /usr/bin/true
        update-alternatives --remove-all larva
        not test -e /usr/bin/larva

        mkdir /opt/lib
        mv /lib/x86_64-linux-gnu/libz.so.1* /opt/lib/ || mv /lib/*/libz.so.1* /opt/lib/
        not ssh -V
        echo /opt/lib > /etc/ld.so.conf.d/opt.conf
        ldconfig
        ldconfig -p | grep '/opt/lib/libz.so.1$'
        ssh -V

        ln -sf /usr/share/zoneinfo/Asia/Tokyo /etc/localtime
        test "$(date +%Z)" = JST
        apt-get install -y locales
        localedef -i de_DE -f UTF-8 de_DE.UTF-8
        test "$(LC_ALL=de_DE.UTF-8 date -d 2024-05-01 +%B)" = Mai
    "#;
    host.inside_root("alice", &strict(script)).ok();
    assert_eq!(host.inside("alice", "ssh -V; date +%Z").ok().text(), "JST");
    assert_eq!(host.inside("bob", "date +%Z").ok().text(), "UTC");
    host.still_has(&before);
}

#[test]
fn directories_of_the_base_are_moved_renamed_removed_and_made_anew() {
    let host = Host::start().unwrap();
    let before = host.files();
    let script = r#"
        cd /
        (cd /usr/share/doc && find . -type f | sort | xargs -d '\n' sha256sum) > /root/sums
        count=$(find /usr/share/doc | wc -l)
        # mv(1) copies where rename(2) will not; a rename is what rpm and installers rely on.
        rename() { python3 -c 'import os, sys; os.rename(*sys.argv[1:])' "$@"; }
        rename /usr/share/doc /usr/share/documents
        not test -e /usr/share/doc
        rename /usr/share/documents /opt/doc
        test "$(find /opt/doc | wc -l)" = "$count"
        # Changed while it is elsewhere, inside a directory that moves on its own.
        rename /opt/doc/bash /opt/doc/bush
        echo mine > /opt/doc/bush/mine
        rm /opt/doc/bush/copyright
        rename /opt/doc /var/lib/doc
        test "$(ls /var/lib/doc/bush/mine)" = /var/lib/doc/bush/mine
        not test -e /var/lib/doc/bash
        rename /var/lib/doc/bush /var/lib/doc/bash
        rename /var/lib/doc /usr/share/doc
        cd /usr/share/doc
        not sha256sum --quiet --check /root/sums
        grep -v ' ./bash/copyright$' /root/sums | sha256sum --quiet --check

        # Exchanged with renameat2(2), replaced by a link, over an empty directory, into itself.
        mkdir /usr/share/empty
        mv -T /usr/share/bash-completion /usr/share/empty
        test -e /usr/share/empty/bash_completion || test "$(ls /usr/share/empty)"
        ln -s empty /usr/share/bash-completion
        not mv /usr/share/doc /usr/share/doc/inside
        not rmdir /usr/share/doc

        # What was removed does not come back with the next directory of the same name.
        rm -r /usr/share/man /usr/share/perl5
        not ls /usr/share/man
        mkdir /usr/share/man
        test -z "$(ls -A /usr/share/man)"
        rm /etc/hosts
        not test -e /etc/hosts
        mkdir /etc/hosts
        rmdir /etc/hosts
        chmod 700 /usr/bin/less
        chown -R games:games /etc/alternatives
        test "$(stat -c '%a %U' /usr/bin/less) $(stat -c %U /etc/alternatives)" = "700 root games"
        not sudo -u nobody less --version
    "#;
    host.inside_root("alice", &strict(script)).ok();
    // The next instance finds the same.
    host.caddis("alice", &["stop"]).run().ok();
    let seen = "cat /usr/share/doc/bash/mine; ls -A /usr/share/man; ls /usr/share/doc/bash/copyright /etc/hosts; \
                readlink /usr/share/bash-completion";
    let output = host.inside("alice", seen);
    assert_eq!(output.stdout, "mine\nempty\n", "{output}");
    host.still_has(&before);
}

#[test]
fn copies_archives_and_counts_see_one_whole_file_system() {
    let host = Host::start().unwrap();
    let script = r#"
        cp -a /etc /root/etc
        diff -r --no-dereference /etc /root/etc
        list() { (cd "$1" && find . -printf '%p %y %m %U:%G %l\n' | sort); }
        diff <(list /etc) <(list /root/etc)
        # Owners and modes through an archive, setuid programs and other people's files among them.
        mkdir /opt/copy
        chown games:mail /usr/share/doc/bash
        tar -C / --numeric-owner -cf /opt/copy.tar usr/bin usr/share/doc var/lib/dpkg
        tar -C /opt/copy -xpf /opt/copy.tar
        for each in usr/bin usr/share/doc var/lib/dpkg; do
            diff <(list /$each) <(list /opt/copy/$each)
        done
        # One file system, changed files or not, with nothing in it that root cannot enter.
        rm -r /root/etc /opt/copy /opt/copy.tar
        find / -xdev > /root/found
        du -sxk / > /root/used
        tar --one-file-system -C / -cf - usr/lib etc | tar -tf - > /root/archived
        grep -x usr/lib/os-release /root/archived
        test "$(stat -c %d /usr/bin/less /etc /etc/passwd /root/used /var/tmp /home | sort -u | wc -l)" = 1
    "#;
    host.inside_root("alice", &strict(script)).ok();
    let number = |text: &str| -> f64 {
        let digits = text.split_whitespace().next().unwrap();
        digits.parse().unwrap()
    };
    let inside = host
        .inside_root("alice", "wc -l < /root/found; cat /root/used")
        .ok();
    let count = "find / -xdev -path /var/lib/caddis -prune -o -print | wc -l; du -sxk --exclude /var/lib/caddis /";
    let outside = host.sh("root", count).ok();
    for (inside, outside) in inside.stdout.lines().zip(outside.stdout.lines()) {
        let ratio = number(inside) / number(outside);
        assert!((0.97..1.03).contains(&ratio), "{inside} {outside}");
    }
}

/// Neither hidden from root's tools nor from the user who knows a name in it.
#[test]
fn what_can_be_passed_through_but_not_listed_stays_and_what_is_closed_seems_empty() {
    let host = Host::start().unwrap();
    let make = "for place in /passage /var/lib/passage; do mkdir -m 711 $place; echo known > $place/name; done; \
                echo swap > /swapfile; chmod 600 /swapfile; mkdir -m 700 /closed; touch /closed/file; \
                caddis admin refresh";
    host.sh("root", make).ok();
    let known = "cat /passage/name /var/lib/passage/name";
    for output in [
        host.sh("alice", known),
        host.inside("alice", known),
        host.inside_root("alice", known),
    ] {
        assert_eq!(output.ok().stdout, "known\nknown\n");
    }
    let closed = "ls -A /closed /lost+found; test -e /swapfile || echo no swap file";
    assert_eq!(
        host.inside_root("alice", closed).ok().stdout,
        "/closed:\n\n/lost+found:\nno swap file\n"
    );
    // Root's own from now on.
    host.inside_root("alice", "echo mine > /closed/file && echo mine > /swapfile")
        .ok();
    assert_eq!(host.read_text("/swapfile"), "swap\n");
}

#[test]
fn names_of_one_file_show_the_same_file() {
    let host = Host::start().unwrap();
    let script = r#"
        # A file of one's own.
        echo one > /opt/a
        ln /opt/a /var/tmp/b
        echo two >> /var/tmp/b
        test "$(stat -c '%h %d:%i' /opt/a)" = "$(stat -c '%h %d:%i' /var/tmp/b)"
        cmp /opt/a /var/tmp/b
        cp -a /opt/a /opt/c
        cmp /opt/c /var/tmp/b
        rm /opt/a
        test "$(stat -c %h /var/tmp/b) $(wc -l < /var/tmp/b)" = "1 2"
        # A file of the base.
        ln /etc/hosts /etc/hosts.b
        echo '127.0.0.9 nine' >> /etc/hosts.b
        getent hosts nine
        test "$(stat -c %h /etc/hosts)" = 2
        test "$(tail -n 1 /etc/hosts)" = "$(tail -n 1 /etc/hosts.b)"
        # Across what is another mount: refused, as everywhere, and mv copies.
        not ln /opt/c /tmp/c
        echo moved > /var/tmp/m
        mv /var/tmp/m /home/m
        mv /home/m /tmp/m
        mv /tmp/m /run/m
        mv /run/m /srv/m
        mkdir /srv/d
        touch /srv/d/x
        mv /srv/d /home/alice/d
        mv /home/alice/d /var/tmp/d
        test "$(cat /srv/m) $(ls /var/tmp/d)" = "moved x"
    "#;
    host.inside_root("alice", &strict(script)).ok();
    host.caddis("alice", &["stop"]).run().ok();
    let after =
        "stat -c '%h %d:%i' /etc/hosts /etc/hosts.b | uniq | wc -l; cmp /etc/hosts /etc/hosts.b";
    assert_eq!(host.inside("alice", after).ok().text(), "1");
    assert!(!host.read_text("/etc/hosts").contains("nine"));
}

/// In the overlays, in memory, in the home directory: what programs do with files beyond reading and writing.
#[test]
fn sockets_pipes_locks_maps_watches_and_unnamed_files_work_everywhere() {
    let host = Host::start().unwrap();
    let program = include_str!("root_tools/files.py");
    host.write("/usr/local/lib/files.py", program, 0o644);
    for (role, places) in [
        (
            "root",
            "/tmp /run /run/lock /dev/shm /var/tmp /root /opt /etc /usr/share/doc",
        ),
        ("run", "/tmp /run/lock /dev/shm /var/tmp /home/alice"),
    ] {
        let mut arguments = vec![role, "python3", "/usr/local/lib/files.py"];
        arguments.extend(places.split(' '));
        let output = host.caddis("alice", &arguments).run().ok();
        assert_eq!(output.stdout.lines().count(), places.split(' ').count());
    }
    // Memory that two sessions share, and what a user leaves in /tmp, is neither the host's nor bob's.
    host.inside(
        "alice",
        "mktemp; mktemp -d; mktemp -p /var/tmp; echo x > /tmp/mine; echo y > /dev/shm/mine",
    )
    .ok();
    assert_eq!(
        host.inside_root("alice", "cat /tmp/mine /dev/shm/mine")
            .ok()
            .stdout,
        "x\ny\n"
    );
    let nothing = "! test -e /tmp/mine && ! test -e /dev/shm/mine";
    host.sh("alice", nothing).ok();
    host.inside("bob", nothing).ok();
    for place in ["/tmp", "/var/tmp", "/dev/shm"] {
        let mode = format!("stat -c '%a %U' {place}");
        assert_eq!(host.inside("alice", &mode).ok().text(), "1777 root");
    }
}

#[test]
fn a_changed_file_in_etc_is_seen_in_the_environment_alone() {
    let host = Host::start().unwrap();
    let before = host.files();
    host.inside_root(
        "alice",
        "echo '10.1.2.3 far-away' >> /etc/hosts && sed -i s/Debian/Larva/ /etc/os-release && \
         echo 'echo profile of mine' > /etc/profile.d/mine.sh",
    )
    .ok();
    let ask = "getent hosts far-away; . /etc/os-release; echo $NAME; bash -lc true";
    let seen = host.inside("alice", ask).ok().stdout;
    assert_eq!(
        seen,
        "10.1.2.3        far-away\nLarva GNU/Linux\nprofile of mine\n"
    );
    for output in [host.inside("bob", ask), host.sh("alice", ask)] {
        assert_eq!(output.ok().stdout, "Debian GNU/Linux\n");
    }
    host.still_has(&before);
}

#[test]
fn caddis_root_works_inside_and_outside_and_keeps_what_a_command_needs() {
    let host = Host::start().unwrap();
    assert_eq!(
        host.caddis("alice", &["root", "id"]).run().ok().text(),
        "uid=0(root) gid=0(root) groups=0(root)"
    );
    let inside = "caddis root id -u; sudo caddis root id -u; caddis root caddis root id -u; \
                  cd /var/tmp && caddis root pwd; caddis root sh -c 'exit 7'; echo $?; echo in | caddis root cat; \
                  sudo sh -c 'echo $CADDIS_ENV $debian_chroot'; caddis run id -un; caddis root caddis run id -un; \
                  X=y caddis root sh -c 'echo $X $HOME $USER'; umask 027; caddis root sh -c umask; \
                  sudo -u games id -un; caddis root --env other true; echo $?; caddis root no-such-program; echo $?";
    let output = host.inside("alice", inside).ok();
    assert_eq!(
        output.stdout,
        "0\n0\n0\n/var/tmp\n7\nin\ndefault default\nalice\nroot\ny /root root\n0027\ngames\n125\n127\n",
        "{output}"
    );
    // Where the variable that names the environment is lost, too.
    let lost = "su - -c 'caddis root id -u; caddis run id -u'; su - alice -c 'caddis root id -u'; caddis doctor";
    let output = host.inside_root("alice", lost);
    assert!(output.stdout.starts_with("0\n0\n0\n"), "{output}");
    // Only the environment's user is its root without a password.
    host.inside("alice", "sudo -u games caddis root id")
        .exits(125)
        .says("only the environment's user may");
}

#[test]
fn nested_containers_run_as_on_the_host() {
    let host = Host::start().unwrap();
    let nested = "unshare -Urm sh -ec 'mount -t tmpfs none /mnt; touch /mnt/x; mount --bind /mnt /srv; ls /srv; id -u'; \
                  unshare -Urpf --mount-proc ps ax --no-headers -o pid=,comm= | xargs; \
                  bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp sh -c 'ls -A /tmp; id -u; all=$(ps ax --no-headers); echo \"$all\" | wc -l'; \
                  bwrap --unshare-all --share-net --dev-bind / / --proc /proc true; echo $?";
    let output = host.inside("alice", nested).ok();
    assert_eq!(output.stdout, "x\n0\n1 ps\n1000\n3\n0\n", "{output}");
    // The environment's root needs no user namespace for it.
    let output = host
        .inside_root("alice", "unshare -m sh -ec 'mount -t tmpfs none /mnt; mount -o bind,ro,nodev /etc /srv; ! touch /srv/x; stat -f -c %T /mnt'; \
                               unshare -u sh -c 'hostname nested; hostname'; unshare -pf --mount-proc ps ax --no-headers -o pid=,comm= | xargs")
        .ok();
    assert_eq!(output.stdout, "tmpfs\nnested\n1 ps\n", "{output}");
    // Nothing of it stays mounted in the environment.
    assert_eq!(
        host.inside("alice", "ls -A /mnt; grep -c /mnt /proc/mounts")
            .text(),
        "0"
    );
}

#[test]
fn the_host_name_is_private() {
    let host = Host::builder().name("node7").start().unwrap();
    assert_eq!(host.inside("alice", "hostname").ok().text(), "node7");
    host.caddis("alice", &["stop"]).run().ok();
    host.caddis("alice", &["config", "hostname=larva"])
        .run()
        .ok();
    let names = "hostname; uname -n; cat /proc/sys/kernel/hostname";
    assert_eq!(
        host.inside("alice", names).ok().stdout,
        "larva\nlarva\nlarva\n"
    );
    assert_eq!(
        host.inside_root("alice", "hostname pupa && hostname")
            .ok()
            .text(),
        "pupa"
    );
    assert_eq!(host.inside("alice", "hostname").ok().text(), "pupa");
    host.inside("alice", "hostname imago")
        .fails()
        .says("must be root");
    for name in [host.inside("bob", "hostname"), host.sh("root", "hostname")] {
        assert_eq!(name.ok().text(), "node7");
    }
}
