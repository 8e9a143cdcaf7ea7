//! The files that sshd and PAM have made for the session, for the other half of this program to find inside.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use caddis_client::error::Error;
use caddis_client::outside::PLACE;
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open, stat};
use rustix::process::getuid;

use crate::attendant;
use crate::variables::{Variables, get};

/// The first descriptor, which is this program itself: inside, it may be another version or gone.
pub const FIRST: i32 = 3;

/// That, as a path: `/proc` inside shows the same descriptors.
pub const THIS_PROGRAM: &str = "/proc/self/fd/3";

/// Files are copied; longer ones are none of those meant.
pub const MOST: u64 = 1 << 20;

/// Variables that name such files: the forwarded agent; X authority; Kerberos and grid tickets.
const NAMES: [&str; 4] = [
    "SSH_AUTH_SOCK",
    "XAUTHORITY",
    "KRB5CCNAME",
    "X509_USER_PROXY",
];

/// What is open for the other half: the program, then these.
#[derive(Debug)]
pub struct Handed {
    /// In the order of their numbers. The program is the first.
    pub descriptors: Vec<OwnedFd>,
    /// A variable and the path in it, for each descriptor after the first.
    pub files: Vec<(&'static str, PathBuf)>,
}

/// Opens them, under the numbers from [`FIRST`] on; whatever else had been open there is closed. They stay open over
/// execve(2). The way to the attendant is the last of them.
pub fn open_all(variables: &Variables) -> Result<Handed, Error> {
    let failed = |reason| Error::io("open", "this program", reason);
    caddis_sys::close_from(FIRST.cast_unsigned()).map_err(failed)?;
    let program = open("/proc/self/exe", OFlags::RDONLY, Mode::empty()).map_err(failed)?;
    let mut handed = Handed {
        descriptors: vec![program],
        files: Vec::new(),
    };
    for name in NAMES {
        let path = get(variables, name).and_then(|value| path_in(name, value));
        if let Some(path) = path
            && let Some(descriptor) = open_one(path)
        {
            handed.descriptors.push(descriptor);
            handed.files.push((name, path.to_owned()));
        }
    }
    // Without one the login goes on: from inside, environments cannot be looked after then.
    if let Ok(way) = attendant::start(variables) {
        handed.descriptors.push(way);
        handed.files.push((PLACE, "the host's `caddis`".into()));
    }
    let numbers = handed.descriptors.iter().map(AsRawFd::as_raw_fd);
    if !numbers.eq(FIRST..FIRST + i32::from(handed.count())) {
        return Err(failed(rustix::io::Errno::BADF));
    }
    Ok(handed)
}

impl Handed {
    /// How many descriptors.
    pub fn count(&self) -> u8 {
        u8::try_from(self.descriptors.len()).unwrap_or(u8::MAX)
    }
}

/// The path in a variable's value. Of Kerberos' kinds of caches only one is a file.
pub fn path_in<'a>(name: &str, value: &'a OsStr) -> Option<&'a Path> {
    let bytes = value.as_bytes();
    let bytes = match name {
        "KRB5CCNAME" => bytes.strip_prefix(b"FILE:").unwrap_or(bytes),
        _ => bytes,
    };
    let path = Path::new(OsStr::from_bytes(bytes));
    path.is_absolute().then_some(path)
}

/// A socket, without a right to anything but to connect to it, or a regular file for reading; of the user's own.
fn open_one(path: &Path) -> Option<OwnedFd> {
    let flags = match fit(&stat(path).ok()?)? {
        FileType::Socket => OFlags::PATH,
        _ => OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY,
    };
    let file = open(path, flags, Mode::empty()).ok()?;
    fit(&fstat(&file).ok()?)?;
    Some(file)
}

/// What kind of file it is, if it is one to hand on.
fn fit(stat: &Stat) -> Option<FileType> {
    let kind = FileType::from_raw_mode(stat.st_mode);
    let short = u64::try_from(stat.st_size).is_ok_and(|size| size <= MOST);
    let fits = match kind {
        FileType::Socket => true,
        FileType::RegularFile => short,
        _ => false,
    };
    (fits && stat.st_uid == getuid().as_raw()).then_some(kind)
}

/// As words: `--file NAME PATH` for each.
pub fn words(files: &[(&'static str, PathBuf)]) -> Vec<OsString> {
    let word = |(name, path): &(&'static str, PathBuf)| {
        [
            "--file".into(),
            OsString::from(name),
            path.clone().into_os_string(),
        ]
    };
    files.iter().flat_map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_files() {
        let path = |name, value| path_in(name, OsStr::new(value)).and_then(Path::to_str);
        assert_eq!(
            path("KRB5CCNAME", "FILE:/tmp/krb5cc_1"),
            Some("/tmp/krb5cc_1")
        );
        assert_eq!(path("KRB5CCNAME", "/tmp/krb5cc_1"), Some("/tmp/krb5cc_1"));
        for other in [
            "DIR:/tmp/x",
            "KCM:1000",
            "KEYRING:persistent:1",
            "API:1",
            "x",
            "",
            "FILE:x",
        ] {
            assert_eq!(path("KRB5CCNAME", other), None);
        }
        assert_eq!(path("XAUTHORITY", "/tmp/x"), Some("/tmp/x"));
        assert_eq!(path("XAUTHORITY", "FILE:/tmp/x"), None);
        assert_eq!(path("SSH_AUTH_SOCK", "tmp"), None);
    }
}
