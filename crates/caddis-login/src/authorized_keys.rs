//! `command="…"` in `authorized_keys`: what is to run with a key, whatever its holder asks for. sshd heeds it only where
//! it has no command of its own to force, so where it runs this program that is left to do here. The rules are OpenSSH's
//! (sshd(8); `auth-options.c`, `auth2-pubkeyfile.c`).

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use crate::certificate::Certificate;

/// Bits that are left over at the end do not count: better a key too many that is known again than one too few.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// A key by which the user has proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    blob: Vec<u8>,
    certificate: Option<Certificate>,
}

/// The keys that the text of `SSH_USER_AUTH`'s file speaks of: a line for each method that had to succeed.
pub fn keys_used(text: &[u8]) -> Vec<Key> {
    lines(text)
        .filter_map(|line| {
            let rest = line.strip_prefix(b"publickey ")?;
            let blob = key(rest)?;
            let certificate = Certificate::read(&blob);
            Some(Key { blob, certificate })
        })
        .collect()
}

/// What is to run with a key; `files` are the texts of the `authorized_keys` that sshd looks at, in its order.
pub fn command_for(key: &Key, files: &[Vec<u8>]) -> Option<Vec<u8>> {
    // sshd has refused a certificate and a line that say different things.
    let of_certificate = key
        .certificate
        .as_ref()
        .and_then(|certificate| certificate.force_command.clone());
    of_certificate.or_else(|| of_lines(key, files))
}

/// The first line with the key decides. But sshd passes over one whose other conditions do not hold at the moment; so
/// after a line with conditions the next one counts as well, and a command is never lost that might have held.
fn of_lines(key: &Key, files: &[Vec<u8>]) -> Option<Vec<u8>> {
    for line in files.iter().flat_map(|text| lines(text)) {
        let Some(options) = options_for(key, line) else {
            continue;
        };
        let value = |name: &str| options.iter().find(|option| option.name == name.as_bytes());
        if let Some(command) = value("command") {
            return Some(command.value.clone());
        }
        let conditions = ["from", "expiry-time", "principals"];
        if !conditions.into_iter().any(|name| value(name).is_some()) {
            return None;
        }
    }
    None
}

/// The options of a line, if it is about the key.
fn options_for(key_used: &Key, line: &[u8]) -> Option<Vec<KeyOption>> {
    let line = line.trim_ascii_start();
    if line.starts_with(b"#") {
        return None;
    }
    let (blob, options) = match key(line) {
        Some(blob) => (blob, Vec::new()),
        None => {
            let (options, rest) = line.split_at(end_of_options(line)?);
            (key(rest)?, read_options(options)?)
        }
    };
    let authority = options.iter().any(|one| one.name == b"cert-authority");
    let wanted = match &key_used.certificate {
        Some(certificate) => authority && blob == certificate.signature_key,
        None => !authority && blob == key_used.blob,
    };
    wanted.then_some(options)
}

/// One of the words before the key's type; the name in lower case.
#[derive(Debug, PartialEq, Eq)]
struct KeyOption {
    name: Vec<u8>,
    value: Vec<u8>,
}

