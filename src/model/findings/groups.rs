//! The tasks of each group, counted once for all rules and for the histories of the groups.

use std::{collections::HashMap, sync::Arc};

use crate::{
    model::TaskRates,
    snapshot::{Target, TaskKind, TaskStats},
};

/// The tasks of a group.
#[derive(Clone, Debug)]
pub(in crate::model) struct GroupCount<'a> {
    pub name: &'a Arc<str>,
    /// The task that was spawned last.
    pub youngest: &'a TaskStats,
    pub alive: u64,
    /// Tasks without a number in their name.
    pub unnumbered: u64,
    /// Tasks spawned since the base of the rates.
    pub spawned: u64,
    /// The sums of the rates of its tasks: polls per second, busy and scheduled shares. Closures of
    /// the blocking pool keep no worker busy.
    pub rates: [f64; 3],
    /// The longest running scheduling delay, in nanoseconds.
    pub longest_delay_ns: u64,
}

impl GroupCount<'_> {
    /// The mean scheduling delay in nanoseconds, or the longest running one if that is longer.
    pub fn delay_ns(&self) -> u64 {
        let [polls, _, scheduled] = self.rates;
        let mean = if polls > 0.0 { scheduled / polls * 1e9 } else { 0.0 };
        self.longest_delay_ns.max(mean as u64)
    }
}

/// Counts the tasks of each group.
pub(in crate::model) fn count_groups<'a>(
    now: &'a Target,
    base: Option<&Target>,
    rates: &[TaskRates],
) -> Vec<GroupCount<'a>> {
    let base_ns = base.map_or(u64::MAX, |base| base.known_until_ns);
    let mut groups: Vec<GroupCount<'a>> = Vec::new();
    let mut indices: HashMap<&str, usize> = HashMap::new();
    let mut last: (*const u8, usize) = (std::ptr::null(), 0);
    for (at, task) in now.tasks.iter().enumerate() {
        // Adjacent tasks mostly belong to one group, whose tasks share one string.
        let name = &task.meta.group;
        if last.0 != name.as_ptr() {
            let index = *indices.entry(name).or_insert_with(|| {
                groups.push(GroupCount {
                    name,
                    youngest: task,
                    alive: 0,
                    unnumbered: 0,
                    spawned: 0,
                    rates: [0.0; 3],
                    longest_delay_ns: 0,
                });
                groups.len() - 1
            });
            last = (name.as_ptr(), index);
        }
        let group = &mut groups[last.1];
        group.alive += u64::from(!task.state.is_done());
        if let Some(rates) = rates.get(at).filter(|_| task.meta.kind != TaskKind::Blocking) {
            let sums = &mut group.rates;
            *sums = [sums[0] + rates.polls, sums[1] + rates.busy, sums[2] + rates.scheduled];
        }
        if task.is_runnable() {
            let delay_ns = task.time_in_state_ns(now.taken_ns);
            group.longest_delay_ns = group.longest_delay_ns.max(delay_ns);
        }
        // The group's name is the task's name without its number.
        group.unnumbered += u64::from(task.meta.name.len() == name.len());
        let spawned = spawned_ns(now.taken_ns, task) > base_ns;
        group.spawned += u64::from(spawned);
        if spawned || task.meta.id > group.youngest.meta.id {
            group.youngest = task;
        }
    }
    groups
}

fn spawned_ns(now: u64, task: &TaskStats) -> u64 {
    let end = if task.state.is_done() { task.since_ns } else { now };
    end.saturating_sub(task.lifetime_ns)
}
