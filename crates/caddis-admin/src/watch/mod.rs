//! `watch`: sees every name that comes, goes or changes on the base's file systems, and refreshes.
//!
//! While nothing changes it sleeps in poll(2). After each piece of work it rests for many times as long as that took
//! ([`budget`]) and does not even read its queue of events, so its share of a processor is bounded whatever happens
//! on the host. What is too much for the queue meanwhile comes as one event: everything is refreshed anyway.

mod budget;
mod filesystems;
mod gather;
mod lock;
mod places;
mod ready;
mod wait;
mod watcher;

use crate::say;
use caddis_helper::host;
use caddis_sys::{Caught, block_all, signalfd};
use caddis_view::Result;
use caddis_view::error::Context;
use rustix::process::{Pid, Signal, getpid, kill_process};
use std::os::fd::OwnedFd;
use wait::{Awaited, Sources};
use watcher::Watcher;

/// Watches until it is told to end.
pub(crate) fn run(verbose: bool) -> Result<u8> {
    let _lock = lock::take()?;
    // Before any thread is made: all of them leave signals to this one.
    block_all().doing("block", || "signals")?;
    let signals = signalfd().doing("signalfd", || "for the watcher")?;
    let sources = Sources::open(&signals)?;
    let mut watcher = Watcher::new(host::policy()?, verbose)?;
    say::warn(&format!("watching {}", watcher.places()));
    // What happened before is made up for.
    watcher.catch_up();
    ready::tell();
    loop {
        match sources.wait(&watcher)? {
            Awaited::Signal => {
                if !go_on(&signals, &mut watcher)? {
                    return Ok(0);
                }
            }
            Awaited::Mounts => watcher.look_at_mounts(),
            Awaited::Events => watcher.work(),
            Awaited::Time => watcher.on_time(),
        }
    }
}

/// Acts on signals. `false`: the end.
fn go_on(signals: &OwnedFd, watcher: &mut Watcher) -> Result<bool> {
    while let Some(caught) = Caught::read(signals).doing("read", || "signals")? {
        let is = |signal: Signal| caught.signal == signal.as_raw();
        if [Signal::TERM, Signal::INT, Signal::QUIT]
            .into_iter()
            .any(is)
        {
            return Ok(false);
        }
        if is(Signal::HUP) {
            match host::policy() {
                Ok(policy) => {
                    watcher.use_policy(policy);
                    say::warn(&format!(
                        "read the policy again; watching {}",
                        watcher.places()
                    ));
                }
                // The one that was in order stays.
                Err(error) => say::error(&error),
            }
        }
        if is(Signal::TSTP) {
            let this: Pid = getpid();
            kill_process(this, Signal::STOP).doing("stop", || "the watcher")?;
        }
    }
    Ok(true)
}
