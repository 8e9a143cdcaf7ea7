//! From the text of the policy file to a [`Policy`].

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::error::{PolicyError, PolicyErrors};
use crate::keys::{KEYS, Key};
use crate::nearest::nearest;
use crate::places;
use crate::policy::Policy;
use crate::position::Lines;
use crate::value::{Fault, Value, harmless, kind, shown};

/// Reads a policy. What the text does not say is as in [`Policy::default`].
///
/// # Errors
/// Everything that is wrong, each with its line and column; a text that is no TOML gives these
/// errors only, as the values of a broken text cannot be trusted. Unknown tables and keys are
/// errors: a misspelt rule must not be a rule that silently does not hold.
pub fn parse(text: &str) -> Result<Policy, PolicyErrors> {
    strictly(read(text))
}

/// The same for the bytes of a file, which may be no text at all.
///
/// # Errors
/// As [`parse`], or the place of the first byte that is not UTF-8.
pub fn parse_bytes(bytes: &[u8]) -> Result<Policy, PolicyErrors> {
    strictly(parse_leniently(bytes))
}

/// What can be read of a policy though something is wrong with it, and what that is: the good keys and the good entries
/// of lists; the defaults if the text is no TOML or no text at all.
///
/// No environment is started with a broken policy. This is for the question that must have an answer even then: who gets
/// the plain host. The parts of the answer need not fit together.
#[must_use]
pub fn parse_leniently(bytes: &[u8]) -> (Policy, Option<PolicyErrors>) {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return read(text),
        Err(error) => error,
    };
    let mut reader = Reader {
        lines: Lines::new(bytes),
        errors: Vec::new(),
    };
    let fault = Fault {
        at: error.valid_up_to(),
        problem: "is not UTF-8".to_owned(),
        allowed: Some("text in UTF-8".to_owned()),
    };
    reader.add(None, fault);
    (Policy::default(), PolicyErrors::collect(reader.errors))
}

fn strictly((policy, errors): (Policy, Option<PolicyErrors>)) -> Result<Policy, PolicyErrors> {
    errors.map_or(Ok(policy), Err)
}

fn read(text: &str) -> (Policy, Option<PolicyErrors>) {
    let mut reader = Reader {
        lines: Lines::new(text.as_bytes()),
        errors: Vec::new(),
    };
    let mut policy = Policy::default();
    let (document, broken) = DeTable::parse_recoverable(text);
    if broken.is_empty() {
        reader.document(document.get_ref(), &mut policy);
    }
    for error in broken {
        let at = error.span().map_or(0, |span| span.start);
        let problem = format!("not valid TOML: {}", harmless(error.message()));
        reader.add(
            None,
            Fault {
                at,
                problem,
                allowed: None,
            },
        );
    }
    (policy, PolicyErrors::collect(reader.errors))
}

struct Reader<'a> {
    lines: Lines<'a>,
    errors: Vec<PolicyError>,
}

impl Reader<'_> {
    fn add(&mut self, key: Option<String>, fault: Fault) {
        let (line, column) = self.lines.position(fault.at);
        let Fault {
            problem, allowed, ..
        } = fault;
        self.errors.push(PolicyError {
            line,
            column,
            key,
            problem,
            allowed,
        });
    }

    fn document(&mut self, document: &DeTable<'_>, policy: &mut Policy) {
        for (name, value) in document.iter() {
            if !tables().any(|table| table == name.get_ref()) {
                self.unknown_table(name);
                continue;
            }
            match value.get_ref() {
                DeValue::Table(table) => self.table(name.get_ref(), table, policy),
                other => {
                    let fault = Fault {
                        at: value.span().start,
                        problem: format!("is {}", kind(other)),
                        allowed: Some(format!(
                            "a table that begins with the line [{}]",
                            name.get_ref()
                        )),
                    };
                    self.add(Some(name.get_ref().to_string()), fault);
                }
            }
        }
        for (list, fault) in places::contradictions(document) {
            self.add(Some(format!("view.{list}")), fault);
        }
    }

    fn table(&mut self, table: &str, entries: &DeTable<'_>, policy: &mut Policy) {
        for (name, value) in entries.iter() {
            match keys_of(table).find(|key| key.name == name.get_ref()) {
                None => self.unknown_key(table, name),
                Some(key) => {
                    for fault in (key.set)(policy, Value(value)) {
                        self.add(Some(format!("{table}.{}", key.name)), fault);
                    }
                }
            }
        }
    }

    fn unknown_table(&mut self, name: &Spanned<DeString<'_>>) {
        let word = name.get_ref().as_ref();
        let (problem, allowed) = match belongs_below(word) {
            Some(table) => (format!("stands outside its table, [{table}]"), None),
            None => (
                did_you_mean("there is no such table", word, tables()),
                Some(listed(tables())),
            ),
        };
        let at = name.span().start;
        self.add(
            Some(shown(word)),
            Fault {
                at,
                problem,
                allowed,
            },
        );
    }

    fn unknown_key(&mut self, table: &str, name: &Spanned<DeString<'_>>) {
        let word = name.get_ref().as_ref();
        let names = || keys_of(table).map(|key| key.name);
        let (problem, allowed) = match belongs_below(word) {
            Some(other) => (
                format!("is in the wrong table; it belongs below [{other}]"),
                None,
            ),
            None => (
                did_you_mean("there is no such key", word, names()),
                Some(listed(names())),
            ),
        };
        let at = name.span().start;
        let key = format!("{table}.{}", shown(word));
        self.add(
            Some(key),
            Fault {
                at,
                problem,
                allowed,
            },
        );
    }
}

/// The table of a key that stands elsewhere.
fn belongs_below(name: &str) -> Option<&'static str> {
    KEYS.iter()
        .find(|key| key.name == name)
        .map(|key| key.table)
}

fn listed(words: impl Iterator<Item = &'static str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

fn did_you_mean(problem: &str, word: &str, known: impl Iterator<Item = &'static str>) -> String {
    match nearest(word, known) {
        Some(near) => format!("{problem}; did you mean `{near}`?"),
        None => problem.to_owned(),
    }
}

fn keys_of(table: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.table == table)
}

/// Every table once: the keys stand table by table.
fn tables() -> impl Iterator<Item = &'static str> {
    KEYS.chunk_by(|a, b| a.table == b.table)
        .filter_map(|keys| keys.first())
        .map(|key| key.table)
}
