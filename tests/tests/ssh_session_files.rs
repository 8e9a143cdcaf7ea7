//! What sshd and PAM make for a session on the host is there inside: Kerberos tickets, `/run/user/UID`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::{HostChild, eventually};
use caddis_tests::{Environments, Ssh, State, Way, every_way};

every_way!(
    kerberos_tickets_come_along,
    a_ticket_that_is_renewed_inside_is_the_sessions,
    the_users_run_directory_is_there,
    the_users_rc_file_is_read,
);

const GSSAPI: &str = "GSSAPIAuthentication yes\nGSSAPIStrictAcceptorCheck no\n";

/// A host with a realm. bob's client has a ticket for alice, and her passwordless key is out of the way.
fn realm(way: Way) -> Ssh {
    let ssh = Ssh::start_with(way, GSSAPI);
    let host = &ssh.host;
    host.start_kerberos();
    host.sh("bob", "echo alice | kinit -f alice && printf 'Host ticket\\n HostName localhost\\n User alice\\n \
                    PreferredAuthentications gssapi-with-mic\\n GSSAPIAuthentication yes\\n GSSAPIDelegateCredentials yes\\n' \
                    >> .ssh/config")
        .ok();
    ssh
}

fn kerberos_tickets_come_along(way: Way) {
    let ssh = realm(way);
    let host = &ssh.host;
    let asked = "echo $KRB5CCNAME; echo \"[$CADDIS_ENV]\"; klist && kvno -q host/localhost && stat -c '%U %a' ${KRB5CCNAME#FILE:}";
    let listed = ssh.ssh(&["ticket", asked]).run().ok().stdout;
    let cache = listed.lines().next().unwrap().to_owned();
    assert!(cache.starts_with("FILE:/tmp/krb5cc_1000_"), "{listed}");
    let environment = way.environment();
    assert!(
        listed.contains(&format!("\n[{environment}]\n"))
            && listed.contains("Default principal: alice@LAB\n")
            && listed.ends_with("alice 600\n"),
        "{listed}"
    );
    // With it, on to the next host, without a password or a key.
    host.sh("carol", "echo alice@LAB > .k5login").ok();
    let onward = "ssh -o BatchMode=yes -o GSSAPIAuthentication=yes -o PreferredAuthentications=gssapi-with-mic \
                  carol@localhost id -un";
    let onward = ssh.ssh(&["ticket", onward]).run().ok();
    assert_eq!(onward.text(), "carol");
    // Each of two logins has its own, and the one's end leaves the other's.
    let wait = "echo ${KRB5CCNAME#FILE:}; read -r x; klist -s && echo valid";
    let mut first = ssh.ssh(&["ticket", wait]).spawn();
    let mut second = ssh.ssh(&["ticket", wait]).spawn();
    let (one, two) = (first.line(), second.line());
    assert_ne!(one, two);
    let end = |mut child: HostChild| {
        child.send("\n");
        assert_eq!(child.line(), "valid");
        child.wait().ok();
    };
    end(first);
    end(second);
    // sshd destroys a session's cache when it has ended.
    eventually("the caches are gone", || {
        !host.exists(&one) && !host.exists(&two)
    });
    // Without delegation there is none.
    let none = [
        "-o",
        "GSSAPIDelegateCredentials=no",
        "ticket",
        "echo \"[$KRB5CCNAME]\"; klist -s",
    ];
    let none = ssh.ssh(&none).run().exits(1);
    assert_eq!(none.text(), "[]");
    ssh.lands();
}

fn a_ticket_that_is_renewed_inside_is_the_sessions(way: Way) {
    let ssh = realm(way);
    let asked = "kinit -f -l 1h alice <<< alice > /dev/null && kvno -q host/localhost && klist -s && klist; \
                 kdestroy && klist -s || echo destroyed";
    let said = ssh.ssh(&["ticket", asked]).run().ok().stdout;
    assert!(
        said.contains("host/localhost@LAB") && said.ends_with("destroyed\n"),
        "{said}"
    );
    // From nothing, in a login by key: the default cache is a file of the place where one is.
    let asked = "kinit alice <<< alice > /dev/null && klist -s && echo \"[$CADDIS_ENV]\"";
    let said = ssh.run(asked).ok();
    assert_eq!(said.text(), format!("[{}]", way.environment()));
    ssh.run("klist -s").ok();
    assert_eq!(ssh.host.exists("/tmp/krb5cc_1000"), way == Way::Plain);
}

/// Does what `pam_systemd` and logind do when a user's first session begins.
fn make_run_directory(ssh: &Ssh) -> HostChild {
    ssh.host
        .sh("root", "install -d -m 755 /run/user && install -d -m 700 -o alice -g alice /run/user/1000 && \
                     mount -t tmpfs -o mode=700,uid=1000,gid=1000,nosuid,nodev tmpfs /run/user/1000")
        .ok();
    // Something of the user's that listens there, as a systemd or a message bus does.
    let serve = "import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('/run/user/1000/bus'); s.listen(); print('up', flush=True)\n\
                 while True: c = s.accept()[0]; c.sendall(b'the bus\\n'); c.close()";
    let mut bus = ssh.host.command("alice", &["python3", "-c", serve]).spawn();
    assert_eq!(bus.line(), "up");
    bus
}

fn the_users_run_directory_is_there(way: Way) {
    const ASK: &str = "nc -NU /run/user/1000/bus < /dev/null; stat -c '%U %a' /run/user/1000; echo \"[$CADDIS_ENV]\"";
    let expected = format!("the bus\nalice 700\n[{}]\n", way.environment());
    // There before the first login.
    let ssh = Ssh::start(way);
    let _bus = make_run_directory(&ssh);
    assert_eq!(ssh.run(ASK).ok().stdout, expected);
    ssh.run("echo words > /run/user/1000/file").ok();
    assert_eq!(ssh.host.read_text("/run/user/1000/file"), "words\n");
    // Made while alice's instance runs already, as when she has used it before she logged in.
    let ssh = Ssh::start(way);
    let _session = (way != Way::Plain).then(|| {
        let mut session = ssh.host.session("alice", "echo up; sleep infinity");
        assert_eq!(session.line(), "up");
        session
    });
    let _bus = make_run_directory(&ssh);
    assert_eq!(ssh.run(ASK).ok().stdout, expected);
    let there = usize::from(way != Way::Plain);
    ssh.host.comes_to("^sleep infinity", there);
}

fn the_users_rc_file_is_read(way: Way) {
    let ssh = Ssh::start(way);
    let _screen = ssh.host.start_x_server("bob");
    // sshd starts it before the command, and what it prints goes to the client. It has to do xauth's work then.
    let rc = "read -r proto cookie; echo \"rc has read $proto\"; \
              echo \"add unix:${DISPLAY#localhost:} $proto $cookie\" | xauth -q -\n";
    ssh.host.write("/home/alice/.ssh/rc", rc, 0o644);
    let said = ssh
        .ssh(&[
            "-X",
            "there",
            "xdpyinfo > /dev/null && echo \"[$CADDIS_ENV]\"",
        ])
        .env("DISPLAY", ":7")
        .run()
        .ok();
    // Where sshd forces a command it reads no such file, and gives the cookie to xauth itself.
    let rc = match way {
        Way::ForceCommand => "",
        Way::Plain | Way::Shell => "rc has read MIT-MAGIC-COOKIE-1\n",
    };
    assert_eq!(said.stdout, format!("{rc}[{}]\n", way.environment()));
}
