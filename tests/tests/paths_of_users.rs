//! Directories of ordinary users that root looks at, and closed ones: nothing in a closed directory
//! is disclosed through them, not even a name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::attack::{Attacker, DIRECTORY, install};
use caddis_tests::{HELPER, State};

/// A closed directory of root's outside of what the veil looks at, with things that it would cover.
const CLOSED: &str = "mkdir -m 700 /srv/closed; install -d -m 700 /srv/closed/payroll; \
                      install -d -m 755 /srv/closed/inner; install -m 600 /dev/null /srv/closed/letter; \
                      install -m 600 /dev/null /srv/closed/inner/letter; install -d -m 700 /srv/closed/inner/payroll";

/// All that the newest generation of the veil names.
fn named(host: &Host) -> String {
    host.sh("root", "cat /var/lib/caddis/veil/*.list")
        .ok()
        .stdout
}

/// On the old code the first refresh already wrote `/var/scratch/bob/d0/inner/payroll` into the
/// veil: the scan had checked a directory of bob's and listed what the link in its place led to.
#[test]
fn a_directory_that_becomes_a_link_during_a_refresh_leads_nowhere() {
    let host = Host::start().unwrap();
    install(
        &host,
        &[(
            "exchange_links.py",
            include_str!("../attacks/exchange_links.py"),
        )],
    );
    host.sh("root", CLOSED).ok();
    // One of bob's own, one where all users can make files, and one of bob's in that of the web
    // server.
    let prepare = "install -d -o bob /var/scratch/bob; install -d -m 1733 /var/lib/anybody; install -d /var/www; install -d -m 755 -g bob /var/www/bob; chmod 775 /var/www/bob";
    host.sh("root", prepare).ok();
    host.sh("bob", "mkdir /var/lib/anybody/bob").ok();
    let places = ["/var/scratch/bob", "/var/lib/anybody/bob", "/var/www/bob"];
    let mut attacks: Vec<_> = places
        .map(|place| {
            let attack = format!("python3 {DIRECTORY}/exchange_links.py {place} /srv/closed");
            let mut attack = host.spawn("bob", &attack);
            attack.until("going\n");
            attack
        })
        .into();
    let mut all = String::new();
    for number in 0..6 {
        // Something is new each time, so that a veil is written; the former one goes with it.
        for (name, how) in [("new", "--full"), ("newer", "")] {
            let refresh = format!(
                "install -m 600 /dev/null /etc/{name}{number}; caddis admin refresh --quiet {how}"
            );
            host.sh("root", &refresh).ok();
            all.push_str(&named(&host));
        }
    }
    for attack in &mut attacks {
        attack.close_stdin();
    }
    assert!(all.contains("/etc/newer5"));
    let leaks = |line: &&str| line.contains("payroll") || line.contains("letter");
    let leaks: Vec<&str> = all.lines().filter(leaks).collect();
    assert_eq!(leaks, [""; 0]);
}

/// The same without a race: through links that exist from the beginning, and when the watcher looks
/// at single names.
#[test]
fn links_of_users_are_not_followed_wherever_they_are() {
    let host = Host::start().unwrap();
    host.sh("root", CLOSED).ok();
    host.sh("root", "install -d -o bob /var/scratch/bob").ok();
    host.sh("bob", "cd /var/scratch/bob; ln -s /srv/closed link; mkdir -p a/b; ln -s /srv/closed a/link; ln -s /srv/closed a/b/link; ln -s / root").ok();
    let mut watcher = caddis_tests::watcher::watch(&host);
    host.sh(
        "bob",
        "cd /var/scratch/bob; ln -s /srv/closed later; mv a/b moved; touch moved/x",
    )
    .ok();
    watcher.until("/var/scratch/bob");
    watcher.stop();
    host.sh(
        "root",
        "install -m 600 /dev/null /etc/new; caddis admin refresh --full; caddis admin refresh",
    )
    .ok();
    let named = named(&host);
    assert!(named.contains("/etc/new"));
    assert!(
        !named.contains("payroll") && !named.contains("scratch"),
        "{named}"
    );
}

/// On the old code a full scan opened every file that bob had made in a directory of root's in which
/// everybody may make some.
#[test]
fn a_directory_that_everybody_may_fill_is_not_looked_into() {
    let host = Host::start().unwrap();
    // As `/var/lib/php/sessions`.
    host.sh("root", "install -d -m 1733 /var/lib/anybody; install -d -m 755 /var/lib/roots; \
                     install -m 600 /dev/null /var/lib/roots/of-root; install -m 600 /dev/null /var/lib/anybody/of-root")
        .ok();
    host.sh("bob", "cd /var/lib/anybody; touch $(seq -f of-bob-%g 2000)")
        .ok();
    let full =
        "strace -f -o /srv/trace -e trace=%file,openat2,statx caddis admin refresh --quiet --full";
    host.sh("root", full).ok();
    let named = named(&host);
    assert!(named.contains("/var/lib/roots/of-root"), "{named}");
    assert!(!named.contains("anybody"), "{named}");
    host.sh("root", "grep -q of-root /srv/trace").ok();
    host.sh("root", "! grep of-bob /srv/trace").ok();
}

