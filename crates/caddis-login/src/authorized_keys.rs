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
            let blob = key(rest)?.blob;
            let certificate = Certificate::read(&blob);
            Some(Key { blob, certificate })
        })
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

/// Whether any key has a command of its own.
pub fn has_commands(files: &[Vec<u8>]) -> bool {
    all_lines(files)
        .filter_map(read_line)
        .any(|line| line.commands().next().is_some())
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
        if line.is_certain() {
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
                self.is_of_authority() && self.key.blob == certificate.signature_key
            }
            None => !self.is_of_authority() && self.key.blob == used.blob,
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

    /// Whether sshd takes it, if it is about the key. One option that it does not know is enough for it not to; and
    /// whether it takes an authority's line depends on the certificate.
    fn is_certain(&self) -> bool {
        let plain = |option: &KeyOption| match &option.value {
            Some(_) => option.name == b"command",
            None => {
                let name = option.name.strip_prefix(b"no-").unwrap_or(&option.name);
                FLAGS.contains(&name) || option.name == b"restrict"
            }
        };
        self.key.by_its_name && self.options.iter().all(plain) && self.commands().count() < 2
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
    /// The name of its type before it is the one that it calls itself.
    by_its_name: bool,
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
    let blob = BASE64.decode(digits).ok()?;
    let (length, rest) = blob.split_first_chunk()?;
    let name = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    let by_its_name = name == kind;
    (is_name && kind.iter().all(of_types)).then_some(Written { blob, by_its_name })
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

    fn all(key: &[u8], file: &str) -> Result<Option<String>, Disagreement> {
        let command = command_for(&used(key), &[file.as_bytes().to_vec()]);
        command.map(|command| command.map(|command| String::from_utf8(command).unwrap()))
    }

    fn command(key: &[u8], file: &str) -> Option<String> {
        all(key, file).unwrap()
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
            // Its conditions may not have held, or sshd may not have taken it for a line.
            ("from=\"10.0.0.1\"", Some("later")),
            ("no-pyt", Some("later")),
            ("pty=\"yes\"", Some("later")),
            ("environment=\"=\"", Some("later")),
            ("tunnel=\"x\",restrict", Some("later")),
            // No such lines to sshd.
            ("command=id", Some("later")),
            ("command=\"id", Some("later")),
            ("command=\"id\"x", Some("later")),
            ("cert-authority,command=\"no\"", Some("later")),
        ] {
            let found = command(&mine, &file(options));
            assert_eq!(found.as_deref(), expected, "{options}");
        }
        for options in [
            "from=\"10.0.0.1\",command=\"id\"",
            "command=\"a\",command=\"later\"",
        ] {
            assert_eq!(all(&mine, &file(options)), Err(Disagreement), "{options}");
            let same = format!("{options} {own}\n{options} {own}\n");
            assert_eq!(all(&mine, &same).is_ok(), options.starts_with("from"));
        }
        let quoted = "environment=\"command=\\\"no\\\"\",command=\"\"";
        assert_eq!(
            command(&mine, &format!("{quoted} {own}")).as_deref(),
            Some("")
        );
    }

    /// As OpenSSH reads them; each of these lines was tried with it.
    #[test]
    fn odd_lines_are_read_as_sshd_reads_them() {
        let mine = blob(b"mine");
        let own = text(&mine);
        let (kind, digits) = own.split_once(' ').unwrap();
        let (head, tail) = digits.split_at(9);
        for line in [
            format!("command=\"x\"\t{own}\r"),
            format!("command=\"x\" {own}\u{b}"),
            format!("command=\"x\" {own}\0 comment"),
            format!("command=\"x\" {kind} {head}\u{c}{tail}"),
            format!("command=\"x\" {own} {}", "x".repeat(100_000)),
            // These are about no key, so the next one is what counts.
            format!("{kind}\r{digits}\ncommand=\"x\" {own}"),
            format!("\u{c}{own}\ncommand=\"x\" {own}"),
            format!("ssh-ed2551 {digits}\ncommand=\"x\" {own}"),
            format!("{own}-\ncommand=\"x\" {own}"),
            format!("\0{own}\ncommand=\"x\" {own}"),
        ] {
            assert_eq!(command(&mine, &line).as_deref(), Some("x"), "{line:?}");
        }
        assert_eq!(
            command(&mine, &format!("{own}\r\ncommand=\"x\" {own}")),
            None
        );
        let speaks_of_it = format!("command=\"x {digits} y\" {own}\n");
        assert_eq!(command(&mine, &speaks_of_it), Some(format!("x {digits} y")));
    }

    #[test]
    fn whether_any_key_has_a_command() {
        let own = text(&blob(b"mine"));
        let has = |line: String| has_commands(&[vec![], line.into_bytes()]);
        assert!(has(format!("{own}\nrestrict,command=\"x\" {own}")));
        assert!(has(format!("cert-authority,command=\"x\" {own}")));
        assert!(!has(format!("{own}\nrestrict {own}\n#command=\"x\" {own}")));
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
        // sshd passes over an authority's line that is not about the certificate's principals.
        let others = format!("cert-authority {of_it}\n{file}");
        assert_eq!(command(&plain, &others).as_deref(), Some("line"));
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
            let _ = command_for(&used(&mine), &[bytes.clone(), whole]);
            keys_used(&bytes);
        }
    }
}
