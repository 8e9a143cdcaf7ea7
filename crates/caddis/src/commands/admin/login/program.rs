//! `caddis-login` itself.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use caddis_client::text::shown;
use caddis_client::user::account::accounts;

use crate::error::Error;
use crate::helper::call::BINDIR;
use crate::program_file::{RunAs, wrong};

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
    if let Some((what, hint)) = wrong(&metadata, RunAs::Caller) {
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
