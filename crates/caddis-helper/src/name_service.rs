//! The name for a number that is not in `/etc/passwd`. This program is static and has no name
//! service, and the caller's own statement is no proof; so a child without any right runs `getent`.

use caddis_view::account::names_in;
use caddis_view::error::Context;
use caddis_view::{Error, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where it may be.
const GETENT: [&str; 2] = ["/usr/bin/getent", "/bin/getent"];

/// As whom it runs: nobody, whom no caller can kill, stop or look into.
const NOBODY: u32 = 65534;

/// The longest wait for an answer: a directory server may be away.
const LONGEST: Duration = Duration::from_secs(10);

/// More than any answer.
const MOST: u64 = 1 << 16;

/// getent(1): a key was not found.
const NOT_FOUND: i32 = 2;

/// What a name service says of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It has these names.
    Names(Vec<Vec<u8>>),
    /// It has none. A cache whose server is away gives this answer, too.
    None,
    /// No answer in time, or nobody to ask.
    Silence,
}

/// Asks which accounts have the number `uid`.
pub(crate) fn ask(uid: u32) -> Answer {
    answer(uid).unwrap_or(Answer::Silence)
}

fn answer(uid: u32) -> Result<Answer> {
    let program = GETENT
        .into_iter()
        .find(|program| caddis_trust::open(Path::new(program)).is_ok());
    let Some(program) = program else {
        return Ok(Answer::Silence);
    };
    let failed = |error| Error::refused("ask", program, error);
    // The kernel compares the number of all of nobody's processes with the caller's limit, so
    // others could use that up. Where root may not raise it, it stays.
    let limit = getrlimit(Resource::Nproc);
    let none = Rlimit {
        current: None,
        maximum: None,
    };
    let _ = setrlimit(Resource::Nproc, none);
    let child = Command::new(program)
        .arg("passwd")
        .arg(uid.to_string())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // With a user named, the standard library drops the groups, too.
        .gid(NOBODY)
        .uid(NOBODY)
        .spawn();
    setrlimit(Resource::Nproc, limit).doing("restore", || "the limit of processes")?;
    let mut child = child.map_err(failed)?;
    let text = match read(&mut child, Instant::now() + LONGEST) {
        Ok(text) => text,
        Err(error) => {
            // Not waited for: it may be where no signal reaches it. Its next parent reaps it.
            let _ = child.kill();
            return Err(error);
        }
    };
    let status = child.wait().map_err(failed)?;
    Ok(match (status.code(), names_in(&text, uid)) {
        (Some(0), names) if !names.is_empty() => Answer::Names(names),
        (Some(NOT_FOUND), _) => Answer::None,
        _ => Answer::Silence,
    })
}

/// All that it prints, until it closes its output.
fn read(child: &mut Child, end: Instant) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let Some(output) = &mut child.stdout else {
        return Ok(text);
    };
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let limit = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(0),
            tv_nsec: left.subsec_nanos().into(),
        };
        let ready = poll(&mut [PollFd::new(&*output, PollFlags::IN)], Some(&limit))
            .doing("wait for", || "getent")?;
        let mut part = [0_u8; 4096];
        let length = match ready {
            0 => return Err(Error::refused("wait for", "getent", "it does not answer")),
            _ => output
                .read(&mut part)
                .map_err(|error| Error::refused("read", "getent", error))?,
        };
        text.extend_from_slice(&part[..length]);
        if length == 0 {
            return Ok(text);
        }
        if text.len() as u64 > MOST {
            return Err(Error::refused("read", "getent", "it says too much"));
        }
    }
}
