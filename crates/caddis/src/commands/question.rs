//! Questions before something is destroyed.

use std::io::{self, BufRead, IsTerminal, Write};

/// Whether there is somebody to ask.
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks; anything but a clear yes is a no. The question goes to standard error, so that it is seen where standard
/// output is redirected.
pub fn agreed(question: &str) -> bool {
    let mut error = io::stderr().lock();
    if write!(error, "{question} [y/N] ")
        .and_then(|()| error.flush())
        .is_err()
    {
        return false;
    }
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).is_ok() && is_yes(&answer)
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(["y\n", "Y", " yes \n"].into_iter().all(is_yes));
        assert!(!["", "\n", "n", "yess", "ja"].into_iter().any(is_yes));
    }
}
