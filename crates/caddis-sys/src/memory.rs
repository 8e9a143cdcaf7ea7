use crate::errno;
use rustix::fs::{Mode, OFlags, PROC_SUPER_MAGIC, fstatfs, open};
use rustix::io::Errno;
use std::io::Read as _;
use std::ops::Range;

/// Where this program's code lies in memory.
#[derive(Debug)]
pub struct Code(Vec<Range<usize>>);

impl Code {
    /// Asks the kernel, by way of `/proc/self/maps`.
    ///
    /// # Errors
    /// `NOSYS` if what is found there is not the kernel's.
    pub fn of_this_program() -> Result<Code, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = open("/proc/self/maps", flags, Mode::empty())?;
        if fstatfs(&file)?.f_type != PROC_SUPER_MAGIC {
            return Err(Errno::NOSYS);
        }
        let mut maps = String::new();
        std::fs::File::from(file)
            .read_to_string(&mut maps)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        Ok(Code(maps.lines().filter_map(code).collect()))
    }

    /// Gives its pages back to the page cache, from where they are read again when they are needed: of a program
    /// that mostly sleeps, few are.
    ///
    /// # References
    /// - [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html)
    pub fn release(&self) -> Result<(), Errno> {
        for range in &self.0 {
            let start = std::ptr::without_provenance_mut(range.start);
            // SAFETY: the kernel has said that this mapping is executable, not writable and a file's, and nothing in
            // this program changes its mappings of code: a page that is dropped comes back with the same content.
            if unsafe { libc::madvise(start, range.len(), libc::MADV_DONTNEED) } < 0 {
                return Err(errno());
            }
        }
        Ok(())
    }
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
