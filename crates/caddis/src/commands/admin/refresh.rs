//! `caddis admin refresh`

use clap::Args;

use super::scope::require_root;
use super::warn;
use crate::commands::output::print;
use crate::error::Error;
use crate::helper::Call;
use crate::session::is_inside;

/// Take notice of changes to the host
///
/// Makes every running environment see what was added, replaced, renamed or removed on the host, except where its user
/// has a version of their own, and brings their package databases together with the host's. Nothing inside is
/// interrupted. The package managers' hooks run it after each transaction; run it after changes made by hand.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Refresh {
    /// Look at all of the host again for what environments need stand-ins for, not only at what may have changed
    #[arg(long)]
    full: bool,

    /// Say nothing unless something fails, and nothing at all inside an environment
    #[arg(short, long)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  caddis admin refresh             after a change by hand
  caddis admin refresh --full      if in doubt whether all of the change was noticed
  cp site.conf /etc/site.conf && caddis admin refresh --quiet";

impl Refresh {
    /// Has it done, and says what was done.
    pub fn run(self) -> Result<u8, Error> {
        // The package managers' hooks are the host's files, so those of an environment run them, too.
        if self.quiet && is_inside() {
            return Ok(0);
        }
        require_root("refresh the base", "ask the administrator of this machine")?;
        let (records, status) = Call::admin("refresh").flag("--full", self.full).answer()?;
        if self.quiet {
            return Ok(status);
        }
        for record in &records {
            if let Ok(text) = record.text("warning") {
                warn(&text);
                continue;
            }
            let environments = match record.number("instances")? {
                1 => "1 running environment".to_owned(),
                count => format!("{count} running environments"),
            };
            let veil = match record.text("state")?.as_str() {
                "built" => "the veil is new",
                _ => "the veil is as it was",
            };
            print(&format!("Refreshed {environments}; {veil}.\n"))?;
        }
        Ok(status)
    }
}
