//! `caddis-login` itself.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use caddis_client::text::shown;
use caddis_client::user::account::accounts;

use crate::error::Error;

/// Where the programs are. Set when the program is built.
const BINDIR: &str = match option_env!("CADDIS_BINDIR") {
    Some(dir) => dir,
    None => "/usr/local/bin",
};

const WRITABLE_BY_OTHERS: u32 = 0o022;
const EXECUTABLE_BY_ALL: u32 = 0o111;

/// The program's path.
pub fn path() -> String {
    format!("{BINDIR}/caddis-login")
}

/// Fails unless everybody could log in with it.
pub fn check() -> Result<(), Error> {
    let path = path();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._+-".contains(&byte);
    if !path.bytes().all(plain) {
        return Err(Error::failed(format!(
            "use {path}: the user's shell would not take the path for one word"
        ))
        .hint("build Caddis with a PREFIX of letters, digits and `._+-`"));
    }
    let metadata = fs::symlink_metadata(&path).map_err(|error| {
        Error::io("use", &path, error)
            .hint("install Caddis again: `make build && sudo make install`")
    })?;
    if let Some((what, hint)) = wrong(&metadata) {
        return Err(Error::failed(format!("use {path}: it {what}")).hint(format!("{hint} {path}")));
    }
    let output = Command::new(&path)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::io("run", &path, error))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(
            Error::failed(format!("run {path} --version: {}", output.status))
                .hint("install Caddis again: `make build && sudo make install`"),
        ),
    }
}

/// What is wrong with the file, and the command that puts it right.
fn wrong(metadata: &Metadata) -> Option<(&'static str, &'static str)> {
    let mode = metadata.mode();
    if !metadata.is_file() {
        Some((
            "is not a regular file",
            "install Caddis again; it must be a program:",
        ))
    } else if metadata.uid() != 0 {
        Some(("does not belong to root", "chown root:root"))
    } else if mode & WRITABLE_BY_OTHERS != 0 {
        Some(("can be changed by others than root", "chmod 755"))
    } else if mode & EXECUTABLE_BY_ALL != EXECUTABLE_BY_ALL {
        Some(("cannot be run by everybody", "chmod 755"))
    } else {
        None
    }
}

/// The local accounts whose login shell it is, by whatever path.
pub fn login_shell_of() -> Result<Vec<String>, Error> {
    const PASSWD: &str = "/etc/passwd";
    let passwd = fs::read(PASSWD).map_err(|error| Error::io("read", PASSWD, error))?;
    let program = path();
    let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let ours = identity(Path::new(&program));
    let has_it =
        |shell: &Path| shell == Path::new(&program) || ours.is_some() && identity(shell) == ours;
    Ok(accounts(&passwd)
        .filter(|account| has_it(Path::new(&account.shell)))
        .map(|account| shown(account.name.as_encoded_bytes()))
        .collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_a_program_of_roots_will_do() {
        assert!(wrong(&fs::symlink_metadata("/").unwrap()).is_some());
        assert_eq!(
            wrong(&fs::symlink_metadata("/etc/passwd").unwrap())
                .unwrap()
                .1,
            "chmod 755"
        );
    }
}
