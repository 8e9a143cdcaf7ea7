//! The request, as the command line gives it. Pure, and the only thing of the caller's that is parsed.
//!
//! `request` is what there is to ask for, `parse` takes the command line apart, `value` reads a single word of it.

mod parse;
mod request;
mod value;

pub use parse::{Form, VERBS, parse};
pub use request::{Diff, Request, Revert, Role, Session, Setting, Target, Verb, Word};
pub use value::ArgumentError;
