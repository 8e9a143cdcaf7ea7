//! The machine that was measured.

use crate::site::Site;
use serde::Serialize;
use std::fs;

/// What figures depend on.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// Of the day's end of the measurement, in UTC.
    pub date: String,
    /// Release and machine.
    pub kernel: String,
    /// The processor's name and number.
    pub processor: String,
    /// In MiB.
    pub memory: u64,
    /// Where environments lie.
    pub file_system: String,
    /// How much else was running, in runnable processes, before and after.
    pub load: Vec<String>,
}

impl Machine {
    /// Looks around.
    pub fn of(site: &Site) -> Machine {
        let uname = rustix::system::uname();
        Machine {
            date: site.look("date -u +%Y-%m-%d"),
            kernel: format!(
                "Linux {} {}",
                uname.release().to_string_lossy(),
                uname.machine().to_string_lossy()
            ),
            processor: processor(),
            memory: memory(),
            file_system: site.look("findmnt -no FSTYPE,OPTIONS /"),
            load: vec![load()],
        }
    }

    /// Notes what can only be known at the end.
    pub fn finish(&mut self) {
        self.load.push(load());
    }

    /// The same for a reader.
    pub fn lines(&self) -> Vec<String> {
        vec![
            format!(
                "{}, {}, {} MiB of memory",
                self.kernel, self.processor, self.memory
            ),
            format!(
                "the host's root, where environments lie: {} on a loop device",
                self.file_system
            ),
            format!(
                "{}; load average (1, 5, 15 minutes) before: {}",
                self.date,
                self.load.join("; after: ")
            ),
        ]
    }
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    let name = value("model name").unwrap_or_else(|| "unknown processor".into());
    let guest = value("flags").is_some_and(|flags| flags.split(' ').any(|one| one == "hypervisor"));
    let virtually = if guest { " (virtual machine)" } else { "" };
    format!("{count} × {name}{virtually}")
}

fn memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.split_whitespace().nth(1);
    total.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}
