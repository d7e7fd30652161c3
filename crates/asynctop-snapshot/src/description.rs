//! The values that a source provides, and their accuracy.

use std::{borrow::Cow, fmt, sync::Arc};

use crate::FieldId;

/// The properties of a target that do not change while its source runs: its name, the values that
/// the source provides, and how accurate they are.
///
/// A value is exact unless stated otherwise.
///
/// ```
/// use asynctop_snapshot::{Accuracy, Description, FieldId};
///
/// let description = Description::new("127.0.0.1:6669")
///     .with(FieldId::Workers, Accuracy::unavailable("not available over console-subscriber"));
/// let steals = description.get(FieldId::Steals, 0);
/// assert_eq!(steals, Err("not available over console-subscriber"));
/// assert_eq!(description.get(FieldId::Polls, 7), Ok(7));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Description {
    /// The name of the target, such as `lab:mixed` or `127.0.0.1:6669`.
    pub name: Arc<str>,
    /// The process id, if it is known.
    pub process_id: Option<u32>,
    /// The interval at which the target reports its values, in nanoseconds; 0 if they are read for
    /// each snapshot.
    pub period_ns: u64,
    /// The shortest poll that is reported as a long one, in nanoseconds; 0 if the source follows the
    /// thresholds of the rules.
    pub min_long_poll_ns: u64,
    /// The values that are less than exact, sorted by field.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "sorted"))]
    accuracy: Vec<(FieldId, Accuracy)>,
    /// The reason why some rows have no value of a field, sorted by field.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "sorted"))]
    missing: Vec<(FieldId, Cow<'static, str>)>,
}

/// Deserializes a list and sorts it by field: the order of input is not trusted.
#[cfg(feature = "serde")]
fn sorted<'de, D, T>(deserializer: D) -> Result<Vec<(FieldId, T)>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    let mut list: Vec<(FieldId, T)> = serde::Deserialize::deserialize(deserializer)?;
    list.sort_by_key(|(field, _)| *field);
    list.dedup_by_key(|(field, _)| *field);
    Ok(list)
}

/// How accurate a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Accuracy {
    /// Counted, or timed in place.
    Exact,
    /// Computed from exact values.
    Derived,
    /// The true value is at least this.
    LowerBound {
        /// The reason why it may be greater.
        reason: Cow<'static, str>,
    },
    /// The true value is at most this.
    UpperBound {
        /// The reason why it may be less.
        reason: Cow<'static, str>,
    },
    /// Computed from incomplete input.
    Estimated {
        /// How it is computed, as the end of a sentence that begins with "estimated".
        method: Cow<'static, str>,
    },
    /// The source samples the target, and may miss what happens between two samples.
    Sampled,
    /// The source cannot provide it.
    Unavailable {
        /// The reason.
        reason: Cow<'static, str>,
    },
}

impl Accuracy {
    /// [`Accuracy::Unavailable`].
    pub fn unavailable(reason: impl Into<Cow<'static, str>>) -> Self {
        Accuracy::Unavailable { reason: reason.into() }
    }

    /// [`Accuracy::LowerBound`].
    pub fn lower_bound(reason: impl Into<Cow<'static, str>>) -> Self {
        Accuracy::LowerBound { reason: reason.into() }
    }

    /// [`Accuracy::Estimated`].
    pub fn estimated(method: impl Into<Cow<'static, str>>) -> Self {
        Accuracy::Estimated { method: method.into() }
    }

    /// Whether the true value may be greater.
    pub fn is_lower_bound(&self) -> bool {
        matches!(self, Accuracy::LowerBound { .. })
    }

    /// A higher rank is less accurate.
    fn rank(&self) -> u8 {
        match self {
            Accuracy::Exact => 0,
            Accuracy::Derived => 1,
            Accuracy::LowerBound { .. } => 2,
            Accuracy::UpperBound { .. } => 3,
            Accuracy::Estimated { .. } => 4,
            Accuracy::Sampled => 5,
            Accuracy::Unavailable { .. } => 6,
        }
    }
}

impl fmt::Display for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Accuracy::Exact => f.write_str("exact"),
            Accuracy::Derived => f.write_str("derived"),
            Accuracy::LowerBound { reason } => write!(f, "lower bound: {reason}"),
            Accuracy::UpperBound { reason } => write!(f, "upper bound: {reason}"),
            Accuracy::Estimated { method } => write!(f, "estimated {method}"),
            Accuracy::Sampled => f.write_str("sampled"),
            Accuracy::Unavailable { reason } => write!(f, "unavailable: {reason}"),
        }
    }
}

impl Description {
    /// A source that provides every value exactly.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Description {
            name: name.into(),
            process_id: None,
            period_ns: 0,
            min_long_poll_ns: 0,
            accuracy: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// States the accuracy of a field.
    #[must_use]
    pub fn with(mut self, field: FieldId, accuracy: Accuracy) -> Self {
        let found = self.accuracy.binary_search_by_key(&field, |(stated, _)| *stated);
        match (found, accuracy) {
            (Ok(at), Accuracy::Exact) => drop(self.accuracy.remove(at)),
            (Err(_), Accuracy::Exact) => {}
            (Ok(at), accuracy) => self.accuracy[at].1 = accuracy,
            (Err(at), accuracy) => self.accuracy.insert(at, (field, accuracy)),
        }
        self
    }

