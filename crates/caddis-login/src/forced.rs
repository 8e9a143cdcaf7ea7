//! What is to be done with the key that the user has logged in by.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use caddis_client::error::Error;
use rustix::fs::{Access, access};
use rustix::io::Errno;

use crate::authorized_keys::{command_for, keys_used};
use crate::small_file;
use crate::variables::{USER_AUTH, Variables, get};

/// Where sshd looks for keys if it is not told otherwise (`AuthorizedKeysFile`).
const FILES: [&str; 2] = [".ssh/authorized_keys", ".ssh/authorized_keys2"];

/// More than any such file has: ten thousand keys are a tenth of it.
const MOST: u64 = 64 << 20;

/// The command that belongs to the key. sshd says by which key the user has logged in where it is told to
/// (`ExposeAuthInfo`). What cannot be read is an error: whoever holds a key that is good for one command only must not
/// get a shell because of that.
pub fn command(variables: &Variables, home: Option<&OsStr>) -> Result<Option<OsString>, Error> {
    let Some(told) = get(variables, USER_AUTH) else {
        return Ok(None);
    };
    let told = Path::new(told);
    // Left over from the session of somebody else, who has become this user (su).
    if access(told, Access::READ_OK) == Err(Errno::ACCESS) {
        return Ok(None);
    }
    let keys = keys_used(&read(told)?);
    if keys.is_empty() {
        return Ok(None);
    }
    let files = home.map(Path::new).map(|home| {
        let files = FILES.map(|file| read(&home.join(file)));
        files.into_iter().collect::<Result<Vec<_>, _>>()
    });
    let files = files.transpose()?.unwrap_or_default();
    let command = keys.iter().find_map(|key| command_for(key, &files));
    Ok(command.map(OsString::from_vec))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    match small_file::read(path, MOST) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        result => result.map_err(|error| {
            Error::io("read", path.display(), error)
                .hint("it may say that only one command is to run with the key that was used")
        }),
    }
}
