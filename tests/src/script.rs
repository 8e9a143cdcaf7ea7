//! Shell scripts that notice what goes wrong.

/// A bash script that ends, with a failure, at the first command or pipeline that fails, and shows each.
/// `not COMMAND…` fails when the command succeeds: a script goes on after `! COMMAND` in either case.
pub fn strict(script: &str) -> String {
    let not = "not() { if \"$@\"; then echo \"should have failed: $*\" >&2; exit 99; fi; }";
    format!("set -eux -o pipefail\n{not}\nexport DEBIAN_FRONTEND=noninteractive\n{script}")
}
