//! Questions before something is destroyed.

use std::io::{self, BufRead, IsTerminal, Write};

/// Whether there is somebody to ask.
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks; anything but a clear yes is a no.
pub fn agreed(question: &str) -> bool {
    answer(&format!("{question} [y/N]")).is_some_and(|answer| is_yes(&answer))
}

/// Asks; `None`: there is nobody any more who answers. The question goes to standard error, so that it is seen where
/// standard output is redirected.
pub fn answer(question: &str) -> Option<String> {
    let mut error = io::stderr().lock();
    write!(error, "{question} ").ok()?;
    error.flush().ok()?;
    let mut answer = String::new();
    let length = io::stdin().lock().read_line(&mut answer).ok()?;
    (length > 0).then_some(answer)
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
