//! What of the host an environment sees, and how.

use std::path::PathBuf;

use crate::path::{PathError, check_exposed, check_place};

/// The table `view`. What no list names is seen as on the host and can be changed privately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Directories and files seen empty at first; what the user puts there stays in the changes. What the host does
    /// not have is not seen when it appears later either.
    pub private: Vec<PathBuf>,
    /// Directories in memory, gone with the instance.
    pub memory: Vec<PathBuf>,
    /// Directories and files seen empty and read-only.
    pub hidden: Vec<PathBuf>,
    /// Mount points passed through as on the host though their type would be overlaid.
    pub shared: Vec<PathBuf>,
    /// Mount points passed through read-only.
    pub read_only: Vec<PathBuf>,
    /// Types of file systems that are overlaid.
    pub overlay_types: Vec<String>,
    /// Paths under `/run` and sockets that are passed through; `{uid}` is the user's uid.
    pub expose: Vec<String>,
}

/// Why a view cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// A path of a list is wrong.
    #[error("view.{list}: \"{}\" {error}", path.escape_debug())]
    Path {
        /// The list.
        list: &'static str,
        /// The path.
        path: String,
        /// What is wrong.
        error: PathError,
    },
    /// One place, two rules.
    #[error("view.{list}: \"{}\" is also in view.{other}", path.escape_debug())]
    Twice {
        /// The list.
        list: &'static str,
        /// The list that has it already (it may be the same one).
        other: &'static str,
        /// The path.
        path: String,
    },
    /// A name that no type of file system has.
    #[error("view.overlay_types: \"{}\" is no type of file system", name.escape_debug())]
    Type {
        /// The name.
        name: String,
    },
}

impl Default for View {
    fn default() -> Self {
        Self {
            private: paths(&[
                "/home",
                "/var/tmp",
                "/var/log/wtmp",
                "/var/log/wtmp.1",
                "/var/log/lastlog",
                "/var/log/faillog",
                "/var/lib/wtmpdb",
                "/var/lib/lastlog",
                "/var/lib/systemd/linger",
                "/var/log/journal",
                "/var/lib/systemd/coredump",
                "/var/crash",
                "/var/mail",
            ]),
            memory: paths(&["/tmp"]),
            hidden: Vec::new(),
            shared: Vec::new(),
            read_only: Vec::new(),
            overlay_types: texts(&["ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs"]),
            expose: texts(&[
                "/run/user/{uid}",
                "/run/munge",
                "/run/slurm",
                "/run/slurmd",
                "/var/spool/slurmd",
                "/var/lib/slurm/slurmd",
                "/run/nscd",
                "/run/nslcd",
                "/run/samba/winbindd",
                "/var/lib/sss/pipes",
                "/var/lib/sss/mc",
                "/run/.heim_org.h5l.kcm-socket",
                "/run/systemd/resolve",
                "/run/systemd/userdb",
                "/run/resolvconf",
                "/run/NetworkManager/resolv.conf",
                "/run/NetworkManager/no-stub-resolv.conf",
                "/run/avahi-daemon/socket",
                "/run/nvidia-persistenced",
            ]),
        }
    }
}

fn paths(list: &[&str]) -> Vec<PathBuf> {
    list.iter().map(PathBuf::from).collect()
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

impl View {
    /// The lists that give a place a rule, by the names of their keys.
    pub(crate) fn places(&self) -> [(&'static str, &[PathBuf]); 5] {
        [
            ("private", &self.private),
            ("memory", &self.memory),
            ("hidden", &self.hidden),
            ("shared", &self.shared),
            ("read_only", &self.read_only),
        ]
    }

    /// The exposed paths of a user.
    pub fn exposed(&self, uid: u32) -> impl Iterator<Item = PathBuf> + '_ {
        let uid = uid.to_string();
        self.expose
            .iter()
            .map(move |path| PathBuf::from(path.replace("{uid}", &uid)))
    }

    /// Checks a view that was put together by hand; [`parse`](crate::parse) has checked its own.
    ///
    /// # Errors
    /// The first path that is not absolute and normalised, or that two rules name.
    pub fn validate(&self) -> Result<(), ViewError> {
        let mut seen: Vec<(&'static str, &str)> = Vec::new();
        for (list, paths) in self.places() {
            for path in paths {
                let lossy = path.to_string_lossy();
                let wrong = |error| ViewError::Path {
                    list,
                    path: lossy.clone().into_owned(),
                    error,
                };
                // A policy is text, so a path that is none did not come from one.
                let text = path.to_str().ok_or_else(|| wrong(PathError::Control))?;
                check_place(text).map_err(wrong)?;
                if let Some(&(other, _)) = seen.iter().find(|(_, known)| *known == text) {
                    return Err(ViewError::Twice {
                        list,
                        other,
                        path: text.to_owned(),
                    });
                }
                seen.push((list, text));
            }
        }
        for path in &self.expose {
            check_exposed(path).map_err(|error| ViewError::Path {
                list: "expose",
                path: path.clone(),
                error,
            })?;
        }
        match self.overlay_types.iter().find(|name| !is_type(name)) {
            Some(name) => Err(ViewError::Type { name: name.clone() }),
            None => Ok(()),
        }
    }
}

/// Whether the kernel could have a file system of this name.
pub(crate) fn is_type(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !name.is_empty() && name.len() <= 32 && name.bytes().all(known)
}