/// Options end with the first blank that is not between quotes.
fn end_of_options(line: &[u8]) -> Option<usize> {
    let (mut quoted, mut at) = (false, 0);
    while let Some(byte) = line.get(at) {
        match byte {
            b'\\' if line.get(at + 1) == Some(&b'"') => at += 1,
            b'"' => quoted = !quoted,
            b' ' | b'\t' if !quoted => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

fn read_options(mut text: &[u8]) -> Option<Vec<KeyOption>> {
    let mut options = Vec::new();
    loop {
        let end = text.iter().position(|byte| matches!(byte, b'=' | b','));
        let (name, rest) = text.split_at(end.unwrap_or(text.len()));
        let (value, rest) = match rest {
            [b'=', rest @ ..] => dequote(rest)?,
            rest => (Vec::new(), rest),
        };
        options.push(KeyOption {
            name: name.to_ascii_lowercase(),
            value,
        });
        match rest {
            [] => return Some(options),
            [b',', rest @ ..] => text = rest,
            _ => return None,
        }
    }
}

/// What is between the quotes that the text begins with, and what follows. A backslash stands for itself, except
/// before a quote.
fn dequote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"\"")?;
    let mut value = Vec::new();
    loop {
        rest = match rest {
            [] => return None,
            [b'"', rest @ ..] => return Some((value, rest)),
            [b'\\', b'"', rest @ ..] => {
                value.push(b'"');
                rest
            }
            [byte, rest @ ..] => {
                value.push(*byte);
                rest
            }
        };
    }
}

/// The key that a text begins with: the name of its type, and base64. The bytes begin with such a name, too, and it need
/// not be the same: sshd takes `rsa-sha2-512` before a key that calls itself `ssh-rsa`.
fn key(text: &[u8]) -> Option<Vec<u8>> {
    let mut words = text
        .split(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
        .filter(|word| !word.is_empty());
    let (_, blob) = (words.next()?, BASE64.decode(words.next()?).ok()?);
    let (length, rest) = blob.split_first_chunk()?;
    let name = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_name.then_some(blob)
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::certificate::tests::{certificate, string};

    fn blob(name: &[u8]) -> Vec<u8> {
        [string(b"ssh-ed25519"), string(name)].concat()
    }

    fn text(blob: &[u8]) -> String {
        let end = 4 + usize::from(blob[3]);
        let kind = std::str::from_utf8(&blob[4..end]).unwrap();
        format!("{kind} {}", BASE64.encode(blob))
    }

    fn used(blob: &[u8]) -> Key {
        let keys = keys_used(format!("password\npublickey {}\n", text(blob)).as_bytes());
        assert_eq!(keys.len(), 1);
        keys.into_iter().next().unwrap()
    }

    fn command(key: &[u8], file: &str) -> Option<String> {
        let command = command_for(&used(key), &[file.as_bytes().to_vec()]);
        command.map(|command| String::from_utf8(command).unwrap())
    }

    #[test]
    fn the_line_of_the_key_decides() {
        let (mine, other) = (blob(b"mine"), blob(b"other"));
        let (own, others) = (text(&mine), text(&other));
        let file = |options: &str| {
            format!(
                "# a comment\n\n{others}\ncommand=\"no\" {others} x\n#command=\"no\" {own}\n {options} {own} me@x\ncommand=\"later\" {own}\n"
            )
        };
        for (options, expected) in [
            ("", None),
            ("no-pty", None),
            ("command=\"id\"", Some("id")),
            ("CoMMand=\"a  b\",no-pty", Some("a  b")),
            (
                "restrict,pty,command=\"a,\\\"b\\\" 'c' \\n #\"",
                Some("a,\"b\" 'c' \\n #"),
            ),
            ("environment=\"command=\\\"no\\\"\",command=\"\"", Some("")),
            ("from=\"10.0.0.1\",command=\"id\"", Some("id")),
            // Its conditions may not have held.
            ("from=\"10.0.0.1\"", Some("later")),
            // No such lines to sshd.
            ("command=id", Some("later")),
            ("command=\"id", Some("later")),
            ("command=\"id\"x", Some("later")),
            ("cert-authority,command=\"no\"", Some("later")),
        ] {
            let found = command(&mine, &file(options));
            assert_eq!(found.as_deref(), expected, "{options}");
        }
        assert_eq!(command(&mine, &format!("{own}\r\n")), None);
        assert_eq!(
            command(&mine, &format!("command=\"x\"\t{own}\r\n")).as_deref(),
            Some("x")
        );
    }

    #[test]
    fn a_type_has_more_than_one_name() {
        let mine = [string(b"ssh-rsa"), string(b"mine")].concat();
        let line = text(&mine).replace("ssh-rsa ", "command=\"id\" rsa-sha2-512 ");
        assert_eq!(command(&mine, &line).as_deref(), Some("id"));
    }

    #[test]
    fn a_certificate_is_looked_for_by_its_authority() {
        let authority = blob(b"authority");
        let of_it = text(&authority);
        let file = format!("command=\"plain\" {of_it}\ncert-authority,command=\"line\" {of_it}\n");
        let plain = certificate(None, &authority);
        assert_eq!(command(&plain, &file).as_deref(), Some("line"));
        let forced = certificate(Some(b"certificate"), &authority);
        assert_eq!(command(&forced, "").as_deref(), Some("certificate"));
        assert_eq!(command(&plain, ""), None);
    }

    #[test]
    fn only_keys_of_the_user_count() {
        let line = text(&blob(b"host"));
        assert!(keys_used(format!("hostbased {line} x\npassword\n").as_bytes()).is_empty());
        assert!(keys_used(b"publickey\npublickey x\npublickey ssh-rsa AAAA\n").is_empty());
    }

    proptest! {
        #[test]
        fn any_command_survives_its_quoting(command in "[^\n\0]*", before in "(no-pty,)?", after in "(,no-pty)?") {
            // A backslash before a quote cannot be written.
            prop_assume!(!command.contains("\\\"") && !command.ends_with('\\'));
            let mine = blob(b"mine");
            let quoted = command.replace('"', "\\\"");
            let file = format!("{before}command=\"{quoted}\"{after} {}", text(&mine));
            prop_assert_eq!(self::command(&mine, &file), Some(command));
        }

        #[test]
        fn any_file_can_be_looked_at(bytes: Vec<u8>, line in "[a-z=\", \t\\\\]{0,40}") {
            let mine = blob(b"mine");
            let whole = format!("{line} {}\n", text(&mine)).into_bytes();
            command_for(&used(&mine), &[bytes.clone(), whole]);
            keys_used(&bytes);
        }
    }
}
