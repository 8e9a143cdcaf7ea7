//! A compiled program decides as the data says, for filters and calls of every shape.

use crate::interpreter::run;
use crate::{Action, Architecture, Condition, Filter, Program, Rule, Session, Table, reader};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const TABLES: &[Architecture] = &[
    Architecture::X86_64,
    Architecture::I386,
    Architecture::Aarch64,
    Architecture::Arm,
];

/// Near each other, so that rules and calls meet; with and without the mark of x32.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![
        0..6_u32,
        (0..6_u32).prop_map(|number| number | 0x4000_0000),
        select(&[u32::MAX, 1 << 31, 0x3fff_ffff, 0x8000_0001][..]),
        any::<u32>(),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Allow),
        Just(Action::Kill),
        (0..4096_u16).prop_map(Action::Errno),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let mask = prop_oneof![Just(u32::MAX), 0..4_u32, any::<u32>()];
    (0..6_u8, mask, prop_oneof![0..4_u32, any::<u32>()]).prop_map(|(argument, mask, value)| {
        Condition {
            argument,
            mask,
            value,
        }
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    (number(), vec(condition(), 0..4), action()).prop_map(|(call, conditions, action)| Rule {
        call,
        conditions,
        action,
    })
}

fn table() -> impl Strategy<Value = Table> {
    (select(TABLES), any::<bool>(), vec(rule(), 0..12), action()).prop_map(
        |(architecture, x32, rules, otherwise)| {
            let mut table = Table::new(architecture, otherwise);
            if x32 {
                table = table.any_x32();
            }
            table.rules = rules;
            table
        },
    )
}

fn filter() -> impl Strategy<Value = Filter> {
    (vec(table(), 0..4), action()).prop_map(|(tables, other_tables)| Filter {
        tables,
        other_tables,
    })
}

fn argument() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..4_u64,
        (0..4_u64).prop_map(|low| low | 1 << 32),
        any::<u64>()
    ]
}

fn call() -> impl Strategy<Value = (u32, u32, [u64; 6])> {
    let audit = prop_oneof![select(TABLES).prop_map(Architecture::audit), any::<u32>()];
    (audit, number(), prop::array::uniform6(argument()))
}

fn ours() -> impl Strategy<Value = Filter> {
    let session = prop::array::uniform5(any::<bool>()).prop_map(|[a, b, c, d, e]| {
        Session {
            perf_events: a,
            keys: b,
            process_events: c,
            io_uring: d,
            socketcall: e,
        }
        .filter()
    });
    prop_oneof![session, Just(reader(&[1, 2]))]
}

proptest! {
    #[test]
    fn a_program_decides_as_its_filter(filter in filter(), calls in vec(call(), 1..20)) {
        let program = Program::of(&filter).unwrap();
        for (audit, number, arguments) in calls {
            prop_assert_eq!(
                run(program.instructions(), audit, number, &arguments),
                filter.decide(audit, number, &arguments)
            );
        }
    }

    #[test]
    fn so_do_the_programs_in_use(filter in ours(), audit in select(TABLES), number in 0..600_u32,
                                 mark in select(&[0, 0x4000_0000][..]), arguments in prop::array::uniform6(argument())) {
        let program = Program::of(&filter).unwrap();
        let number = number | mark;
        prop_assert_eq!(
            run(program.instructions(), audit.audit(), number, &arguments),
            filter.decide(audit.audit(), number, &arguments)
        );
    }
}

#[test]
fn a_filter_that_is_too_long_has_no_program() {
    let mut table = Table::new(Architecture::X86_64, Action::Allow);
    for call in 0..3000 {
        table.rules.push(Rule {
            call,
            conditions: vec![],
            action: Action::Kill,
        });
    }
    let filter = Filter {
        tables: vec![table],
        other_tables: Action::Allow,
    };
    assert_eq!(Program::of(&filter), None);
}
