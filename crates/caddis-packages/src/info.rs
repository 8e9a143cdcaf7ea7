//! The files of `/var/lib/dpkg/info`: a package's name, its architecture if several may be installed, what the file
//! is: `libc6:amd64.list`.

/// The package that a file of this name belongs to. Names of packages have dots, kinds of files have none; see
/// pkg_infodb_foreach in dpkg.
pub(crate) fn package(name: &[u8]) -> Option<&[u8]> {
    let dot = name.iter().rposition(|byte| *byte == b'.')?;
    let full = &name[..dot];
    let end = full.iter().position(|byte| *byte == b':');
    Some(&full[..end.unwrap_or(full.len())]).filter(|package| !package.is_empty())
}

/// Whether it is the list of the package's files, which dpkg writes anew whenever it unpacks or removes the package.
pub(crate) fn is_list(name: &[u8]) -> bool {
    name.ends_with(b".list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_dots_and_architectures() {
        assert_eq!(package(b"python3.11.list"), Some(&b"python3.11"[..]));
        assert_eq!(package(b"libc6:amd64.md5sums"), Some(&b"libc6"[..]));
        assert_eq!(package(b"format"), None);
        assert_eq!(package(b".list"), None);
    }
}
