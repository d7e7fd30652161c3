//! Sources in this process: the lab, and any runtime whose tasks the probe measures.

use asynctop_lab::LabSampler;

use super::Source;
use crate::{
    probe::LocalSampler,
    snapshot::{Subscription, Target},
};

impl Source for LabSampler {
    fn snapshot(&mut self, subscription: &Subscription) -> Target {
        self.sample(subscription)
    }
}

impl Source for LocalSampler {
    fn snapshot(&mut self, subscription: &Subscription) -> Target {
        self.sample(subscription)
    }
}
