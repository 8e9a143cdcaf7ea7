//! The administrator's packages and the user's are in one database, whoever installed what, and when.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use caddis_lab::{FileSystem, Host};
use caddis_tests::packages::{
    UPPER, When, admin, alice, healthy, host, meanwhile, packages, told, with_packages,
};
use caddis_tests::{Environments, HELPER};

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
        let look = "dpkg-divert --list '*lab-tool'; dpkg-statoverride --list /usr/x; dpkg --print-foreign-architectures; \
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
