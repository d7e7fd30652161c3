//! Snapshots of a lab.

use std::sync::Arc;

use asynctop_probe::{LocalSampler, watch::WatchHandle};
use asynctop_snapshot::{Accuracy, Description, FieldId, Subscription, Target};

use super::{Lab, state::LabState};

/// Samples a lab: tasks and runtime as [`LocalSampler`] does, and the workloads and the hog.
/// Continues with the next runtime when the lab replaces its runtime.
#[derive(Debug)]
pub struct LabSampler {
    state: Arc<LabState>,
    sampler: LocalSampler,
    description: Arc<Description>,
}

impl LabSampler {
    /// A sampler without a watchdog.
    pub fn new(lab: &Lab) -> Self {
        let state = Arc::clone(lab.state());
        let runtime = state.runtime().clone();
        let sampler = LocalSampler::of_runtime(state.target_name(), state.registry, runtime);
        let description = describe(&sampler);
        LabSampler { state, sampler, description }
    }

    /// Adds the records of a watchdog of the lab's registry.
    #[must_use]
    pub fn with_watchdog(self, watchdog: WatchHandle) -> Self {
        let sampler = self.sampler.with_watchdog(watchdog);
        LabSampler { description: describe(&sampler), sampler, ..self }
    }

    /// Records the polls of the workers from now on: see [`LocalSampler::with_recording`].
    #[must_use]
    pub fn with_recording(self) -> Self {
        LabSampler { sampler: self.sampler.with_recording(), ..self }
    }

    /// The current state, and the details that `subscription` requests.
    pub fn sample(&mut self, subscription: &Subscription) -> Target {
        let runtime = self.state.runtime().clone();
        self.sampler.switch_to(runtime);
        let target = self.sampler.sample(subscription);
        // Read after the tasks: if the hog is on, these counts include all work done before it.
        let lab = Some(self.state.stats());
        Target { description: Arc::clone(&self.description), lab, ..target }
    }
}

fn describe(sampler: &LocalSampler) -> Arc<Description> {
    Arc::new(sampler.description().clone().with(FieldId::Lab, Accuracy::Exact))
}
