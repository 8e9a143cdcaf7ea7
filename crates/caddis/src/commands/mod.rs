//! One file per command: its arguments, its help, and what it does.

pub mod admin;
pub mod config;
pub mod diff;
pub mod diff_packages;
pub mod doctor;
pub mod enter;
pub mod generate;
pub mod list;
pub mod new;
mod output;
pub mod ps;
mod question;
pub mod remove;
pub mod root;
pub mod run;
pub mod stop;

use crate::cli::{Cli, Command};
use crate::error::Error;

/// Runs a command; returns the exit status.
pub fn run(cli: Cli) -> Result<u8, Error> {
    match cli.command {
        Command::Enter(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Root(command) => command.run(),
        Command::New(command) => command.run(),
        Command::List(command) => command.run(),
        Command::Remove(command) => command.run(),
        Command::Ps(command) => command.run(),
        Command::Stop(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Diff(command) => command.run(),
        Command::Doctor(command) => command.run(),
        Command::Admin(command) => command.run(),
        Command::Generate(command) => command.run(),
    }
}
