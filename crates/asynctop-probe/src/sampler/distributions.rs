//! The distributions that a subscription requests.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use asynctop_snapshot::{DistributionKey, Distributions, TaskStats};

use crate::accounting::TaskView;

/// Collects distributions during a scan.
pub(super) struct Collector {
    task: Option<u64>,
    of_task: Option<Distributions>,
    groups: bool,
    /// By the address of the group's name: a name is stored once.
    of_groups: HashMap<*const u8, (Arc<str>, Distributions)>,
}

impl Collector {
    /// For this task, and for all groups if requested.
    pub(super) fn new(task: Option<u64>, groups: bool) -> Self {
        Collector { task, of_task: None, groups, of_groups: HashMap::new() }
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
                .of_groups
                .entry(group.as_ptr())
                .or_insert_with(|| (Arc::clone(group), Distributions::default()));
            sum.poll_times.merge(&own.poll_times);
            sum.delays.merge(&own.delays);
        }
        if is_requested {
            self.of_task = Some(own);
        }
    }

    pub(super) fn into_vec(self) -> Vec<(DistributionKey, Distributions)> {
        let task =
            self.task.zip(self.of_task).map(|(key, of_task)| (DistributionKey::Task(key), of_task));
        let groups = self.of_groups.into_values();
        let mut groups: Vec<_> =
            groups.map(|(name, sum)| (DistributionKey::Group(name), sum)).collect();
        groups.sort_unstable_by(|(a, _), (b, _)| match (a, b) {
            (DistributionKey::Group(a), DistributionKey::Group(b)) => a.cmp(b),
            _ => Ordering::Equal,
        });
        task.into_iter().chain(groups).collect()
    }
}
