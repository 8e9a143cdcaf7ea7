//! Programs that drive a machine over ssh: Ansible, and editors that bring their own server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_tests::{Ssh, State, Way, every_way};

every_way!(
    ansible_pings_and_copies,
    an_editor_installs_and_reaches_its_server,
);

fn ansible_pings_and_copies(way: Way) {
    let ssh = Ssh::start(way);
    let host = &ssh.host;
    // Becoming root takes no password, as inside.
    host.write(
        "/etc/sudoers.d/alice",
        "alice ALL=(ALL) NOPASSWD: ALL\n",
        0o440,
    );
    host.write(
        "/home/bob/play.yml",
        "- hosts: all\n  gather_facts: no\n  tasks:\n\
         \x20 - ping:\n\
         \x20 - copy: {content: \"words é\\n\", dest: /var/tmp/copied, mode: '0640'}\n\
         \x20 - copy: {src: /home/bob/big, dest: /home/alice/big}\n\
         \x20 - copy: {content: root's, dest: /etc/of-ansible}\n    become: true\n\
         \x20 - shell: 'echo \"[$CADDIS_ENV] $(id -un) $(cat /var/tmp/copied)\"'\n    register: said\n\
         \x20 - debug: {var: said.stdout}\n\
         \x20 - command: id -un\n    become: true\n    register: root\n\
         \x20 - debug: {var: root.stdout}\n",
        0o644,
    );
    host.sh("bob", "head -c 1M /dev/urandom > big").ok();
    let play = |extra: &[&str]| {
        let words = ["ansible-playbook", "-i", "there,", "play.yml"];
        host.command("bob", &[&words[..], extra].concat())
            .env("ANSIBLE_NOCOLOR", "1")
            .env("ANSIBLE_LOCALHOST_WARNING", "0")
            .env("ANSIBLE_INTERPRETER_PYTHON", "auto_silent")
            .run()
            .ok()
            .stdout
    };
    let first = play(&[]);
    for expected in [
        format!("\"said.stdout\": \"[{}] alice words é\"", way.environment()),
        "\"root.stdout\": \"root\"".into(),
        "failed=0".into(),
    ] {
        assert!(first.contains(&expected), "{way:?} {expected}: {first}");
    }
    host.run("root", &["cmp", "/home/bob/big", "/home/alice/big"])
        .ok();
    assert_eq!(host.exists("/var/tmp/copied"), way == Way::Plain);
    assert_eq!(host.exists("/etc/of-ansible"), way == Way::Plain);
    // Again, with its modules sent through the shell's standard input: nothing is left to be changed.
    let again = play(&["-e", "ansible_pipelining=true", "--check"]);
    assert!(again.contains("failed=0"), "{again}");
}

/// As Visual Studio Code does it: a script piped to a shell downloads an archive, unpacks it, starts a server, and tells
/// where it is and with what token.
const INSTALL: &str = r#"
set -e
: a long script comes in parts and is read by the shell while its commands run
dir=$HOME/.vscode-server/bin/0123abcd
mkdir -p "$dir"; cd "$dir"
if [ ! -e server/main.py ]; then
    curl -fsS http://127.0.0.1:9100/server.tar.gz -o server.tar.gz
    tar -xzf server.tar.gz && rm server.tar.gz
    echo downloaded
fi
if [ ! -e pid ] || ! kill -0 "$(cat pid)" 2> /dev/null; then
    echo "token-$RANDOM$RANDOM" > token
    nohup python3 server/main.py token > log 2>&1 < /dev/null &
    echo $! > pid
    echo started
fi
# Its first line says the port.
until grep -q '^listening on ' log; do sleep 0.05; done
echo "port $(sed -n 's/^listening on //p' log) token $(cat token) pid $(cat pid) in [$CADDIS_ENV]"
exit 0
echo this is never read
"#;

const SERVER: &str = "import http.server, os, sys\n\
    token = open(sys.argv[1]).read().strip()\n\
    class Answer(http.server.BaseHTTPRequestHandler):\n\
    \x20   def do_GET(self):\n\
    \x20       good = self.path == '/' + token\n\
    \x20       self.send_response(200 if good else 403); self.end_headers()\n\
    \x20       if good: self.wfile.write(f\"[{os.environ.get('CADDIS_ENV', '')}] {os.getpid()}\\n\".encode())\n\
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Answer)\n\
    print('listening on', server.server_port, flush=True)\n\
    server.serve_forever()\n";

fn an_editor_installs_and_reaches_its_server(way: Way) {
    let ssh = Ssh::start(way);
    let host = &ssh.host;
    host.sh("root", "mkdir -p /srv/www/server").ok();
    host.write("/srv/www/server/main.py", SERVER, 0o644);
    let mut site = host.spawn(
        "root",
        "cd /srv/www && tar -czf server.tar.gz server && exec python3 -u -m http.server --bind 127.0.0.1 9100",
    );
    site.until("Serving HTTP");
    let install = |shell: &str| {
        let command = ssh.ssh(&["-T", "-D", "8101", "there", shell]);
        command.stdin(INSTALL).run().ok().stdout
    };
    let environment = format!("[{}]", way.environment());
    let first = install("bash");
    assert!(first.starts_with("downloaded\nstarted\nport "), "{first}");
    let said = first.lines().last().unwrap().to_owned();
    let words: Vec<&str> = said.split(' ').collect();
    let ["port", port, "token", token, "pid", pid, "in", place] = words.as_slice() else {
        panic!("{first}");
    };
    assert_eq!(place, &environment);
    // Another connection reaches it, by a port and by a proxy.
    let answer = format!("{environment} {pid}\n");
    let ask = |by: &[&str], url: &str| {
        let mut tunnel = ssh
            .ssh(&[by, &["there", "echo up; read -r x"]].concat())
            .spawn();
        assert_eq!(tunnel.line(), "up");
        let proxy = if by[0] == "-D" {
            "-x socks5://127.0.0.1:8102"
        } else {
            ""
        };
        let said = host.sh("bob", &format!("curl -fsS {proxy} {url}")).ok();
        tunnel.send("\n");
        tunnel.wait().ok();
        said.stdout
    };
    let forward = format!("8103:127.0.0.1:{port}");
    assert_eq!(
        ask(&["-L", &forward], &format!("http://127.0.0.1:8103/{token}")),
        answer
    );
    assert_eq!(
        ask(&["-D", "8102"], &format!("http://127.0.0.1:{port}/{token}")),
        answer
    );
    // Nobody is logged in now, and it is still there for the next one, who starts none.
    caddis_lab::eventually("sshd has ended the sessions", || {
        host.count("^sshd: alice") == 0
    });
    for shell in ["sh", "bash -s", "exec bash --noprofile --norc"] {
        assert_eq!(install(shell), format!("{said}\n"), "{way:?} {shell}");
    }
    // By the login shell itself, without a command. (Of a failure in Debian's ~/.bash_logout it would make its own.)
    let script = INSTALL.replace("set -e\n", "");
    let fed = ssh.ssh(&["-T", "there"]).stdin(script).run().ok().stdout;
    assert!(fed.ends_with(&format!("{said}\n")), "{fed}");
    assert_eq!(host.count("^python3 server/main.py"), 1);
}
