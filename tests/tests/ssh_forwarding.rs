//! What ssh carries beside the command: the agent, X11, ports, sockets, several sessions on one connection.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{HostChild, eventually};
use caddis_tests::{Ssh, State, Way, every_way};

every_way!(
    the_agent_of_each_login_is_there,
    windows_open_on_the_clients_screen,
    ports_and_sockets_are_forwarded,
    one_connection_has_many_sessions,
    an_alias_chooses_the_environment,
);

/// bob's agent, with his key in it, at `~/agent`.
fn agent(ssh: &Ssh) -> HostChild {
    let mut agent = ssh.host.spawn("bob", "exec ssh-agent -D -a ~/agent");
    assert!(agent.line().contains("SSH_AUTH_SOCK"));
    let add = "SSH_AUTH_SOCK=~/agent ssh-add -q .ssh/id_ed25519";
    ssh.host.sh("bob", add).ok();
    agent
}

fn the_agent_of_each_login_is_there(way: Way) {
    let ssh = Ssh::start(way);
    let _agent = agent(&ssh);
    let with = |words: &[&str]| ssh.ssh(words).env("SSH_AUTH_SOCK", "/home/bob/agent");
    let listed = with(&["-A", "there", "ssh-add -l; echo \"[$CADDIS_ENV]\""]).run();
    let listed = listed.ok().stdout;
    assert!(
        listed.contains("bob (ED25519)\n")
            && listed.ends_with(&format!("[{}]\n", way.environment())),
        "{listed}"
    );
    // From alice's login on to carol's account, with bob's key, which stays with him.
    let onward = "ssh -o BatchMode=yes carol@localhost 'id -un; ls -A .ssh'";
    let onward = with(&["-A", "there", onward]).run().ok();
    assert_eq!(onward.stdout, "carol\nauthorized_keys\n");
    // Several logins at a time have an agent each, and one's end is not the other's.
    let mut first = with(&["-A", "there", "echo $SSH_AUTH_SOCK; read -r x; ssh-add -l"]).spawn();
    let mut second = with(&["-A", "there", "echo $SSH_AUTH_SOCK; read -r x; ssh-add -l"]).spawn();
    let (path, other) = (first.line(), second.line());
    assert_ne!(path, other);
    first.send("\n");
    first.wait().ok();
    second.send("\n");
    second.wait().ok();
    // Nothing is left of either when it has ended, on the host or inside.
    eventually("the sockets are gone", || {
        let script = format!("ls {path} {other} 2>/dev/null | wc -l");
        ssh.run(&script).text() == "0" && !ssh.host.exists(&path) && !ssh.host.exists(&other)
    });
    // Without -A, or from a client without an agent, there is none.
    for words in [["-a", "there", "ssh-add -l"], ["-T", "there", "ssh-add -l"]] {
        with(&words)
            .run()
            .exits(2)
            .says("Could not open a connection to your authentication agent");
    }
    // Another user gets nothing by way of the socket.
    let mut open = with(&["-A", "there", "echo $SSH_AUTH_SOCK; read -r x"]).spawn();
    let path = open.line();
    let stolen = format!("SSH_AUTH_SOCK={path} ssh-add -l");
    ssh.host.sh("carol", &stolen).fails();
    open.send("\n");
    open.wait().ok();
    ssh.lands();
}

fn windows_open_on_the_clients_screen(way: Way) {
    let ssh = Ssh::start(way);
    let _screen = ssh.host.start_x_server("bob");
    // sshd gives a display away when the connection has ended on its side, too.
    let ended = || eventually("sshd has ended", || ssh.host.count("^sshd: alice") == 0);
    let asked = "xdpyinfo | grep -E '^(name of display|vendor string|  dimensions)'; echo \"[$CADDIS_ENV] $XAUTHORITY\"";
    for how in ["-X", "-Y"] {
        let shown = ssh
            .ssh(&[how, "there", asked])
            .env("DISPLAY", ":7")
            .run()
            .ok()
            .stdout;
        assert!(
            shown.starts_with("name of display:    localhost:10.0\n")
                && shown.contains("dimensions:    640x480")
                && shown.ends_with(&format!("[{}] \n", way.environment())),
            "{how}: {shown}"
        );
        ended();
    }
    // Two displays at a time, the second one to an instance that runs.
    let mut first = ssh
        .ssh(&[
            "-X",
            "there",
            "echo $DISPLAY; read -r x; xdpyinfo > /dev/null",
        ])
        .env("DISPLAY", ":7")
        .spawn();
    assert_eq!(first.line(), "localhost:10.0");
    let second = ssh
        .ssh(&["-X", "there", "echo $DISPLAY; xdpyinfo > /dev/null"])
        .env("DISPLAY", ":7")
        .run();
    assert_eq!(second.ok().text(), "localhost:11.0");
    first.send("\n");
    first.wait().ok();
    // The cookie is what opens it.
    ssh.ssh(&["-X", "there", "XAUTHORITY=/dev/null xdpyinfo"])
        .env("DISPLAY", ":7")
        .run()
        .fails();
}

/// A server for one connection that answers a line, and says when it can be reached. `at` is a port or a path.
fn serve(answer: &str, at: &str) -> String {
    format!(
        "python3 -c 'if 1:\n import socket\n at = \"{at}\"\n\
         \x20s = socket.create_server((\"127.0.0.1\", int(at)) if at.isdigit() else at,\n\
         \x20 family=socket.AF_INET if at.isdigit() else socket.AF_UNIX)\n print(\"up\", flush=True)\n\
         \x20c = s.accept()[0]\n print(\"got\", c.makefile().readline(), end=\"\", flush=True)\n\
         \x20c.sendall(b\"{answer}\\n\")\n'"
    )
}

