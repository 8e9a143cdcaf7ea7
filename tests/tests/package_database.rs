//! The administrator's packages and the user's are in one database, whoever installed what, and when.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{FileSystem, Host, HostChild, Signal};
use caddis_tests::{Environments, State};

/// Where alice's changes of dpkg's directory are.
const UPPER: &str = "/var/lib/caddis/env/1000/default/@/var/lib/dpkg";
const HELPER: &str = "/usr/local/libexec/caddis/caddis-helper";

/// A host with packages of the test's own beside those of the repository: `p` and `q`, in three versions.
fn host() -> Host {
    with_packages(Host::start().unwrap())
}

fn with_packages(host: Host) -> Host {
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

/// An environment, or a host, with what is done to it by root.
fn alice(host: &Host, script: &str) {
    let script = format!("set -e; export DEBIAN_FRONTEND=noninteractive; {script}");
    host.inside_root("alice", &script).ok();
}

fn admin(host: &Host, script: &str) {
    let script = format!("set -e; export DEBIAN_FRONTEND=noninteractive; {script}");
    host.sh("root", &script).ok();
}

/// Name, version and state of these packages, as alice's dpkg has them, a line each.
fn packages(host: &Host, names: &str) -> String {
    let show = "dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\\n'";
    let script = format!("{show} {names} 2> /dev/null | grep -v '^un' | tr -s ' '; true");
    host.inside("alice", &script).ok().stdout
}

/// dpkg and apt find nothing amiss.
#[track_caller]
fn healthy(host: &Host) {
    let script = "dpkg --audit && apt-get -qq check && find /var/lib/dpkg -name '*caddis*'";
    let output = host.inside_root("alice", script).ok();
    assert_eq!(
        (output.text(), output.stderr.as_str()),
        ("", ""),
        "{output}"
    );
}

/// What the helper has to tell of alice's packages.
fn told(host: &Host) -> String {
    host.sh("alice", &format!("{HELPER} packages default"))
        .ok()
        .stdout
}

/// Whether alice's environment runs while the administrator works, which decides what brings the databases together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// It runs, and `caddis admin refresh` does it.
    Running,
    /// It does not, and the next start does.
    Stopped,
}

