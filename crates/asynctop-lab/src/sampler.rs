//! Snapshots of a lab.

use std::sync::Arc;

use asynctop_probe::{LocalSampler, watch::WatchHandle};
use asynctop_snapshot::{Accuracy, Description, FieldId, Subscription, Target};

use super::{Lab, shared::Shared};

/// Samples a lab, also after it has replaced its runtime: the tasks and the runtime as
/// [`LocalSampler`] does, and the workloads and the hog.
#[derive(Debug)]
pub struct LabSampler {
    shared: Arc<Shared>,
    sampler: LocalSampler,
    description: Arc<Description>,
}

impl LabSampler {
    /// Samples this lab without a watchdog.
    pub fn new(lab: &Lab) -> Self {
        let shared = Arc::clone(lab.shared());
        let runtime = shared.runtime().clone();
        let sampler = LocalSampler::of_runtime(shared.target_name(), shared.registry, runtime);
        let description = describe(&sampler);
        LabSampler { shared, sampler, description }
    }

    /// Adds what a watchdog of the lab's registry records.
    #[must_use]
    pub fn with_watchdog(self, watchdog: WatchHandle) -> Self {
        let sampler = self.sampler.with_watchdog(watchdog);
        LabSampler { description: describe(&sampler), sampler, ..self }
    }

    /// The current state, and what `subscription` requests beyond that.
    pub fn sample(&mut self, subscription: &Subscription) -> Target {
        let runtime = self.shared.runtime().clone();
        self.sampler.switch_to(runtime);
        let target = self.sampler.sample(subscription);
        // After the tasks: if the hog is on, all work done before it is in these counts.
        let lab = Some(self.shared.stats());
        Target { description: Arc::clone(&self.description), lab, ..target }
    }
}

fn describe(sampler: &LocalSampler) -> Arc<Description> {
    Arc::new(sampler.description().clone().with(FieldId::Lab, Accuracy::Exact))
}
