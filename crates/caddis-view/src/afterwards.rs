//! What becomes of an instance when its last session has ended: processes that are left may go on, for a time or as
//! long as one of certain names is among them; then they are killed, and the empty instance lingers.
//!
//! Process 1 looks when something happens that it is told of: a session has come or gone, a child of its own has ended,
//! a time is over. The end of a process that is not its child it is not told of; so it looks once a minute, too.

use crate::error::{Context, Result};
use crate::in_use::sessions_left;
use crate::init::{Held, end_all, mark_ending};
use crate::leftover::Processes;
use crate::visits::{Verdict, Visits};
use caddis_policy::Policy;
use caddis_sys::anybody_left;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// How long process 1 does without looking.
const GLANCE: Duration = Duration::from_secs(60);

/// By which rules it goes.
pub(crate) struct Rules {
    /// How long processes that are left may go on.
    background: Duration,
    /// The same, if a login was there.
    login_background: Duration,
    /// As long as one of these is left, all may stay.
    keep: Vec<String>,
    linger: Duration,
}

impl Rules {
    pub(crate) fn new(policy: &Policy, trial: bool) -> Rules {
        if trial {
            // It is to be decided upon, with nothing running in it.
            return Rules {
                background: Duration::ZERO,
                login_background: Duration::ZERO,
                keep: Vec::new(),
                linger: Duration::ZERO,
            };
        }
        Rules {
            background: policy.session.background,
            login_background: policy.session.background.max(policy.login.background),
            keep: policy.session.keep.clone(),
            linger: policy.session.linger,
        }
    }

    /// How long what is left may go on that keeps nothing.
    fn background(&self, login: bool) -> Duration {
        match login {
            true => self.login_background,
            false => self.background,
        }
    }
}

/// What is left where no session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nobody,
    Somebody,
    /// One of those that keep all.
    Keeper,
}

/// How long what is left may go on before somebody looks again; `None`: not at all. `alone`: for how long there has been
/// neither a session nor a keeper.
fn respite(left: Left, alone: Duration, background: Duration) -> Option<Duration> {
    match left {
        Left::Nobody => None,
        Left::Keeper => Some(GLANCE),
        Left::Somebody => {
            let rest = background.saturating_sub(alone);
            (!rest.is_zero()).then_some(rest.min(GLANCE))
        }
    }
}

/// What process 1 is to do next.
pub(crate) enum Next {
    /// A session runs.
    Wait,
    /// Look again when something happens, or when this time is over.
    WaitFor(Duration),
    /// The instance has been marked as ending.
    End,
}

/// Where an instance stands between its last session and its end.
pub(crate) struct Afterwards<'a> {
    held: &'a Held,
    processes: &'a Processes,
    rules: Rules,
    /// The last visitor that has been noticed.
    noticed: u32,
    /// A process that keeps all, if one was found.
    keeper: Option<u32>,
    /// Since when there is neither a session nor such a process.
    alone_since: Option<Instant>,
    /// Since when no process is left.
    empty_since: Option<Instant>,
}

