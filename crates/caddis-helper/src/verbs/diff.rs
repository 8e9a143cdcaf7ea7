//! `diff`: what was changed in an environment, a line each; with `--content`, each followed by what is in the file
//! below and in the environment, as many bytes as the line says.

use crate::answer::{Answer, Stream, Writer};
use crate::arguments::Diff;
use crate::caller::{Whom, real_uid};
use crate::host::RUN;
use crate::output::encode_into;
use crate::plan::plan;
use crate::preferred::{By, environment};
use caddis_changes::content::{Content, read};
use caddis_changes::{Change, Entry, Name, Selection, Stop, walk};
use caddis_policy::Policy;
use caddis_sys::{Forked, Namespaces, fork};
use caddis_view::below::{Below, layers, only_read};
use caddis_view::error::{Context, write_all};
use caddis_view::store::{Environments, missing};
use caddis_view::trial::no_trial;
use caddis_view::{Error, Identity, Start};
use rustix::fs::FileType;
use rustix::pipe::{PipeFlags, pipe_with};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Files larger than this are not sent; nobody reads a patch of that size.
const MOST: usize = 8 << 20;

pub(crate) fn run(policy: &Policy, whom: &Whom, diff: &Diff) -> Result<Answer, Error> {
    let caller = real_uid();
    let identity = whom.identity(policy)?;
    let environments = Environments::of(&policy.storage.state, identity.uid, false)?;
    let named = diff.name.as_ref();
    let name = environment(policy, environments.as_ref(), named, By::Command)?;
    let environments = environments.ok_or_else(|| missing(&name))?;
    let environment = environments.open(&name)?.ok_or_else(|| missing(&name))?;
    if diff.trial && environments.trial(&name)?.is_none() {
        return Err(no_trial(&name));
    }
    let renewed = caddis_changes::renew::names(&environment)?;
    let (plan, _) = plan(policy, &identity, None)?;
    let below = layers(&Start {
        plan: &plan,
        identity: &identity,
        name: &name,
        policy,
        run: Path::new(RUN),
        hostname: None,
        trial: diff.trial,
        login: false,
        packages: None,
    })?;
    let covered = [below.covered.clone(), renewed].concat();
    let pipe = || pipe_with(PipeFlags::CLOEXEC).doing("pipe", || "to the reader of the changes");
    let ((from, output), (errors, error)) = (pipe()?, pipe()?);
    let reader = match fork(Namespaces::Same).doing("start", || "the reader of the changes")? {
        Forked::Child => {
            drop((from, errors));
            let limited = only_read(&identity, caller, &[output.as_fd(), error.as_fd()]);
            let output = BufWriter::with_capacity(1 << 16, File::from(output));
            let read = limited
                .map_err(Stop::Failed)
                .and_then(|()| read_all(&identity, &below, &covered, diff, output));
            if let Err(Stop::Failed(failure)) = &read {
                let _ = write_all(error, &failure.to_bytes());
            }
            std::process::exit(i32::from(read.is_err()));
        }
        Forked::Parent(_, reader) => reader,
    };
    let mut answer = Answer::default();
    answer.stream(Stream {
        from,
        object: "the changes",
        most: u64::MAX,
        writer: Some(Writer {
            process: reader,
            errors,
        }),
    });
    Ok(answer)
}

/// Reads the changes, with rights over files that the caller does not have. So it writes to a pipe,
/// which the caller's own process reads, and ends when that end is closed.
fn read_all(
    identity: &Identity,
    below: &Below,
    covered: &[PathBuf],
    diff: &Diff,
    output: BufWriter<File>,
) -> Result<(), Stop> {
    let selection = Selection::of(&diff.paths);
    let mut report = Report {
        identity,
        content: diff.content,
        line: String::new(),
        output,
    };
    for layer in &below.layers {
        let done = walk(layer, covered, &selection, &mut |change| {
            report.tell(change)
        });
        if let Err(Stop::Failed(error)) = done {
            let _ = report.output.flush();
            return Err(Stop::Failed(error));
        }
        done?;
    }
    report.output.flush().map_err(|_| Stop::Enough)
}

struct Report<'a> {
    identity: &'a Identity,
    content: bool,
    line: String,
    output: BufWriter<File>,
}

impl Report<'_> {
    fn tell(&mut self, change: &Change<'_>) -> Result<(), Stop> {
        self.line.clear();
        let line = &mut self.line;
        let _ = write!(line, "change={}\tpath=", change.what.letters());
        encode_into(line, change.path.as_os_str().as_bytes());
        if let Some(from) = &change.from {
            line.push_str("\tfrom=");
            encode_into(line, from.as_os_str().as_bytes());
        }
        if let Some((seconds, nanoseconds)) = change.shadowed {
            let _ = write!(line, "\tshadowed={seconds}.{nanoseconds:09}");
        }
        let (old, new) = (&change.old, &change.new);
        for (side, entry) in [("old", old), ("new", new)] {
            if let Some((entry, _)) = entry {
                self.entry(side, entry);
            }
        }
        let contents = [("old", old), ("new", new)].map(|(side, entry)| {
            let (entry, name) = entry.as_ref().filter(|_| self.content)?;
            self.announce(side, entry, *name)
        });
        self.line.push('\n');
        let contents = contents.iter().flatten();
        std::iter::once(self.line.as_bytes())
            .chain(contents.map(Vec::as_slice))
            .try_for_each(|bytes| self.output.write_all(bytes))
            .map_err(|_| Stop::Enough)
    }

    /// What one side is: kind, mode, owner and group as seen inside, size.
    fn entry(&mut self, side: &str, entry: &Entry) {
        let kind = match entry.kind {
            FileType::RegularFile => "file",
            FileType::Directory => "directory",
            FileType::Symlink => "link",
            FileType::Fifo => "fifo",
            FileType::Socket => "socket",
            FileType::CharacterDevice => "character",
            FileType::BlockDevice => "block",
            _ => "unknown",
        };
        let (uid, gid) = (
            self.identity.inner_uid(entry.uid),
            self.identity.inner_gid(entry.gid),
        );
        let (mode, size) = (entry.mode, entry.size);
        let _ = write!(
            self.line,
            "\t{side}={kind}\t{side}mode={mode:o}\t{side}uid={uid}\t{side}gid={gid}\t{side}size={size}"
        );
        if let FileType::CharacterDevice | FileType::BlockDevice = entry.kind {
            let (major, minor) = entry.device;
            let _ = write!(self.line, "\t{side}device={major}:{minor}");
        }
    }

    /// Says how many bytes will follow of one side, or why there are none.
    fn announce(&mut self, side: &str, entry: &Entry, name: Name<'_>) -> Option<Vec<u8>> {
        let content = read(entry, name, MOST);
        let line = &mut self.line;
        let _ = write!(line, "\t{side}content=");
        let _ = match &content {
            Content::Bytes(bytes) => write!(line, "{}", bytes.len()),
            Content::None => write!(line, "-"),
            Content::TooLarge => write!(line, "large"),
            Content::Unreadable => write!(line, "unreadable"),
        };
        match content {
            Content::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}