fn ports_and_sockets_are_forwarded(way: Way) {
    let ssh = Ssh::start(way);
    let host = &ssh.host;
    let ask = |user: &str, at: &str| {
        let said = host.sh(user, &format!("echo question | nc -N {at}"));
        said.ok().text().to_owned()
    };
    // From the client to a server of alice's: a port, and a socket in her home.
    for (forward, at) in [
        ("8001:127.0.0.1:9001", "9001"),
        ("8001:/home/alice/socket", "/home/alice/socket"),
    ] {
        let mut server = ssh
            .ssh(&["-L", forward, "there", &serve("inside", at)])
            .spawn();
        assert_eq!(server.line(), "up");
        assert_eq!(ask("bob", "127.0.0.1 8001"), "inside");
        assert_eq!(server.line(), "got question");
        server.wait().ok();
    }
    // From alice's login to a server of the client's: a port, and a socket in her home.
    for (forward, at) in [
        ("8003:127.0.0.1:9003", "127.0.0.1 8003"),
        ("/home/alice/back:127.0.0.1:9003", "-U /home/alice/back"),
    ] {
        let mut server = host.spawn("bob", &serve("outside", "9003"));
        assert_eq!(server.line(), "up");
        let asked = format!("echo question | nc -N {at}; echo \"[$CADDIS_ENV]\"");
        let answered = ssh.ssh(&["-R", forward, "there", &asked]).run().ok();
        assert_eq!(
            answered.stdout,
            format!("outside\n[{}]\n", way.environment())
        );
        server.wait().ok();
    }
    // A proxy for whatever the client asks for.
    let mut server = ssh
        .ssh(&["-D", "8004", "there", &serve("by proxy", "9004")])
        .spawn();
    assert_eq!(server.line(), "up");
    assert_eq!(
        ask("bob", "-X 5 -x 127.0.0.1:8004 127.0.0.1 9004"),
        "by proxy"
    );
    server.wait().ok();
    // Standard input and output as a connection, and a connection through alice's as a step to carol's.
    let jump = ["-J", "there", "carol", "id -un"];
    assert_eq!(ssh.ssh(&jump).run().ok().text(), "carol");
    ssh.lands();
}

fn one_connection_has_many_sessions(way: Way) {
    let ssh = Ssh::start(way);
    let host = &ssh.host;
    let config = "printf 'Host many\\n HostName localhost\\n User alice\\n ControlMaster auto\\n ControlPath ~/.ssh/many\\n \
                  ControlPersist yes\\n' >> .ssh/config";
    host.sh("bob", config).ok();
    // The first makes the connection and leaves it.
    let inside = format!("[{}]\n", way.environment());
    let echo = "echo \"[$CADDIS_ENV]\"";
    assert_eq!(ssh.ssh(&["many", echo]).run().ok().stdout, inside);
    host.sh("bob", "ssh -O check many").ok();
    let mut pty = ssh.terminal(&["-tt", "many"]);
    pty.expect("alice@host:~$ ");
    let all = "for n in 1 2 3 4 5 6 7 8; do ssh many \"echo $n; exit $n\" > out$n; echo $? >> out$n & done; wait; \
               cat out*; echo put big | sftp -q -b - many; scp -q many:.profile copy";
    let all = host.sh("bob", &format!("echo words > big; {all}")).ok();
    let expected: String = (1..=8).map(|n| format!("{n}\n{n}\n")).collect();
    assert!(all.stdout.starts_with(&expected), "{all}");
    assert_eq!(host.read_text("/home/alice/big"), "words\n");
    // A session's end is its own; the terminal is still there, and so is the connection after it.
    pty.send("echo still $((1 + 1))\n");
    pty.expect("still 2\r\n");
    pty.send("exit 5\n");
    pty.wait().exits(5);
    assert_eq!(host.count("^sshd: alice \\[priv\\]"), 1);
    assert_eq!(ssh.ssh(&["many", echo]).run().ok().stdout, inside);
    host.sh("bob", "ssh -O exit many").ok();
    eventually("the connection is gone", || host.count("^sshd: alice") == 0);
    ssh.lands();
}

fn an_alias_chooses_the_environment(way: Way) {
    let ssh = Ssh::start(way);
    let named = |environment: &'static str| match way {
        Way::Plain => "",
        _ => environment,
    };
    let said = |words: &[&str]| ssh.ssh(words).run().ok().text().to_owned();
    let echo = "echo \"$CADDIS_ENV\"; touch /var/tmp/in-\"$CADDIS_ENV\"; ls /var/tmp";
    for environment in ["default", "project"] {
        let alias = if environment == "default" {
            "there"
        } else {
            environment
        };
        let name = named(environment);
        assert_eq!(said(&[alias, echo]), format!("{name}\nin-{name}").trim());
    }
    let mut pty = ssh.terminal(&["-tt", "project"]);
    pty.expect("alice@host:~$ ");
    pty.send("echo in-$CADDIS_ENV-$((1 + 1))\n");
    pty.expect(&format!("in-{}-2\r\n", named("project")));
    pty.send("exit\n");
    pty.wait().ok();
    ssh.host
        .sh("bob", "echo x > file; scp -q file project:/var/tmp/copied")
        .ok();
    assert_eq!(said(&["project", "cat /var/tmp/copied"]), "x",);
    if way == Way::Plain {
        return;
    }
    ssh.run("cat /var/tmp/copied").fails();
    // What is no name of an environment is refused, and nothing is made.
    let bad = ssh
        .ssh(&["-o", "SetEnv=CADDIS_LOGIN_ENV=../x", "there", "echo out"])
        .run()
        .fails();
    assert_eq!(bad.stdout, "");
    let bad = bad.says("../x");
    assert!(bad.stderr.starts_with("caddis: "), "{bad}");
}
