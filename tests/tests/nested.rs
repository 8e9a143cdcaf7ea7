//! Nested user and mount namespaces uncover nothing, and nothing that is mounted in them fools what has rights.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::attack;
use caddis_tests::attack::ALICE_INSIDE;

const UNCOVER: &str = attack!("uncover.py");

#[test]
fn nested_namespaces_uncover_nothing() {
    let host = Host::start().unwrap();
    for attacker in ALICE_INSIDE {
        println!("{}", attacker.run(&host, UNCOVER, &[]).output);
    }
    panic!();
}
