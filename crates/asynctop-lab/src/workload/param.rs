//! Parameters of a kind of workload, declared as data: scenario files are checked against them, and
//! the program lists them.

use std::{fmt, time::Duration};

use asynctop_snapshot::text::duration_exact;

/// A parameter of a kind of workload.
#[derive(Debug)]
pub struct Param {
    /// The key in a scenario file.
    pub name: &'static str,
    /// A description in one line.
    pub about: &'static str,
    /// The accepted values, and the default.
    pub param_type: ParamType,
}

/// The values that a parameter accepts, bounds included.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "default, min and max need no description")]
pub enum ParamType {
    /// A time with a unit, such as `"10ms"`.
    Duration { default: Duration, min: Duration, max: Duration },
    /// A whole number.
    Count { default: u64, min: u64, max: u64 },
    /// One of these words; the first is the default.
    Choice(&'static [&'static str]),
    /// Like [`Choice`](ParamType::Choice), and the user can switch it while the lab runs.
    Mode(&'static [&'static str]),
}

/// The value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamValue {
    /// For [`ParamType::Duration`].
    Duration(Duration),
    /// For [`ParamType::Count`].
    Number(u64),
    /// For [`ParamType::Choice`] and [`ParamType::Mode`].
    Word(&'static str),
}

impl ParamType {
    /// The value of a parameter that is not set.
    pub fn default(self) -> ParamValue {
        match self {
            ParamType::Duration { default, .. } => ParamValue::Duration(default),
            ParamType::Count { default, .. } => ParamValue::Number(default),
            ParamType::Choice(words) | ParamType::Mode(words) => {
                ParamValue::Word(words.first().copied().unwrap_or_default())
            }
        }
    }

    /// Whether a value has this type and is within its bounds.
    pub fn accepts(self, value: ParamValue) -> bool {
        match (self, value) {
            (ParamType::Duration { min, max, .. }, ParamValue::Duration(value)) => {
                (min..=max).contains(&value)
            }
            (ParamType::Count { min, max, .. }, ParamValue::Number(value)) => {
                (min..=max).contains(&value)
            }
            (ParamType::Choice(words) | ParamType::Mode(words), ParamValue::Word(word)) => {
                words.contains(&word)
            }
            _ => false,
        }
    }

    /// The default, as written in a scenario file.
    pub fn default_text(self) -> String {
        match self.default() {
            ParamValue::Duration(duration) => format!("\"{}\"", duration_exact(duration)),
            ParamValue::Number(number) => number.to_string(),
            ParamValue::Word(word) => format!("\"{word}\""),
        }
    }
}

/// The accepted values in words: `a time from 1ms to 1h, such as "10ms"`.
impl fmt::Display for ParamType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParamType::Duration { min, max, .. } => {
                let (min, max) = (duration_exact(*min), duration_exact(*max));
                write!(f, "a time from {min} to {max}, such as {}", self.default_text())
            }
            ParamType::Count { min, max, .. } => write!(f, "a whole number from {min} to {max}"),
            ParamType::Choice(words) | ParamType::Mode(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                write!(f, "one of {}", words.join(", "))
            }
        }
    }
}

/// The parameters that a scenario sets for one workload; others have their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(&'static str, ParamValue)>);

impl Params {
    /// Sets a parameter to a value that it accepts.
    pub(crate) fn set(&mut self, param: &'static Param, value: ParamValue) {
        debug_assert!(param.param_type.accepts(value), "{}: {value:?}", param.name);
        self.0.retain(|(name, _)| *name != param.name);
        self.0.push((param.name, value));
    }

    fn get(&self, param: &Param) -> ParamValue {
        let set = self.0.iter().find(|(name, _)| *name == param.name);
        set.map_or(param.param_type.default(), |(_, value)| *value)
    }

    /// The value of a [`ParamType::Duration`].
    ///
    /// # Panics
    /// If the parameter has another type. So do the other methods: this is a bug in the kind of
    /// workload, which its first use reveals.
    pub(crate) fn duration(&self, param: &Param) -> Duration {
        match self.get(param) {
            ParamValue::Duration(duration) => duration,
            other => type_mismatch(param, other),
        }
    }

    /// The value of a [`ParamType::Count`].
    pub(crate) fn number(&self, param: &Param) -> u64 {
        match self.get(param) {
            ParamValue::Number(number) => number,
            other => type_mismatch(param, other),
        }
    }

    /// Same as [`number`](Self::number), as a `usize`.
    pub(crate) fn count(&self, param: &Param) -> usize {
        usize::try_from(self.number(param)).unwrap_or(usize::MAX)
    }

    /// The value of a [`ParamType::Choice`] or [`ParamType::Mode`].
    pub(crate) fn word(&self, param: &Param) -> &'static str {
        match self.get(param) {
            ParamValue::Word(word) => word,
            other => type_mismatch(param, other),
        }
    }
}

#[track_caller]
fn type_mismatch(param: &Param, value: ParamValue) -> ! {
    panic!("the parameter {} does not have the requested type: {value:?}", param.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WORKLOAD_KINDS;

    #[test]
    fn every_parameter_accepts_its_default() {
        for kind in WORKLOAD_KINDS {
            for param in kind.params {
                let default = param.param_type.default();
                assert!(param.param_type.accepts(default), "{}: {}", kind.name, param.name);
            }
        }
    }

    #[test]
    fn value_that_was_set_last_replaces_the_default() {
        const COUNT: ParamType = ParamType::Count { default: 3, min: 1, max: 9 };
        static PARAM: Param = Param { name: "n", about: "", param_type: COUNT };
        let mut params = Params::default();
        assert_eq!(params.number(&PARAM), 3);
        params.set(&PARAM, ParamValue::Number(4));
        params.set(&PARAM, ParamValue::Number(5));
        assert_eq!((params.number(&PARAM), params.0.len()), (5, 1));
        assert!(!COUNT.accepts(ParamValue::Number(0)) && !COUNT.accepts(ParamValue::Word("3")));
    }
}
