//! What copies files over ssh: scp with both protocols, sftp, rsync, git.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::{Ssh, Way, every_way};

every_way!(
    scp_with_both_protocols,
    sftp_whichever_server_sshd_has,
    rsync_keeps_what_it_keeps_on_the_host,
    git_clones_and_pushes,
);

/// A tree of bob's with what copies get wrong: odd names, modes, times, links, holes, much and nothing.
const TREE: &str = "odd='deep/odd $name*é'; mkdir -p tree/empty \"tree/$odd\" && cd tree && echo text > \"$odd/a b\" && \
                    head -c 3M /dev/urandom > big && : > none && ln -s deep/../big link && ln -s /nowhere dangling && \
                    ln big hard && chmod 4751 none && truncate -s 1M hole && chmod 500 deep && \
                    touch -d '2001-02-03 04:05:06.789 UTC' big none deep";

/// What there is of a tree: names, kinds, modes, sizes, targets, seconds; and its files' content.
fn listing(ssh: &Ssh, user: &str, at: &str) -> String {
    let script = format!(
        "cd {at} && find . ! -type d -printf '%P %y %m %s %l\\n' -o -printf '%P %y %m\\n' | sort && \
         find . -type f -exec sha256sum {{}} + | sort && stat -c '%n %Y' big none deep"
    );
    ssh.host.sh(user, &script).ok().stdout
}

fn scp_with_both_protocols(way: Way) {
    let ssh = Ssh::start(way);
    let host = &ssh.host;
    host.sh("bob", TREE).ok();
    // scp follows links, so there and back is compared with a plain copy that does so, too.
    host.sh("bob", "rm tree/dangling; cp -rL --preserve=mode,timestamps tree expected; chmod 0751 expected/none")
        .ok();
    for protocol in ["-O", "-s"] {
        let there = format!("scp -q {protocol} -rp tree there:copy-by{protocol}");
        host.sh("bob", &there).ok();
        let back = format!("scp -q {protocol} -rp there:copy-by{protocol} back-by{protocol}");
        host.sh("bob", &back).ok();
        let expected = listing(&ssh, "bob", "expected");
        assert_eq!(
            listing(&ssh, "alice", &format!("copy-by{protocol}")),
            expected,
            "{way:?} {protocol}"
        );
        assert_eq!(
            listing(&ssh, "bob", &format!("back-by{protocol}")),
            expected,
            "{way:?} {protocol}"
        );
        // It is the environment's own /tmp that is written to.
        let marked = format!("scp -q {protocol} tree/big there:/tmp/mark{protocol}");
        host.sh("bob", &marked).ok();
        let mark = format!("/tmp/mark{protocol}");
        assert_eq!(host.exists(&mark), way == Way::Plain, "{way:?} {protocol}");
        let missing = format!("scp -q {protocol} there:not-there .");
        host.sh("bob", &missing)
            .exits(1)
            .says("No such file or directory");
    }
    ssh.lands();
}

fn sftp_whichever_server_sshd_has(way: Way) {
    for server in ["/usr/lib/openssh/sftp-server", "internal-sftp"] {
        let host = Host::start().unwrap();
        let line = format!("s|^Subsystem.*|Subsystem sftp {server}|");
        host.run("root", &["sed", "-i", &line, "/etc/ssh/sshd_config"])
            .ok();
        let ssh = Ssh::on(host, way, "");
        let host = &ssh.host;
        host.sh("bob", "head -c 1M /dev/urandom > sent").ok();
        let batch = "pwd\nmkdir made\ncd made\nput /home/bob/sent a\\ b\nrename \"a b\" c\nchmod 640 c\nln -s c link\n\
                     ls -1\nget c /home/bob/got\nput /home/bob/sent /tmp/mark\nrm c\n-rmdir nothing\nbye\n";
        let said = host
            .command("bob", &["sftp", "-b", "-", "there"])
            .stdin(batch)
            .run()
            .ok();
        assert!(
            said.stdout
                .contains("Remote working directory: /home/alice\n")
                && said.stdout.contains("\nc\nlink\n"),
            "{said}"
        );
        host.sh("bob", "cmp sent got").ok();
        // As a login shell, Caddis is not asked about a server that is part of sshd itself.
        let aside = way == Way::Shell && server == "internal-sftp";
        assert_eq!(
            host.exists("/tmp/mark"),
            way == Way::Plain || aside,
            "{way:?} {server}"
        );
    }
}

