//! What sshd and PAM make for a session on the host is there inside: the agent's socket, tickets, cookies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Host, HostChild, HostCommand, eventually};
use caddis_tests::Environments;

/// A login with these variables that runs a command.
fn login<'host>(host: &'host Host, variables: &[(&str, &str)], script: &str) -> HostCommand<'host> {
    let mut command = host.command("alice", &["caddis-login", "-c", script]);
    for (name, value) in variables {
        command = command.env(name, value);
    }
    command
}

/// An agent of alice's with a key whose comment is `name`, and its socket.
fn agent(host: &Host, name: &str) -> (HostChild, String) {
    let script = format!(
        "set -e; d=$(mktemp -d /tmp/ssh-XXXXXXXXXX); trap 'kill $(jobs -p)' EXIT; ssh-agent -D -a $d/agent > /dev/null & \
         until SSH_AUTH_SOCK=$d/agent ssh-add -l > /dev/null 2>&1 || [ $? = 1 ]; do :; done
         rm -f key.{name}; ssh-keygen -q -t ed25519 -N '' -C {name} -f key.{name}; SSH_AUTH_SOCK=$d/agent ssh-add -q key.{name}
         echo $d/agent; read"
    );
    let mut agent = host.spawn("alice", &script);
    let socket = agent.line();
    (agent, socket)
}

/// What is below `/tmp` inside, but for what other programs leave there.
fn left(host: &Host) -> String {
    host.inside("alice", "find /tmp -mindepth 1").ok().stdout
}

#[test]
fn the_agent_answers_at_the_same_path_and_nothing_is_left() {
    let host = Host::start().unwrap();
    let agents = ["one", "two", "three"].map(|name| agent(&host, name));
    let told = "echo $SSH_AUTH_SOCK; ssh-add -L | cut -d' ' -f3; stat -c '%a %U' $SSH_AUTH_SOCK $(dirname $SSH_AUTH_SOCK); read";
    let mut sessions: Vec<_> = agents
        .iter()
        .map(|(_, socket)| login(&host, &[("SSH_AUTH_SOCK", socket)], told).spawn())
        .collect();
    for ((_, socket), (session, name)) in agents
        .iter()
        .zip(sessions.iter_mut().zip(["one", "two", "three"]))
    {
        let lines = [(); 4].map(|()| session.line());
        assert_eq!(lines, [socket, name, "600 alice", "700 alice"]);
    }
    // Not a child of the shell, and called by its name.
    let relays = "ps -o ppid=,args= -C caddis-login";
    let shown = host.inside("alice", relays).ok().stdout;
    let shown: Vec<String> = shown
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(shown, ["1 caddis-login"; 3]);
    for session in sessions {
        session.wait();
    }
    eventually("the relays have left nothing", || left(&host).is_empty());
    eventually("the relays have ended", || {
        host.inside("alice", relays).stdout.is_empty()
    });
    // The host's are there as before.
    for (_, socket) in &agents {
        assert!(host.exists(socket));
    }
}

#[test]
fn sessions_over_one_connection_each_have_the_agent_until_their_end() {
    let host = Host::start().unwrap();
    let (_agent, socket) = agent(&host, "key");
    let variables = [("SSH_AUTH_SOCK", socket.as_str())];
    let ask = "while read; do ssh-add -L | cut -d' ' -f3; done";
    let mut first = login(&host, &variables, ask).spawn();
    let asked = |session: &mut HostChild| {
        session.send("\n");
        assert_eq!(session.line(), "key");
    };
    asked(&mut first);
    let mut second = login(&host, &variables, ask).spawn();
    asked(&mut second);
    first.wait();
    eventually("the first one's socket is gone", || {
        !left(&host).contains("/agent\n")
    });
    asked(&mut second);
    second.wait();
    eventually("nothing is left", || left(&host).is_empty());
    // One that was killed leaves its socket, and is in nobody's way.
    let mut session = login(&host, &variables, ask).spawn();
    asked(&mut session);
    let kill = "pkill -KILL -x caddis-login; while pgrep -x caddis-login > /dev/null; do :; done";
    host.inside("alice", kill).ok();
    let mut next = login(&host, &variables, &format!("echo $SSH_AUTH_SOCK; {ask}")).spawn();
    assert_eq!(next.line(), socket);
    asked(&mut next);
}