/// On the old code about one in five of the moments showed mode, owner and group of
/// `/srv/closed/inside`.
#[test]
fn a_home_above_which_a_link_appears_shows_nothing_of_a_closed_directory() {
    let host = Host::start().unwrap();
    host.policy("[session]\nlinger = \"0\"\n");
    install(
        &host,
        &[
            ("starts.py", include_str!("../attacks/starts.py")),
            ("stepper.py", include_str!("../attacks/stepper.py")),
            (
                "home_everywhere.py",
                include_str!("../attacks/home_everywhere.py"),
            ),
        ],
    );
    host.sh(
        "root",
        "mkdir -m 700 /srv/closed; install -d -m 2751 -o munge -g munge /srv/closed/inside",
    )
    .ok();
    for victim in ["0", "1"] {
        let program = format!("{DIRECTORY}/home_everywhere.py");
        let output = host.run("root", &["python3", &program, victim, "7"]).ok();
        assert!(!output.stdout.contains("leak"), "{output}");
        assert!(output.text().ends_with(" calls"), "{output}");
    }
}

/// A home inside of a closed directory, asked of the helper itself.
#[test]
fn a_home_inside_of_a_closed_directory_shows_nothing_of_it() {
    let host = Host::start().unwrap();
    host.sh("root", "mkdir -m 700 /srv/closed; install -d -m 2751 -o munge -g munge /srv/closed/inside; install -d -o alice /srv/closed/inside/home").ok();
    for home in [
        "/srv/closed/inside/home",
        "/home/alice/../../srv/closed/inside/home",
        "/root/x",
        "/srv/closed/none",
    ] {
        let script = "stat -c 'seen %a %U' /srv/closed/inside /srv/closed/inside/home /srv/closed/none /root/x";
        for role in ["user", "root"] {
            let arguments = [
                HELPER, "session", "--home", home, "--as", role, "--", "sh", "-c", script,
            ];
            let seen = host.run("alice", &arguments);
            assert!(!seen.stdout.contains("seen"), "{home}: {seen}");
        }
    }
}

/// What `stat` answers for each name, one line each.
fn answers(host: &Host, attacker: Attacker, paths: &[&str]) -> Vec<String> {
    let script =
        "for path in \"$@\"; do LC_ALL=C stat -c there \"$path\" 2>&1 | sed 's/.*: //'; done";
    let argv = [&["bash", "-c", script, "bash"], paths].concat();
    let output = attacker.command(host, &argv).run().ok();
    output.stdout.lines().map(str::to_owned).collect()
}

/// On the old code container root got "No such file or directory" for the veiled name and
/// "Permission denied" for the others, so that a guess at a name could be checked.
#[test]
fn in_a_closed_directory_all_names_are_refused_alike() {
    let host = Host::start().unwrap();
    host.policy("[view]\nprivate = [\"/home\", \"/var/tmp\", \"/var/club/private\", \"/var/club/none\"]\nhidden = [\"/var/club/hidden\", \"/var/club/unborn\"]\nmemory = [\"/tmp\", \"/var/club/memory\", \"/var/club/nothing\"]\n");
    let prepare = "install -d -m 750 -g bob /var/club /etc/club /usr/lib/club; cd /var/club; mkdir private hidden memory
                   for place in /var/club /etc/club /usr/lib/club; do cd $place; install -m 600 /dev/null ledger; install -m 644 /dev/null open; install -d -m 700 vault; install -d -m 755 sub; install -m 600 /dev/null sub/deep; done
                   caddis admin refresh";
    host.sh("root", prepare).ok();
    let names = [
        "ledger",
        "open",
        "vault",
        "sub",
        "sub/deep",
        "absent",
        "sub/absent",
    ];
    let places = ["/var/club", "/etc/club", "/usr/lib/club"];
    let paths: Vec<String> = places
        .iter()
        .flat_map(|place| names.map(|name| format!("{place}/{name}")))
        .collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    for attacker in [
        Attacker::Host("alice"),
        Attacker::User("alice"),
        Attacker::Root("alice"),
    ] {
        let answers = answers(&host, attacker, &paths);
        assert_eq!(
            answers,
            vec!["Permission denied"; paths.len()],
            "{attacker:?}"
        );
    }
    // A member of the group sees them, and of the veiled ones the names only.
    let bob = answers(
        &host,
        Attacker::User("bob"),
        &["/var/club/open", "/var/club/absent"],
    );
    assert_eq!(bob, ["there", "No such file or directory"]);
    // What the policy names is answered the same way, be it there or not.
    for attacker in [Attacker::User("alice"), Attacker::Root("alice")] {
        for [one, other] in [
            ["private", "none"],
            ["hidden", "unborn"],
            ["memory", "nothing"],
        ] {
            let pair = [one, other].map(|name| format!("/var/club/{name}"));
            let answers = answers(&host, attacker, &[&pair[0], &pair[1]]);
            assert_eq!(answers[0], answers[1], "{attacker:?} {one}");
        }
    }
}
