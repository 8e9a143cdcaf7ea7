//! The name of an environment.

#![no_main]

use caddis_policy::EnvName;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match EnvName::parse(bytes) {
        Ok(name) => {
            let text = name.as_str();
            assert_eq!(text.as_bytes(), bytes);
            assert!((1..=64).contains(&text.len()));
            assert!(!text.starts_with(['.', '-', '_', '@']));
            assert!(!text.contains(['/', '\0', ' ', '\n']));
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control)),
    }
});
