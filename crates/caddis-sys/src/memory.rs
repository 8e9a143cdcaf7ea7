use crate::errno;
use rustix::io::Errno;
use std::ops::Range;

/// Gives the pages of this program's code back to the page cache, from where they are read again when
/// they are needed: of a program that mostly sleeps, few are.
///
/// # References
/// - [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html)
pub fn release_code(maps: &str) -> Result<(), Errno> {
    for range in maps.lines().filter_map(code) {
        let start = std::ptr::without_provenance_mut(range.start);
        // SAFETY: a mapping that is executable and not writable is a file's, unchanged: a page that
        // is dropped comes back with the same content.
        if unsafe { libc::madvise(start, range.len(), libc::MADV_DONTNEED) } < 0 {
            return Err(errno());
        }
    }
    Ok(())
}

/// The addresses of a line of `/proc/self/maps` that stands for code of a file.
fn code(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let private_code = fields.next()? == "r-xp" && line.contains('/');
    let number = |text| usize::from_str_radix(text, 16).ok();
    private_code.then_some(number(start)?..number(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_released() {
        assert_eq!(
            code("1000-3000 r-xp 00000000 08:01 7 /bin/x"),
            Some(0x1000..0x3000)
        );
        assert_eq!(code("1000-3000 r--p 00000000 08:01 7 /bin/x"), None);
        assert_eq!(code("1000-3000 r-xp 00000000 00:00 0 [vdso]"), None);
        assert_eq!(code(""), None);
    }
}