#[test]
fn what_goes_through_arrives_whole_and_in_both_directions() {
    let host = Host::start().unwrap();
    let echo = r#"
import os, socket, threading
os.makedirs("/tmp/ssh-x", 0o700)
s = socket.socket(socket.AF_UNIX); s.bind("/tmp/ssh-x/agent"); s.listen(200); print("up", flush=True)
def answer(c):
    got = b""
    while True:
        part = c.recv(65536)
        if not part: break
        got += part
    c.sendall(got[::-1]); c.close()
while True: threading.Thread(target=answer, args=(s.accept()[0],), daemon=True).start()
"#;
    let mut server = host.command("alice", &["python3", "-c", echo]).spawn();
    server.line();
    let client = r#"
import os, socket, threading
done = []
def ask(number):
    c = socket.socket(socket.AF_UNIX); c.connect(os.environ["SSH_AUTH_SOCK"])
    data = os.urandom(200000 + number)
    c.sendall(data); c.shutdown(socket.SHUT_WR)
    got = b""
    while True:
        part = c.recv(65536)
        if not part: break
        got += part
    if got == data[::-1]: done.append(number)
threads = [threading.Thread(target=ask, args=(n,)) for n in range(150)]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(done))
"#;
    let script = format!("python3 -c '{client}'");
    let output = login(&host, &[("SSH_AUTH_SOCK", "/tmp/ssh-x/agent")], &script)
        .run()
        .ok();
    assert_eq!(output.text(), "150");
}

#[test]
fn a_relay_holds_nothing_of_its_session() {
    let host = Host::start().unwrap();
    let (_agent, socket) = agent(&host, "key");
    // It is called so when it has let go of everything.
    let told = "until r=$(pgrep -x caddis-login); do :; done; readlink /proc/$r/fd/* | sed 's/:.*//' | sort | uniq -c | tr -s ' '; readlink /proc/$r/cwd";
    let output = login(&host, &[("SSH_AUTH_SOCK", &socket)], told)
        .cwd("/home/alice")
        .run()
        .ok();
    let expected = format!(" 3 /dev/null\n 1 {socket}\n 1 anon_inode\n 1 pidfd\n 1 socket\n/\n");
    let pidfd_as_anonymous = expected.replace(" 1 anon_inode\n 1 pidfd\n", " 2 anon_inode\n");
    assert!(
        output.stdout == expected || output.stdout == pidfd_as_anonymous,
        "{output}"
    );
}

#[test]
fn tickets_are_copied_and_newer_ones_kept() {
    let host = Host::start().unwrap();
    let script = "umask 077; mkdir /tmp/made; echo ticket > /tmp/krb5cc_x; echo cookie > /tmp/made/xauth; echo proxy > proxy; \
        touch -d 2020-01-02T03:04:05.678 /tmp/krb5cc_x; chmod 640 /tmp/made/xauth; stat -c %i proxy";
    let inode = host.sh("alice", script).ok().stdout;
    let variables = [
        ("KRB5CCNAME", "FILE:/tmp/krb5cc_x"),
        ("XAUTHORITY", "/tmp/made/xauth"),
        ("X509_USER_PROXY", "/home/alice/proxy"),
    ];
    let told = "cat ${KRB5CCNAME#FILE:} $XAUTHORITY; stat -c '%a %U %y' ${KRB5CCNAME#FILE:} | cut -c1-33; \
        stat -c %a $XAUTHORITY $(dirname $XAUTHORITY); stat -c %i $X509_USER_PROXY; find /tmp -type f | wc -l";
    let output = login(&host, &variables, told).run().ok();
    assert_eq!(
        output.stdout,
        format!("ticket\ncookie\n600 alice 2020-01-02 03:04:05.678\n640\n700\n{inode}2\n"),
        "{output}"
    );
    let mut open = host.session("alice", "read");
    let cat = "cat /tmp/krb5cc_x";
    login(&host, &[], "echo renewed > /tmp/krb5cc_x").run().ok();
    assert_eq!(login(&host, &variables, cat).run().ok().text(), "renewed");
    host.sh(
        "alice",
        "echo newer > /tmp/krb5cc_x; touch -d tomorrow /tmp/krb5cc_x",
    )
    .ok();
    assert_eq!(login(&host, &variables, cat).run().ok().text(), "newer");
    // Nor is what is no file replaced.
    login(
        &host,
        &[],
        "rm /tmp/krb5cc_x; ln -s /dev/null /tmp/krb5cc_x",
    )
    .run()
    .ok();
    assert_eq!(login(&host, &variables, cat).run().ok().text(), "");
    open.send("\n");
}

