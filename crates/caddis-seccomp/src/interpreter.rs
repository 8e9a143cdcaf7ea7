//! What the kernel does with a program, for the tests: it refuses what the kernel refuses to
//! install.

use crate::Action;
use crate::compile::{
    AND, ARCHITECTURE, ARGUMENTS, EQUAL, Instruction, JUMP, LOAD, NUMBER, RETURN,
};

/// Runs a program on a call, and says what it returns.
pub(crate) fn run(
    program: &[Instruction],
    audit: u32,
    number: u32,
    arguments: &[u64; 6],
) -> Action {
    assert!(!program.is_empty() && program.len() <= 4096);
    assert_eq!(
        program.last().unwrap().code,
        RETURN,
        "it must end with a return"
    );
    let word = |offset: u32| match offset {
        NUMBER => number,
        ARCHITECTURE => audit,
        _ => {
            let at = offset
                .checked_sub(ARGUMENTS)
                .expect("a word of the instruction pointer");
            assert_eq!(at % 8, 0, "no low half of an argument");
            u32::try_from(arguments[at as usize / 8] & 0xffff_ffff).unwrap()
        }
    };
    let mut accumulator = None;
    let mut at = 0;
    loop {
        let Instruction {
            code,
            if_true,
            if_false,
            k,
        } = program[at];
        let value = || accumulator.expect("nothing was loaded");
        at += 1;
        match code {
            LOAD => accumulator = Some(word(k)),
            AND => accumulator = Some(value() & k),
            JUMP => at += k as usize,
            EQUAL => at += usize::from(if value() == k { if_true } else { if_false }),
            RETURN => {
                return match k {
                    libc::SECCOMP_RET_ALLOW => Action::Allow,
                    libc::SECCOMP_RET_KILL_PROCESS => Action::Kill,
                    _ => {
                        assert_eq!(k & 0xffff_0000, libc::SECCOMP_RET_ERRNO);
                        Action::Errno((k & 0xffff) as u16)
                    }
                };
            }
            _ => panic!("an instruction that is not made here: {code:#x}"),
        }
    }
}
