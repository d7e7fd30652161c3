//! Parameters of a kind of workload, declared as data: files are checked against them, and the
//! program lists them.

use std::{fmt, time::Duration};

use asynctop_snapshot::text::{bytes_exact, duration_exact};

/// Something that can be set.
#[derive(Debug)]
pub struct Param {
    /// Its key in a scenario's file.
    pub name: &'static str,
    /// What it means, in a line.
    pub about: &'static str,
    /// What it may be, and what it is unless set.
    pub allows: Allows,
}

/// The values that a parameter may have.
#[derive(Clone, Copy, Debug)]
pub enum Allows {
    /// A time with a unit, such as `"10ms"`.
    Duration {
        /// What it is unless set.
        default: Duration,
        /// The least that it may be.
        least: Duration,
        /// The most that it may be.
        most: Duration,
    },
    /// A number of things.
    Count {
        /// What it is unless set.
        default: u64,
        /// The least that it may be.
        least: u64,
        /// The most that it may be.
        most: u64,
    },
    /// A size with a unit, such as `"4KiB"`.
    Bytes {
        /// What it is unless set.
        default: u64,
        /// The least that it may be.
        least: u64,
        /// The most that it may be.
        most: u64,
    },
    /// One of some words, the first of them unless set.
    Choice(&'static [&'static str]),
    /// One of some words, as [`Choice`](Allows::Choice), that the user may change while the
    /// lab runs.
    Mode(&'static [&'static str]),
    /// `true` or `false`.
    Switch {
        /// What it is unless set.
        default: bool,
    },
}

/// A value that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// For [`Allows::Duration`].
    Duration(Duration),
    /// For [`Allows::Count`] and [`Allows::Bytes`].
    Number(u64),
    /// For [`Allows::Choice`] and [`Allows::Mode`].
    Word(&'static str),
    /// For [`Allows::Switch`].
    Switch(bool),
}

impl Allows {
    /// What it is unless set.
    pub fn default(self) -> Value {
        match self {
            Allows::Duration { default, .. } => Value::Duration(default),
            Allows::Count { default, .. } | Allows::Bytes { default, .. } => Value::Number(default),
            Allows::Choice(words) | Allows::Mode(words) => {
                Value::Word(words.first().copied().unwrap_or_default())
            }
            Allows::Switch { default } => Value::Switch(default),
        }
    }

    /// Whether this is such a value.
    pub fn admits(self, value: Value) -> bool {
        match (self, value) {
            (Allows::Duration { least, most, .. }, Value::Duration(value)) => {
                (least..=most).contains(&value)
            }
            (
                Allows::Count { least, most, .. } | Allows::Bytes { least, most, .. },
                Value::Number(value),
            ) => (least..=most).contains(&value),
            (Allows::Choice(words) | Allows::Mode(words), Value::Word(word)) => {
                words.contains(&word)
            }
            (Allows::Switch { .. }, Value::Switch(_)) => true,
            _ => false,
        }
    }

    /// What it is unless set, as a file has it.
    pub fn shown_default(self) -> String {
        self.show(self.default())
    }

    /// The value as a file has it.
    fn show(self, value: Value) -> String {
        match (self, value) {
            (_, Value::Duration(duration)) => format!("\"{}\"", duration_exact(duration)),
            (Allows::Bytes { .. }, Value::Number(bytes)) => format!("\"{}\"", bytes_exact(bytes)),
            (_, Value::Number(number)) => number.to_string(),
            (_, Value::Word(word)) => format!("\"{word}\""),
            (_, Value::Switch(on)) => on.to_string(),
        }
    }
}

/// What may be written, in words: "a time from 1ms to 1h, such as "10ms"".
impl fmt::Display for Allows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let such_as = self.shown_default();
        match self {
            Allows::Duration { least, most, .. } => {
                let (least, most) = (duration_exact(*least), duration_exact(*most));
                write!(f, "a time from {least} to {most}, such as {such_as}")
            }
            Allows::Count { least, most, .. } => write!(f, "a whole number from {least} to {most}"),
            Allows::Bytes { least, most, .. } => {
                let (least, most) = (bytes_exact(*least), bytes_exact(*most));
                write!(f, "a size from {least} to {most}, such as {such_as}")
            }
            Allows::Choice(words) | Allows::Mode(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                write!(f, "one of {}", words.join(", "))
            }
            Allows::Switch { .. } => write!(f, "true or false"),
        }
    }
}

/// What a scenario set of one workload; the rest is as declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(&'static str, Value)>);

impl Params {
    /// Sets a parameter to a value that it admits.
    pub(crate) fn set(&mut self, param: &'static Param, value: Value) {
        debug_assert!(param.allows.admits(value), "{}: {value:?}", param.name);
        self.0.retain(|(name, _)| *name != param.name);
        self.0.push((param.name, value));
    }

    fn get(&self, param: &Param) -> Value {
        let set = self.0.iter().find(|(name, _)| *name == param.name);
        set.map_or(param.allows.default(), |(_, value)| *value)
    }

    /// A time.
    ///
    /// # Panics
    /// If the parameter is declared as something else, as do the others here: it is a
    /// mistake of the kind's that its first use shows.
    pub(crate) fn duration(&self, param: &Param) -> Duration {
        match self.get(param) {
            Value::Duration(duration) => duration,
            other => mistaken(param, other),
        }
    }

    /// A count or a size.
    pub(crate) fn number(&self, param: &Param) -> u64 {
        match self.get(param) {
            Value::Number(number) => number,
            other => mistaken(param, other),
        }
    }

    /// As [`number`](Self::number), for counts of things in memory.
    pub(crate) fn count(&self, param: &Param) -> usize {
        usize::try_from(self.number(param)).unwrap_or(usize::MAX)
    }

    /// A chosen word.
    pub(crate) fn word(&self, param: &Param) -> &'static str {
        match self.get(param) {
            Value::Word(word) => word,
            other => mistaken(param, other),
        }
    }

    /// Yes or no.
    #[allow(dead_code, reason = "no kind has a switch yet")]
    pub(crate) fn switch(&self, param: &Param) -> bool {
        match self.get(param) {
            Value::Switch(on) => on,
            other => mistaken(param, other),
        }
    }
}

#[track_caller]
fn mistaken(param: &Param, value: Value) -> ! {
    panic!("the parameter {} is not of the type that was asked for: {value:?}", param.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KINDS;

    #[test]
    fn every_declaration_admits_its_own_default() {
        for kind in KINDS {
            for param in kind.params {
                let default = param.allows.default();
                assert!(param.allows.admits(default), "{}: {}", kind.name, param.name);
            }
        }
    }

    #[test]
    fn what_is_set_wins_over_what_is_declared() {
        const COUNT: Allows = Allows::Count { default: 3, least: 1, most: 9 };
        static PARAM: Param = Param { name: "n", about: "", allows: COUNT };
        let mut params = Params::default();
        assert_eq!(params.number(&PARAM), 3);
        params.set(&PARAM, Value::Number(4));
        params.set(&PARAM, Value::Number(5));
        assert_eq!((params.number(&PARAM), params.0.len()), (5, 1));
        assert!(!COUNT.admits(Value::Number(0)) && !COUNT.admits(Value::Switch(true)));
    }
}
