//! Work whose time inside an environment is compared with that outside. It measures itself, so the way in is not part
//! of it.

use crate::arguments::Kind;
use crate::error::{Context, Result};
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// As in the figures of the literature.
const FILES: usize = 10_000;
const DIRECTORIES: usize = 100;
const SMALL: &[u8; 16] = b"sixteen bytes...";
const SPAWNS: usize = 200;

/// Does it once and prints the nanoseconds it took.
pub fn run(kind: Kind, directory: &Path) -> Result<()> {
    let start = Instant::now();
    match kind {
        Kind::Cpu => compute(),
        Kind::Spawn => spawn()?,
        Kind::Prepare => write(&directory.join("base"), &[b'x'; 400])?,
        Kind::Read => read(&directory.join("base"))?,
        Kind::Stat => stat(&directory.join("base"))?,
        Kind::Write => write(&directory.join("new"), SMALL)?,
        Kind::Replace => replace(&directory.join("base"))?,
    }
    let taken = start.elapsed().as_nanos();
    if kind == Kind::Write {
        // To be made anew the next time.
        fs::remove_dir_all(directory.join("new")).context("remove the files that were written")?;
    }
    writeln!(stdout(), "{taken}").context("say how long it took")
}

/// Integer arithmetic that nothing can be left out of; about 30 ms.
fn compute() {
    let mut value = black_box(0x9E37_79B9_7F4A_7C15_u64);
    for _ in 0..20_000_000 {
        value ^= value << 13;
        value ^= value >> 7;
        value ^= value << 17;
    }
    black_box(value);
}

fn spawn() -> Result<()> {
    for _ in 0..SPAWNS {
        Command::new("/usr/bin/true")
            .stdin(Stdio::inherit())
            .status()
            .context("start /usr/bin/true")?;
    }
    Ok(())
}

fn files(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let directory = directory.to_owned();
    (0..FILES).map(move |number| {
        directory
            .join((number % DIRECTORIES).to_string())
            .join(number.to_string())
    })
}

fn write(directory: &Path, bytes: &[u8]) -> Result<()> {
    for number in 0..DIRECTORIES {
        let place = directory.join(number.to_string());
        fs::create_dir_all(&place).context(format_args!("create {}", place.display()))?;
    }
    for path in files(directory) {
        File::create_new(&path)
            .and_then(|mut file| file.write_all(bytes))
            .context(format_args!("write {}", path.display()))?;
    }
    Ok(())
}

fn read(directory: &Path) -> Result<()> {
    let mut buffer = [0; 4096];
    for path in files(directory) {
        File::open(&path)
            .and_then(|mut file| file.read(&mut buffer))
            .context(format_args!("read {}", path.display()))?;
    }
    Ok(())
}

fn stat(directory: &Path) -> Result<()> {
    for path in files(directory) {
        let data = fs::symlink_metadata(&path);
        black_box(data.context(format_args!("stat {}", path.display()))?);
    }
    Ok(())
}

fn replace(directory: &Path) -> Result<()> {
    for path in files(directory) {
        fs::write(&path, SMALL).context(format_args!("write {}", path.display()))?;
    }
    Ok(())
}
