//! Lines as users write them, and as OpenSSH reads them.

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
    let keys = keys_used(format!("password\npublickey {}\n", text(blob)).as_bytes()).unwrap();
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
    assert!(has(format!("cert-authority {own}")));
    assert!(!has(format!("{own}\nrestrict {own}\n#command=\"x\" {own}")));
}

#[test]
fn a_type_has_more_than_one_name() {
    let mine = [string(b"ssh-rsa"), string(b"mine")].concat();
    let line = text(&mine).replace("ssh-rsa ", "command=\"id\" rsa-sha2-512 ");
    assert_eq!(command(&mine, &line).as_deref(), Some("id"));
}

/// sshd does not pass over it for that, and may pass over it for other reasons.
#[test]
fn a_key_has_more_than_one_spelling() {
    let mine = [string(b"ssh-rsa"), string(b"\x03"), string(b"number")].concat();
    let zeros = [string(b"ssh-rsa"), string(b"\0\0\x03"), string(b"number")].concat();
    let short = [string(b"RSA"), string(b"\x03"), string(b"number")].concat();
    for odd in [zeros, short] {
        let line = format!("ssh-rsa {}", BASE64.encode(&odd));
        let file = format!("{line}\ncommand=\"id\" {line}");
        assert_eq!(command(&mine, &file).as_deref(), Some("id"));
    }
    // Bits too many, which sshd does not take.
    let own = text(&mine);
    let odd = own.replace("ZXI=", "ZXJ=");
    assert_ne!(odd, own);
    let file = format!("{odd}\ncommand=\"id\" {own}");
    assert_eq!(command(&mine, &file).as_deref(), Some("id"));
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
    let used = |text: &str| keys_used(text.as_bytes());
    assert_eq!(
        used(&format!("hostbased {line} x\npassword\n")),
        Some(vec![])
    );
    for odd in ["", " ", " x", " ssh-rsa AAAA", "/x"] {
        assert_eq!(used(&format!("password\npublickey{odd}\n")), None);
    }
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
    fn whatever_stands_before_it_a_line_is_found(mut odd: Vec<u8>, end in "\r?\n|\0*\n") {
        odd.extend(end.bytes());
        let mine = blob(b"mine");
        odd.extend(format!("command=\"only this\" {}", text(&mine)).bytes());
        let found = command_for(&used(&mine), &[odd]);
        prop_assert_eq!(found, Ok(Some(b"only this".to_vec())));
    }

    #[test]
    fn any_file_can_be_looked_at(bytes: Vec<u8>, line in "[a-z=\", \t\\\\]{0,40}") {
        let mine = blob(b"mine");
        let whole = format!("{line} {}\n", text(&mine)).into_bytes();
        let _ = command_for(&used(&mine), &[bytes.clone(), whole]);
        keys_used(&bytes);
    }
}
