//! How a renewed file is told from the user's own: by an attribute that nobody inside can see or set, as long as the
//! file is as it was made; and, once it is in its place, by what the kernel says of it there.

use caddis_view::tree::path_of;
use rustix::fs::{Stat, XattrFlags, getxattr, setxattr};
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::str::FromStr;

const NAME: &std::ffi::CStr = c"trusted.caddis.renewed";

/// What was renewed, and what the renewed file was when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    base: [i64; 3],
    own: [i64; 6],
}

impl Mark {
    /// Of a renewed file with the attributes of `own`, for the base's `base`, whose ids it has on disk.
    #[must_use]
    pub fn new(base: &Stat, own: &Stat) -> Mark {
        let [seconds, nanoseconds, size, mode, ..] = content(own);
        let ids = [base.st_uid, base.st_gid].map(i64::from);
        Mark {
            base: identity(base),
            own: [seconds, nanoseconds, size, mode, ids[0], ids[1]],
        }
    }

    /// The file is as it was made: it is not the user's.
    #[must_use]
    pub fn is_untouched(&self, own: &Stat) -> bool {
        self.own == content(own)
    }

    /// The base's file is still the one that it was made from.
    #[must_use]
    pub fn is_current(&self, base: &Stat) -> bool {
        self.base == identity(base)
    }

    /// Sets it on a file, which need not be open for writing.
    pub fn set(&self, file: impl AsFd) -> Result<(), Errno> {
        let value = self.to_string();
        setxattr(path_of(file), NAME, value.as_bytes(), XattrFlags::empty())
    }

    /// That of a file, which need not be open for reading.
    pub fn of(file: impl AsFd) -> Result<Option<Mark>, Errno> {
        let mut value = [0; 512];
        match getxattr(path_of(file), NAME, &mut value[..]) {
            Ok(length) => Ok(std::str::from_utf8(&value[..length])
                .ok()
                .and_then(|text| text.parse().ok())),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

/// Which file, and when anything of it has changed: what is in it, what it is called, its attributes, extended ones among
/// them, or its times. Nobody can set that time.
pub(super) fn identity(stat: &Stat) -> [i64; 3] {
    [
        stat.st_ino.cast_signed(),
        stat.st_ctime,
        stat.st_ctime_nsec.cast_signed(),
    ]
}

/// What is known of a file before it is in its place.
fn content(stat: &Stat) -> [i64; 6] {
    [
        stat.st_mtime,
        stat.st_mtime_nsec.cast_signed(),
        stat.st_size,
        stat.st_mode.into(),
        stat.st_uid.into(),
        stat.st_gid.into(),
    ]
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers = self.base.iter().chain(&self.own);
        let text: Vec<String> = numbers.map(i64::to_string).collect();
        f.write_str(&text.join(" "))
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Mark, ()> {
        let numbers: Result<Vec<i64>, _> = text.split(' ').map(str::parse).collect();
        match numbers.map_err(|_| ())?[..] {
            [a, b, c, d, e, f, g, h, i] => Ok(Mark {
                base: [a, b, c],
                own: [d, e, f, g, h, i],
            }),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(base: [i64; 3], own: [i64; 6]) {
            let mark = Mark { base, own };
            prop_assert_eq!(mark.to_string().parse(), Ok(mark));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            let _ = text.parse::<Mark>();
        }
    }
}
