//! Time in nanoseconds since the first use of the probe in this process.
//!
//! The hot path reads a clock three times per poll (woken, started, ended), which is most of the
//! probe's cost. `quanta` checks whether the processor's time stamp counter is reliable and
//! calibrates it; each call then only reads the counter and multiplies once. Without such a counter,
//! the operating system's monotonic clock is read.

use std::sync::OnceLock;

/// A calibrated clock.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    quanta: quanta::Clock,
    zero: u64,
    /// Nanoseconds per tick of the counter, times 2⁶⁴ / 2^`shift`.
    scale: u64,
    /// The smallest value with which `scale` fits: 0 for a counter faster than 1 GHz.
    shift: u32,
}

impl Clock {
    /// The clock of the process, calibrated at the first call (in well under a millisecond if the
    /// counter is steady, otherwise in at most 200 ms).
    pub(crate) fn global() -> &'static Clock {
        static CLOCK: OnceLock<Clock> = OnceLock::new();
        CLOCK.get_or_init(|| {
            let quanta = quanta::Clock::new();
            // Short enough for `delta_as_nanos` not to overflow, long enough for a rounding error
            // below a nanosecond per hour.
            const SPAN: u64 = 1 << 44;
            let (scale, shift) = scale_of(quanta.delta_as_nanos(0, SPAN), SPAN);
            // Earlier than now, for a processor whose counter is slightly behind.
            let zero = quanta.raw().saturating_sub(1 << 20);
            Clock { quanta, zero, scale, shift }
        })
    }

    /// Nanoseconds since the clock's zero.
    #[inline(always)]
    pub(crate) fn now(&self) -> u64 {
        let ticks = self.quanta.raw().wrapping_sub(self.zero);
        ((u128::from(ticks << self.shift) * u128::from(self.scale)) >> 64) as u64
    }
}

/// The scale and shift for which `(span << shift) * scale / 2⁶⁴` is `nanos`.
fn scale_of(nanos: u64, span: u64) -> (u64, u32) {
    let mut shift = 0;
    while nanos >= span << shift {
        shift += 1;
    }
    (((u128::from(nanos) << (64 - shift)) / u128::from(span)) as u64, shift)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn clock_agrees_with_the_operating_system() {
        let clock = Clock::global();
        // Each reading of the clock is taken between two readings of `Instant`, so a descheduled
        // thread widens the range and cannot fail the test.
        let reading = || (Instant::now(), clock.now(), Instant::now());
        let first = reading();
        std::thread::sleep(Duration::from_millis(50));
        let last = reading();
        let nanos = |from: Instant, to: Instant| (to - from).as_nanos() as u64;
        let (min, max) = (nanos(first.2, last.0), nanos(first.0, last.2));
        let measured = last.1 - first.1;
        // 1 % distinguishes a wrong scale from the drift of two clocks.
        let range = min - min / 100..=max + max / 100;
        assert!(range.contains(&measured), "{measured} not in {range:?}");
    }

    #[test]
    fn scale_is_exact_for_fast_and_slow_counters() {
        const SPAN: u64 = 1 << 44;
        // Nanoseconds per tick, times 100: 4 GHz, 1 GHz, 24 MHz, 1 MHz.
        for hundredths in [25, 100, 4_166, 100_000] {
            let (scale, shift) = scale_of(SPAN / 100 * hundredths, SPAN);
            let ticks = 1_000_000u64;
            let nanos = ((u128::from(ticks << shift) * u128::from(scale)) >> 64) as u64;
            assert!(nanos.abs_diff(ticks / 100 * hundredths) <= 1, "{hundredths}: {nanos}");
        }
    }
}
