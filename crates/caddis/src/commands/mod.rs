//! One file per command: its arguments, its help, and what it does.

pub mod admin;
pub mod config;
pub mod diff;
pub mod diff_packages;
pub mod doctor;
pub mod enter;
pub mod from_inside;
pub mod generate;
pub mod list;
pub mod new;
mod output;
mod pager;
pub mod ps;
mod question;
pub mod remove;
pub mod revert;
pub mod root;
pub mod run;
pub mod status;
pub mod stop;
mod target;
pub mod trial;

use crate::cli::{Cli, Command};
use crate::error::Error;
use from_inside::Place;

/// Runs a command; returns the exit status.
pub fn run(mut cli: Cli, asked_from: Option<Place>) -> Result<u8, Error> {
    if let Some(place) = asked_from {
        place.complete(&mut cli.command)?;
    }
    match cli.command {
        Command::Enter(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Root(command) => command.run(),
        Command::Try(command) => command.run(),
        Command::New(command) => command.run(),
        Command::List(command) => command.run(),
        Command::Remove(command) => command.run(),
        Command::Revert(command) => command.run(),
        Command::Ps(command) => command.run(),
        Command::Stop(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Diff(command) => command.run(),
        Command::Status(command) => command.run(),
        Command::Doctor(command) => command.run(),
        Command::Admin(command) => command.run(),
        Command::Generate(command) => command.run(),
    }
}
