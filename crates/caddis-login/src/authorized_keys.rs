//! `command="…"` in `authorized_keys`: what is to run with a key, whatever its holder asks for. sshd heeds it only where
//! it has no command of its own to force, so where it runs this program that is left to do here. The rules are OpenSSH's
//! (sshd(8); `auth-options.c`, `auth2-pubkeyfile.c`).

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use crate::key::{Key, is_same};

/// Bits that are left over at the end do not count: better a key too many that is known again than one too few.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The keys that the text of `SSH_USER_AUTH`'s file speaks of: a line for each method that had to succeed. `None`: of one
/// it cannot be said what belongs to it.
pub fn keys_used(text: &[u8]) -> Option<Vec<Key>> {
    lines(text)
        .filter_map(|line| line.strip_prefix(b"publickey"))
        .map(|rest| Key::read(key(rest)?.blob))
        .collect()
}

/// Lines of a key name more than one command, and which of them sshd has gone by cannot be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disagreement;

/// What is to run with a key; `files` are the texts of the `authorized_keys` that sshd looks at, in its order.
pub fn command_for(key: &Key, files: &[Vec<u8>]) -> Result<Option<Vec<u8>>, Disagreement> {
    // sshd has refused a certificate and a line that say different things.
    let of_certificate = key
        .certificate
        .as_ref()
        .and_then(|certificate| certificate.force_command.clone());
    match of_certificate {
        Some(command) => Ok(Some(command)),
        None => of_lines(key, files),
    }
}

/// Whether any key has a command of its own. An authority's certificates may have.
pub fn has_commands(files: &[Vec<u8>]) -> bool {
    all_lines(files)
        .filter_map(read_line)
        .any(|line| line.is_of_authority() || line.commands().next().is_some())
}

/// The first line with the key that is in order, and whose conditions hold, is the one that sshd goes by. Which that is
/// only sshd knows: so each line counts up to one that cannot but be in order, and a command is never lost that might have
/// held.
fn of_lines(key: &Key, files: &[Vec<u8>]) -> Result<Option<Vec<u8>>, Disagreement> {
    let mut found = None;
    for line in all_lines(files).filter_map(read_line) {
        if !line.is_about(key) {
            continue;
        }
        for command in line.commands() {
            if found.is_some_and(|former| former != command) {
                return Err(Disagreement);
            }
            found = Some(command);
        }
        if line.is_certain(key) {
            break;
        }
    }
    Ok(found)
}

/// A line about a key.
struct Line {
    options: Vec<KeyOption>,
    key: Written,
}

/// One of the words before the key's type; the name in lower case.
#[derive(Debug, PartialEq, Eq)]
struct KeyOption {
    name: Vec<u8>,
    value: Option<Vec<u8>>,
}

/// What sshd knows without a value, alone or with `no-` before it.
const FLAGS: [&[u8]; 7] = [
    b"agent-forwarding",
    b"port-forwarding",
    b"pty",
    b"touch-required",
    b"user-rc",
    b"verify-required",
    b"x11-forwarding",
];

impl Line {
    fn is_about(&self, used: &Key) -> bool {
        match &used.certificate {
            Some(certificate) => {
                self.is_of_authority() && is_same(&self.key.blob, &certificate.signature_key)
            }
            None => !self.is_of_authority() && is_same(&self.key.blob, &used.blob),
        }
    }

    fn is_of_authority(&self) -> bool {
        self.options
            .iter()
            .any(|option| option.name == b"cert-authority")
    }

    fn commands(&self) -> impl Iterator<Item = Vec<u8>> {
        let commands = self
            .options
            .iter()
            .filter(|option| option.name == b"command");
        commands.filter_map(|option| option.value.clone())
    }

    /// Whether sshd takes it. One option that it does not know is enough for it not to, or a key that is not written as
    /// it writes it itself; and whether it takes an authority's line depends on the certificate.
    fn is_certain(&self, used: &Key) -> bool {
        let plain = |option: &KeyOption| match &option.value {
            Some(_) => option.name == b"command",
            None => {
                let name = option.name.strip_prefix(b"no-").unwrap_or(&option.name);
                FLAGS.contains(&name) || option.name == b"restrict"
            }
        };
        let is_plain = self.key.is_plain && self.key.blob == used.blob;
        is_plain && self.options.iter().all(plain) && self.commands().count() < 2
    }
}

fn read_line(line: &[u8]) -> Option<Line> {
    let start = line.iter().position(|byte| !is_blank(byte))?;
    let line = &line[start..];
    if line.starts_with(b"#") {
        return None;
    }
    if let Some(key) = key(line) {
        let options = Vec::new();
        return Some(Line { options, key });
    }
    let (options, rest) = line.split_at(end_of_options(line)?);
    Some(Line {
        key: key(rest)?,
        options: read_options(options)?,
    })
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
            [b'=', rest @ ..] => {
                let (value, rest) = dequote(rest)?;
                (Some(value), rest)
            }
            rest => (None, rest),
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

/// A key as a line has it.
struct Written {
    blob: Vec<u8>,
    /// The name of its type before it is the one that it calls itself, and the digits are those that nobody could object to.
    is_plain: bool,
}

/// The key that a text begins with: the name of its type, and base64. The bytes begin with such a name, too, and it need
/// not be the same: sshd takes `rsa-sha2-512` before a key that calls itself `ssh-rsa`.
fn key(text: &[u8]) -> Option<Written> {
    let mut words = text.split(is_blank).filter(|word| !word.is_empty());
    let kind = words.next()?;
    // Not words of a command that speaks of a key.
    let of_types = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.@".contains(byte);
    // sshd's base64 passes over them, a carriage return at the end of a line among them.
    let is_odd_blank = |byte: &u8| (0x0b..=0x0d).contains(byte);
    let mut digits = words.next()?.to_vec();
    digits.retain(|byte| !is_odd_blank(byte));
    let blob = BASE64.decode(&digits).ok()?;
    let (length, rest) = blob.split_first_chunk()?;
    let name = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    let is_plain = name == kind && BASE64.encode(&blob).as_bytes() == digits;
    (is_name && kind.iter().all(of_types)).then_some(Written { blob, is_plain })
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn all_lines(files: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
    files.iter().flat_map(|text| lines(text))
}

/// A NUL byte ends a line for sshd.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == 0).next())
}

#[cfg(test)]
#[path = "authorized_keys_tests.rs"]
mod tests;
