//! `caddis admin watch`

use clap::Args;

use super::scope::require_root;
use crate::error::Error;
use crate::helper::Call;

/// Take notice of changes to the host as they happen
///
/// Runs until it is ended. Sees every name that is added, removed, renamed or given other permissions on the file systems
/// that environments are views of, and has all running environments see it, too. Costs nothing while nothing changes.
/// SIGHUP has it read the policy again. As a service: systemctl enable --now caddis-watch
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Watch {
    /// Say what each refresh is for
    #[arg(short, long)]
    verbose: bool,
}

const EXAMPLES: &str = "\
Examples:
  systemctl enable --now caddis-watch
  caddis admin watch --verbose";

/// Where the service manager waits to hear that the watcher watches; see sd_notify(3).
const READY: &str = "NOTIFY_SOCKET";

impl Watch {
    /// Becomes the watcher.
    pub fn run(self) -> Result<u8, Error> {
        require_root("watch the base", "ask the administrator of this machine")?;
        let ready = std::env::var_os(READY).map(|socket| (READY.into(), socket));
        let call = Call::admin("watch")
            .flag("--verbose", self.verbose)
            .variables(ready);
        match call.exec()? {}
    }
}
