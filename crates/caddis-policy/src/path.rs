//! Which paths a policy may name.

/// The kernel's `PATH_MAX` without the NUL.
const LONGEST: usize = 4095;

/// Why a path may not stand in a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There is no text.
    #[error("is empty")]
    Empty,
    /// It does not begin with a slash.
    #[error("does not begin with '/'")]
    Relative,
    /// There is a shorter way to write it, so that comparing it with others would go wrong.
    #[error("has '//', '.', '..' or a '/' at its end")]
    NotNormal,
    /// A NUL or another control character.
    #[error("has a control character")]
    Control,
    /// The kernel takes no longer ones.
    #[error("is longer than {LONGEST} bytes")]
    TooLong,
    /// The place is made anew for every environment and follows no rule of the policy.
    #[error("is a place that every environment gets anew, whatever the policy says")]
    Fixed,
    /// Braces other than `{uid}`.
    #[error("has braces that are not \"{{uid}}\"")]
    Braces,
}

/// Places with rules of their own.
const FIXED: [&str; 5] = ["/", "/proc", "/sys", "/dev", "/run"];

/// An absolute, normalised path without control characters.
pub(crate) fn check(path: &str) -> Result<(), PathError> {
    if path.is_empty() {
        return Err(PathError::Empty);
    }
    if path.chars().any(char::is_control) {
        return Err(PathError::Control);
    }
    if path.len() > LONGEST {
        return Err(PathError::TooLong);
    }
    let Some(rest) = path.strip_prefix('/') else {
        return Err(PathError::Relative);
    };
    if rest.is_empty()
        || !rest
            .split('/')
            .any(|component| matches!(component, "" | "." | ".."))
    {
        return Ok(());
    }
    Err(PathError::NotNormal)
}

/// A path that the view may treat in a way of its own.
pub(crate) fn check_place(path: &str) -> Result<(), PathError> {
    check(path)?;
    if FIXED.contains(&path) {
        Err(PathError::Fixed)
    } else {
        Ok(())
    }
}

/// A path to expose, in which `{uid}` stands for the user's uid.
pub(crate) fn check_exposed(path: &str) -> Result<(), PathError> {
    check_place(path)?;
    if path.replace("{uid}", "").contains(['{', '}']) {
        Err(PathError::Braces)
    } else {
        Ok(())
    }
}
