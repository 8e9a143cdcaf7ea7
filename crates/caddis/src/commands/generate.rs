//! `caddis generate`: what is installed beside the program. Hidden: for those who build and package.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::Error;
use crate::render::{completion, man};

/// Write man pages or shell completions into a directory
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct Generate {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Man pages, `caddis.1` and one for each command
    Man {
        /// Where to
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Completions: `caddis.bash`, `_caddis` (zsh), `caddis.fish`
    Completions {
        /// Where to
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
}

impl Generate {
    /// Writes the files.
    pub fn run(self) -> Result<u8, Error> {
        match self.what {
            What::Man { dir } => man(&dir)?,
            What::Completions { dir } => completions(&dir)?,
        }
        Ok(0)
    }
}

fn man(dir: &Path) -> Result<(), Error> {
    make(dir)?;
    let pages =
        man::pages(Cli::command()).map_err(|error| Error::io("render", "man pages", error))?;
    pages
        .iter()
        .try_for_each(|(name, page)| write(&dir.join(name), page))
}

fn completions(dir: &Path) -> Result<(), Error> {
    make(dir)?;
    for (shell, name) in [
        (Shell::Bash, "caddis.bash"),
        (Shell::Zsh, "_caddis"),
        (Shell::Fish, "caddis.fish"),
    ] {
        write(&dir.join(name), &completion::script(Cli::command(), shell))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|error| Error::io("write", path.display(), error))
}

fn make(dir: &Path) -> Result<(), Error> {
    fs::create_dir_all(dir).map_err(|error| Error::io("make directory", dir.display(), error))
}
