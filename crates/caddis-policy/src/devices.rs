//! Which devices of the host an environment sees.

/// The table `devices`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Devices {
    /// Names under `/dev`. `*` stands for any characters but `/`; a name of a directory stands for
    /// all that is below it. A device is opened with the user's rights, as on the host.
    pub allow: Vec<String>,
}

/// Why a text is no pattern for devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// There is no text.
    #[error("is empty")]
    Empty,
    /// The name begins with a slash.
    #[error("begins with '/'")]
    Absolute,
    /// A component is empty, `.` or `..`.
    #[error("has an empty component, '.' or '..'")]
    Component,
    /// A control character.
    #[error("has a control character")]
    Control,
    /// A component is nothing but `*`, so that every device at that place would be seen.
    #[error("has a component of '*' only, which would let every device through")]
    Everything,
}

impl Default for Devices {
    fn default() -> Self {
        let names = [
            "null",
            "zero",
            "full",
            "random",
            "urandom",
            "tty",
            "fuse",
            "net/tun",
            "kvm",
            "nvidia*",
            "dri",
            "kfd",
            "accel",
            "gdrdrv",
            "infiniband",
            "hfi1*",
            "cxi*",
            "knem",
            "xpmem",
            "cpu_dma_latency",
        ];
        Self {
            allow: names.map(str::to_owned).to_vec(),
        }
    }
}

impl Devices {
    /// Whether the device `name` (a path below `/dev`, such as `null` or `dri/card0`) is allowed.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        self.allow.iter().any(|pattern| covers(pattern, name))
    }

    /// Whether `pattern` may stand in the list.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(pattern: &str) -> Result<(), PatternError> {
        if pattern.is_empty() {
            return Err(PatternError::Empty);
        }
        if pattern.starts_with('/') {
            return Err(PatternError::Absolute);
        }
        if pattern.chars().any(char::is_control) {
            return Err(PatternError::Control);
        }
        for component in pattern.split('/') {
            if matches!(component, "" | "." | "..") {
                return Err(PatternError::Component);
            }
            if component.bytes().all(|byte| byte == b'*') {
                return Err(PatternError::Everything);
            }
        }
        Ok(())
    }
}

/// Every component of the pattern matches one of the name, from the left; the name may go on.
fn covers(pattern: &str, name: &str) -> bool {
    let mut components = name.split('/');
    // A name that steps out of its directory is covered by nothing.
    if name
        .split('/')
        .any(|component| matches!(component, "" | "." | ".."))
    {
        return false;
    }
    pattern.split('/').all(|glob| {
        components
            .next()
            .is_some_and(|component| matches(glob.as_bytes(), component.as_bytes()))
    })
}

/// Matching with `*` that goes back to the last star only, so that it takes at most the product of
/// both lengths.
fn matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut at_glob, mut at_text) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(at_text) {
        match glob.get(at_glob) {
            Some(b'*') => {
                at_glob += 1;
                retry = Some((at_glob, at_text));
            }
            Some(other) if other == byte => {
                at_glob += 1;
                at_text += 1;
            }
            _ => {
                let Some((after_star, taken)) = retry else {
                    return false;
                };
                at_glob = after_star;
                at_text = taken + 1;
                retry = Some((after_star, at_text));
            }
        }
    }
    glob.iter().skip(at_glob).all(|&byte| byte == b'*')
}
