//! `caddis revert`

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use caddis_policy::EnvName;
use clap::{Args, ValueHint};

use super::output::print;
use super::question::{agreed, can_ask};
use super::target::absolute;
use crate::error::Error;
use crate::helper::{Call, Reverted};
use crate::render::reverted::{as_lines, left_over, question};
use crate::session::{environment_name, require_own_environments};

/// Give up your own version of files: the base's is seen at once
///
/// Works while sessions run. Takes files, whole directories, and what you have removed; what the base does not have is
/// gone for good. Asks before more than one file is lost; without a terminal to ask on, that takes --yes. Paths are
/// those inside the environment; symbolic links on the way are not followed.
///
/// A process that has the file open goes on with your version until it closes it, and what it writes is lost with it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Revert {
    /// The environment [default: the one you are in, else yours, see `caddis config`]
    #[arg(short, long, value_name = "ENV")]
    pub env: Option<OsString>,

    /// Everything that you have changed
    #[arg(short, long)]
    pub all: bool,

    /// Print what would be given up, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,

    /// Say nothing of what is given up
    #[arg(short, long)]
    pub quiet: bool,

    /// The files and directories
    #[arg(value_name = "PATH", required_unless_present = "all", conflicts_with = "all", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  caddis revert /etc/motd                one file
  caddis revert --dry-run /usr/lib       what would be given up
  caddis revert -e trial --all --yes     everything, without a question

The letters are those of `caddis diff`: A added, M modified, D deleted, T another type, P permissions or owner.

Exit status: 0; 1 if something is still yours, because you said no or a process uses it; 125 if Caddis failed.";

impl Revert {
    /// Asks if there is something to lose, then has the helper do it.
    pub fn run(self) -> Result<u8, Error> {
        require_own_environments()?;
        let name = self.env.as_deref().map(environment_name).transpose()?;
        let paths = from_top(&self.paths)?;
        let call = |dry_run, most| call(name.as_ref(), &paths, dry_run, most);
        if self.dry_run {
            print(&as_lines(&ask(&call(true, None))?))?;
            return Ok(0);
        }
        let mut most = None;
        if !self.yes {
            let planned = ask(&call(true, None))?;
            let files: u64 = planned.iter().map(|one| one.files).sum();
            if files > 1 {
                if !can_ask() {
                    let message = format!("give up {files} files: there is no terminal to ask on");
                    return Err(Error::failed(message)
                        .hint("--yes gives them up without asking, --dry-run shows them"));
                }
                if !agreed(&question(&planned)) {
                    return Err(Error::reported(1));
                }
            }
            // What comes to it now is not what was agreed to.
            most = Some(files.max(1));
        }
        let done = ask(&call(false, most))?;
        if !self.quiet {
            print(&as_lines(&done))?;
        }
        match left_over(&done) {
            Some(message) => {
                let error = Error::failed(message).hint(
                    "processes of the environment use it, and the kernel shows nobody the base's until they \
                     let go; `caddis ps` lists them",
                );
                error.report(1);
                Ok(1)
            }
            None => Ok(0),
        }
    }
}

fn call(name: Option<&EnvName>, paths: &[PathBuf], dry_run: bool, most: Option<u64>) -> Call {
    Call::new("revert")
        .maybe("--env", name.map(EnvName::as_str))
        .maybe("--most", most.map(|files| files.to_string()))
        .flag("--every", paths.is_empty())
        .flag("--dry-run", dry_run)
        .command(paths.iter().map(OsString::from).collect())
}

fn ask(call: &Call) -> Result<Vec<Reverted>, Error> {
    call.records()?.iter().map(Reverted::read).collect()
}

/// The paths from the top.
fn from_top(paths: &[OsString]) -> Result<Vec<PathBuf>, Error> {
    let from_top = |path: &OsString| match path.is_empty() {
        true => Err(Error::usage("an empty path names nothing")),
        false => absolute(Path::new(path)),
    };
    paths.iter().map(from_top).collect()
}
