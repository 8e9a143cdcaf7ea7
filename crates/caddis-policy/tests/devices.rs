//! Which devices are allowed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_policy::{Capability, Devices};

fn allows(pattern: &str, name: &str) -> bool {
    Devices {
        allow: vec![pattern.to_owned()],
    }
    .allows(name)
}

#[test]
fn patterns() {
    for (pattern, name, allowed) in [
        ("null", "null", true),
        ("null", "nullx", false),
        ("null", "nul", false),
        ("nvidia*", "nvidia", true),
        ("nvidia*", "nvidia0", true),
        ("nvidia*", "nvidia-caps/nvidia-cap1", true),
        ("nvidia*", "xnvidia0", false),
        ("dri", "dri/card0", true),
        ("dri/render*", "dri/renderD128", true),
        ("dri/render*", "dri/card0", false),
        ("dri/render*", "dri", false),
        ("net/tun", "net/tun", true),
        ("net/tun", "net", false),
        ("n*t", "net/tun", true),
        ("n*n", "net/tun", false),
        ("*a*b*", "xaxbx", true),
        ("*a*b*", "xbxax", false),
        ("a*a", "a", false),
        ("dri", "dri/../mem", false),
        ("dri", "dri//card0", false),
        ("dri", "", false),
        ("tty", "tty1", false),
        ("tty?", "tty1", false),
    ] {
        assert_eq!(allows(pattern, name), allowed, "{pattern} {name}");
    }
}

#[test]
fn many_stars_take_no_time() {
    assert!(!allows(&"a*".repeat(2000), &"a".repeat(1999)));
    assert!(!allows(
        &format!("{}b", "*a".repeat(500)),
        &"a".repeat(20_000)
    ));
}

#[test]
fn dangerous_devices_are_not_allowed_by_default() {
    let devices = Devices::default();
    for name in [
        "mem",
        "kmsg",
        "port",
        "sda",
        "nvme0n1",
        "loop0",
        "mapper/control",
        "console",
        "tty1",
        "ttyS0",
        "vda",
        "uinput",
        "input/event0",
    ] {
        assert!(!devices.allows(name), "{name}");
    }
}

#[test]
fn capabilities_have_the_kernels_numbers() {
    for (index, capability) in Capability::ALL.iter().enumerate() {
        assert_eq!(usize::from(capability.number()), index);
        assert_eq!(capability.name().parse(), Ok(*capability));
        assert_eq!(
            format!("CAP_{}", capability.name().to_uppercase()).parse(),
            Ok(*capability)
        );
    }
    assert_eq!(Capability::ALL.len(), 41);
    assert_eq!(Capability::SysAdmin.number(), 21);
    assert!("CAP_CAP_CHOWN".parse::<Capability>().is_err());
}
