//! An environment whose root does what it can against `caddis diff`, which reads it with rights that the user lacks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::Environments;

fn diff(host: &Host, arguments: &[&str]) -> String {
    let output = host.caddis("alice", &[&["diff"], arguments].concat()).run();
    output.ok().stdout
}

/// A version of one's own in the place of a file that one cannot read says nothing about what is in that.
#[test]
fn a_file_that_the_user_cannot_read_is_not_compared() {
    let host = Host::start().unwrap();
    host.sh(
        "root",
        "mkdir /opt/o; cd /opt/o; echo 11111 > right; echo 22222 > wrong; ln -s 33333 l",
    )
    .ok();
    host.inside_root(
        "alice",
        "cd /opt/o; echo 77777 > right; echo 77777 > wrong; chmod 600 right wrong",
    )
    .ok();
    host.sh(
        "root",
        "cd /opt/o; echo 77777 > right; echo 88888 > wrong; chmod 600 right wrong",
    )
    .ok();
    // Equal in size and everything but, perhaps, the content.
    let told = diff(&host, &["/opt/o"]);
    assert_eq!(
        told,
        "M  /opt/o/right (changed below since)\nM  /opt/o/wrong (changed below since)\n"
    );
    for form in ["--patch", "--stat"] {
        let told = diff(&host, &[form, "/opt/o"]);
        assert!(!told.contains("88888"), "{told}");
        let about = |name: &str| {
            told.lines()
                .filter(|line| line.contains(name))
                .collect::<String>()
                .replace(name, "x")
        };
        assert_eq!(about("right"), about("wrong"), "{told}");
    }
    // The one asks as root: it is alice's view all the same.
    let root = host
        .caddis("root", &["diff", "--user", "alice", "--patch", "/opt/o"])
        .run()
        .ok();
    assert!(!root.stdout.contains("88888"), "{root}");
    // A directory that she cannot pass: what is in it is not looked at, and not listed where hers lets nothing through.
    host.sh(
        "root",
        "mkdir -p /opt/closed/in; echo secret > /opt/closed/in/file",
    )
    .ok();
    host.inside_root(
        "alice",
        "rm -r /opt/closed; mkdir -p /opt/closed/in; echo secret > /opt/closed/in/file",
    )
    .ok();
    host.sh(
        "root",
        "touch /opt/closed/in/hidden-name; chmod 700 /opt/closed",
    )
    .ok();
    let told = diff(&host, &["--patch", "/opt/closed"]);
    assert!(!told.contains("hidden-name"), "{told}");
}

/// Links, FIFOs and devices are never followed, waited for or opened.
#[test]
fn what_is_no_file_is_not_opened() {
    let host = Host::start().unwrap();
    host.sh(
        "root",
        "mkdir /opt/k; cd /opt/k; echo a > f; echo b > g; echo c > h; mkdir d; echo e > d/e",
    )
    .ok();
    host.inside_root("alice", "cd /opt/k; rm f g h; mkfifo f; ln -s /root/secret.txt g; ln -s /etc/shadow h; rm -r d; ln -s /root d; \
         ln -s / new; mkfifo fifo; mknod null c 1 3 2> /dev/null; mkdir r; cd r; ln -s ../r loop").ok();
    let told = diff(&host, &["--patch", "/opt/k"]);
    let secret = host.read_text("/root/secret.txt");
    assert!(!told.contains(secret.trim()), "{told}");
    assert!(told.contains("+/root/secret.txt\n"), "{told}");
    let expected = "T  /opt/k/d\nT  /opt/k/f\nA  /opt/k/fifo\nT  /opt/k/g\nT  /opt/k/h\nA  /opt/k/new\nA  /opt/k/r/\nA  /opt/k/r/loop\n";
    assert_eq!(diff(&host, &["/opt/k"]), expected);
}

/// Renames and exchanges while it walks: it comes to its end each time, and leads nowhere else.
#[test]
fn whoever_changes_things_meanwhile_gains_nothing() {
    let host = Host::start().unwrap();
    host.sh(
        "root",
        "mkdir -p /opt/r/a/b/c /opt/r/z; for i in $(seq 300); do echo $i > /opt/r/a/b/c/$i; done",
    )
    .ok();
    let race = "import os, shutil\nos.chdir('/opt/r')\nprint('ready', flush=True)\nn=0\n\
        def quiet(f, *a):\n  try: f(*a)\n  except OSError: pass\n\
        while True:\n  n+=1\n  i=str(n%300+1)\n  f='a/b/c/'+i\n\
        \x20 quiet(os.unlink, f); quiet(os.mkfifo, f); quiet(os.unlink, f); quiet(os.symlink, '/root/secret.txt', f)\n\
        \x20 quiet(os.unlink, f); quiet(os.symlink, '/root', f); quiet(os.unlink, f); quiet(os.mkdir, f); quiet(os.rmdir, f)\n\
        \x20 open(f,'w').write(i)\n\
        \x20 quiet(os.rename, 'a/b', 'z/b'); quiet(os.symlink, '/root', 'a/b'); quiet(os.unlink, 'a/b'); quiet(os.rename, 'z/b', 'a/b')\n";
    host.inside_root("alice", "echo > /opt/r/a/b/c/1").ok();
    let mut attacker = host
        .caddis("alice", &["root", "python3", "-c", race])
        .spawn();
    attacker.until("ready");
    let secret = host.read_text("/root/secret.txt");
    for _ in 0..40 {
        let told = host.caddis("alice", &["diff", "--patch"]).run().ok();
        assert!(!told.stdout.contains(secret.trim()), "{told}");
    }
    assert!(!attacker.has_ended());
}

