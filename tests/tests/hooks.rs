//! Package managers of the host have environments see what they did, by hooks that `make install` puts there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::{Environments, State, make};

const HOOKS: &str = "/etc/apt/apt.conf.d/90caddis /etc/dpkg/dpkg.cfg.d/caddis";
/// How many environments run.
const MANY: u32 = 20;

/// Whether all of alice's environments have a command, 0 for yes.
fn all(host: &Host, script: &str) {
    let script =
        format!("for i in {{1..{MANY}}}; do caddis run -e e$i bash -c '{script}' || exit; done");
    host.sh("alice", &script).ok();
}

#[test]
fn what_apt_and_dpkg_did_is_seen_everywhere_when_they_return() {
    let host = Host::start().unwrap();
    let start = "command -v tree bc hello lab-hello; echo; exec cat";
    let mut sessions = Vec::new();
    for number in 1..=MANY {
        let name = format!("e{number}");
        let mut session = host
            .caddis("alice", &["run", "-e", &name, "bash", "-c", start])
            .spawn();
        session.line();
        sessions.push(session);
    }
    all(
        &host,
        "! command -v tree && ! command -v bc && ! dpkg -s tree 2> /dev/null",
    );
    host.sh("root", "apt-get install -y tree").ok();
    all(
        &host,
        "tree --version > /dev/null && dpkg -s tree > /dev/null && ! command -v bc",
    );
    host.sh("root", "dpkg -i /srv/repo/bc_*.deb").ok();
    all(&host, "echo 6*7 | bc");
    host.sh("root", "apt-get upgrade -y").ok();
    all(
        &host,
        "test \"$(lab-tool)\" = \"lab-tool 2.0\" && test ! -e /usr/share/lab-tool/old",
    );
    host.sh("root", "dpkg -r bc && apt-get purge -y tree").ok();
    all(
        &host,
        "! command -v bc && ! command -v tree && ! dpkg -s tree 2> /dev/null",
    );
    // It is the hooks that saw to it.
    host.sh("root", &format!("rm {HOOKS} && apt-get install -y tree"))
        .ok();
    all(&host, "! command -v tree");
}

#[test]
fn inside_an_environment_the_hooks_do_nothing_and_say_nothing() {
    let host = Host::start().unwrap();
    for script in [
        "apt-get update",
        "apt-get install -y hello",
        "dpkg -i /srv/repo/bc_*.deb",
        "env -i PATH=$PATH dpkg -r bc",
        "apt-get purge -y hello",
    ] {
        let said = host.inside_root("alice", script).ok();
        let all = format!("{}{}", said.stdout, said.stderr);
        assert!(!all.contains("caddis"), "{said}");
    }
    host.inside("alice", "sudo apt-get install -y -q hello && hello")
        .ok();
    // Nor does it when it is asked by hand.
    let said = host
        .inside_root("alice", "caddis admin refresh --quiet")
        .ok();
    assert_eq!(format!("{}{}", said.stdout, said.stderr), "");
    host.inside_root("alice", "caddis admin refresh")
        .exits(125)
        .says("this is inside an environment");
}

#[test]
fn no_hook_makes_a_transaction_fail() {
    let host = Host::start().unwrap();
    host.policy("[view]\nhidden = 7\n");
    host.sh(
        "root",
        "apt-get install -y hello && dpkg -i /srv/repo/bc_*.deb",
    )
    .ok()
    .says("view.hidden");
    // Taken away without `make uninstall`.
    host.sh("root", "rm /usr/local/bin/caddis").ok();
    let said = host
        .sh(
            "root",
            "apt-get purge -y hello && dpkg -r bc && apt-get update",
        )
        .ok();
    assert!(!said.stderr.contains("caddis"), "{said}");
}

#[test]
fn a_transaction_of_apts_has_one_refresh() {
    let host = Host::start().unwrap();
    let count = |command: &str| {
        let trace = format!(
            "strace -f -e trace=execve -o /srv/trace {command} && grep -c 'caddis-admin.* = 0$' /srv/trace"
        );
        host.sh("root", &trace)
            .ok()
            .stdout
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned()
    };
    // Several packages, so that apt runs dpkg several times.
    assert_eq!(count("apt-get install -y nginx-light hello"), "1");
    assert_eq!(count("dpkg -r hello"), "1");
}

#[test]
fn hooks_are_installed_where_a_package_manager_looks_for_them() {
    let host = Host::start().unwrap();
    let directories =
        "/etc/dnf/plugins/post-transaction-actions.d /etc/dnf/libdnf5-plugins/actions.d";
    let find = "cd /etc; find apt dpkg dnf -name '*caddis*' | LC_ALL=C sort";
    host.sh("root", &format!("mkdir -p {directories}")).ok();
    make(&host, "install", &[]);
    assert_eq!(
        host.sh("root", find).ok().stdout,
        "apt/apt.conf.d/90caddis\ndnf/libdnf5-plugins/actions.d/caddis.actions\n\
         dnf/plugins/post-transaction-actions.d/caddis.action\ndpkg/dpkg.cfg.d/caddis\n"
    );
    // Each line that is no comment: filter, state and a shell's command; name, filter, direction, options, a program.
    let line = |path: &str| {
        let text = host.read_text(path);
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let line = lines.next().unwrap().to_owned();
        assert_eq!(lines.next(), None, "{text}");
        line
    };
    let dnf = line("/etc/dnf/plugins/post-transaction-actions.d/caddis.action");
    let command = dnf.strip_prefix("*:any:").unwrap();
    host.sh("root", command).ok();
    let dnf5 = line("/etc/dnf/libdnf5-plugins/actions.d/caddis.actions");
    let fields: Vec<&str> = dnf5.splitn(5, ':').collect();
    assert_eq!(fields[..4], ["post_transaction", "", "", ""]);
    let words: Vec<&str> = fields[4].split(' ').collect();
    host.run("root", &words).ok();
    let service = host.read_text("/usr/local/lib/systemd/system/caddis-watch.service");
    assert!(
        service.contains("\nExecStart=/usr/local/bin/caddis admin watch\n"),
        "{service}"
    );
    make(&host, "uninstall", &[]);
    assert_eq!(host.sh("root", find).ok().stdout, "");
    assert!(!host.exists("/usr/local/lib/systemd/system/caddis-watch.service"));
}
