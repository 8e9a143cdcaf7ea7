//! Where commands put their answers.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Error;
use crate::render::style::{Look, wants_colour};
use crate::user::Account;

/// Writes to standard output.
pub fn print(text: &str) -> Result<(), Error> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}

/// How standard output wants it.
pub fn look() -> Look {
    look_of(&io::stdout())
}

/// How a stream wants it.
pub fn look_of(stream: &(impl IsTerminal + AsFd)) -> Look {
    let (no_color, term) = (std::env::var_os("NO_COLOR"), std::env::var_os("TERM"));
    let is_terminal = stream.is_terminal();
    let size = rustix::termios::tcgetwinsize(stream)
        .ok()
        .filter(|size| is_terminal && size.ws_col > 0);
    Look {
        colour: wants_colour(is_terminal, no_color.as_deref(), term.as_deref()),
        columns: size.map(|size| size.ws_col.into()),
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Users' names, each looked up once. Who has none is shown as a number.
#[derive(Debug, Default)]
pub struct Names {
    known: std::cell::RefCell<std::collections::HashMap<u32, String>>,
}

impl Names {
    /// The user's name.
    pub fn name(&self, uid: u32) -> String {
        let find = || match Account::by_uid(uid) {
            Ok(Some(account)) => account.name.to_string_lossy().into_owned(),
            _ => uid.to_string(),
        };
        self.known
            .borrow_mut()
            .entry(uid)
            .or_insert_with(find)
            .clone()
    }
}
