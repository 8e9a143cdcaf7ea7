//! From a filter to the program that the kernel runs.
//!
//! The program is short and asks for the number and the architecture first: the kernel (from 5.11
//! on) finds out once, when a filter is installed, which calls are allowed whatever their arguments
//! are, and does not run the program for those.
//!
//! # References
//! - [seccomp(2)](https://man7.org/linux/man-pages/man2/seccomp.2.html)
//! - `seccomp_is_const_allow` in kernel/seccomp.c

use crate::{Action, Condition, Filter, Rule, Table};

/// An instruction of classic BPF, as in linux/filter.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// What it does.
    pub code: u16,
    /// How many instructions to skip if a comparison holds.
    pub if_true: u8,
    /// How many to skip otherwise.
    pub if_false: u8,
    /// Its number.
    pub k: u32,
}

/// A program that was made from a [`Filter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program(Vec<Instruction>);

/// The kernel takes no longer ones.
const MOST: usize = 4096;

/// `BPF_LD | BPF_W | BPF_ABS`: a word of `struct seccomp_data`.
pub(crate) const LOAD: u16 = 0x20;
/// `BPF_ALU | BPF_AND | BPF_K`.
pub(crate) const AND: u16 = 0x54;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
pub(crate) const EQUAL: u16 = 0x15;
/// `BPF_JMP | BPF_JA`.
pub(crate) const JUMP: u16 = 0x05;
/// `BPF_RET | BPF_K`.
pub(crate) const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
pub(crate) const NUMBER: u32 = 0;
pub(crate) const ARCHITECTURE: u32 = 4;
/// Of the low half of the first argument.
pub(crate) const ARGUMENTS: u32 = 16;

impl Program {
    /// The program of a filter; `None` if that is longer than the kernel takes.
    #[must_use]
    pub fn of(filter: &Filter) -> Option<Program> {
        let mut program = vec![load(ARCHITECTURE)];
        for table in &filter.tables {
            let of_table = of_table(table)?;
            program.push(equal(table.architecture.audit(), 1, 0));
            program.push(Instruction {
                code: JUMP,
                if_true: 0,
                if_false: 0,
                k: u32::try_from(of_table.len()).ok()?,
            });
            program.extend(of_table);
        }
        program.push(end(filter.other_tables));
        (program.len() <= MOST).then_some(Program(program))
    }

    /// Its instructions.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.0
    }
}

/// Ends with a decision, whatever the call is.
fn of_table(table: &Table) -> Option<Vec<Instruction>> {
    let mut program = number(table);
    for rule in &table.rules {
        let body = of_rule(table, rule)?;
        program.push(equal(rule.call, 0, u8::try_from(body.len()).ok()?));
        program.extend(body);
    }
    program.push(end(table.otherwise));
    Some(program)
}

/// What follows where the number is the rule's. If a condition does not hold, the number is loaded
/// again, for the next rule.
fn of_rule(table: &Table, rule: &Rule) -> Option<Vec<Instruction>> {
    let mut checks: Vec<Instruction> = Vec::new();
    let mut comparisons = Vec::new();
    for condition in &rule.conditions {
        let Condition {
            argument,
            mask,
            value,
        } = *condition;
        checks.push(load(ARGUMENTS + 8 * u32::from(argument)));
        if mask != u32::MAX {
            checks.push(and(mask));
        }
        comparisons.push(checks.len());
        checks.push(equal(value, 0, 0));
    }
    checks.push(end(rule.action));
    let again = checks.len();
    for at in &comparisons {
        checks[*at].if_false = u8::try_from(again - at - 1).ok()?;
    }
    if !comparisons.is_empty() {
        checks.extend(number(table));
    }
    Some(checks)
}

fn number(table: &Table) -> Vec<Instruction> {
    let mut loads = vec![load(NUMBER)];
    if table.mask != u32::MAX {
        loads.push(and(table.mask));
    }
    loads
}

const fn load(offset: u32) -> Instruction {
    plain(LOAD, offset)
}

const fn and(mask: u32) -> Instruction {
    plain(AND, mask)
}

const fn equal(k: u32, if_true: u8, if_false: u8) -> Instruction {
    Instruction {
        code: EQUAL,
        if_true,
        if_false,
        k,
    }
}

const fn plain(code: u16, k: u32) -> Instruction {
    Instruction {
        code,
        if_true: 0,
        if_false: 0,
        k,
    }
}

/// `SECCOMP_RET_*`.
const fn end(action: Action) -> Instruction {
    let value = match action {
        Action::Allow => libc::SECCOMP_RET_ALLOW,
        // Above 4095 it would be no error number, and the kernel would cut it off.
        Action::Errno(number) => libc::SECCOMP_RET_ERRNO | number as u32,
        Action::Kill => libc::SECCOMP_RET_KILL_PROCESS,
    };
    plain(RETURN, value)
}
