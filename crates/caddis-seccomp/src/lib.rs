//! Filters of system calls: data that says what is refused, and the BPF program that the kernel
//! runs.
//!
//! Everything here is pure. `caddis_sys::install_filter` makes the one system call.
//!
//! | module | idea |
//! |---|---|
//! | [`Filter`], [`Rule`], [`Condition`], [`Action`] | a filter as data; [`Filter::decide`] is what
//! it means |
//! | [`Architecture`] | the tables of system calls that a process can enter |
//! | [`Program`], [`Instruction`] | what the data is compiled to |
//! | [`Session`] | the filter of all that runs in an environment |
//! | [`reader`] | the filter of `caddis diff` |
//!
//! # Why not `seccompiler`
//! Its programs begin with a check of the architecture that kills the process if it is another one
//! than the filter's, and one filter has one architecture. A kernel for 64 bits runs programs of 32
//! bits too, and those run inside environments (wine, multiarch). They enter another table, where
//! each call has another number. Here a filter has rules for each table. A table without rules
//! would be a way around the filter: `int $0x80` takes a program of 64 bits there.
//!
//! # What a filter cannot see
//! It sees numbers, not what they point to: not the flags of openat2(2) or clone3(2), nor the
//! arguments of socketcall(2), by which programs of 32 bits make sockets. It does not see what an
//! io_uring does for a process. And it does not see who calls: a rule holds for all ids of a
//! process.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod architecture;
mod compile;
mod filter;
mod reader;
mod session;

#[cfg(test)]
mod interpreter;
#[cfg(test)]
mod properties;

#[cfg(not(target_endian = "little"))]
compile_error!("the low half of an argument is at the offset that little-endian machines have");

pub use architecture::Architecture;
pub use compile::{Instruction, Program};
pub use filter::{Action, Condition, Filter, Rule, Table};
pub use reader::reader;
pub use session::Session;
