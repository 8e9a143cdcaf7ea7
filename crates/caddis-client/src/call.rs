//! One call of the helper: a verb, options, operands, and the variables for what it is to run.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

use crate::error::{Error, FAILED};
use crate::record::Record;

/// Where the helper is installed. Set when the program is built and never taken from the environment, so that nobody
/// can be made to run another program as the helper.
const LIBEXECDIR: &str = match option_env!("CADDIS_LIBEXECDIR") {
    Some(dir) => dir,
    None => "/usr/local/libexec/caddis",
};

/// Where the programs are that people call. Set like that.
pub const BINDIR: &str = match option_env!("CADDIS_BINDIR") {
    Some(dir) => dir,
    None => "/usr/local/bin",
};

/// The helper's path.
pub fn helper_path() -> PathBuf {
    Path::new(LIBEXECDIR).join(HELPER)
}

/// The setuid program.
const HELPER: &str = "caddis-helper";

/// The one for what only root does; not setuid.
const ADMIN: &str = "caddis-admin";

/// One call of the helper, or of the program for what only root does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    program: &'static str,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
}

impl Call {
    /// A call of one of the helper's verbs.
    pub fn new(verb: &str) -> Self {
        Self {
            program: HELPER,
            arguments: vec![verb.into()],
            variables: Vec::new(),
        }
    }

    /// A call of what only root does.
    pub fn admin(verb: &str) -> Self {
        Self {
            program: ADMIN,
            ..Self::new(verb)
        }
    }

    fn path(&self) -> PathBuf {
        Path::new(LIBEXECDIR).join(self.program)
    }

    /// Adds `--name value`. Options come before operands.
    pub fn option(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.arguments.push(name.into());
        self.arguments.push(value.into());
        self
    }

    /// Adds `--name value` if there is a value.
    pub fn maybe(self, name: &str, value: Option<impl Into<OsString>>) -> Self {
        match value {
            Some(value) => self.option(name, value),
            None => self,
        }
    }

    /// Adds `--name` if it is wanted.
    pub fn flag(mut self, name: &str, wanted: bool) -> Self {
        if wanted {
            self.arguments.push(name.into());
        }
        self
    }

    /// Adds operands.
    pub fn operands(mut self, operands: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(operands.into_iter().map(Into::into));
        self
    }

    /// Adds the command that the helper is to run, if there is one.
    pub fn command(mut self, command: Vec<OsString>) -> Self {
        if !command.is_empty() {
            self.arguments.push("--".into());
            self.arguments.extend(command);
        }
        self
    }

    /// Hands over variables for the command. Each name gets a `+` in front, so that what the loader, the C library or
    /// a runtime would act on (`LD_PRELOAD`, `GLIBC_TUNABLES`, …) means nothing to the setuid program itself.
    pub fn variables(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        self.variables
            .extend(variables.into_iter().map(|(name, value)| {
                let mut prefixed = OsString::with_capacity(name.len() + 1);
                prefixed.push("+");
                prefixed.push(name);
                (prefixed, value)
            }));
        self
    }

    /// The arguments, for tests.
    #[cfg(test)]
    pub fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// The variables, for tests.
    #[cfg(test)]
    pub fn environment(&self) -> &[(OsString, OsString)] {
        &self.variables
    }

    /// The call as a command that can be started.
    pub fn to_command(&self) -> Command {
        let mut command = Command::new(self.path());
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Becomes the helper. Only comes back if that failed.
    pub fn exec(&self) -> Result<Infallible, Error> {
        Err(not_started(&self.path(), &self.to_command().exec()))
    }

    /// Starts the helper, to read its answer while it is given.
    pub fn stream(&self) -> Result<Stream, Error> {
        let mut child = self
            .to_command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| not_started(&self.path(), &error))?;
        let output = child
            .stdout
            .take()
            .map(|output| BufReader::with_capacity(1 << 16, output));
        Ok(Stream { child, output })
    }

    /// Runs the helper, waits, and returns the lines it answered. When it failed it has said why already, and the
    /// error only carries its status.
    pub fn records(&self) -> Result<Vec<Record>, Error> {
        match self.answer()? {
            (records, 0) => Ok(records),
            (_, status) => Err(Error::reported(status)),
        }
    }

    /// Runs the helper, waits, and returns the bytes that it answered.
    pub fn bytes(&self) -> Result<Vec<u8>, Error> {
        let output = self.output()?;
        match code_of(output.status) {
            0 => Ok(output.stdout),
            status => Err(Error::reported(status)),
        }
    }

