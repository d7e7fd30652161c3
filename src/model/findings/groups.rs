//! The tasks of each group, counted once for all rules and for the histories of the groups.

use std::{collections::HashMap, sync::Arc};

use crate::{
    model::TaskRates,
    snapshot::{Target, TaskKind, TaskMeta, TaskStats},
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
    /// The index of the part that the latest counted task belongs to.
    part: usize,
}

/// The tasks of a group that have location and kind in common.
#[derive(Clone, Debug)]
pub(in crate::model) struct GroupPart<'a> {
    /// One of its tasks.
    pub meta: &'a TaskMeta,
    pub load: GroupLoad,
}

/// The load of several tasks.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::model) struct GroupLoad {
    pub busy: f64,
    /// The sum of mean busy shares.
    pub mean_busy: f64,
    /// Sums of the rates of tasks. Closures wait for the blocking pool, not for a worker.
    polls_per_second: f64,
    scheduled: f64,
    longest_delay_ns: u64,
}

impl GroupLoad {
    /// The mean scheduling delay in nanoseconds, or the longest running one if that is longer.
    pub fn delay_ns(&self) -> u64 {
        let polls = self.polls_per_second;
        let mean = if polls > 0.0 { self.scheduled / polls * 1e9 } else { 0.0 };
        self.longest_delay_ns.max(mean as u64)
    }

    pub fn add(&mut self, other: GroupLoad) {
        self.polls_per_second += other.polls_per_second;
        self.busy += other.busy;
        self.mean_busy += other.mean_busy;
        self.scheduled += other.scheduled;
        self.longest_delay_ns = self.longest_delay_ns.max(other.longest_delay_ns);
    }

    fn of(task: &TaskStats, rates: Option<&TaskRates>, now_ns: u64) -> GroupLoad {
        let of_task = rates.filter(|_| task.meta.kind != TaskKind::Blocking);
        GroupLoad {
            busy: rates.map_or(0.0, |rates| rates.busy),
            mean_busy: rates.map_or(0.0, |rates| rates.shown.mean_busy),
            polls_per_second: of_task.map_or(0.0, |rates| rates.polls),
            scheduled: of_task.map_or(0.0, |rates| rates.scheduled),
            longest_delay_ns: if task.is_runnable() { task.time_in_state_ns(now_ns) } else { 0 },
        }
    }
}

/// Counts the tasks of each group.
pub(in crate::model) fn count_groups<'a>(
    now: &'a Target,
    base: Option<&Target>,
    rates: &[TaskRates],
) -> (Vec<GroupCount<'a>>, Vec<GroupPart<'a>>) {
    let base_ns = base.map_or(u64::MAX, |base| base.known_until_ns);
    let mut groups: Vec<GroupCount<'a>> = Vec::new();
    let mut indices: HashMap<&str, usize> = HashMap::new();
    let mut parts: Vec<GroupPart<'a>> = Vec::new();
    let mut part_indices: HashMap<(usize, &str, TaskKind), usize> = HashMap::new();
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
                    part: usize::MAX,
                });
                groups.len() - 1
            });
            last = (name.as_ptr(), index);
        }
        let group = &mut groups[last.1];
        // The tasks of a group mostly share one location, which is one string.
        let (location, kind) = (&task.meta.location, task.meta.kind);
        let is_same = |part: &GroupPart<'_>| {
            Arc::ptr_eq(&part.meta.location, location) && part.meta.kind == kind
        };
        if !parts.get(group.part).is_some_and(is_same) {
            group.part = *part_indices.entry((last.1, location, kind)).or_insert_with(|| {
                parts.push(GroupPart { meta: &task.meta, load: GroupLoad::default() });
                parts.len() - 1
            });
        }
        parts[group.part].load.add(GroupLoad::of(task, rates.get(at), now.taken_ns));
        group.alive += u64::from(!task.state.is_done());
        // The group's name is the task's name without its number.
        group.unnumbered += u64::from(task.meta.name.len() == name.len());
        let spawned = spawned_ns(now.known_until_ns, task) > base_ns;
        group.spawned += u64::from(spawned);
        if spawned || task.meta.id > group.youngest.meta.id {
            group.youngest = task;
        }
    }
    (groups, parts)
}

fn spawned_ns(now: u64, task: &TaskStats) -> u64 {
    let end = if task.state.is_done() { task.since_ns } else { now };
    end.saturating_sub(task.lifetime_ns)
}
