//! A root file system with `true` in it and little else, for those who cannot take the host's own `/`.

use crate::error::{Error, Result};
use caddis_lab::Host;

/// The OCI bundle.
pub const BUNDLE: &str = "/opt/bench/bundle";
/// Its root file system.
pub const ROOT: &str = "/opt/bench/bundle/rootfs";

/// What `runc spec` writes, without the network namespace and the control group.
const CONFIG: &str = include_str!("config.json");

const MAKE: &str = r#"
set -e
mkdir -p "$0"; cd "$0"
mkdir -p usr/bin usr/lib etc proc sys dev tmp run home root mnt var/tmp srv opt
cp -L /usr/bin/true usr/bin/
ldd /usr/bin/true | grep -o '/[^ ]*' | while read -r library; do cp -L --parents "$library" .; done
[ -e bin ] || ln -s usr/bin bin
touch etc/passwd etc/group etc/hosts etc/hostname etc/resolv.conf
chmod -R a+rX .
"#;

/// Makes both in the host.
pub fn make(host: &Host) -> Result<()> {
    let made = host.run("root", &["bash", "-c", MAKE, ROOT]);
    if made.code() != 0 {
        return Err(Error(format!("make a small root file system: {made}")));
    }
    host.write(&format!("{BUNDLE}/config.json"), CONFIG, 0o644);
    Ok(())
}