#[test]
fn what_is_not_the_users_or_no_file_stays_outside() {
    let host = Host::start().unwrap();
    host.sh("bob", "echo bobs > /tmp/bobs; chmod 644 /tmp/bobs; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/tmp/sock\")'; chmod 777 /tmp/sock").ok();
    host.sh(
        "alice",
        "mkfifo /tmp/fifo; mkdir /tmp/dir; truncate -s 2M /tmp/long; ln -s /etc/passwd /tmp/link",
    )
    .ok();
    for (name, value) in [
        ("XAUTHORITY", "/tmp/bobs"),
        ("SSH_AUTH_SOCK", "/tmp/sock"),
        ("KRB5CCNAME", "/tmp/fifo"),
        ("KRB5CCNAME", "FILE:/tmp/dir"),
        ("KRB5CCNAME", "KCM:"),
        ("XAUTHORITY", "/tmp/long"),
        ("XAUTHORITY", "/tmp/link"),
        ("XAUTHORITY", "/etc/shadow"),
        ("XAUTHORITY", "relative"),
        ("SSH_AUTH_SOCK", ""),
        ("SSH_AUTH_SOCK", "/tmp/none"),
    ] {
        let told = format!("find /tmp -mindepth 1; echo \"${name}\"; ls /proc/self/fd | wc -w");
        let output = login(&host, &[(name, value)], &told).run().ok();
        assert_eq!(output.stdout, format!("{value}\n4\n"), "{output}");
        assert_eq!(output.stderr, "");
    }
}

#[test]
fn what_cannot_be_carried_keeps_nobody_out() {
    let host = Host::start().unwrap();
    host.write(
        "/etc/caddis/policy.toml",
        "[storage]\nmemory = \"1M\"\n",
        0o644,
    );
    let (_agent, socket) = agent(&host, "key");
    host.sh("alice", "echo ticket > /tmp/krb5cc_x").ok();
    let variables = [
        ("SSH_AUTH_SOCK", socket.as_str()),
        ("KRB5CCNAME", "/tmp/krb5cc_x"),
    ];
    let mut open = host.session("alice", "read");
    for spoil in [
        // The directory of the socket is somebody else's, or a file.
        &format!(
            "mkdir {0}; chmod 0 {0}; mkdir /tmp/krb5cc_x",
            socket.trim_end_matches("/agent")
        ),
        &format!("rm -r /tmp/*; touch {}", socket.trim_end_matches("/agent")),
        "rm -r /tmp/*; head -c 2M /dev/zero > /tmp/full",
    ] {
        let spoil = format!("{spoil}; true");
        host.inside_root("alice", &spoil).ok();
        let output = login(&host, &variables, "echo in").run().ok();
        assert_eq!(
            (output.text(), output.stderr.as_str()),
            ("in", ""),
            "{output}"
        );
    }
    // Who sits in front of it is told.
    let told = host.command(
        "alice",
        &["bash", "-c", "exec -a -caddis-login caddis-login"],
    );
    let told = variables
        .iter()
        .fold(told, |command, (name, value)| command.env(name, value));
    let told = told.stdin("echo in").run().ok();
    assert_eq!(told.text(), "in");
    let reason =
        "caddis: bring /tmp/krb5cc_x (KRB5CCNAME) into the environment: No space left on device\n";
    assert_eq!(told.stderr, reason);
    open.send("\n");
}

