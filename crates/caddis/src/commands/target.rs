//! Whose environment a command is about, and which.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use caddis_policy::EnvName;
use clap::{Args, ValueHint};

use crate::error::Error;
use crate::helper::Call;
use crate::helper::call::for_value;
use crate::session::{environment_name, named_or_meant, require_own_environments};
use crate::user::{Account, group};

/// One environment.
#[derive(Debug, Args)]
pub struct Target {
    /// The environment [default: the one you are in, else yours, see `caddis config`]
    #[arg(short, long, value_name = "ENV")]
    pub env: Option<OsString>,

    /// This user's environment (root only)
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Username)]
    pub user: Option<OsString>,
}

impl Target {
    /// Its name, if it was named.
    pub fn named(&self) -> Result<Option<EnvName>, Error> {
        self.env.as_deref().map(environment_name).transpose()
    }

    /// Its name.
    pub fn name(&self) -> Result<String, Error> {
        let name = named_or_meant(self.env.as_deref(), self.call("config")?)?;
        Ok(name.as_str().to_owned())
    }

    /// A call of `verb` on behalf of its user.
    pub fn call(&self, verb: &str) -> Result<Call, Error> {
        let Some(name) = &self.user else {
            require_own_environments()?;
            return Ok(Call::new(verb));
        };
        let account = Account::existing(name, "look up")?;
        let groups = group::groups_of(&account)?;
        Ok(Call::new(verb)
            .option("--name", account.name)
            .option("--for", for_value(account.uid, &groups)))
    }
}

/// The path from the top, without `.` and `..`: as text, since what it leads through may be there in the environment
/// only.
pub fn absolute(path: &Path) -> Result<PathBuf, Error> {
    let mut whole = PathBuf::new();
    if path.is_relative() {
        whole = std::env::current_dir()
            .map_err(|error| Error::io("find", "the working directory", error))?;
    }
    for component in path.components() {
        match component {
            Component::ParentDir => {
                whole.pop();
            }
            Component::CurDir => {}
            other => whole.push(other),
        }
    }
    Ok(whole)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_put_straight() {
        let at = |path: &str| absolute(Path::new(path)).unwrap();
        assert_eq!(at("/a/./b/../c//d/"), Path::new("/a/c/d"));
        assert_eq!(at("/a/./b//../c/"), Path::new("/a/c"));
        assert_eq!(at("/../.."), Path::new("/"));
        let here = std::env::current_dir().unwrap();
        assert_eq!(at("x/../y"), here.join("y"));
        assert_eq!(at("."), here);
    }
}
