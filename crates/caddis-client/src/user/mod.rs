//! Who is who: accounts and groups.
//!
//! The program is static and so has no name service switch of its own. It reads `/etc/passwd` and `/etc/group` itself,
//! which is quick and right for most, and asks `getent` for whatever may come from elsewhere (LDAP, sssd, …).

pub mod account;
pub mod getent;
pub mod group;
mod switch;

pub use account::Account;
