//! Is the policy in order?

use std::io;

use caddis_client::policy;
use caddis_policy::{NO_POLICY, Policy};

use super::{fail, ok, warn};
use crate::error::reason_of;
use crate::helper::Check;

const TOPIC: &str = "policy";

/// The host's policy, or the default where it cannot be read; the other checks go on with that.
pub fn load() -> (Policy, Check) {
    let path = policy::path();
    let shown = path.display();
    let text = match policy::read() {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = format!("{shown} is not there, so nobody can start anything");
            return (Policy::default(), fail(TOPIC, text, NO_POLICY));
        }
        Err(error) => {
            let check = warn(
                TOPIC,
                format!("{shown}: {}", reason_of(&error)),
                format!("chmod 644 {shown}"),
            );
            return (Policy::default(), check);
        }
    };
    match caddis_policy::parse_bytes(&text) {
        Ok(policy) if let Some(fault) = policy::fault() => {
            let text = format!("nobody can start anything with {shown}: {fault}");
            (policy, fail(TOPIC, text, policy::remedy(&fault)))
        }
        Ok(policy) => (policy, ok(TOPIC, format!("{shown} is in order"))),
        Err(errors) => {
            let first = errors
                .iter()
                .next()
                .map(ToString::to_string)
                .unwrap_or_default();
            let text = format!("{shown}: {first}");
            (
                Policy::default(),
                fail(TOPIC, text, "`caddis admin policy check` shows every error"),
            )
        }
    }
}