    fn output(&self) -> Result<Output, Error> {
        self.to_command()
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| not_started(&self.path(), &error))
    }

    /// As [`Call::records`], with the helper's status: one thing that failed does not hide the lines about all the others. An
    /// error if there are no lines.
    pub fn answer(&self) -> Result<(Vec<Record>, u8), Error> {
        let output = self.output()?;
        let status = code_of(output.status);
        let lines = output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let records: Vec<Record> = lines.map(Record::parse).collect();
        if status != 0 && records.is_empty() {
            return Err(Error::reported(status));
        }
        Ok((records, status))
    }
}

/// An answer that is still being given.
#[derive(Debug)]
pub struct Stream {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
}

impl Stream {
    /// The next line; `None`: there are no more.
    pub fn record(&mut self) -> Result<Option<Record>, Error> {
        let Some(output) = &mut self.output else {
            return Ok(None);
        };
        let mut line = Vec::new();
        output.read_until(b'\n', &mut line).map_err(unread)?;
        // A line that breaks off is the end of a helper that was killed; its status tells.
        Ok((line.pop() == Some(b'\n')).then(|| Record::parse(&line)))
    }

    /// As many bytes as the line before has announced.
    pub fn bytes(&mut self, length: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; length];
        if let Some(output) = &mut self.output {
            output.read_exact(&mut bytes).map_err(unread)?;
        }
        Ok(bytes)
    }

    /// Waits for the helper's end, and returns its status. What it still has to say is not listened to.
    pub fn end(mut self) -> Result<u8, Error> {
        drop(self.output.take());
        let status = self.child.wait().map_err(unread)?;
        Ok(code_of(status))
    }
}

fn unread(error: io::Error) -> Error {
    Error::io("read", "the helper's answer", error)
}

/// The helper could not be started.
pub fn not_started(program: &Path, reason: &io::Error) -> Error {
    let error = |hint: &str| Error::io("start", program.display(), copy(reason)).hint(hint);
    match reason.kind() {
        io::ErrorKind::ArgumentListTooLong => {
            error("arguments and variables together are longer than the kernel takes")
        }
        _ => error("is Caddis installed completely? `caddis doctor` looks"),
    }
}

/// `io::Error` cannot be cloned, and the number is all that is needed of it.
fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// What a shell would report for this end.
pub fn code_of(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => FAILED.into(),
    };
    u8::try_from(code).unwrap_or(FAILED)
}

/// `UID:GID[,GID…]`, the value of `--for`.
pub fn for_value(uid: u32, gids: &[u32]) -> OsString {
    let gids: Vec<String> = gids.iter().map(u32::to_string).collect();
    format!("{uid}:{}", gids.join(",")).into()
}

/// `argument` as it may stand where the helper expects an operand: nothing that it could take for an option.
pub fn is_plain(argument: &OsStr) -> bool {
    !argument.as_encoded_bytes().starts_with(b"-")
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn variables_are_prefixed_and_nothing_else_is_handed_over() {
        let odd = OsString::from_vec(vec![b'a', 0xff, b'=']);
        let call = Call::new("session").variables([
            ("LD_PRELOAD".into(), odd.clone()),
            (odd.clone(), "x".into()),
        ]);
        let mut name = OsString::from("+");
        name.push(&odd);
        assert_eq!(
            call.environment(),
            [("+LD_PRELOAD".into(), odd), (name, "x".into())]
        );
        let command = call.to_command();
        assert_eq!(command.get_envs().count(), 2);
    }

    #[test]
    fn arguments_come_in_the_helpers_order() {
        let call = Call::new("session")
            .maybe("--env", Some("x"))
            .maybe("--cwd", None::<OsString>)
            .flag("--dry-run", true)
            .flag("--ctty", false)
            .command(vec!["ls".into(), "-l".into()]);
        assert_eq!(
            call.arguments(),
            ["session", "--env", "x", "--dry-run", "--", "ls", "-l"]
        );
    }

    #[test]
    fn ends_are_reported_as_a_shell_would() {
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(code_of(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(code_of(ExitStatus::from_raw(9)), 137);
    }

    #[test]
    fn a_user_is_handed_over_as_numbers() {
        assert_eq!(for_value(1000, &[1000, 27]), "1000:1000,27");
    }
}
