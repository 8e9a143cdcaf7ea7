//! Caddis in a host: installed by the project's own `make install`, once per run of the tests.

use crate::builder::HostBuilder;
use crate::error::Result;
use crate::host::Host;
use crate::store::{Store, copy, programs, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The image of a host with Caddis installed and its veil built.
pub(crate) fn image(store: &Store) -> Result<PathBuf> {
    store.once("installed.ext4", |image| {
        let working = store.path("installing.ext4");
        let host = HostBuilder::new()
            .without_caddis()
            .start_keeping(Some(&working))?;
        install(&host)?;
        build_veil(&host);
        host.freeze_while(|| copy(&working, image))?;
        drop(host);
        let _ = std::fs::remove_file(&working);
        Ok(())
    })
}

/// `make install` with the host's root as its `DESTDIR`; nothing is built here.
pub(crate) fn install(host: &Host) -> Result<()> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    run(Command::new("make")
        .args(["--no-print-directory", "-C"])
        .arg(checkout)
        .args(["install", "BUILD=no", "PREFIX=/usr/local"])
        .arg(format!("BIN_DIR={}", programs()?.display()))
        .arg(format!("DESTDIR={}", host.root_path().display()))
        // A test may itself be started by make; its variables and job slots are not this one's.
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL"))
}

/// What `make install` does on a machine that is not only a `DESTDIR`.
pub(crate) fn build_veil(host: &Host) {
    host.run(
        "root",
        &["/usr/local/libexec/caddis/caddis-admin", "refresh"],
    )
    .ok();
}
