//! The base of rates: the earlier sample that they are computed against.

use std::sync::Arc;

use crate::snapshot::Target;

/// Minimum time that a rate may cover. Over a shorter time, a single poll would change it too much.
pub(super) const MIN_SPAN_NS: u64 = 50_000_000;

/// An earlier value: at least a minimum span older than the latest one, and at most twice as old if
/// values follow each other closely.
#[derive(Clone, Debug)]
pub(super) struct Earlier<T> {
    base: Option<(u64, T)>,
    /// Becomes the base as soon as it is old enough.
    next: Option<(u64, T)>,
}

impl<T> Default for Earlier<T> {
    fn default() -> Self {
        Earlier { base: None, next: None }
    }
}

impl<T> Earlier<T> {
    /// The value and its time.
    pub(super) fn get(&self) -> Option<&(u64, T)> {
        self.base.as_ref()
    }

    /// Adds the value at `now_ns`. Returns whether the earlier value has changed.
    pub(super) fn advance(
        &mut self,
        now_ns: u64,
        min_span_ns: u64,
        value: impl FnOnce() -> T,
    ) -> bool {
        let is_old_enough =
            |(at_ns, _): &mut (u64, T)| now_ns.saturating_sub(*at_ns) >= min_span_ns;
        let due = self.next.take_if(is_old_enough);
        let has_changed = due.is_some();
        self.base = due.or_else(|| self.base.take());
        self.next.get_or_insert_with(|| (now_ns, value()));
        has_changed
    }
}

/// The base of the rates. It is always at least [`MIN_SPAN_NS`] older than the latest update of the
/// target.
#[derive(Clone, Debug, Default)]
pub(super) struct Base {
    earlier: Earlier<Arc<Target>>,
    /// The time of the latest update.
    latest_ns: Option<u64>,
}

/// The effect of a sample on rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Update {
    /// The target has sent no update since the previous sample.
    None,
    /// New statistics, against the same base.
    SameBase,
    /// New statistics, against a later base.
    NewBase,
}

impl Base {
    pub(super) fn target(&self) -> Option<&Arc<Target>> {
        self.earlier.get().map(|(_, target)| target)
    }

    /// Processes the next sample.
    pub(super) fn advance(&mut self, now: &Arc<Target>) -> Update {
        let now_ns = now.known_until_ns;
        if self.latest_ns == Some(now_ns) {
            return Update::None;
        }
        let is_first = self.latest_ns.replace(now_ns).is_none();
        let has_changed = self.earlier.advance(now_ns, MIN_SPAN_NS, || Arc::clone(now));
        if is_first || has_changed { Update::NewBase } else { Update::SameBase }
    }
}

/// The time that rates against `base` cover, without the time in which the process was stopped.
pub(super) fn span_ns(base: &Target, now: &Target) -> u64 {
    now.running_ns(base.known_until_ns, now.known_until_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::snapshot;

    const S: u64 = 1_000_000_000;

    proptest::proptest! {
        #[test]
        fn base_is_old_enough_at_any_interval(gap in 0..1_000_000_000u64, step in 0..1_000_000_000u64) {
            let mut base = Base::default();
            let snapshots = [S, S + gap, S + gap + step].map(|at| Arc::new(snapshot(at, [])));
            for now in &snapshots {
                base.advance(now);
                let age = base.target().map(|base| now.taken_ns - base.taken_ns);
                assert!(age.is_none_or(|age| age >= MIN_SPAN_NS), "{age:?}");
            }
        }
    }

    #[test]
    fn extra_snapshots_do_not_delay_the_base() {
        let mut base = Base::default();
        for step in 0..200u64 {
            let now = Arc::new(snapshot(S + step * 20_000_000, []));
            base.advance(&now);
            let span = base.target().map(|base| span_ns(base, &now));
            assert!(span.is_none_or(|span| span <= 2 * MIN_SPAN_NS + 20_000_000), "{span:?}");
        }
        assert!(base.target().is_some());
    }
}
