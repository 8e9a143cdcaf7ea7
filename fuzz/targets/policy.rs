//! A policy file.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let answer = caddis_policy::parse_bytes(bytes);
    let (readable, wrong) = caddis_policy::parse_leniently(bytes);
    assert_eq!(wrong, answer.clone().err());
    assert!(readable.session.keep.iter().all(|name| !name.is_empty() && name.len() <= 15));
    assert!(!readable.login.bypass_groups.iter().any(|group| group == "*"));
    match answer {
        Ok(policy) => {
            assert_eq!(policy.view.validate(), Ok(()));
            assert!(policy.access.min_uid > 0);
            for pattern in &policy.devices.allow {
                caddis_policy::Devices::check(pattern).unwrap();
            }
            let _ = policy.devices.allows("nvidia-caps/nvidia-cap1");
        }
        Err(errors) => {
            let lines = bytes.split(|&byte| byte == b'\n').count();
            assert!(!errors.as_slice().is_empty());
            assert!(errors.as_slice().is_sorted());
            for error in &errors {
                assert!((1..=lines).contains(&error.line) && error.column >= 1);
                assert!(!error.to_string().contains(char::is_control));
            }
        }
    }
});
