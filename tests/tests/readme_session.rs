//! The README's sessions, as they are printed there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;
use caddis_tests::readme::steps;

#[test]
fn the_session_of_three_people_works_as_printed() {
    let host = Host::builder().name("login1").start().unwrap();
    let steps = steps("## One machine, maintained once");
    assert!(steps.len() >= 8, "{steps:#?}");
    for step in steps {
        assert_eq!(step.machine, "login1");
        step.follow(&host, &step.user);
    }
}
