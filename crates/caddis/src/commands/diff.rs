//! `caddis diff`

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::Path;

use caddis_policy::EnvName;
use clap::{Args, ValueHint};

use super::diff_packages;
use super::output::look;
use super::pager::Output;
use super::target::{Target, absolute};
use crate::error::{Error, Kind};
use crate::helper::{Change, Changes};
use crate::render::changes::{json, names, patch, short, stat};
use crate::render::style::Look;

/// Show what was changed in an environment
///
/// A is for added, M modified, D deleted, T for another type (a link in place of a file, say), P for another owner,
/// mode, access list or extended attribute. A deleted or moved directory is one line. Works whether the environment runs
/// or not.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Diff {
    #[command(flatten)]
    pub target: Target,

    /// Only there and below [default: everywhere]
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<OsString>,

    /// Show how many lines were changed
    #[arg(long, group = "form")]
    pub stat: bool,

    /// Show the lines that were changed, for patch(1) as well
    #[arg(short, long, group = "form")]
    pub patch: bool,

    /// Print JSON: an array of objects with change, path, from (of a moved directory), shadowed (seconds since 1970), old
    /// and new (kind, mode, uid, gid, size, device); `path_encoded`, percent-encoded, where a path is not UTF-8
    #[arg(long, group = "form")]
    pub json: bool,

    /// Print the paths only
    #[arg(long, group = "form")]
    pub name_only: bool,

    /// What a try has changed that waits for a word, see `caddis try`
    #[arg(long = "try")]
    pub trial: bool,

    /// With --name-only: paths as they are, with a NUL byte after each
    #[arg(short = 'z', requires = "name_only")]
    pub null: bool,

    /// Show packages added, upgraded and removed, instead of files; with --json an array of objects with package,
    /// architecture, change, base and yours
    #[arg(long, conflicts_with_all = ["paths", "stat", "patch", "name_only", "trial", "user"])]
    pub packages: bool,

    /// Without a pager
    #[arg(long)]
    pub no_pager: bool,
}

const EXAMPLES: &str = "\
On a terminal a pager is used: $CADDIS_PAGER, $PAGER, or less.

Examples:
  caddis diff                                     all changes, a line each
  caddis diff --patch /etc                        what differs in the files below /etc
  caddis diff -e project --stat                   how many lines, in another environment
  caddis diff --packages                          packages in place of files
  caddis diff --name-only -z | xargs -0 ls -ld    paths for another program
  caddis diff --json | jq -r '.[] | select(.change == \"D\") | .path'";

impl Diff {
    /// What the try of an environment has changed, as a patch.
    pub fn of_try(name: &EnvName) -> Self {
        Self {
            target: Target {
                env: Some(name.as_str().into()),
                user: None,
            },
            paths: Vec::new(),
            stat: false,
            patch: true,
            json: false,
            name_only: false,
            trial: true,
            null: false,
            packages: false,
            no_pager: false,
        }
    }

    /// Asks the helper and shows what it says, as it says it.
    pub fn run(self) -> Result<u8, Error> {
        if self.packages {
            return diff_packages::run(self.target.env.as_deref(), self.json);
        }
        let name = self.target.named()?;
        let paths: Result<_, Error> = self
            .paths
            .iter()
            .map(|path| absolute(Path::new(path)))
            .collect();
        let call = self.target.call("diff")?.flag("--try", self.trial);
        let mut changes = Changes::of(
            call,
            name.as_ref().map(EnvName::as_str),
            self.patch || self.stat,
            paths?,
        )?;
        let paged = !(self.json || self.no_pager || self.null);
        let look = look();
        let mut output = Output::open(paged);
        let shown = self.show(&mut changes, &mut output, look);
        let paged = output.is_paged();
        let ended = match &shown {
            // What went wrong is said after what was shown.
            Err(error) if error.kind == Kind::BrokenPipe => output.end().and(Ok(())),
            _ => output.end().and(changes.end()),
        };
        match shown {
            // Who leaves a pager has seen enough.
            Err(error) if error.kind == Kind::BrokenPipe && paged => Ok(0),
            Err(error) => Err(error),
            Ok(count) => {
                ended?;
                if count == 0 && !self.json && std::io::stderr().is_terminal() {
                    eprint("Nothing is changed.\n");
                }
                Ok(0)
            }
        }
    }

    /// Shows all, and says how many there were.
    fn show(&self, changes: &mut Changes, output: &mut Output, look: Look) -> Result<usize, Error> {
        let mut count = 0;
        let (mut objects, mut rows) = (Vec::new(), Vec::new());
        let on_terminal = std::io::stdout().is_terminal();
        while let Some(mut change) = changes.next()? {
            count += 1;
            if on_terminal {
                patch::make_harmless(&mut change);
            }
            match self.form() {
                Form::Json => objects.push(json::Object::from(&change)),
                Form::Stat => rows.push(stat::Row::of(&change)),
                Form::Lines(lines) => output.write(&lines(self, &change, look))?,
            }
        }
        match self.form() {
            Form::Json => output.write(json::array(&objects)?.as_bytes())?,
            Form::Stat => output.write(stat::table(&rows, look).as_bytes())?,
            Form::Lines(_) => {}
        }
        Ok(count)
    }

    fn form(&self) -> Form {
        match (self.json, self.stat, self.patch, self.name_only) {
            (true, ..) => Form::Json,
            (_, true, ..) => Form::Stat,
            (_, _, true, _) => Form::Lines(|_, change, look| patch::patch(change, look)),
            (.., true) => Form::Lines(|diff, change, _| names::name(change, diff.null)),
            _ => Form::Lines(|_, change, look| short::line(change, look).into_bytes()),
        }
    }
}

/// How changes are shown: all at once, or one after the other.
enum Form {
    Json,
    Stat,
    Lines(fn(&Diff, &Change, Look) -> Vec<u8>),
}

fn eprint(text: &str) {
    use std::io::Write;
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
