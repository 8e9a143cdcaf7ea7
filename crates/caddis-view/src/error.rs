//! One failure: what was tried, on what, why it did not work, what to do about it.

use rustix::io::Errno;
use std::ffi::CStr;
use std::fmt;
use std::os::fd::AsFd;

/// A failed operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What was tried, as words that follow "cannot": "mount", "create the overlay at".
    pub operation: String,
    /// What it was tried on.
    pub object: String,
    /// Why it failed, with the kernel's own words where it gave some.
    pub reason: String,
    /// The kernel's error number, where the kernel refused.
    pub errno: Option<Errno>,
    /// What the reader can do.
    pub hint: Option<String>,
}

/// What a fallible operation of this crate answers.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failed system call.
    pub fn kernel(operation: &str, object: impl fmt::Display, errno: Errno) -> Error {
        Error {
            operation: operation.to_owned(),
            object: object.to_string(),
            reason: words(errno),
            errno: Some(errno),
            hint: None,
        }
    }

    /// A refusal of our own.
    pub fn refused(operation: &str, object: impl fmt::Display, reason: impl fmt::Display) -> Error {
        Error {
            operation: operation.to_owned(),
            object: object.to_string(),
            reason: without_number(&reason.to_string()),
            errno: None,
            hint: None,
        }
    }

    /// The same with a hint; with another one where the kernel was out of something, which the hint is not about.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(match self.errno.and_then(shortage) {
            Some(shortage) => shortage.to_owned(),
            None => hint.into(),
        });
        self
    }

    /// The same of another operation.
    #[must_use]
    pub fn with_operation(mut self, operation: &str) -> Error {
        operation.clone_into(&mut self.operation);
        self
    }

    /// The same about something else.
    #[must_use]
    pub fn with_object(mut self, object: impl fmt::Display) -> Error {
        self.object = object.to_string();
        self
    }

    /// As bytes, to cross the pipe from a forked child to its parent.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let errno = self.errno.map_or(0, Errno::raw_os_error).to_string();
        let hint = self.hint.as_deref().unwrap_or_default();
        [
            &self.operation,
            &self.object,
            &self.reason,
            errno.as_str(),
            hint,
        ]
        .join("\0")
        .into_bytes()
    }

    /// Reads what [`Error::to_bytes`] wrote.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Error {
        let text = String::from_utf8_lossy(bytes);
        let mut fields = text.split('\0').map(str::to_owned);
        let mut next = || fields.next().unwrap_or_default();
        let (operation, object, reason) = (next(), next(), next());
        let errno = next()
            .parse()
            .ok()
            .filter(|raw| *raw != 0)
            .map(Errno::from_raw_os_error);
        Error {
            operation,
            object,
            reason,
            errno,
            hint: Some(next()).filter(|h| !h.is_empty()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot {} {}: {}",
            self.operation, self.object, self.reason
        )
    }
}

impl std::error::Error for Error {}

/// What to do when the kernel is out of something, whatever the operation.
fn shortage(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::MFILE => Some("the limit of open files is too low; see `ulimit -n`"),
        Errno::NFILE => Some("the machine has too many open files; see /proc/sys/fs/file-nr"),
        Errno::NOMEM => Some("there is no memory left, of the machine or of the caller's cgroup"),
        _ => None,
    }
}

/// The kernel's words for an error number, without the number.
#[must_use]
pub fn words(errno: Errno) -> String {
    without_number(&std::io::Error::from_raw_os_error(errno.raw_os_error()).to_string())
}

/// The standard library's words for an error, without the number that it adds.
fn without_number(text: &str) -> String {
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// A user's names may hold control characters, which must not reach an administrator's terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|one| {
            let escaped: Box<dyn Iterator<Item = char>> = if one.is_control() {
                Box::new(one.escape_default())
            } else {
                Box::new(std::iter::once(one))
            };
            escaped
        })
        .collect()
}

/// A file's name as the object of an error.
#[must_use]
pub fn shown(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

/// Writes all of `bytes`; a short write, as at the limit of a file's size, is an error.
pub fn write_all(file: impl AsFd, bytes: &[u8]) -> std::result::Result<(), Errno> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(file.as_fd(), rest) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Says what was tried on what when a system call fails.
pub trait Context<T> {
    /// Turns the error number into an [`Error`]; `object` is only made on failure.
    fn doing<O: fmt::Display>(self, operation: &str, object: impl FnOnce() -> O) -> Result<T>;
}

impl<T> Context<T> for std::result::Result<T, Errno> {
    fn doing<O: fmt::Display>(self, operation: &str, object: impl FnOnce() -> O) -> Result<T> {
        self.map_err(|errno| Error::kernel(operation, object(), errno))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_pipe() {
        let error = Error::kernel("mount", "/tmp", Errno::NOSPC).hint("free some space");
        assert_eq!(Error::from_bytes(&error.to_bytes()), error);
        assert_eq!(
            error.to_string(),
            "cannot mount /tmp: No space left on device"
        );
    }

    #[test]
    fn a_hint_is_about_what_went_wrong() {
        let error = |errno| Error::kernel("create", "overlay", errno).hint("use ext4");
        assert_eq!(error(Errno::INVAL).hint.as_deref(), Some("use ext4"));
        let files = error(Errno::MFILE).hint.unwrap_or_default();
        assert!(files.contains("ulimit -n"));
    }

    #[test]
    fn a_reason_has_no_number() {
        let reason = std::io::Error::from_raw_os_error(27);
        let error = Error::refused("write", "/etc/gshadow", reason);
        assert_eq!(
            error.to_string(),
            "cannot write /etc/gshadow: File too large"
        );
    }

    #[test]
    fn a_broken_message_is_still_an_error() {
        assert_eq!(Error::from_bytes(b"mount").operation, "mount");
        assert_eq!(Error::from_bytes(b"").errno, None);
    }
}
