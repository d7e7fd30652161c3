//! The age of the latest sample, once it is overdue: without it, a screen that stands still looks like a
//! program that does nothing.

use std::time::Duration;

/// A sample that is this late, and late by four intervals, is overdue.
const MIN_OVERDUE: Duration = Duration::from_secs(2);

/// When the latest sample has arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Freshness {
    arrived: Option<Duration>,
    /// The age that is shown, in whole seconds.
    shown: Option<Duration>,
}

impl Freshness {
    /// A sample has arrived.
    pub fn renew(&mut self, now: Duration) {
        *self = Freshness { arrived: Some(now), shown: None };
    }

    /// Updates the age that is shown.
    pub fn tick(&mut self, now: Duration, interval: Duration) {
        let age = self.arrived.map(|arrived| now.saturating_sub(arrived));
        let overdue = age.filter(|age| *age >= limit(interval));
        self.shown = overdue.map(|age| Duration::from_secs(age.as_secs()));
    }

    /// When the age that is shown changes.
    pub fn next_tick(&self, interval: Duration) -> Option<Duration> {
        let next = self.shown.map_or(limit(interval), |age| age + Duration::from_secs(1));
        Some(self.arrived? + next)
    }

    /// The age of the latest sample, in whole seconds, if it is overdue.
    pub fn overdue(&self) -> Option<Duration> {
        self.shown
    }
}

fn limit(interval: Duration) -> Duration {
    MIN_OVERDUE.max(4 * interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_shown_once_a_sample_is_overdue() {
        let ms = Duration::from_millis;
        let mut freshness = Freshness::default();
        freshness.tick(ms(9_000), ms(250));
        assert_eq!((freshness.overdue(), freshness.next_tick(ms(250))), (None, None));
        freshness.renew(ms(10_000));
        assert_eq!(freshness.next_tick(ms(250)), Some(ms(12_000)));
        for (now, shown, next) in
            [(11_999, None, 12_000), (12_000, Some(2), 13_000), (13_700, Some(3), 14_000)]
        {
            freshness.tick(ms(now), ms(250));
            assert_eq!(freshness.overdue(), shown.map(Duration::from_secs), "{now}");
            assert_eq!(freshness.next_tick(ms(250)), Some(ms(next)), "{now}");
        }
        freshness.tick(ms(13_700), ms(1_000));
        assert_eq!(freshness.overdue(), None, "a sample every second");
        freshness.renew(ms(13_800));
        assert_eq!(freshness.overdue(), None);
    }
}
