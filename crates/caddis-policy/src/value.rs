//! From the values of TOML to the values of a policy.

use toml::Spanned;
use toml::de::DeValue;

/// What is wrong with a value, and at which byte of the text.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) problem: String,
    pub(crate) allowed: Option<String>,
}

/// What could be read of a value, and what is wrong with it. A list may have good entries and several faults.
pub(crate) struct Read<T> {
    pub(crate) value: Option<T>,
    pub(crate) faults: Vec<Fault>,
}

/// A value at its place in the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a>(pub(crate) &'a Spanned<DeValue<'a>>);

/// Why a text is wrong: the problem, as the end of a sentence that begins with the text.
pub(crate) type Check<T> = Result<T, String>;

impl Value<'_> {
    /// A whole number from `least` to `most`.
    pub(crate) fn number(self, least: u32, most: u32) -> Read<u32> {
        let allowed = format!("a whole number from {least} to {most}");
        let DeValue::Integer(integer) = self.0.get_ref() else {
            return self.wrong_type(&allowed);
        };
        // What does not fit into 64 bits does not fit here either.
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        match number.and_then(|number| u32::try_from(number).ok()) {
            Some(number) if (least..=most).contains(&number) => Read::good(number),
            _ => self.fault(
                format!("{} is out of range", shown(&integer.to_string())),
                &allowed,
            ),
        }
    }

    /// `true` or `false`.
    pub(crate) fn switch(self) -> Read<bool> {
        match self.0.get_ref() {
            DeValue::Boolean(on) => Read::good(*on),
            _ => self.wrong_type("true or false"),
        }
    }

    /// A text that passes `check`.
    pub(crate) fn text<T>(self, allowed: &str, check: impl Fn(&str) -> Check<T>) -> Read<T> {
        let DeValue::String(text) = self.0.get_ref() else {
            return self.wrong_type(allowed);
        };
        match check(text) {
            Ok(value) => Read::good(value),
            Err(problem) => self.fault(format!("{} {problem}", quoted(text)), allowed),
        }
    }

    /// A list of texts that pass `check`, each one once.
    pub(crate) fn list<T: PartialEq>(
        self,
        allowed: &str,
        check: impl Fn(&str) -> Check<T>,
    ) -> Read<Vec<T>> {
        let DeValue::Array(array) = self.0.get_ref() else {
            return self.wrong_type(&format!("a list, [\"…\", \"…\"]; each entry {allowed}"));
        };
        let mut items = Vec::with_capacity(array.len());
        let mut faults = Vec::new();
        for item in array.iter() {
            let Read {
                value,
                faults: more,
            } = Value(item).text(allowed, &check);
            faults.extend(more);
            match value {
                Some(value) if items.contains(&value) => faults.push(Fault {
                    at: item.span().start,
                    problem: format!("{} is in the list twice", shown_value(item.get_ref())),
                    allowed: None,
                }),
                Some(value) => items.push(value),
                None => {}
            }
        }
        Read {
            // Nothing but mistakes is not the list of nothing.
            value: (faults.is_empty() || !items.is_empty()).then_some(items),
            faults,
        }
    }

    fn wrong_type<T>(self, allowed: &str) -> Read<T> {
        let value = self.0.get_ref();
        self.fault(
            format!("{} is {}", shown_value(value), kind(value)),
            allowed,
        )
    }

    fn fault<T>(self, problem: String, allowed: &str) -> Read<T> {
        Read {
            value: None,
            faults: vec![Fault {
                at: self.0.span().start,
                problem,
                allowed: Some(allowed.to_owned()),
            }],
        }
    }
}

impl<T> Read<T> {
    fn good(value: T) -> Self {
        Self {
            value: Some(value),
            faults: Vec::new(),
        }
    }
}

/// What a reader who has never seen TOML would call it.
pub(crate) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text in quotes",
        DeValue::Integer(_) => "a number without quotes",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a switch",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn shown_value(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(integer) => shown(&integer.to_string()),
        DeValue::Float(float) => shown(float.as_str()),
        DeValue::Boolean(on) => on.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "[…]".to_owned(),
        DeValue::Table(_) => "{…}".to_owned(),
    }
}

/// The text in quotes, fit for a terminal.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text))
}

/// The text without control characters and not longer than a line.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut characters = text.chars();
    let head: String = characters.by_ref().take(LONGEST).collect();
    let rest = if characters.next().is_some() {
        "…"
    } else {
        ""
    };
    format!("{}{rest}", head.escape_debug())
}

/// A message of the parser: it may quote a part of the text, so control characters are escaped.
pub(crate) fn harmless(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    for character in message.chars() {
        if character.is_control() {
            text.extend(character.escape_debug());
        } else {
            text.push(character);
        }
    }
    text
}
