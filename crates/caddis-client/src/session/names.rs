//! Environment names as they come from the command line.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use caddis_policy::EnvName;

use crate::call::Call;
use crate::error::Error;
use crate::text::quoted;

/// Checks a name. The helper does so, too; here it comes before any question is asked, and keeps what could be taken
/// for an option out of the helper's arguments.
pub fn environment_name(name: &OsStr) -> Result<EnvName, Error> {
    EnvName::parse(name.as_bytes()).map_err(|error| {
        let name = quoted(name.as_bytes());
        Error::usage(format!("environment name {name}: {error}"))
    })
}

/// The environment of this name, or the one that is meant where none is named. That is the helper's to say; `config` is
/// a call of its verb of that name, for whoever is meant.
pub fn named_or_meant(name: Option<&OsStr>, config: Call) -> Result<EnvName, Error> {
    match name {
        Some(name) => environment_name(name),
        None => {
            let said = config.flag("--which", true).bytes()?;
            environment_name(OsStr::from_bytes(said.trim_ascii_end()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_refused_and_shown_harmlessly() {
        for odd in ["", "..", "-x", "a/b", "a\u{1b}[31m", "é"] {
            let message = environment_name(OsStr::new(odd))
                .map(|name| name.to_string())
                .map_err(|error| error.to_string());
            assert!(
                message.as_ref().is_err_and(|text| !text.contains('\u{1b}')),
                "{odd:?} gave {message:?}"
            );
        }
        assert!(environment_name(OsStr::new("default")).is_ok());
    }
}
