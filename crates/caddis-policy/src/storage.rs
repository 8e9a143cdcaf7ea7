//! Where environments live.

use std::path::PathBuf;

/// The table `storage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The directory of all environments, for root only. It must be on a local file system.
    pub state: PathBuf,
    /// How many environments a user may have.
    pub environments: u32,
    /// The most that a private memory file system may hold, as tmpfs takes it for `size=`.
    pub memory: String,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            state: PathBuf::from("/var/lib/caddis"),
            environments: 100,
            memory: "50%".to_owned(),
        }
    }
}

/// Some text is no size of a memory file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// It is neither a share nor a number of bytes.
    #[error("is no size")]
    Form,
    /// tmpfs takes 0 for "no limit", and then one user can fill the machine's memory.
    #[error("is 0, which tmpfs takes for no limit at all")]
    Unlimited,
    /// More than there is.
    #[error("is too large")]
    TooLarge,
}

impl Storage {
    /// Whether `text` may be the value of `memory`. As it becomes a mount option, it is only
    /// digits and one letter or `%`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check_memory(text: &str) -> Result<(), SizeError> {
        let unit_at = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        if number.is_empty() {
            return Err(SizeError::Form);
        }
        let (most, shift) = match unit {
            "%" => (100, 0),
            "" => (i64::MAX.unsigned_abs(), 0),
            "k" | "K" => (i64::MAX.unsigned_abs(), 10),
            "m" | "M" => (i64::MAX.unsigned_abs(), 20),
            "g" | "G" => (i64::MAX.unsigned_abs(), 30),
            "t" | "T" => (i64::MAX.unsigned_abs(), 40),
            _ => return Err(SizeError::Form),
        };
        let number: u64 = number.parse().map_err(|_| SizeError::TooLarge)?;
        if number == 0 {
            return Err(SizeError::Unlimited);
        }
        let size = number.checked_mul(1 << shift).ok_or(SizeError::TooLarge)?;
        if size > most {
            Err(SizeError::TooLarge)
        } else {
            Ok(())
        }
    }
}
