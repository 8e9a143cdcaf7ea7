//! Work for many users, in an order in which no user can keep the others waiting.

use std::collections::{BTreeMap, VecDeque};

/// What is left to do, user by user.
///
/// The users take turns: the first item of each comes before the second one of anybody. A user who
/// may not begin another item now keeps their place, and the others go on.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    users: VecDeque<(u32, VecDeque<T>)>,
}

impl<T> Queue<T> {
    /// The items of each user stay in their order, and the users in the order of their first items.
    pub(crate) fn new(items: impl IntoIterator<Item = (u32, T)>) -> Queue<T> {
        let mut users: VecDeque<(u32, VecDeque<T>)> = VecDeque::new();
        let mut places = BTreeMap::new();
        for (uid, item) in items {
            let place = *places.entry(uid).or_insert(users.len());
            match users.get_mut(place) {
                Some((_, items)) => items.push_back(item),
                None => users.push_back((uid, VecDeque::from([item]))),
            }
        }
        Queue { users }
    }

    /// The next item of a user who may begin one; `None`: there is none now.
    pub(crate) fn next(&mut self, may: impl Fn(u32) -> bool) -> Option<(u32, T)> {
        let place = self.users.iter().position(|(uid, _)| may(*uid))?;
        let (uid, mut items) = self.users.remove(place)?;
        let item = items.pop_front()?;
        if !items.is_empty() {
            self.users.push_back((uid, items));
        }
        Some((uid, item))
    }

    /// Whether [`Queue::next`] would find one.
    pub(crate) fn has_next(&self, may: impl Fn(u32) -> bool) -> bool {
        self.users.iter().any(|(uid, _)| may(*uid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Users and how many items each has.
    fn amounts() -> impl Strategy<Value = BTreeMap<u32, usize>> {
        prop::collection::btree_map(0..20_u32, 1..30_usize, 0..8)
    }

    fn queue(amounts: &BTreeMap<u32, usize>) -> Queue<usize> {
        let of = |(uid, amount): (&u32, &usize)| {
            let uid = *uid;
            (0..*amount).map(move |number| (uid, number))
        };
        Queue::new(amounts.iter().flat_map(of))
    }

    proptest! {
        #[test]
        fn the_nth_of_each_comes_before_the_next_of_anybody(amounts in amounts()) {
            let mut queue = queue(&amounts);
            let mut found = Vec::new();
            while let Some((uid, number)) = queue.next(|_| true) {
                found.push((number, uid));
            }
            prop_assert_eq!(found.len(), amounts.values().sum::<usize>());
            let mut expected = found.clone();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }

        /// Users whose items never end, `stuck`, cost the others nothing: each of the others gets
        /// all of theirs done, by as many workers as there are beyond those that are held up.
        #[test]
        fn whoever_is_stuck_only_holds_up_themselves(
            amounts in amounts(),
            stuck in prop::collection::btree_set(0..20_u32, 0..4),
            most in 1..4_usize,
        ) {
            let mut queue = queue(&amounts);
            let mut running: BTreeMap<u32, usize> = BTreeMap::new();
            let mut done: BTreeMap<u32, usize> = BTreeMap::new();
            loop {
                let may = |uid| running.get(&uid).copied().unwrap_or(0) < most;
                prop_assert_eq!(queue.has_next(may), queue.users.iter().any(|(uid, _)| may(*uid)));
                let Some((uid, number)) = queue.next(may) else { break };
                let of_user = if stuck.contains(&uid) { &mut running } else { &mut done };
                let count = of_user.entry(uid).or_default();
                prop_assert_eq!(*count, number);
                *count += 1;
            }
            for (uid, amount) in &amounts {
                if stuck.contains(uid) {
                    prop_assert_eq!(running[uid], (*amount).min(most));
                } else {
                    prop_assert_eq!(done[uid], *amount);
                }
            }
        }

        /// With one item of a stuck user in the way, and another after it, everybody else's first
        /// item is among the next ones.
        #[test]
        fn who_may_not_begin_keeps_their_place(amounts in amounts()) {
            let mut queue = queue(&amounts);
            let Some((first, _)) = queue.next(|_| true) else { return Ok(()) };
            let others: Vec<u32> = amounts.keys().copied().filter(|uid| *uid != first).collect();
            for other in others {
                prop_assert_eq!(queue.next(|uid| uid != first), Some((other, 0)));
            }
            let more = amounts[&first] > 1;
            prop_assert_eq!(queue.next(|uid| uid == first), more.then_some((first, 1)));
        }
    }
}