impl<'a> Afterwards<'a> {
    pub(crate) fn new(held: &'a Held, processes: &'a Processes, rules: Rules) -> Afterwards<'a> {
        Afterwards {
            held,
            processes,
            rules,
            noticed: 0,
            keeper: None,
            alone_since: None,
            empty_since: None,
        }
    }

    /// Looks, and acts on it.
    pub(crate) fn next(&mut self) -> Result<Next> {
        loop {
            // Before the sessions: who comes and goes between the two is noticed under the lock.
            let visits = Visits::read(&self.held.record)?;
            let in_use = sessions_left(&self.held.sessions)?;
            if in_use || visits.number != self.noticed {
                self.noticed = visits.number;
                (self.alone_since, self.empty_since) = (None, None);
            }
            if in_use {
                return Ok(Next::Wait);
            }
            if let Some(since) = self.empty_since {
                match self.rules.linger.checked_sub(since.elapsed()) {
                    Some(rest) if !rest.is_zero() => return Ok(Next::WaitFor(rest)),
                    _ if self.undisturbed(|this| mark_ending(this.held))? => return Ok(Next::End),
                    _ => continue,
                }
            }
            if let Some(time) = self.respite(visits)? {
                return Ok(Next::WaitFor(time));
            }
            let now = Instant::now();
            if self.undisturbed(Self::end_processes)? {
                self.empty_since = Some(now);
            }
        }
    }

    fn respite(&mut self, visits: Visits) -> Result<Option<Duration>> {
        let left = self.look();
        let alone_since = *self.alone_since.get_or_insert_with(Instant::now);
        let background = self.rules.background(visits.login);
        if left == Left::Keeper {
            self.alone_since = None;
        }
        let respite = respite(left, alone_since.elapsed(), background);
        if respite.is_some() {
            Verdict::GoesOn.write(&self.held.record, visits.number)?;
        }
        Ok(respite)
    }

    fn look(&mut self) -> Left {
        if !anybody_left() {
            return Left::Nobody;
        }
        if self.rules.keep.is_empty() {
            return Left::Somebody;
        }
        match self.find_keeper() {
            Ok(None) => Left::Somebody,
            // Nobody's work is to end for want of a descriptor.
            Ok(Some(_)) | Err(_) => Left::Keeper,
        }
    }

    /// The one that was found before is looked at first: with many processes, all of them take a while.
    fn find_keeper(&mut self) -> std::result::Result<Option<u32>, Errno> {
        let (processes, names) = (self.processes, &self.rules.keep);
        if let Some(former) = self.keeper.take()
            && processes.is_called(former, names)?
        {
            self.keeper = Some(former);
        } else {
            self.keeper = processes.find(names)?;
        }
        Ok(self.keeper)
    }

    /// Does something under the lock, which those who join need. `false`: somebody has joined before.
    fn undisturbed(&self, action: impl FnOnce(&Self) -> Result<()>) -> Result<bool> {
        let lock =
            |operation, name| flock(&self.held.lock, operation).doing(name, || "the instance");
        lock(FlockOperation::LockExclusive, "lock")?;
        let undisturbed = !sessions_left(&self.held.sessions)?
            && Visits::read(&self.held.record)?.number == self.noticed;
        if undisturbed {
            action(self)?;
        }
        lock(FlockOperation::Unlock, "unlock")?;
        Ok(undisturbed)
    }

    fn end_processes(&self) -> Result<()> {
        end_all(Signal::KILL)?;
        let visits = Visits {
            number: self.noticed,
            login: false,
        };
        visits.write(&self.held.record)?;
        Verdict::Empty.write(&self.held.record, self.noticed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_left_goes_on_for_its_time_and_no_longer(alone in 0..200_000_u64, background in 0..200_000_u64) {
            let [alone, background] = [alone, background].map(Duration::from_millis);
            let respite = |left| respite(left, alone, background);
            prop_assert_eq!(respite(Left::Nobody), None);
            prop_assert_eq!(respite(Left::Keeper), Some(GLANCE));
            match respite(Left::Somebody) {
                None => prop_assert!(alone >= background),
                Some(time) => {
                    prop_assert!(!time.is_zero() && time <= GLANCE);
                    prop_assert!(alone + time <= background);
                }
            }
        }
    }

    #[test]
    fn the_longer_time_counts_where_a_login_was() {
        for (session, login, without, with) in [(0, 5, 0, 5), (5, 0, 5, 5), (1, 2, 1, 2)] {
            let mut policy = Policy::default();
            policy.session.background = Duration::from_secs(session);
            policy.login.background = Duration::from_secs(login);
            let rules = Rules::new(&policy, false);
            let times = [rules.background(false), rules.background(true)];
            assert_eq!(times, [without, with].map(Duration::from_secs));
        }
    }

    #[test]
    fn a_try_leaves_nothing_behind() {
        let rules = Rules::new(&Policy::default(), true);
        assert_eq!(rules.background.max(rules.login_background), Duration::ZERO);
        assert!(rules.keep.is_empty() && rules.linger.is_zero());
    }
}
