//! Sources in this process: the lab, and any runtime whose tasks the probe measures.

use asynctop_lab::LabSampler;

use super::Source;
use crate::{
    probe::LocalSampler,
    snapshot::{Subscription, Target},
};

impl Source for LabSampler {
    fn sample(&mut self, subscription: &Subscription) -> Target {
        Self::sample(self, subscription)
    }
}

impl Source for LocalSampler {
    fn sample(&mut self, subscription: &Subscription) -> Target {
        Self::sample(self, subscription)
    }
}
