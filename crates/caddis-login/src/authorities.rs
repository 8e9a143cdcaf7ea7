//! Whether sshd takes certificates of authorities that its own configuration names. What such a certificate is good for it
//! says itself, so nothing in the user's home tells that there are some for one command only.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::small_file;

const MAIN: &str = "/etc/ssh/sshd_config";

const DROP_INS: &str = "/etc/ssh/sshd_config.d";

/// What else is said to be included is not looked for.
const INCLUDED: [&str; 2] = ["/etc/ssh/sshd_config.d/*.conf", "sshd_config.d/*.conf"];

/// Longer ones nobody writes.
const MOST: u64 = 1 << 20;

/// Whether there may be such. What a user cannot read may name one.
pub fn may_be_trusted() -> bool {
    drop_ins().is_none_or(|drop_ins| {
        let mut files = std::iter::once(PathBuf::from(MAIN)).chain(drop_ins);
        files.any(|file| match small_file::read(&file, MOST) {
            Ok(text) => may_name_one(&text),
            Err(error) => error.kind() != ErrorKind::NotFound,
        })
    })
}

fn drop_ins() -> Option<Vec<PathBuf>> {
    match std::fs::read_dir(DROP_INS) {
        Ok(entries) => entries
            .map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let is_read = |path: &PathBuf| path.extension() == Some("conf".as_ref());
                path.as_ref().is_none_or(is_read)
            })
            .collect(),
        Err(_) if !Path::new(DROP_INS).exists() => Some(Vec::new()),
        Err(_) => None,
    }
}

fn may_name_one(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(|line| {
        let separates = |byte: &u8| byte.is_ascii_whitespace() || b"=\"".contains(byte);
        let mut words = line.split(separates).filter(|word| !word.is_empty());
        let keyword = words.next().unwrap_or_default().to_ascii_lowercase();
        match keyword.as_slice() {
            b"trustedusercakeys" => words.next().is_none_or(|value| value != b"none"),
            b"include" => words.any(|path| INCLUDED.iter().all(|known| known.as_bytes() != path)),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_found() {
        for text in [
            "TrustedUserCAKeys /x",
            "Port 22\n\t\"trustedusercakeys\"=\"/x\"\r\n",
            "Match User alice\n  TrustedUserCAKeys=/x",
            "Include /etc/ssh/sshd_config.d/*.conf /etc/site.conf",
        ] {
            assert!(may_name_one(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "# TrustedUserCAKeys /x",
            "#TrustedUserCAKeys /x",
            "TrustedUserCAKeys none",
            "Include /etc/ssh/sshd_config.d/*.conf",
            "AuthorizedPrincipalsFile none\nSubsystem sftp internal-sftp",
        ] {
            assert!(!may_name_one(text.as_bytes()), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_looked_at(text: Vec<u8>) {
            may_name_one(&text);
        }
    }
}
