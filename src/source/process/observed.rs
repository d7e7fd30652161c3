//! A program that is sampled in the background, for the sources of its runtimes.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use asynctop_inspect::{
    Flavor, InspectError, OpenError, TokioCopy,
    sampler::{Sample, Sampler, SamplerOptions},
};

use crate::lock::lock;

/// Sources that ask within this time of each other get the same sample.
const SHARED: Duration = Duration::from_millis(20);

/// A program, and its latest sample.
pub(super) struct Observed {
    sampler: Sampler,
    /// The runtimes that it had when it was opened, by the address of their handles.
    runtimes: Vec<u64>,
    latest: Mutex<Option<(Duration, Arc<Sample>)>>,
}

impl Observed {
    pub(super) fn attach(pid: u32) -> Result<Observed, OpenError> {
        let sampler = Sampler::attach(pid, SamplerOptions::default())?;
        let runtimes = sampler.sample()?.runtimes.iter().map(|runtime| runtime.handle).collect();
        Ok(Observed { sampler, runtimes, latest: Mutex::default() })
    }

    pub(super) fn pid(&self) -> u32 {
        self.sampler.pid()
    }

    pub(super) fn command(&self) -> &str {
        self.sampler.command()
    }

    pub(super) fn copies(&self) -> &[TokioCopy] {
        self.sampler.copies()
    }

    /// The time since the program was opened, on the clock of its samples.
    pub(super) fn now(&self) -> Duration {
        self.sampler.now()
    }

    /// How long the program has run.
    pub(super) fn uptime(&self) -> Duration {
        self.sampler.uptime_before() + self.now()
    }

    /// How many runtimes of a sample have started since the program was opened.
    pub(super) fn new_runtimes(&self, sample: &Sample) -> usize {
        let own = sample.runtimes.iter().filter(|runtime| runtime.flavor != Flavor::LocalSet);
        own.filter(|runtime| !self.runtimes.contains(&runtime.handle)).count()
    }

    /// Everything that was observed so far.
    pub(super) fn sample(&self) -> Result<Arc<Sample>, InspectError> {
        let mut latest = lock(&self.latest);
        let now = self.now();
        if let Some((taken, sample)) = &*latest
            && now.saturating_sub(*taken) < SHARED
        {
            return Ok(Arc::clone(sample));
        }
        let sample = Arc::new(self.sampler.sample()?);
        *latest = Some((now, Arc::clone(&sample)));
        Ok(sample)
    }
}
