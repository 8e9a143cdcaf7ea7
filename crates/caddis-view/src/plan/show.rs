//! A plan as `--dry-run` prints it: a line for each step, and for each overlay what its front layer holds.

use super::{Front, Plan, Step};
use std::fmt;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for overlay in &self.overlays {
            write!(
                f,
                "overlay  {}  upper={}",
                overlay.at.display(),
                overlay.upper
            )?;
            if overlay.noexec {
                f.write_str(" noexec")?;
            }
            if overlay.nosuid {
                f.write_str(" nosuid")?;
            }
            writeln!(f)?;
            for front in &overlay.front {
                match front {
                    Front::Empty(path) | Front::EmptyMount(path) => {
                        writeln!(f, "  private  {}", path.display())?;
                    }
                    Front::MountPoint(path) => writeln!(f, "  mount point  {}", path.display())?,
                    Front::Covered(path) => writeln!(f, "  covered  {}", path.display())?,
                    Front::Locked(path, _) => writeln!(f, "  locked  {}", path.display())?,
                }
            }
        }
        for step in &self.steps {
            match step {
                Step::Overlay(_) => {}
                Step::Pass {
                    at,
                    read_only: false,
                    ..
                } => writeln!(f, "host     {}", at.display())?,
                Step::Pass {
                    at,
                    read_only: true,
                    ..
                } => writeln!(f, "host     {}  read-only", at.display())?,
                Step::Memory { at, .. } => writeln!(f, "memory   {}", at.display())?,
                Step::Hide { at, .. } => writeln!(f, "hide     {}", at.display())?,
                Step::Dev => writeln!(f, "devices  /dev")?,
                Step::Sys => writeln!(f, "sysfs    /sys  read-only")?,
                Step::Cgroup { at, .. } => writeln!(f, "cgroup   {}  read-only", at.display())?,
                Step::Run => writeln!(f, "memory   /run")?,
                Step::Home(path) => writeln!(f, "home     {}", path.display())?,
                Step::Expose(path) => writeln!(f, "expose   {}", path.display())?,
                Step::Proc => writeln!(f, "proc     /proc")?,
            }
        }
        Ok(())
    }
}