    /// States that these fields are unavailable, all for the same reason.
    #[must_use]
    pub fn without(
        self,
        fields: impl IntoIterator<Item = FieldId>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        let unavailable = Accuracy::unavailable(reason);
        fields.into_iter().fold(self, |result, field| result.with(field, unavailable.clone()))
    }

    /// States why some rows have no value of a field.
    #[must_use]
    pub fn with_missing(mut self, field: FieldId, reason: impl Into<Cow<'static, str>>) -> Self {
        match self.missing.binary_search_by_key(&field, |(stated, _)| *stated) {
            Ok(at) => self.missing[at].1 = reason.into(),
            Err(at) => self.missing.insert(at, (field, reason.into())),
        }
        self
    }

    /// How accurate a field is: the least accurate of the field itself and of the fields that it is
    /// computed from.
    pub fn accuracy(&self, field: FieldId) -> &Accuracy {
        let own = self.accuracy.binary_search_by_key(&field, |(stated, _)| *stated);
        let own = own.map_or(&Accuracy::Exact, |at| &self.accuracy[at].1);
        let inputs = field.inputs().iter().map(|input| self.accuracy(*input));
        // Of the same rank, the field's own accuracy is more specific.
        inputs
            .fold(own, |weakest, input| if input.rank() > weakest.rank() { input } else { weakest })
    }

    /// Whether the source provides a field.
    pub fn has(&self, field: FieldId) -> bool {
        self.reason(field).is_none()
    }

    /// The reason why the source does not provide a field; `None` if it does.
    pub fn reason(&self, field: FieldId) -> Option<&str> {
        match self.accuracy(field) {
            Accuracy::Unavailable { reason } => Some(reason),
            _ => None,
        }
    }

    /// The value of a field in a row.
    ///
    /// # Errors
    /// The reason, if the source does not provide the field; `value` is then arbitrary.
    pub fn get<T>(&self, field: FieldId, value: T) -> Result<T, &str> {
        self.reason(field).map_or(Ok(value), Err)
    }

    /// The value of a field that only some rows have.
    ///
    /// # Errors
    /// The reason, if the source does not provide the field or this row does not have it.
    pub fn get_some<T>(&self, field: FieldId, value: Option<T>) -> Result<T, &str> {
        self.get(field, value)?.ok_or_else(|| self.missing_reason(field))
    }

    /// The reason why some rows have no value of a field.
    pub fn missing_reason(&self, field: FieldId) -> &str {
        let found = self.missing.binary_search_by_key(&field, |(stated, _)| *stated);
        found.map_or("not known", |at| &self.missing[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_of_a_derived_value_is_that_of_its_least_accurate_input() {
        let exact = Description::new("t");
        assert_eq!(exact.accuracy(FieldId::BusyShare), &Accuracy::Exact);
        let sampled = exact.with(FieldId::Busy, Accuracy::Sampled);
        assert_eq!(sampled.accuracy(FieldId::BusyShare), &Accuracy::Sampled);
        let none = sampled.with(FieldId::Busy, Accuracy::unavailable("no counters"));
        assert_eq!(none.get(FieldId::BusyShare, 0.5), Err("no counters"));
        assert_eq!(none.get(FieldId::PollRate, 0.5), Ok(0.5));
    }

    #[test]
    fn with_replaces_an_earlier_accuracy() {
        let reason = |text: &'static str| Accuracy::unavailable(text);
        let twice = Description::new("t")
            .with(FieldId::Steals, reason("one"))
            .with(FieldId::Steals, reason("two"));
        assert_eq!(twice.reason(FieldId::Steals), Some("two"));
        assert_eq!(twice.accuracy.len(), 1);
        let exact = twice.with(FieldId::Steals, Accuracy::Exact);
        assert_eq!((exact.reason(FieldId::Steals), exact.accuracy.len()), (None, 0));
    }

    #[test]
    fn get_some_states_why_a_row_has_no_value() {
        let some = Description::new("t").with_missing(FieldId::LiveWakers, "never polled");
        assert_eq!(some.get_some(FieldId::LiveWakers, Some(2)), Ok(2));
        assert_eq!(some.get_some::<u32>(FieldId::LiveWakers, None), Err("never polled"));
        let none = some.with(FieldId::LiveWakers, Accuracy::unavailable("not counted"));
        assert_eq!(none.get_some(FieldId::LiveWakers, Some(2)), Err("not counted"));
    }

    #[test]
    fn inputs_of_fields_have_no_cycles() {
        fn depth(field: FieldId) -> usize {
            1 + field.inputs().iter().map(|input| depth(*input)).max().unwrap_or(0)
        }
        assert!(FieldId::ALL.into_iter().all(|field| depth(field) <= 3));
    }
}