#[test]
fn deep_trees_take_few_descriptors() {
    let host = Host::start().unwrap();
    let deep = |levels: u32, write: &str| {
        format!(
            "import os\nos.makedirs('/opt/deep', exist_ok=True)\nos.chdir('/opt/deep')\nfor i in range({levels}):\n  os.path.isdir('d') or os.mkdir('d')\n  os.chdir('d')\nopen('{write}','w').write('x')\n"
        )
    };
    host.run("root", &["python3", "-c", &deep(3000, "base")])
        .ok();
    host.caddis("alice", &["root", "python3", "-c", &deep(3000, "mine")])
        .run()
        .ok();
    host.caddis(
        "alice",
        &[
            "root",
            "python3",
            "-c",
            &deep(3000, "mine").replace("/opt/deep", "/opt/own"),
        ],
    )
    .run()
    .ok();
    let script = "ulimit -n 320; caddis diff --name-only | cut -c1-20 | sort | uniq -c | sort -n";
    let told = host.sh("alice", script).ok().stdout;
    // The one file in what is merged, and every level of what is hers: the top, 3000 below it, and the file.
    assert!(told.contains("      1 /opt/deep/d/d/d/d/d/\n"), "{told}");
    let own: u32 = told
        .lines()
        .filter(|line| line.contains("/opt/own"))
        .map(|line| {
            line.trim()
                .split(' ')
                .next()
                .unwrap()
                .parse::<u32>()
                .unwrap()
        })
        .sum();
    assert_eq!(own, 3002, "{told}");
    // Beside the deep one, on the way back up.
    host.inside_root("alice", "touch /opt/deep/z /opt/deep/d/z /opt/own/z")
        .ok();
    let told = diff(&host, &["--name-only"]);
    for path in ["/opt/deep/z", "/opt/deep/d/z", "/opt/own/z"] {
        assert!(told.lines().any(|line| line == path));
    }
}

#[test]
fn huge_files_take_no_time_and_no_memory() {
    let host = Host::start().unwrap();
    host.sh(
        "root",
        "truncate -s 200G /opt/huge; echo x >> /opt/huge; truncate -s 50M /opt/large",
    )
    .ok();
    host.inside_root("alice", "touch /opt/huge; head -c 50M /dev/zero > /opt/large; printf y | dd of=/opt/large bs=1 seek=10M conv=notrunc status=none").ok();
    assert_eq!(diff(&host, &[]), "M  /opt/large\n");
    let patch = diff(&host, &["--patch"]);
    assert!(patch.contains("too large to be shown"), "{patch}");
    host.inside_root(
        "alice",
        "printf z | dd of=/opt/huge bs=1 seek=100G conv=notrunc status=none",
    )
    .ok();
    assert_eq!(diff(&host, &["/opt/huge"]), "M  /opt/huge\n");
}

/// What is in files reaches a terminal only as text: root may look with the user's words before their eyes.
#[test]
fn nothing_that_a_terminal_would_obey() {
    let host = Host::start().unwrap();
    host.inside_root("alice", "printf 'a\\033]0;owned\\007b\\n' > /opt/evil")
        .ok();
    let command = host.command(
        "root",
        &["caddis", "diff", "--no-pager", "--patch", "--user", "alice"],
    );
    let mut pty = command.env("TERM", "xterm").pty();
    pty.expect("+a\\e]0;owned\\u{7}b");
    // A patch in a file is exact.
    let piped = host.caddis("alice", &["diff", "--patch"]).run().ok().stdout;
    assert!(piped.contains("+a\u{1b}]0;owned\u{7}b\n"), "{piped}");
}

/// The reader has two capabilities and the caller's ids, and nobody can trace it; the writer has
/// the ids only. The caller can end the writer, and both end with it.
#[test]
fn little_is_left_of_root() {
    let host = Host::start().unwrap();
    host.inside_root("alice", "mkdir /opt/many; cd /opt/many; touch {1..5000}")
        .ok();
    // More than a FIFO holds, so that both wait for its reader. `NoNewPrivs` is the last right that
    // each drops.
    let script = "mkfifo /tmp/f; exec 7<>/tmp/f; /usr/local/libexec/caddis/caddis-helper diff >&7 & \
         until child=$(pgrep -P $!) && grep -q 'NoNewPrivs.*1' /proc/$child/status; do :; done; \
         until grep -q 'NoNewPrivs.*1' /proc/$!/status; do :; done; \
         for one in $child $!; do \
             grep -E '^(Uid|CapPrm|CapEff)' /proc/$one/status; \
             ls /proc/$one/fd /proc/$one/root/ /proc/$one/cwd/ 2>&1 | grep -v denied; \
         done; kill $!; while kill -0 $child; do :; done 2> /dev/null";
    let told = host.sh("alice", script).stdout;
    let expected = |capabilities: &str| {
        let set = format!("{capabilities:0>16}");
        format!("Uid:\t1000\t1000\t1000\t1000\nCapPrm:\t{set}\nCapEff:\t{set}\n")
    };
    // CAP_DAC_READ_SEARCH and CAP_SYS_ADMIN.
    assert_eq!(told, [expected("200004"), expected("0")].concat());
}