/// Services of the environment run under ids of their own, and can make files in its `/tmp`.
#[test]
fn what_others_have_put_there_is_not_taken_for_the_sessions() {
    let host = Host::start().unwrap();
    let (_agent, socket) = agent(&host, "key");
    let directory = socket.trim_end_matches("/agent");
    host.sh("alice", "echo ticket > /tmp/krb5cc_x").ok();
    let variables = [
        ("SSH_AUTH_SOCK", socket.as_str()),
        ("KRB5CCNAME", "FILE:/tmp/krb5cc_x"),
    ];
    let told = "echo ${SSH_AUTH_SOCK-none} ${KRB5CCNAME-none}";
    let mut open = host.session("alice", "read");
    let both = format!("{socket} FILE:/tmp/krb5cc_x");
    for (theirs, expected) in [
        ("true".to_owned(), both.clone()),
        (
            "echo theirs > /tmp/krb5cc_x; touch -d tomorrow /tmp/krb5cc_x".to_owned(),
            format!("{socket} none"),
        ),
        (
            "ln -s /tmp/theirs /tmp/krb5cc_x".to_owned(),
            format!("{socket} none"),
        ),
        (
            format!("mkdir -m 777 {directory}"),
            "none FILE:/tmp/krb5cc_x".to_owned(),
        ),
        (
            format!("mkdir {directory}; echo theirs > {socket}"),
            "none FILE:/tmp/krb5cc_x".to_owned(),
        ),
        ("true".to_owned(), both),
    ] {
        let service = format!(
            "rm -rf /tmp/krb5cc_x {directory}; setpriv --reuid 33 --regid 33 --clear-groups sh -c '{theirs}'"
        );
        host.inside_root("alice", &service).ok();
        let output = login(&host, &variables, told).run().ok();
        assert_eq!(output.text(), expected, "{theirs}: {output}");
    }
    open.send("\n");
}

/// Nor what they may put there later: where nothing could be brought in, because they have used up the memory, and where
/// they could exchange a directory on the way.
#[test]
fn what_others_can_put_there_later_is_not_named() {
    let host = Host::start().unwrap();
    host.write(
        "/etc/caddis/policy.toml",
        "[storage]\nmemory = \"1M\"\n",
        0o644,
    );
    let (_agent, socket) = agent(&host, "key");
    host.sh(
        "alice",
        "mkdir -p /tmp/tickets/alice; echo ticket | tee /tmp/krb5cc_x /tmp/tickets/alice/x > /tmp/tickets/alice/proxy",
    )
    .ok();
    let variables = [
        ("SSH_AUTH_SOCK", socket.as_str()),
        ("KRB5CCNAME", "FILE:/tmp/krb5cc_x"),
        ("XAUTHORITY", "/tmp/tickets/alice/x"),
        ("X509_USER_PROXY", "/tmp/tickets/alice/proxy"),
    ];
    let told =
        "echo ${SSH_AUTH_SOCK-none} ${KRB5CCNAME-none} ${XAUTHORITY-none} ${X509_USER_PROXY-none}";
    let mut open = host.session("alice", "read");
    let as_service = |script: &str| {
        let service =
            format!("setpriv --reuid 33 --regid 33 --clear-groups sh -c '{script}; true'");
        host.inside_root("alice", &service).ok();
    };
    as_service("head -c 2M /dev/zero > /tmp/full 2> /dev/null");
    let output = login(&host, &variables, told).run().ok();
    // A socket takes no memory there.
    assert_eq!(output.text(), format!("{socket} none none none"));
    as_service("rm /tmp/full; mkdir -m 777 /tmp/tickets; ln -s . /tmp/tickets/alice");
    let ours = format!("{socket} FILE:/tmp/krb5cc_x none none");
    assert_eq!(login(&host, &variables, told).run().ok().text(), ours);
    as_service("rm /tmp/tickets/*; chmod 1777 /tmp/tickets");
    assert_eq!(login(&host, &variables, told).run().ok().text(), ours);
    host.inside_root("alice", "rm -r /tmp/tickets; mkdir -m 1777 /tmp/tickets")
        .ok();
    let output = login(&host, &variables, told).run().ok();
    let all = format!("{socket} FILE:/tmp/krb5cc_x /tmp/tickets/alice/x /tmp/tickets/alice/proxy");
    assert_eq!(output.text(), all);
    open.send("\n");
}
