//! What a process is called.

use std::ffi::CStr;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;

/// Calls this process `name` and nothing more. It has come from a fork, with the arguments of the session's first
/// process: the user's command, which whoever looks for that (`pkill -f`) must not find twice.
pub fn rename(name: &CStr) -> io::Result<()> {
    rustix::thread::set_name(name)?;
    let (start, end) = arguments(&std::fs::read("/proc/self/stat")?).ok_or(Errno::INVAL)?;
    let length = usize::try_from(end.saturating_sub(start)).map_err(io::Error::other)?;
    let mut title = name.to_bytes().to_vec();
    title.resize(length, 0);
    // The kernel shows what is in that memory.
    let memory = OpenOptions::new().write(true).open("/proc/self/mem")?;
    memory.write_all_at(&title, start)
}

/// `arg_start` and `arg_end` of proc(5), the fields 48 and 49. The name before them may hold anything.
fn arguments(stat: &[u8]) -> Option<(u64, u64)> {
    let end_of_name = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[end_of_name..]).ok()?;
    let mut fields = rest.split_ascii_whitespace().skip(46);
    let mut number = || fields.next()?.parse().ok();
    Some((number()?, number()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_fields() {
        let numbers: Vec<String> = (3..=52).map(|number| number.to_string()).collect();
        let stat = format!("7 (a) b) {}\n", numbers.join(" "));
        assert_eq!(arguments(stat.as_bytes()), Some((48, 49)));
        assert_eq!(arguments(b"7 (a) S 1"), None);
    }
}
