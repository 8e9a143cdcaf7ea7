//! A filter as data.

use crate::Architecture;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The kernel does it.
    Allow,
    /// The kernel does not look at it and answers this error number.
    Errno(u16),
    /// The kernel ends the process.
    Kill,
}

impl Action {
    /// The call fails with this error.
    pub(crate) const fn errno(number: i32) -> Action {
        // There is none above 4095.
        Action::Errno(number.unsigned_abs() as u16)
    }
}

/// Something that holds of an argument. Only its low 32 bits are compared: the arguments that are
/// of interest here are `int`s, of which the kernel takes no more, so what is above must not make a
/// difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Which one, from 0 to 5.
    pub argument: u8,
    /// The bits that count.
    pub mask: u32,
    /// What they are.
    pub value: u32,
}

impl Condition {
    /// The argument is this number.
    #[must_use]
    pub const fn is(argument: u8, value: u32) -> Condition {
        Condition {
            argument,
            mask: u32::MAX,
            value,
        }
    }

    /// The argument has all of these bits.
    #[must_use]
    pub const fn has(argument: u8, bits: u32) -> Condition {
        Condition {
            argument,
            mask: bits,
            value: bits,
        }
    }

    /// The argument has none of these bits.
    #[must_use]
    pub const fn lacks(argument: u8, bits: u32) -> Condition {
        Condition {
            argument,
            mask: bits,
            value: 0,
        }
    }

    /// Whether it holds.
    #[must_use]
    pub fn holds(self, arguments: &[u64; 6]) -> bool {
        let low = arguments
            .get(usize::from(self.argument))
            .map(|argument| argument & u64::from(self.mask));
        low == Some(u64::from(self.value))
    }
}

/// What becomes of one call if all conditions hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its number in the table.
    pub call: u32,
    /// What must hold.
    pub conditions: Vec<Condition>,
    /// What becomes of it then.
    pub action: Action,
}

/// What holds for one table of system calls. The first rule that fits decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Which one.
    pub architecture: Architecture,
    /// Bits of the number that are looked at. See [`Table::any_x32`].
    pub(crate) mask: u32,
    /// In this order.
    pub rules: Vec<Rule>,
    /// What becomes of calls for which there is no rule.
    pub otherwise: Action,
}

impl Table {
    /// A table without a rule.
    #[must_use]
    pub const fn new(architecture: Architecture, otherwise: Action) -> Table {
        Table {
            architecture,
            mask: u32::MAX,
            rules: Vec::new(),
            otherwise,
        }
    }

    /// Rules hold for x32 calls, too: those have the same numbers with a mark.
    #[must_use]
    pub const fn any_x32(mut self) -> Table {
        self.mask = self.architecture.mask();
        self
    }
}

/// What becomes of every system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// One for each architecture.
    pub tables: Vec<Table>,
    /// What becomes of the calls of other tables.
    pub other_tables: Action,
}

impl Filter {
    /// What becomes of the call with this number and these arguments in the table that the kernel
    /// calls so. The compiled program decides the same.
    #[must_use]
    pub fn decide(&self, audit: u32, number: u32, arguments: &[u64; 6]) -> Action {
        let of_it = |table: &&Table| table.architecture.audit() == audit;
        let Some(table) = self.tables.iter().find(of_it) else {
            return self.other_tables;
        };
        let fits = |rule: &&Rule| {
            rule.call == number & table.mask
                && rule.conditions.iter().all(|one| one.holds(arguments))
        };
        table
            .rules
            .iter()
            .find(fits)
            .map_or(table.otherwise, |rule| rule.action)
    }

    /// Whether nothing is refused.
    #[must_use]
    pub fn allows_all(&self) -> bool {
        let allowed = |table: &Table| {
            let rules = table.rules.iter().map(|rule| rule.action);
            rules
                .chain([table.otherwise])
                .all(|action| action == Action::Allow)
        };
        self.other_tables == Action::Allow && self.tables.iter().all(allowed)
    }
}
