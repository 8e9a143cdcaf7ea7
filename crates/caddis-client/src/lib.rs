//! What the unprivileged programs of Caddis have in common: who somebody is, what a session is, and how the setuid
//! helper is called for it.
//!
//! It is linked into the login shell, so it has few dependencies and starts nothing that it does not need.
//!
//! | module | idea |
//! |---|---|
//! | [`error`] | the one error: operation, object, reason, hint, exit status |
//! | [`user`] | accounts and groups |
//! | [`session`] | what is asked for, by whom, as a call of the helper |
//! | [`call`], [`record`] | the helper's arguments, and its answers |
//! | [`outside`] | what is asked of the host from inside |
//! | [`policy`] | where the policy is |
//! | [`text`] | what came from elsewhere, made safe to show |

#![forbid(unsafe_code)]

pub mod call;
pub mod error;
pub mod outside;
pub mod percent;
pub mod policy;
pub mod record;
pub mod session;
pub mod text;
pub mod user;