fn rsync_keeps_what_it_keeps_on_the_host(way: Way) {
    let ssh = Ssh::start(way);
    let host = &ssh.host;
    host.sh("bob", TREE).ok();
    let expected = listing(&ssh, "bob", "tree");
    host.sh("bob", "rsync -aHSs tree/ there:copy").ok();
    assert_eq!(listing(&ssh, "alice", "copy"), expected);
    host.sh("bob", "rsync -aHS there:copy/ back").ok();
    assert_eq!(listing(&ssh, "bob", "back"), expected);
    let links = host
        .sh(
            "alice",
            "stat -c %h copy/big; stat -c %U:%G copy/big; du -k copy/hole | cut -f1",
        )
        .ok();
    assert_eq!(links.stdout, "2\nalice:alice\n0\n");
    // Nothing is left to be done a second time, by content, times and owners.
    let again = host.sh("bob", "rsync -aHSci tree/ there:copy").ok();
    assert_eq!(again.stdout, "");
    // What changed is sent, what is gone is removed, and a filter with odd characters arrives as it is.
    host.sh("bob", "chmod 700 tree/deep; rm -rf tree/deep; echo more >> tree/big; mkdir tree/'$(x) *'; : > tree/'$(x) *'/y")
        .ok();
    host.sh(
        "bob",
        "chmod 700 tree; rsync -aHi --delete tree/ there:copy",
    )
    .ok();
    host.sh(
        "bob",
        "rsync -a there:copy/ back --delete && diff -r tree back",
    )
    .fails()
    .says("dangling");
    host.sh("bob", "rsync -a tree/big there:/tmp/mark").ok();
    assert_eq!(host.exists("/tmp/mark"), way == Way::Plain);
    // Root's part on the other side, which an environment has.
    if way != Way::Plain {
        host.sh(
            "bob",
            "rsync -a --rsync-path='sudo rsync' --chown=games:games tree/big there:/usr/local/big",
        )
        .ok();
        let owner = ssh.run("stat -c %U:%G /usr/local/big").ok();
        assert_eq!(owner.text(), "games:games");
        assert!(!host.exists("/usr/local/big"));
    }
}

fn git_clones_and_pushes(way: Way) {
    let ssh = Ssh::start(way);
    let host = &ssh.host;
    host.sh("alice", "git init -q --bare -b main \"work's.git\"")
        .ok();
    let identity = "export GIT_AUTHOR_NAME=bob GIT_AUTHOR_EMAIL=b@lab GIT_COMMITTER_NAME=bob GIT_COMMITTER_EMAIL=b@lab";
    let script = format!(
        "{identity}; set -e; git clone -q \"there:work's.git\" work 2>/dev/null; cd work; git checkout -q -B main; \
         head -c 2M /dev/urandom > data; git add data; git commit -qm first; git push -q origin main; \
         git clone -q \"ssh://there/~/work's.git\" ../again; cmp data ../again/data; git rev-parse HEAD"
    );
    let head = host.sh("bob", &script).ok().stdout;
    let there = "git -C \"work's.git\" rev-parse main; git -C \"work's.git\" fsck --strict";
    assert_eq!(host.sh("alice", there).ok().stdout, head);
    // A hook of the repository's runs where the user is.
    host.write(
        "/home/alice/work's.git/hooks/post-receive",
        "#!/bin/sh\necho \"[$CADDIS_ENV]\"\n",
        0o755,
    );
    let push =
        format!("{identity}; cd work; git commit -q --allow-empty -m second; git push origin main");
    host.sh("bob", &push)
        .ok()
        .says(&format!("remote: [{}]", way.environment()));
}
