//! What a policy may not say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_policy::parse;

#[test]
fn values_that_are_refused() {
    for (key, values) in [
        (
            "access.min_uid",
            &[
                "0",
                "-1",
                "4294967295",
                "\"5\"",
                "1.0",
                "99999999999999999999",
            ][..],
        ),
        (
            "access.users",
            &[
                "\"*\"",
                "[\"\"]",
                "[\"a*\"]",
                "[\"%wheel\"]",
                "[\"a:b\"]",
                "[\" a\"]",
                "[\"4294967295\"]",
                "[\"a\\u001b\"]",
            ],
        ),
        ("ids.start", &["0", "65535", "4294901760", "0xffff_ffff"]),
        ("ids.subuid", &["\"yes\"", "1"]),
        (
            "storage.state",
            &[
                "\"\"",
                "\"a\"",
                "\"/\"",
                "\"/a/\"",
                "\"//a\"",
                "\"/a/./b\"",
                "\"/a/..\"",
                "\"/a\\u0000\"",
            ],
        ),
        (
            "storage.memory",
            &[
                "\"\"",
                "\"0\"",
                "\"0%\"",
                "\"101%\"",
                "\"4GB\"",
                "\"-1\"",
                "\"4G,mode=777\"",
                "\"99999999999999999999\"",
                "\"9000000T\"",
                "50",
            ],
        ),
        (
            "session.linger",
            &[
                "\"5\"",
                "\"\"",
                "\"s\"",
                "\"5 m\"",
                "\"-5m\"",
                "\"1d\"",
                "\"8761h\"",
                "\"18446744073709551616s\"",
                "\"18446744073709551615h\"",
                "true",
            ],
        ),
        ("session.background", &["\"5\"", "5", "\"forever\""]),
        (
            "session.keep",
            &[
                "\"screen\"",
                "[\"\"]",
                "[\"*\"]",
                "[\"tmux*\"]",
                "[\"/usr/bin/screen\"]",
                "[\"sixteen-letters-\"]",
                "[\"ääääääää\"]",
                "[\"screen \"]",
                "[\"a\\n\"]",
                "[\"screen\", \"screen\"]",
            ],
        ),
        (
            "login.environment",
            &[
                "\"\"",
                "\"@\"",
                "\"@LAST\"",
                "\"a/b\"",
                "\"..\"",
                "[\"a\"]",
                "true",
            ],
        ),
        (
            "login.bypass_groups",
            &[
                "[\"*\"]",
                "[\"%wheel\"]",
                "[\"\"]",
                "[\"4294967295\"]",
                "\"wheel\"",
            ],
        ),
        ("login.host", &["\"yes\"", "0"]),
        (
            "login.shell",
            &["\"\"", "\"bash\"", "\"/\"", "\"/bin/\"", "\"/bin/../sh\""],
        ),
        ("login.background", &["\"1d\"", "300"]),
        (
            "view.private",
            &[
                "[\"/proc\"]",
                "[\"/\"]",
                "[\"/run\"]",
                "\"/home\"",
                "[[\"/home\"]]",
                "[{}]",
            ],
        ),
        (
            "view.overlay_types",
            &["[\"\"]", "[\"ext 4\"]", "[\"ext4,ro\"]"],
        ),
        (
            "view.expose",
            &[
                "[\"/run/{user}\"]",
                "[\"/run/{uid\"]",
                "[\"run\"]",
                "[\"/run\"]",
            ],
        ),
        (
            "devices.allow",
            &[
                "[\"*\"]",
                "[\"/dev/null\"]",
                "[\"../etc\"]",
                "[\"net/*\"]",
                "[\"\"]",
                "[\"a//b\"]",
                "[\"**\"]",
            ],
        ),
        (
            "root.capabilities",
            &[
                "[\"all\"]",
                "[\"cap_\"]",
                "[\"chown\", \"CAP_CHOWN\"]",
                "[0]",
            ],
        ),
    ] {
        for value in values {
            let all = parse(&format!("{key} = {value}")).expect_err(&format!("{key} = {value}"));
            for error in &all {
                assert_eq!(error.key.as_deref(), Some(key), "{error}");
                assert!(!error.to_string().contains(char::is_control), "{error:?}");
            }
        }
    }
}