/// Lets the administrator work.
fn meanwhile(host: &Host, when: When, script: &str) -> Option<HostChild> {
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

#[test]
fn what_the_administrator_installs_upgrades_removes_and_purges_is_in_the_users_database() {
    for when in [When::Running, When::Stopped] {
        let host = host();
        admin(&host, "dpkg -i /srv/p_1.deb; apt-get install -y tree bc");
        admin(&host, "caddis admin refresh --quiet");
        alice(&host, "apt-get install -y hello; apt-mark auto hello");
        let work = "dpkg -i /srv/p_3.deb; apt-get install -y cowsay; apt-get remove -y tree; apt-get purge -y bc; \
                    dpkg-divert --local --rename --add /usr/bin/lab-tool; dpkg-statoverride --add root games 4755 /usr/x; \
                    dpkg --add-architecture i386";
        let _session = meanwhile(&host, when, work);
        assert_eq!(
            packages(&host, "hello cowsay tree bc p perl libtext-charwidth-perl"),
            packages_of_admin(
                &host,
                "hello cowsay tree bc p perl libtext-charwidth-perl",
                "ii hello 2.10-3"
            ),
            "{when:?}"
        );
        assert!(
            packages(&host, "cowsay").starts_with("ii cowsay"),
            "{when:?}"
        );
        healthy(&host);
        assert_eq!(told(&host), "", "{when:?}");
        let look = "dpkg-divert --list '*lab-tool'; dpkg-statoverride --list; dpkg --print-foreign-architectures; \
                    grep -c /usr/share/p /var/lib/dpkg/triggers/File; cat /var/lib/dpkg/triggers/p-trigger; apt-mark showauto | grep -x hello; \
                    cat /usr/share/p/version; dpkg -L p | grep third; dpkg -V p";
        let expected = "local diversion of /usr/bin/lab-tool to /usr/bin/lab-tool.distrib\nroot games 4755 /usr/x\ni386\n1\n\
                        p/noawait\nhello\n3\n/usr/share/p/third\n";
        assert_eq!(host.inside("alice", look).ok().stdout, expected, "{when:?}");
        // And the user goes on from there.
        alice(
            &host,
            "apt-get purge -y hello cowsay; apt-get install -y tree",
        );
        healthy(&host);
        assert_eq!(packages(&host, "hello cowsay tree").lines().count(), 1);
        // The host has its own.
        host.sh(
            "root",
            "dpkg -s cowsay > /dev/null && ! dpkg -s hello 2> /dev/null",
        )
        .ok();
    }
}

/// The same of the host, with the line of a package that only alice has.
fn packages_of_admin(host: &Host, names: &str, own: &str) -> String {
    let show = "dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\\n'";
    let script = format!("{show} {names} 2> /dev/null | grep -v '^un' | tr -s ' '; true");
    let mut lines: Vec<String> = host
        .sh("root", &script)
        .ok()
        .stdout
        .lines()
        .map(str::to_owned)
        .collect();
    lines.push(own.to_owned());
    lines.sort_by_key(|line| line.split(' ').nth(1).map(str::to_owned));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_package_that_both_have_changed_stays_the_users_and_is_named() {
    for when in [When::Running, When::Stopped] {
        let host = host();
        admin(
            &host,
            "dpkg -i /srv/p_1.deb /srv/q_1.deb; caddis admin refresh --quiet",
        );
        // alice upgrades one, removes the other; reinstalls what then changes.
        alice(&host, "dpkg -i /srv/p_2.deb; dpkg -P q");
        let session = meanwhile(
            &host,
            when,
            "dpkg -i /srv/p_3.deb /srv/q_3.deb; apt-get install -y hello",
        );
        assert_eq!(
            packages(&host, "p q hello"),
            "ii hello 2.10-3\nii p 2\n",
            "{when:?}"
        );
        assert_eq!(
            told(&host),
            "package=p\tbase=3\tuser=2\npackage=q\tbase=3\tuser=\n",
            "{when:?}"
        );
        healthy(&host);
        // Nothing of the third version is taken for the user's: no script, no interest.
        let look = "ls /var/lib/dpkg/info | grep -E '^[pq]\\.'; grep -c '[pq]/noawait' /var/lib/dpkg/triggers/File; \
                    cat /var/lib/dpkg/triggers/[pq]-trigger 2> /dev/null; cat /usr/share/p/version; dpkg -V p";
        let expected = "p.list\np.md5sums\n0\n2\n";
        let found = host.inside("alice", look).stdout;
        assert_eq!(
            found.replace("p.md5sums\n", ""),
            expected.replace("p.md5sums\n", ""),
            "{when:?}"
        );
        drop(session);
        // The next change of the base's names them still, as long as they differ.
        let _session = meanwhile(&host, when, "apt-get purge -y hello");
        assert_eq!(packages(&host, "p q hello"), "ii p 2\n", "{when:?}");
        assert!(
            told(&host).contains("package=p\tbase=3\tuser=2\n"),
            "{}",
            told(&host)
        );
        // Until the user takes the base's.
        alice(&host, "dpkg -i /srv/p_3.deb /srv/q_3.deb");
        let _session = meanwhile(&host, when, "apt-get install -y tree");
        assert_eq!(told(&host), "", "{when:?}");
        healthy(&host);
    }
}

#[test]
fn a_package_that_both_have_upgraded_to_the_same_is_no_conflict() {
    let host = host();
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    alice(&host, "dpkg -i /srv/p_3.deb");
    let _session = meanwhile(&host, When::Running, "dpkg -i /srv/p_3.deb");
    assert_eq!(
        (packages(&host, "p").as_str(), told(&host).as_str()),
        ("ii p 3\n", "")
    );
    healthy(&host);
    // It is the user's all the same: the files are. What the administrator takes away stays.
    admin(&host, "dpkg -P p; caddis admin refresh --quiet");
    assert_eq!(packages(&host, "p"), "ii p 3\n");
    assert_eq!(told(&host), "package=p\tbase=\tuser=3\n");
    healthy(&host);
}

/// The user's wish stays, but the files are the base's, so that the version is.
#[test]
fn a_package_that_the_user_holds_is_the_bases_new_one_and_still_held() {
    for when in [When::Running, When::Stopped] {
        let host = host();
        admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
        alice(&host, "apt-mark hold p");
        let _session = meanwhile(&host, when, "dpkg -i /srv/p_3.deb");
        assert_eq!(packages(&host, "p"), "hi p 3\n", "{when:?}");
        assert_eq!(told(&host), "package=p\tbase=3\tuser=1\n", "{when:?}");
        healthy(&host);
        assert_eq!(
            host.inside("alice", "dpkg -V p; cat /usr/share/p/version")
                .ok()
                .stdout,
            "3\n"
        );
    }
}

#[test]
fn a_package_that_the_user_has_reinstalled_is_the_users() {
    let host = host();
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    alice(&host, "dpkg -i /srv/p_1.deb");
    let _session = meanwhile(&host, When::Running, "dpkg -i /srv/p_3.deb");
    assert_eq!(packages(&host, "p"), "ii p 1\n");
    assert_eq!(told(&host), "package=p\tbase=3\tuser=1\n");
    assert_eq!(
        host.inside("alice", "dpkg -V p; cat /usr/share/p/version")
            .ok()
            .stdout,
        "1\n"
    );
    healthy(&host);
}

#[test]
fn an_environment_without_a_database_of_its_own_is_not_touched() {
    let host = host();
    let mut session = host.session("bob", "echo ready; read -r end");
    session.until("ready");
    host.caddis("bob", &["run", "dpkg", "-l"]).run().ok();
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    let changes = "cd /var/lib/caddis/env/1001/default && find . -path '*dpkg*' && ls";
    assert_eq!(host.sh("root", changes).ok().stdout, "@\n@.work\n");
    host.inside("bob", "dpkg -s p > /dev/null").ok();
    // What bob then copies comes from the newest.
    host.inside_root("bob", "dpkg -i /srv/q_1.deb").ok();
    admin(&host, "dpkg -i /srv/p_2.deb; caddis admin refresh --quiet");
    let look = "dpkg-query -W -f '${Package} ${Version}\\n' p q; dpkg --audit";
    assert_eq!(host.inside("bob", look).ok().stdout, "p 2\nq 1\n");
    assert_eq!(
        host.sh("bob", &format!("{HELPER} packages default"))
            .ok()
            .stdout,
        ""
    );
}

#[test]
fn a_copy_of_an_environment_comes_from_what_its_original_comes_from() {
    let host = host();
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    alice(&host, "dpkg -i /srv/q_1.deb");
    host.sh("root", "caddis admin stop --all").ok();
    host.sh("alice", "caddis new copy --from default").ok();
    admin(&host, "dpkg -i /srv/p_3.deb; caddis admin refresh --quiet");
    for name in ["copy", "default"] {
        let look = "dpkg-query -W -f '${Package} ${Version}\\n' p q; dpkg --audit";
        let output = host
            .caddis("alice", &["run", "-e", name, "sh", "-c", look])
            .run()
            .ok();
        assert_eq!(output.stdout, "p 3\nq 1\n", "{name}");
    }
    // Root keeps no copy of the base's that nobody comes from.
    admin(&host, "caddis admin refresh --quiet");
    assert_eq!(
        host.sh("root", "ls /var/lib/caddis/packages | wc -l")
            .ok()
            .text(),
        "1"
    );
}

/// Whoever had one before this was looked after, or lost what root remembers of it.
#[test]
fn a_database_of_which_nobody_knows_where_it_comes_from() {
    let host = host();
    admin(
        &host,
        "dpkg -i /srv/p_1.deb /srv/q_1.deb; caddis admin refresh --quiet",
    );
    alice(&host, "apt-get install -y hello; dpkg -P q");
    let forget = "caddis admin stop --all; rm -r /var/lib/caddis/packages; dpkg -i /srv/p_3.deb; apt-get install -y tree";
    admin(&host, forget);
    assert_eq!(
        packages(&host, "hello p q tree").replace(" 2.10-3", ""),
        "ii hello\nii p 3\nii tree 2.1.0-1\n"
    );
    healthy(&host);
}

#[test]
fn while_dpkg_runs_there_nothing_is_touched_and_the_next_refresh_does_it() {
    let host = host();
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    alice(&host, "dpkg -i /srv/q_1.deb");
    for lock in ["lock", "lock-frontend"] {
        let hold = format!(
            "import fcntl, sys\nf = open('/var/lib/dpkg/{lock}', 'r+')\nfcntl.lockf(f, fcntl.LOCK_EX)\nprint('held', flush=True)\nsys.stdin.read()"
        );
        let mut holder = host
            .caddis("alice", &["root", "python3", "-c", &hold])
            .spawn();
        holder.until("held");
        admin(&host, "dpkg -i /srv/p_2.deb; caddis admin refresh --quiet");
        assert_eq!(packages(&host, "p"), "ii p 1\n");
        assert_eq!(
            told(&host),
            "failed=dpkg or apt is running in the environment\n"
        );
        holder.close_stdin();
        holder.wait();
        admin(&host, "caddis admin refresh --quiet");
        assert_eq!(packages(&host, "p"), "ii p 2\n");
        assert_eq!(told(&host), "");
        admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
        healthy(&host);
    }
    // As dpkg leaves it when it is killed.
    let mut session = host.session("alice", "echo ready; read -r end");
    session.until("ready");
    alice(&host, "dpkg-query -s q > /var/lib/dpkg/updates/0000");
    admin(&host, "dpkg -i /srv/p_2.deb; caddis admin refresh --quiet");
    assert!(
        told(&host).starts_with("failed=dpkg was interrupted; "),
        "{}",
        told(&host)
    );
    assert_eq!(
        host.inside_root(
            "alice",
            "grep -A6 '^Package: p$' /var/lib/dpkg/status | grep Version"
        )
        .ok()
        .text(),
        "Version: 1"
    );
    alice(&host, "dpkg --configure -a");
    admin(&host, "caddis admin refresh --quiet");
    assert_eq!(
        (packages(&host, "p").as_str(), told(&host).as_str()),
        ("ii p 2\n", "")
    );
    healthy(&host);
}

/// dpkg has read the base's packages, has yet to write its own, and meanwhile the base changes.
#[test]
fn a_first_dpkg_that_runs_during_a_refresh_loses_nothing() {
    let host = host();
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    // Its maintainer script waits.
    let script = "mkdir -p /tmp/d/DEBIAN; cd /tmp; dpkg-deb --control /srv/q_3.deb d/DEBIAN; mkfifo go; \
        printf '#!/bin/sh\\necho waiting\\ncat /tmp/go\\n' > d/DEBIAN/preinst; chmod 755 d/DEBIAN/preinst; \
        sed -i d d/DEBIAN/triggers; dpkg-deb --build d q.deb > /dev/null; exec dpkg -i q.deb";
    let mut installing = host.caddis("alice", &["root", "sh", "-c", script]).spawn();
    installing.until("waiting");
    admin(&host, "dpkg -i /srv/p_3.deb; caddis admin refresh --quiet");
    alice(&host, "echo go > /tmp/go");
    installing.wait().ok();
    admin(&host, "caddis admin refresh --quiet");
    assert_eq!(packages(&host, "p q"), "ii p 3\nii q 3\n");
    assert_eq!(told(&host), "");
    healthy(&host);
}

/// Wherever it is cut short: each file is the old or the new one, and the next start makes them one.
#[test]
fn a_merge_that_is_killed_is_done_again() {
    let host = host();
    host.policy("[session]\nlinger = \"0\"\n");
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    alice(&host, "dpkg -i /srv/q_1.deb; dpkg -i /srv/p_2.deb");
    admin(&host, "caddis admin stop --all");
    let mut cut_short = 0;
    for (round, number) in (1..=9).enumerate() {
        let work = ["apt-get install -y hello", "apt-get purge -y hello"][round % 2];
        admin(
            &host,
            &format!("{work}; dpkg -i /srv/p_{}.deb", 1 + 2 * ((round + 1) % 2)),
        );
        let killed = host
            .caddis_killed_at(
                "alice",
                "fsync,renameat,unlinkat,fcntl",
                number,
                &["run", "true"],
            )
            .run();
        cut_short += usize::from(killed.code() != 0);
        admin(&host, "caddis admin stop --all");
        let expected = if round % 2 == 0 {
            "ii hello 2.10-3\nii p 2\nii q 1\n"
        } else {
            "ii p 2\nii q 1\n"
        };
        assert_eq!(packages(&host, "hello p q"), expected, "{number}");
        healthy(&host);
    }
    assert!(cut_short > 3, "{cut_short}");
}

/// What the user puts in the place of the database neither hangs nor misleads anybody, and a session starts.
#[test]
fn a_database_that_is_none_is_left_alone_and_named() {
    let host = host();
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    alice(
        &host,
        "dpkg -i /srv/q_1.deb; cd /var/lib; mkdir dpkg.good; cp -a dpkg/status dpkg/lock dpkg.good",
    );
    let before = host.read("/etc/passwd");
    let mut session = host.session("alice", "echo ready; read -r end");
    session.until("ready");
    let hostile = [
        ("mkfifo status", "is not a file"),
        ("ln -s /etc/passwd status", "cannot open"),
        (
            "ln -s /home/alice/status status; touch /home/alice/status",
            "cannot open",
        ),
        ("mkdir status", "is not a file"),
        ("mknod status c 1 3", ""),
        (": > status", "it is empty"),
        (
            "head -c 100000 /dev/urandom > status",
            "cannot be understood",
        ),
        ("head -c 1000 ../dpkg.good/status > status", "breaks off"),
        ("truncate -s 1T status", "is too large"),
        (
            "(cat ../dpkg.good/status; echo; cat ../dpkg.good/status) > status",
            "a package twice",
        ),
        (
            "cp ../dpkg.good/status .; rm lock; mkfifo lock",
            "is not a file",
        ),
        (
            "cp ../dpkg.good/status .; rm lock; ln -s /home/alice/lock lock",
            "cannot open",
        ),
        (
            "cp ../dpkg.good/status .; chmod 0 status; chown 33 status",
            "cannot open",
        ),
        (
            "cp ../dpkg.good/status .; mkdir status.caddis-new",
            "cannot write",
        ),
        (
            "cp ../dpkg.good/status .; mkfifo triggers/x",
            "is not a file",
        ),
        (
            "cp ../dpkg.good/status .; cd ..; mv dpkg dpkg.away; ln -s dpkg.away dpkg",
            "not a directory",
        ),
        (
            "cp ../dpkg.good/status .; cd ..; mv dpkg dpkg.away; cp -r dpkg.good /home/alice/dpkg; ln -s /home/alice/dpkg dpkg",
            "not a directory",
        ),
        (
            "cp ../dpkg.good/status .; cd ..; mv dpkg dpkg.away; mkfifo dpkg",
            "not a directory",
        ),
    ];
    for (number, (script, expected)) in hostile.iter().enumerate() {
        let reset = "cd /var/lib; if [ -e dpkg.away ]; then rm dpkg; mv dpkg.away dpkg; fi; cd dpkg; \
                     rm -rf status status.caddis-new lock triggers/x; cp ../dpkg.good/lock .";
        host.inside_root("alice", &format!("{reset}; {script}; true"))
            .ok();
        let version = 2 + number % 2;
        for when in [When::Running, When::Stopped] {
            admin(
                &host,
                &format!("dpkg -i /srv/p_{version}.deb; caddis admin refresh --quiet"),
            );
            if when == When::Stopped {
                admin(&host, "caddis admin stop --all");
                session = host.session("alice", "echo ready; read -r end");
                session.until("ready");
            }
            let told = told(&host);
            assert!(
                told.contains(expected) && (expected.is_empty() || told.contains("failed=")),
                "{script} {when:?}: {told}"
            );
            host.sh(
                "root",
                "test ! -s /home/alice/status && test ! -s /home/alice/lock",
            )
            .ok();
            assert_eq!(host.read("/etc/passwd"), before);
        }
    }
    // Back again.
    alice(
        &host,
        "cd /var/lib; rm dpkg; mv dpkg.away dpkg; cp -a dpkg.good/* dpkg",
    );
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    admin(&host, "dpkg -i /srv/p_3.deb; caddis admin refresh --quiet");
    assert_eq!(
        (packages(&host, "p q").as_str(), told(&host).as_str()),
        ("ii p 3\nii q 1\n", "")
    );
    healthy(&host);
}

/// Files beside the packages that cannot be understood are left as they are, and named.
#[test]
fn a_side_file_that_cannot_be_understood_is_left_and_named() {
    let host = host();
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    alice(
        &host,
        "dpkg -i /srv/q_1.deb; printf 'x\\ny\\n' > /var/lib/dpkg/diversions",
    );
    admin(
        &host,
        "caddis admin stop --all; dpkg -i /srv/p_3.deb; dpkg-divert --local --rename --add /usr/bin/lab-tool",
    );
    let status =
        "grep -A9 '^Package: p$' /var/lib/dpkg/status | grep Version; cat /var/lib/dpkg/diversions";
    assert_eq!(
        host.inside("alice", status).ok().stdout,
        "Version: 3\nx\ny\n"
    );
    assert_eq!(
        told(&host),
        "left=/var/lib/dpkg/diversions\treason=it cannot be understood: its last record is not complete\n"
    );
}

/// Whatever appears beside it is stopped before it has done anything.
const STOP: &str = r"
import os, signal
print('ready', flush=True)
found = False
while True:
    for pid in range(os.getpid() + 1, os.getpid() + 50):
        try: os.kill(pid, signal.SIGSTOP)
        except OSError: continue
        try: state = open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[0]
        except OSError: continue
        # One that was over before is none.
        if state == 'T' and not found:
            print('stopped', flush=True)
            found = True
";

/// Of alice's, in her environment.
fn stopper(host: &Host) -> HostChild {
    let stopper = ["root", "python3", "-c", STOP];
    let mut stopper = host.caddis("alice", &stopper).spawn();
    stopper.until("ready");
    stopper
}

#[test]
fn nobody_is_held_up_by_a_user_who_stops_the_merge() {
    let host = host();
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    alice(&host, "dpkg -i /srv/q_1.deb");
    let mut stopper = stopper(&host);
    // A merge may be over before it can be stopped.
    let until_stopped = format!(
        "dpkg -i /srv/p_3.deb; until {HELPER} packages --for 1000:1000 default | grep failed; do \
         touch /var/lib/dpkg/status; timeout 30 caddis admin refresh --quiet; done"
    );
    admin(&host, &until_stopped);
    stopper.until("stopped");
    assert_eq!(
        told(&host),
        "failed=the merge was interrupted, or took too long\n"
    );
    stopper.kill(Signal::TERM);
    stopper.wait();
    admin(&host, "caddis admin refresh --quiet");
    assert_eq!(packages(&host, "p q"), "ii p 3\nii q 1\n");
    healthy(&host);
}

#[test]
fn the_watcher_is_not_held_up_by_a_user_who_stops_the_merge() {
    let host = host();
    admin(&host, "dpkg -i /srv/p_1.deb; caddis admin refresh --quiet");
    alice(&host, "dpkg -i /srv/q_1.deb");
    let mut stopper = stopper(&host);
    let mut watcher = host.spawn("root", "exec caddis admin watch --verbose");
    watcher.until(" for what happened before\n");
    // A merge may be over before it can be stopped.
    let mut again = host.spawn(
        "root",
        "while :; do touch /var/lib/dpkg/status; sleep 1; done",
    );
    stopper.until("stopped");
    again.kill(Signal::KILL);
    again.wait();
    admin(&host, "touch /opt/later");
    watcher.until("/opt/later");
    // It has not given up on that yet.
    let stopped = "cat /proc/[0-9]*/status 2> /dev/null | grep '^State:.T'";
    host.sh("root", stopped).ok();
    stopper.kill(Signal::TERM);
    stopper.wait();
    watcher.kill(Signal::TERM);
    watcher.wait();
}

#[test]
fn packages_are_compared_with_the_machines_own() {
    let host = host();
    admin(
        &host,
        "dpkg -i /srv/p_1.deb; apt-get install -y tree; caddis admin refresh --quiet",
    );
    host.sh("alice", "caddis new untouched").ok();
    let diff = |more: &str| host.sh("alice", &format!("caddis diff --packages {more}"));
    assert_eq!(diff("-e untouched").ok().stdout, "");
    alice(
        &host,
        "apt-get install -y hello; dpkg -i /srv/p_2.deb; apt-get remove -y tree; apt-mark hold bash",
    );
    let lines = diff("").ok().stdout;
    let words: Vec<String> = lines
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let bash = host
        .sh("root", "dpkg-query -W -f '${Version}' bash")
        .ok()
        .stdout;
    let expected = [
        "CHANGE PACKAGE BASE YOURS".to_owned(),
        format!("held bash {bash} {bash}"),
        "added hello - 2.10-3".to_owned(),
        "upgraded p 1 2".to_owned(),
        "removed tree 2.1.0-1 -".to_owned(),
    ];
    assert_eq!(words, expected);
    let json = "--json | python3 -c 'import json,sys; print([(c[\"package\"], c[\"change\"]) for c in json.load(sys.stdin)])'";
    assert_eq!(
        diff(json).ok().text(),
        "[('bash', 'held'), ('hello', 'added'), ('p', 'upgraded'), ('tree', 'removed')]"
    );
    alice(
        &host,
        "rm /var/lib/dpkg/status; mkfifo /var/lib/dpkg/status",
    );
    assert_eq!(diff("").ok().stdout, "");
    alice(
        &host,
        "rm /var/lib/dpkg/status; echo x > /var/lib/dpkg/status",
    );
    diff("")
        .exits(125)
        .says("compare the packages of `default`: a line of it is no field");
    diff("-e none")
        .exits(125)
        .says("there is none of that name");
    admin(&host, "mv /var/lib/dpkg/status /var/lib/dpkg/away");
    diff("").exits(125).says("not dpkg's");
}

/// The directory of the changes is where it is expected: the tests above would pass with nothing in it.
#[test]
fn the_users_database_is_in_the_users_changes() {
    let host = host();
    alice(&host, "dpkg -i /srv/q_1.deb");
    assert!(
        host.exists(&format!("{UPPER}/status")) && host.exists(&format!("{UPPER}/info/q.list"))
    );
}

/// The changes of a file system of its own have a layer of their own.
#[test]
fn a_database_on_a_file_system_of_its_own() {
    let disk = Host::builder().disk("/mnt", FileSystem::Xfs, "1G");
    let host = with_packages(disk.start().unwrap());
    let script = "caddis admin stop --all; cp -a /var/lib/. /mnt; mount --bind /mnt /var/lib; caddis admin refresh --quiet";
    admin(&host, &format!("dpkg -i /srv/p_1.deb; {script}"));
    alice(&host, "dpkg -i /srv/q_1.deb");
    host.sh(
        "root",
        &format!("test -e {}", UPPER.replace("@/var/lib/", "@var@lib/")),
    )
    .ok();
    for (when, version) in [(When::Running, 2), (When::Stopped, 3)] {
        let _session = meanwhile(&host, when, &format!("dpkg -i /srv/p_{version}.deb"));
        assert_eq!(packages(&host, "p q"), format!("ii p {version}\nii q 1\n"));
        healthy(&host);
    }
    assert!(
        host.sh("alice", "caddis diff --packages")
            .ok()
            .stdout
            .contains("added")
    );
}
