//! Logins over ssh on the loopback interface, with Debian's own server and client.

use super::Suite;
use super::rounds::rounds;
use crate::error::Result;
use crate::report::{Row, Table, Unit};
use crate::site::{Linger, Site, Who};

/// How often each way is measured, whatever the other suites are told.
const LOGINS: usize = 100;

/// The rows that the targets are checked against.
pub const OVER_PLAIN: [&str; 2] = [
    "ForceCommand, `ssh HOST true`, over plain",
    "login shell, `ssh HOST true`, over plain",
];

const NOTE: &str = "One user with one home logs in three ways: to an sshd that knows nothing of Caddis, to one with `ForceCommand` \
(`caddis admin login enable`), and to the first one under a second name of the same uid that has `caddis-login` for its login shell. \
Each round logs in once each way; the *over plain* rows are the differences within the rounds. The environment runs already, as for \
somebody who has logged in a moment ago; *first* means that it is started by the login. *Shell* is a login shell on a terminal that \
ends at once. Over 90 % of a login is ssh's own: keys and PAM. ForceCommand costs one shell more: sshd has the user's shell start \
the command.";

/// A key, two names of one user, and the plain sshd; the one that Caddis knows of is started afterwards.
const PREPARE: &str = r#"
mkdir -p -m 755 /run/sshd
useradd --non-unique --uid 1000 --gid 1000 --home-dir /home/alice --shell /usr/local/bin/caddis-login second
ssh-keygen -q -t ed25519 -N '' -f /opt/bench/key && chown alice /opt/bench/key
install -d -o alice -g alice -m 700 /home/alice/.ssh
install -o alice -g alice -m 600 /opt/bench/key.pub /home/alice/.ssh/authorized_keys
touch /home/alice/.hushlogin
echo exit >/home/alice/.bash_profile
printf '%s\n' 'Host plain shell' 'Port 2222' 'Host *' 'HostName localhost' 'IdentityFile /opt/bench/key' \
    'StrictHostKeyChecking no' 'UserKnownHostsFile /dev/null' 'LogLevel ERROR' >/opt/bench/ssh_config
sed '/^Include/d' /etc/ssh/sshd_config >/opt/bench/sshd_config
/usr/sbin/sshd -f /opt/bench/sshd_config -p 2222 -o PidFile=/run/plain.pid
until [ -s /run/plain.pid ]; do sleep 0.01; done
caddis admin login enable --no-reload
"#;

/// A login in one of two forms.
#[derive(Debug, Clone)]
struct Login {
    /// `USER@` and one of the client's names for the two servers.
    place: &'static str,
    shell: bool,
    first: bool,
}

const STOP: [&str; 4] = ["/usr/local/bin/caddis", "admin", "stop", "--all"];

const PLAIN: &str = "alice@plain";
const FORCED: &str = "alice@forced";
const SHELL: &str = "second@shell";

impl Login {
    fn command(&self) -> Vec<String> {
        let mut words = vec!["/usr/bin/ssh", "-F", "/opt/bench/ssh_config"];
        match self.shell {
            true => words.extend(["-tt", self.place]),
            false => words.extend([self.place, "true"]),
        }
        words.into_iter().map(Into::into).collect()
    }
}

pub fn run(site: &mut Site) -> Result<Table> {
    site.serve_ssh(PREPARE)?;
    site.set_linger(Linger::Long)?;
    let login = |place, shell, first| Login {
        place,
        shell,
        first,
    };
    let logins = [
        login(PLAIN, false, false),
        login(FORCED, false, false),
        login(SHELL, false, false),
        login(PLAIN, true, false),
        login(FORCED, true, false),
        login(SHELL, true, false),
        login(SHELL, false, true),
    ];
    let series = rounds(&logins, LOGINS, |login| {
        if login.first {
            site.runner(Who::Root).time(STOP.map(Into::into).into())?;
        }
        site.runner(Who::Alice).time(login.command())
    })?;
    site.runner(Who::Root).time(STOP.map(Into::into).into())?;
    site.clean()?;
    let over = |index: usize, plain: usize| -> Vec<f64> {
        let pairs = series[index].iter().zip(&series[plain]);
        pairs.map(|(caddis, plain)| caddis - plain).collect()
    };
    let row = |name: &str, index: usize, plain: usize| {
        Row::new(name, &series[index]).against(Some(&series[plain]))
    };
    let rows = vec![
        Row::new("plain, `ssh HOST true`", &series[0]),
        row("ForceCommand, `ssh HOST true`", 1, 0),
        row("login shell, `ssh HOST true`", 2, 0),
        row("login shell, `ssh HOST true`, first", 6, 0),
        Row::new(OVER_PLAIN[0], &over(1, 0)),
        Row::new(OVER_PLAIN[1], &over(2, 0)),
        Row::new(
            "login shell, `ssh HOST true`, first, over plain",
            &over(6, 0),
        ),
        Row::new("plain, shell", &series[3]),
        row("ForceCommand, shell", 4, 3),
        row("login shell, shell", 5, 3),
        Row::new("ForceCommand, shell, over plain", &over(4, 3)),
        Row::new("login shell, shell, over plain", &over(5, 3)),
    ];
    Ok(Table::new(
        Suite::Login,
        Unit::Milliseconds,
        "plain",
        NOTE,
        rows,
    ))
}
