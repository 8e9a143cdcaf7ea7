//! The policy file that is installed says exactly what an empty one means.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_policy::{Capability, Devices, EnvName, Policy, parse};

const FILE: &str = include_str!("../../../packaging/policy.toml");

#[test]
fn the_installed_file_says_the_defaults() {
    assert_eq!(
        parse(FILE).map_err(|e| e.to_string()),
        Ok(Policy::default())
    );
}

#[test]
fn an_empty_file_means_the_defaults() {
    assert_eq!(parse(""), Ok(Policy::default()));
}

#[test]
fn every_key_is_in_the_installed_file() {
    // The errors of unknown keys list the known ones.
    let tables = parse("nothing = 0").unwrap_err().as_slice()[0]
        .allowed
        .clone()
        .unwrap();
    for table in tables.split(", ") {
        let text = format!("[{table}]\nnothing = 0");
        let keys = parse(&text).unwrap_err().as_slice()[0]
            .allowed
            .clone()
            .unwrap();
        let section = FILE.split(&format!("\n[{table}]\n")).nth(1).expect(table);
        let section = section.split("\n[").next().unwrap();
        for key in keys.split(", ") {
            assert!(
                section.contains(&format!("\n{key} = ")),
                "{table}.{key} is not in the file"
            );
        }
    }
}

#[test]
fn the_defaults_are_valid() {
    let policy = Policy::default();
    policy.view.validate().unwrap();
    for pattern in &policy.devices.allow {
        Devices::check(pattern).unwrap();
    }
    assert!(policy.devices.allows("null"));
    assert!(EnvName::parse(EnvName::default().as_str().as_bytes()).is_ok());
}

#[test]
fn root_cannot_reboot_or_open_by_handle_by_default() {
    let root = Policy::default().root.capabilities;
    for capability in [
        Capability::SysBoot,
        Capability::DacReadSearch,
        Capability::NetAdmin,
    ] {
        assert!(!root.contains(&capability), "{capability}");
    }
}
