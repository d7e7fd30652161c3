//! Shares of time with their standard errors, from samples.

/// The number of samples in which something was observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Observations {
    /// Number of samples.
    pub samples: u64,
    /// Samples in which it was observed.
    pub hits: u64,
    /// Runs of consecutive samples in which it was observed.
    pub runs: u64,
}

/// An estimated share of time.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Share {
    /// Between 0 and 1.
    pub value: f64,
    /// Standard error of the value.
    pub standard_error: f64,
}

impl Observations {
    /// The share of the samples in which it was observed; `None` without samples.
    ///
    /// Consecutive samples are not independent: a poll of 50 ms is observed five times. Therefore the
    /// standard error is that of a process with two states, whose rates of change follow from the
    /// number of runs.
    pub fn share(&self) -> Option<Share> {
        /// Keeps the error finite where no change was observed.
        const MAX_CORRELATION: f64 = 0.999;
        if self.samples == 0 {
            return None;
        }
        let (samples, hits) = (self.samples as f64, self.hits.min(self.samples) as f64);
        let misses = samples - hits;
        // Half a hit is added, so that no share is certain.
        let smoothed = (hits + 0.5) / (samples + 1.0);
        let correlation = match hits > 0.0 && misses > 0.0 {
            true => {
                let runs = self.runs.max(1) as f64;
                (1.0 - runs / hits - runs / misses).clamp(0.0, MAX_CORRELATION)
            }
            false => 0.0,
        };
        let variance =
            smoothed * (1.0 - smoothed) / samples * (1.0 + correlation) / (1.0 - correlation);
        Some(Share { value: hits / samples, standard_error: variance.sqrt() })
    }

    /// The observations since `earlier`, which is an earlier state of the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Observations) -> Observations {
        Observations {
            samples: self.samples.saturating_sub(earlier.samples),
            hits: self.hits.saturating_sub(earlier.hits),
            runs: self.runs.saturating_sub(earlier.runs),
        }
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    #[test]
    fn independent_samples_have_the_binomial_error() {
        let share = |samples, hits, runs| Observations { samples, hits, runs }.share();
        let half = share(10_000, 5_000, 2_500).expect("samples");
        assert_eq!(half.value, 0.5);
        assert!((half.standard_error - 0.005).abs() < 1e-5, "{half:?}");
        assert_eq!(share(0, 0, 0), None);
        let (none, all) =
            (share(100, 0, 0).expect("samples"), share(100, 100, 1).expect("samples"));
        assert_eq!((none.value, all.value), (0.0, 1.0));
        assert!(none.standard_error > 0.0 && none.standard_error < 0.01, "{none:?}");
        assert!((none.standard_error - all.standard_error).abs() < 1e-12);
    }

    /// Shares of many simulated tasks, against the deviation that they really have.
    #[test]
    fn error_of_correlated_samples_is_the_deviation_of_repeated_measurements() {
        let mut random = Rng::with_seed(7);
        // Changes from idle to busy and back, per sample: short polls, long ones, rare ones.
        for (to_busy, to_idle) in [(0.1, 0.9), (0.05, 0.1), (0.01, 0.2)] {
            let truth = to_busy / (to_busy + to_idle);
            let (mut squares, mut estimated) = (0.0, 0.0);
            const RUNS: usize = 400;
            for _ in 0..RUNS {
                let mut observations = Observations::default();
                let mut busy = random.f64() < truth;
                let mut previous = false;
                for _ in 0..1000 {
                    observations.samples += 1;
                    observations.hits += u64::from(busy);
                    observations.runs += u64::from(busy && !previous);
                    previous = busy;
                    let change = if busy { to_idle } else { to_busy };
                    busy ^= random.f64() < change;
                }
                let share = observations.share().expect("samples");
                squares += (share.value - truth).powi(2) / RUNS as f64;
                estimated += share.standard_error / RUNS as f64;
            }
            let ratio = estimated / squares.sqrt();
            assert!((0.85..1.15).contains(&ratio), "{to_busy} {to_idle}: {ratio}");
        }
    }
}
