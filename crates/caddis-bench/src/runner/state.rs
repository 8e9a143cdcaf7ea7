//! What root looks up in the host: who is still there, memory, disk.

use super::protocol::Memory;
use crate::error::{Context, Error, Result};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The name of an environment's process 1.
pub const PROCESS_1: &str = "caddis-init";
/// What is left to a tear-down before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until no process 1 is left: the kernel tells of its end after its mounts are gone.
pub fn settle() -> Result<()> {
    let start = Instant::now();
    while !named(&[PROCESS_1, "caddis-helper"])?.is_empty() {
        if start.elapsed() > PATIENCE {
            let reason = "some are still there after two minutes";
            return Err(Error(format!("wait for the end of environments: {reason}")));
        }
        // Often enough for what is measured (a tear-down takes milliseconds), seldom enough not to take part in it.
        std::thread::sleep(Duration::from_micros(300));
    }
    Ok(())
}

/// The memory of all processes called `name`.
pub fn memory(name: &str) -> Result<Memory> {
    let mut memory = Memory::default();
    for process in named(&[name])? {
        if let Some(one) = resident(&process) {
            memory.processes.push(one);
        }
    }
    for process in processes()? {
        memory.everything += resident(&process).map_or(0, |(_, share)| share);
    }
    let text = fs::read_to_string("/proc/meminfo").context("read /proc/meminfo")?;
    memory.available = field(&text, "MemAvailable:").unwrap_or(0);
    Ok(memory)
}

/// Resident memory and its share, in KiB. A process that ends meanwhile has none.
fn resident(process: &Path) -> Option<(u64, u64)> {
    let text = fs::read_to_string(process.join("smaps_rollup")).ok()?;
    Some((field(&text, "Rss:")?, field(&text, "Pss:")?))
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn named(names: &[&str]) -> Result<Vec<PathBuf>> {
    let is = |process: &PathBuf| {
        fs::read_to_string(process.join("comm")).is_ok_and(|comm| names.contains(&comm.trim_end()))
    };
    Ok(processes()?.into_iter().filter(is).collect())
}

fn processes() -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").context("list /proc")? {
        let path = entry.context("list /proc")?.path();
        let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
        if path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(is_number)
        {
            all.push(path);
        }
    }
    Ok(all)
}

/// The blocks of a tree, in bytes, as du(1) counts them.
pub fn disk_usage(path: &Path) -> Result<u64> {
    let data = fs::symlink_metadata(path).context(format_args!("stat {}", path.display()))?;
    let mut total = data.blocks() * 512;
    if data.is_dir() {
        for entry in fs::read_dir(path).context(format_args!("list {}", path.display()))? {
            total += disk_usage(&entry.context("list a directory")?.path())?;
        }
    }
    Ok(total)
}
