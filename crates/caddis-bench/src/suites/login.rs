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

const NOTE: &str = "The same user logs in to the same sshd three ways, for sshd delays each user by a time of their own (`user_specific_delay`): to \
the plain host, by `ForceCommand` (`caddis admin login enable`), and with `caddis-login` for login shell; root changes the account in between. \
Each round logs in once each way; the *over plain* rows are the differences within the rounds. The environment runs already, as for \
somebody who has logged in a moment ago; *first* means that it is started by the login. *Shell* is a login shell on a terminal that \
ends at once. Over 90 % of a login is ssh's own: keys and PAM. ForceCommand costs one shell more: sshd has the user's shell start \
the command.";

/// A key, and a group whose members are led into their environments.
const PREPARE: &str = r#"
mkdir -p -m 755 /run/sshd
groupadd landing && usermod --append --groups landing alice
ssh-keygen -q -t ed25519 -N '' -f /opt/bench/key && chown alice /opt/bench/key
install -d -o alice -g alice -m 700 /home/alice/.ssh
install -o alice -g alice -m 600 /opt/bench/key.pub /home/alice/.ssh/authorized_keys
touch /home/alice/.hushlogin
echo exit >/home/alice/.bash_profile
printf '%s\n' 'Host *' 'IdentityFile /opt/bench/key' 'StrictHostKeyChecking no' 'UserKnownHostsFile /dev/null' \
    'LogLevel ERROR' >/opt/bench/ssh_config
caddis admin login enable --group landing --no-reload
"#;

/// How alice's logins come to Caddis.
#[derive(Debug, Clone, Copy)]
enum Way {
    Plain,
    Forced,
    Shell,
}

impl Way {
    /// What root does to the account for it.
    fn script(self) -> &'static str {
        match self {
            Way::Plain => "gpasswd -d alice landing; usermod -s /bin/bash alice",
            Way::Forced => "gpasswd -a alice landing; usermod -s /bin/bash alice",
            Way::Shell => "gpasswd -d alice landing; usermod -s /usr/local/bin/caddis-login alice",
        }
    }
}

/// A login in one of two forms.
#[derive(Debug, Clone)]
struct Login {
    way: Way,
    shell: bool,
    first: bool,
}

const STOP: [&str; 4] = ["/usr/local/bin/caddis", "admin", "stop", "--all"];

impl Login {
    fn command(&self) -> Vec<String> {
        let mut words = vec!["/usr/bin/ssh", "-F", "/opt/bench/ssh_config"];
        match self.shell {
            true => words.extend(["-tt", "localhost"]),
            false => words.extend(["localhost", "true"]),
        }
        words.into_iter().map(Into::into).collect()
    }
}

pub fn run(site: &mut Site) -> Result<Table> {
    site.serve_ssh(PREPARE)?;
    site.set_linger(Linger::Long)?;
    let login = |way, shell, first| Login { way, shell, first };
    let logins = [
        login(Way::Plain, false, false),
        login(Way::Forced, false, false),
        login(Way::Shell, false, false),
        login(Way::Plain, true, false),
        login(Way::Forced, true, false),
        login(Way::Shell, true, false),
        login(Way::Shell, false, true),
    ];
    let series = rounds(&logins, LOGINS, |login| {
        let script = format!("{{ {}; }} >/dev/null 2>&1; true", login.way.script());
        let change = ["/usr/bin/bash", "-c", &script].map(Into::into);
        site.runner(Who::Root).time(change.into())?;
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
