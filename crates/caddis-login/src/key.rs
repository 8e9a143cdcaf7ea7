//! Public keys as bytes (RFC 4253, 6.6): which of them sshd takes for the same one.

use crate::certificate::{Certificate, Fields};

/// A key by which the user has proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// As sshd has it.
    pub blob: Vec<u8>,
    /// What it says if it is a certificate.
    pub certificate: Option<Certificate>,
}

impl Key {
    /// Reads one; `None`: it is a certificate of no kind that is known, and so are its conditions.
    pub fn read(blob: Vec<u8>) -> Option<Self> {
        let certificate = Certificate::read(&blob);
        let is_one = Fields::new(&blob).string().is_some_and(is_of_certificates);
        (certificate.is_some() == is_one).then_some(Self { blob, certificate })
    }
}

/// `ssh-ed25519-cert-v01@openssh.com`, and what may come after that.
fn is_of_certificates(name: &[u8]) -> bool {
    name.windows(6).any(|part| part == b"-cert-")
}

/// Whether sshd takes both for the same key. It compares the numbers that they stand for (`sshkey_equal`), and one key has
/// many spellings: a number may have zeros in front, a type has short names. Somebody who sends in a key, for it to be let
/// in with one command only, may choose among them.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    one == other || parts(one).is_some_and(|ours| parts(other) == Some(ours))
}

/// What stands after the name of the type. Two types do not have the same: one has other parts, or more of them.
fn parts(blob: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Fields::new(blob);
    fields.string()?;
    let mut parts = Vec::new();
    while !fields.is_empty() {
        let part = fields.string()?;
        let zeros = part.iter().take_while(|byte| **byte == 0).count();
        parts.push(&part[zeros..]);
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::certificate::tests::{certificate, string};

    fn blob(parts: &[&[u8]]) -> Vec<u8> {
        parts.iter().flat_map(|part| string(part)).collect()
    }

    #[test]
    fn one_key_has_many_spellings() {
        let plain = blob(&[b"ssh-rsa", b"\x01\x00\x01", b"\x00number"]);
        for same in [
            blob(&[b"ssh-rsa", b"\x00\x00\x01\x00\x01", b"number"]),
            blob(&[b"rsa-sha2-512", b"\x01\x00\x01", b"\x00\x00\x00number"]),
            blob(&[b"RSA", b"\x01\x00\x01", b"number"]),
        ] {
            assert!(is_same(&plain, &same));
        }
        for other in [
            blob(&[b"ssh-rsa", b"\x01\x00\x01", b"number\x00"]),
            blob(&[b"ssh-rsa", b"\x01\x00\x01"]),
            blob(&[b"ssh-rsa", b"\x01\x00\x01", b"number", b""]),
            [&plain[..], b"x"].concat(),
            Vec::new(),
        ] {
            assert!(!is_same(&plain, &other));
        }
    }

    #[test]
    fn a_certificate_of_an_unknown_kind_is_no_plain_key() {
        assert!(Key::read(blob(&[b"ssh-new-cert-v01@openssh.com", b"x"])).is_none());
        assert!(Key::read(blob(&[b"ssh-ed25519-cert-v01@openssh.com", b"x"])).is_none());
        assert!(Key::read(certificate(None, b"key")).is_some_and(|key| key.certificate.is_some()));
        assert!(Key::read(blob(&[b"ssh-new", b"x"])).is_some_and(|key| key.certificate.is_none()));
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_compared(one: Vec<u8>, other: Vec<u8>) {
            prop_assert!(is_same(&one, &one));
            prop_assert_eq!(is_same(&one, &other), is_same(&other, &one));
        }
    }
}
