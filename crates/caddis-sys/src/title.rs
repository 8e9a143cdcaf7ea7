//! What `/proc/PID/cmdline` and `environ` show: the memory where the kernel laid the strings of execve(2).

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, pwrite, read};
use std::ffi::CStr;
use std::ops::Range;

/// Where they lie in this process's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Strings {
    arguments: Range<u64>,
    variables: Range<u64>,
}

/// Has `/proc` show `title` in place of this process's arguments. Its variables stay.
///
/// # Errors
/// `INVAL` if `/proc/self/stat` has another form; what the kernel answers to opening and writing `/proc/self/mem`.
pub fn replace_arguments(title: &CStr) -> Result<(), Errno> {
    let strings = Strings::of_this_process()?;
    overwrite(&strings.arguments, title)
}

/// The same, and clears the variables, which lie behind: `std::env` finds none from here on.
///
/// # Errors
/// As above.
pub fn replace_arguments_and_variables(title: &CStr) -> Result<(), Errno> {
    let strings = Strings::of_this_process()?;
    overwrite(&(strings.arguments.start..strings.variables.end), title)
}

/// In safe code, by way of a file: the kernel refuses what is not this process's to write, and strings stay strings,
/// for the last byte of the area is the end of one.
fn overwrite(area: &Range<u64>, title: &CStr) -> Result<(), Errno> {
    let length = area.end.checked_sub(area.start).ok_or(Errno::INVAL)?;
    let length = usize::try_from(length).map_err(|_| Errno::INVAL)?;
    let mut text = vec![0_u8; length];
    let room = text.iter_mut().rev().skip(1).rev();
    for (to, from) in room.zip(title.to_bytes()) {
        *to = *from;
    }
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let memory = open("/proc/self/mem", flags, Mode::empty())?;
    match pwrite(&memory, &text, area.start)? {
        written if written == length => Ok(()),
        _ => Err(Errno::IO),
    }
}

impl Strings {
    fn of_this_process() -> Result<Strings, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = open("/proc/self/stat", flags, Mode::empty())?;
        let mut buffer = [0_u8; 1024];
        let length = read(&file, &mut buffer)?;
        Strings::parse(&buffer[..length]).ok_or(Errno::INVAL)
    }

    /// The fields 48 to 51 of [proc_pid_stat(5)](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html). The name
    /// before them may hold anything.
    fn parse(stat: &[u8]) -> Option<Strings> {
        let end_of_name = stat.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(&stat[end_of_name..]).ok()?;
        let mut fields = rest.split_ascii_whitespace().skip(46);
        let mut number = || fields.next()?.parse::<u64>().ok();
        Some(Strings {
            arguments: number()?..number()?,
            variables: number()?..number()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_fields_whatever_the_name() {
        let numbers: Vec<String> = (3..=52).map(|number| number.to_string()).collect();
        let stat = format!("7 (a) b) {}\n", numbers.join(" "));
        let expected = Strings {
            arguments: 48..49,
            variables: 50..51,
        };
        assert_eq!(Strings::parse(stat.as_bytes()), Some(expected));
        assert_eq!(Strings::parse(b"7 (a) S 1"), None);
        assert_eq!(Strings::parse(b"7"), None);
    }

    #[test]
    fn a_process_knows_where_its_own_lie() {
        let own = Strings::of_this_process();
        assert!(own.is_ok_and(|own| {
            !own.arguments.is_empty() && own.arguments.end <= own.variables.start
        }));
    }
}
