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

const NOTE: &str = "Three accounts with the same files and keys: one logs in to the plain host, one by way of sshd's \
`ForceCommand` (`caddis admin login enable`), one has `caddis-login` for its login shell. Each round logs in once each way; the \
*over plain* rows are the differences within the rounds. The environment runs already, as for somebody who has logged in a \
moment ago; *first* means that it is started by the login. *Shell* is a login shell on a terminal that ends at once. \
ForceCommand costs one shell more: sshd has the user's shell start the command.";

/// Keys, the three accounts, and the server.
const PREPARE: &str = r#"
mkdir -p -m 755 /run/sshd
usermod --shell /usr/local/bin/caddis-login carol
groupadd --force landing && usermod --append --groups landing alice
ssh-keygen -q -t ed25519 -N '' -f /opt/bench/key && chown alice /opt/bench/key
for user in alice bob carol; do
    install -d -o $user -g $user -m 700 /home/$user/.ssh
    install -o $user -g $user -m 600 /opt/bench/key.pub /home/$user/.ssh/authorized_keys
    touch /home/$user/.hushlogin
    echo exit >/home/$user/.bash_profile
done
printf '%s\n' 'Host *' 'IdentityFile /opt/bench/key' 'StrictHostKeyChecking no' 'UserKnownHostsFile /dev/null' \
    'LogLevel ERROR' >/opt/bench/ssh_config
caddis admin login enable --group landing --no-reload
"#;

/// A login of one user in one of two forms.
#[derive(Debug, Clone)]
struct Login {
    user: &'static str,
    shell: bool,
    first: bool,
}

impl Login {
    fn command(&self) -> Vec<String> {
        let place = format!("{}@localhost", self.user);
        let mut words = vec!["/usr/bin/ssh", "-F", "/opt/bench/ssh_config"];
        match self.shell {
            true => words.extend(["-tt", &place]),
            false => words.extend([&place, "true"]),
        }
        words.into_iter().map(Into::into).collect()
    }
}

pub fn run(site: &mut Site) -> Result<Table> {
    site.serve_ssh(PREPARE)?;
    site.set_linger(Linger::Long)?;
    let login = |user, shell, first| Login { user, shell, first };
    let logins = [
        login("bob", false, false),
        login("alice", false, false),
        login("carol", false, false),
        login("bob", true, false),
        login("alice", true, false),
        login("carol", true, false),
        login("carol", false, true),
    ];
    let series = rounds(&logins, LOGINS, |login| {
        if login.first {
            let stop = [
                "/usr/local/bin/caddis",
                "admin",
                "stop",
                "--user",
                login.user,
            ];
            site.runner(Who::Root).time(stop.map(Into::into).into())?;
        }
        site.runner(Who::Alice).time(login.command())
    })?;
    let stop = ["/usr/local/bin/caddis", "admin", "stop", "--all"].map(Into::into);
    site.runner(Who::Root).time(stop.into())?;
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
