//! tmux and screen: what runs in them survives a connection that drops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{Pty, Signal, eventually};
use caddis_tests::{Ssh, State, Way, every_way, in_foreground};

every_way!(tmux_outlives_its_connection, screen_outlives_its_connection,);

/// One of the programs that keep a terminal, and how it is told.
struct Keeper {
    start: &'static str,
    attach: &'static str,
    list: &'static str,
    attached: &'static str,
    end: &'static str,
    /// Its server's process.
    server: &'static str,
}

fn login(ssh: &Ssh) -> Pty {
    let ssh = ssh.ssh(&["-tt", "there"]).env("TERM", "xterm");
    let mut pty = ssh.pty();
    pty.expect("alice@host:~$ ");
    pty
}

/// Works in it, loses the connection, logs in again and finds the work where it was.
fn survives(way: Way, keeper: &Keeper) {
    let ssh = Ssh::start(way);
    let host = &ssh.host;
    // systemd makes it where there is one.
    host.sh("root", "install -d -m 777 -g utmp /run/screen")
        .ok();
    // What is left of a login ends with it, but for such a terminal.
    host.policy("[session]\nlinger = \"0\"\n[login]\nbackground = \"0\"\n");
    let mut pty = login(&ssh);
    pty.send(&format!("{}\n", keeper.start));
    // Drawn by it, maybe in colours.
    pty.expect("alice@host");
    pty.send("cat > work\n");
    in_foreground(host, "cat");
    pty.send("before\n");
    eventually("it is taken", || {
        host.read_text("/home/alice/work") == "before\n"
    });
    let cat = host.sh("root", "pgrep -x cat -u alice").ok().stdout;
    // The client is gone without a word, and with it the connection.
    pty.child().kill(Signal::KILL);
    pty.wait().exits(137);
    eventually("sshd has ended the session", || {
        host.count("^sshd: alice") == 0
    });
    eventually("nobody is attached", || {
        !host
            .sh("alice", &inside(way, keeper.list))
            .stdout
            .contains(keeper.attached)
    });
    assert_eq!(host.sh("root", "pgrep -x cat -u alice").ok().stdout, cat);
    let mut pty = login(&ssh);
    pty.send(&format!("{}\n", keeper.attach));
    // The screen as it was.
    pty.expect("before");
    pty.send("after\n");
    eventually("it is taken", || {
        host.read_text("/home/alice/work") == "before\nafter\n"
    });
    pty.send("\x04");
    eventually("it has ended", || {
        host.sh("root", "pgrep -x cat -u alice").code() == 1
    });
    pty.send("echo \"[$CADDIS_ENV]\" > where\n");
    eventually("it is said", || {
        host.exists("/home/alice/where")
            && host.read_text("/home/alice/where") == format!("[{}]\n", way.environment())
    });
    pty.send("exit\n");
    // What is typed while it gives the terminal back may get lost.
    eventually("it has given the terminal back", || {
        host.count(&format!("^{}", keeper.attach)) == 0
    });
    // With its last terminal the server ends, and with it, at the end of the login, all the rest.
    pty.send("(setsid bash -c 'exec -a left-behind sleep infinity' &)\n");
    host.comes_to("^left-behind", 1);
    pty.send("exit\n");
    pty.wait().ok();
    eventually("its server has ended", || host.count(keeper.server) == 0);
    if way != Way::Plain {
        eventually("nothing is left", || host.count("^left-behind") == 0);
    }
    ssh.run(keeper.end);
    ssh.lands();
}

/// The same in a login of its own kind, without ssh.
fn inside(way: Way, command: &str) -> String {
    match way {
        Way::Plain => command.into(),
        _ => format!("caddis run {command}"),
    }
}

fn tmux_outlives_its_connection(way: Way) {
    survives(
        way,
        &Keeper {
            start: "tmux -u new-session -s work",
            attach: "tmux -u attach -t work",
            list: "tmux list-sessions",
            attached: "(attached)",
            end: "tmux kill-server",
            server: "^tmux",
        },
    );
}

fn screen_outlives_its_connection(way: Way) {
    survives(
        way,
        &Keeper {
            start: "screen -S work",
            attach: "screen -r work",
            list: "screen -ls",
            attached: "(Attached)",
            end: "screen -S work -X quit",
            server: "^SCREEN",
        },
    );
}
