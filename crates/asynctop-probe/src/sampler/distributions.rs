//! The distributions that a subscription requests.

use std::{collections::HashMap, sync::Arc};

use asynctop_snapshot::{DistributionKey, Distributions, TaskStats};

use crate::accounting::TaskView;

/// Collects distributions during a scan.
pub(super) struct DistributionCollector {
    task: Option<u64>,
    task_distributions: Option<Distributions>,
    groups: bool,
    /// By the address of the group's name: each name is stored once.
    group_distributions: HashMap<*const u8, (Arc<str>, Distributions)>,
}

impl DistributionCollector {
    /// Collects the distributions of this task, and those of all groups if requested.
    pub(super) fn new(task: Option<u64>, groups: bool) -> Self {
        Self { task, task_distributions: None, groups, group_distributions: HashMap::new() }
    }

    pub(super) fn add(&mut self, view: &TaskView<'_>, task: &TaskStats) {
        let is_requested = self.task == Some(task.key);
        if !is_requested && !self.groups {
            return;
        }
        let own = Distributions { poll_times: view.poll_times(), delays: view.delays() };
        if self.groups {
            let group = &task.meta.group;
            let (_, sum) = self
                .group_distributions
                .entry(group.as_ptr())
                .or_insert_with(|| (Arc::clone(group), Distributions::default()));
            sum.poll_times.merge(&own.poll_times);
            sum.delays.merge(&own.delays);
        }
        if is_requested {
            self.task_distributions = Some(own);
        }
    }

    pub(super) fn into_vec(self) -> Vec<(DistributionKey, Distributions)> {
        let task = self.task.zip(self.task_distributions);
        let task = task.map(|(key, distributions)| (DistributionKey::Task(key), distributions));
        let mut groups: Vec<_> = self.group_distributions.into_values().collect();
        groups.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let groups = groups.into_iter().map(|(name, sum)| (DistributionKey::Group(name), sum));
        task.into_iter().chain(groups).collect()
    }
}
