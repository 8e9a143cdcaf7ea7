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

/// The same with systemd, which is not running yet.
pub(crate) fn systemd_image(store: &Store) -> Result<PathBuf> {
    store.once("systemd.ext4", |image| {
        let working = store.path("installing-systemd.ext4");
        let host = HostBuilder::new().start_keeping(Some(&working))?;
        host.sh("root", SYSTEMD).ok();
        host.freeze_while(|| copy(&working, image))?;
        drop(host);
        let _ = std::fs::remove_file(&working);
        Ok(())
    })
}

/// What is not the lab's to start: settings of the machine's kernel, and a realm that is not set up.
const SYSTEMD: &str = "\
    set -e; apt-get install -y --no-install-recommends systemd-sysv libpam-systemd dbus-user-session\n\
    systemctl mask --quiet systemd-sysctl systemd-modules-load systemd-binfmt proc-sys-fs-binfmt_misc.automount \
        systemd-udevd systemd-networkd systemd-timesyncd systemd-resolved dev-hugepages.mount sys-kernel-debug.mount \
        sys-kernel-tracing.mount apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
        fstrim.timer krb5-kdc krb5-admin-server";

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
