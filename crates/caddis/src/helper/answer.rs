//! The helper's answers as values.

use super::record::Record;
use crate::error::Error;

/// A line of `list`: one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    pub uid: u32,
    pub name: String,
    /// `running` (with sessions, or processes that outlast them), `idle` (nothing runs, but not ended yet) or `stopped`.
    pub state: String,
    pub sessions: u64,
    /// What its changes occupy on disk.
    pub bytes: u64,
    /// Seconds since 1970 at which a session last began; none if it never did.
    pub used: Option<u64>,
}

/// A line of `orphans`: one environment whose account is gone, or none in the directory that the
/// account has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Where it is below the directory of all environments.
    pub directory: String,
    /// The number that the account had.
    pub uid: u32,
    /// Its name, any bytes; none if that was not noted.
    pub user: Vec<u8>,
    /// None: there is no environment in the directory.
    pub name: String,
    /// `set-aside`, or `no-account`: it is where it was, but no account is found.
    pub state: String,
    pub bytes: u64,
    pub used: Option<u64>,
}

/// A line of `ps`: one process of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Whose environment it is.
    pub uid: u32,
    /// None: it is on the host, outside of all of them, with an id of the user's environments.
    pub environment: Option<String>,
    /// Its number inside; on the host if it is in no environment.
    pub pid: u32,
    /// Its number on the host.
    pub host_pid: u32,
    /// As whom it runs, as seen inside.
    pub user: u32,
    /// Its session's first process, if that is one of the environment's.
    pub session: Option<u32>,
    pub tty: Option<String>,
    /// Seconds since 1970.
    pub start: u64,
    /// Any bytes at all: the process chose them.
    pub command: Vec<u8>,
}

/// How a check of the host came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, but not all of it, or not for long.
    Warn,
    /// Caddis cannot work like this.
    Fail,
}

/// One thing that was checked: a line of `check`, or a check of `caddis doctor`'s own.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    pub level: Level,
    pub topic: String,
    /// What was found.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A line of `revert`: one path that was given up, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reverted {
    /// Any bytes at all.
    pub path: Vec<u8>,
    /// `A`, `M`, `D`, `T` or `P`, as in `caddis diff`.
    pub change: String,
    /// How many files are lost.
    pub files: u64,
    /// `planned`, `done`, `copied`, `held` or `changed`.
    pub state: String,
}

impl Reverted {
    /// Reads a line of `revert`.
    pub fn read(record: &Record) -> Result<Self, Error> {
        Ok(Self {
            path: record.bytes("path")?.to_vec(),
            change: record.text("change")?,
            files: record.number("files")?,
            state: record.text("state")?,
        })
    }
}

impl Environment {
    /// Reads a line of `list`.
    pub fn read(record: &Record) -> Result<Self, Error> {
        Ok(Self {
            uid: record.number("uid")?,
            name: record.text("name")?,
            state: record.text("state")?,
            sessions: record.number("sessions")?,
            bytes: record.number("bytes")?,
            used: Some(record.number("used")?).filter(|seconds| *seconds != 0),
        })
    }
}

impl Orphan {
    /// Reads a line of `orphans`.
    pub fn read(record: &Record) -> Result<Self, Error> {
        Ok(Self {
            directory: record.text("directory")?,
            uid: record.number("uid")?,
            user: record.bytes("user")?.to_vec(),
            name: record.text("name")?,
            state: record.text("state")?,
            bytes: record.number("bytes")?,
            used: Some(record.number("used")?).filter(|seconds| *seconds != 0),
        })
    }
}

impl Process {
    /// Reads a line of `ps`.
    pub fn read(record: &Record) -> Result<Self, Error> {
        Ok(Self {
            uid: record.number("uid")?,
            environment: Some(record.text("env")?).filter(|name| name != "-"),
            pid: record.number("pid")?,
            host_pid: record.number("host")?,
            user: record.number("user")?,
            session: record.maybe_number("session")?,
            tty: Some(record.text("tty")?).filter(|tty| !matches!(tty.as_str(), "" | "-")),
            start: record.number("start")?,
            command: record.bytes("command")?.to_vec(),
        })
    }
}

impl Check {
    /// Reads a line of `check`.
    pub fn read(record: &Record) -> Result<Self, Error> {
        let level = match record.text("level")?.as_str() {
            "ok" => Level::Ok,
            "warn" => Level::Warn,
            _ => Level::Fail,
        };
        let hint = record.text("hint").ok().filter(|hint| !hint.is_empty());
        Ok(Self {
            level,
            topic: record.text("topic")?,
            text: record.text("text")?,
            hint,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_kinds_of_line() {
        let line = b"uid=1000\tname=default\tstate=running\tsessions=2\tbytes=12345\tused=0";
        let environment = Environment::read(&Record::parse(line)).unwrap();
        assert_eq!((environment.sessions, environment.used), (2, None));

        let line = b"uid=1000\tenv=default\tpid=12\thost=34567\tuser=0\tsession=-\ttty=pts/3\tstart=17\tcommand=a%FF";
        let process = Process::read(&Record::parse(line)).unwrap();
        assert_eq!((process.host_pid, process.session), (34567, None));
        assert_eq!(
            (process.tty.as_deref(), process.command.as_slice()),
            (Some("pts/3"), b"a\xff".as_slice())
        );

        let check =
            Check::read(&Record::parse(b"level=warn\ttopic=kernel\ttext=old\thint=")).unwrap();
        assert_eq!((check.level, check.hint), (Level::Warn, None));
    }
}
