//! The number of tasks of each group, counted once for all rules.

use std::{collections::HashMap, sync::Arc};

use crate::snapshot::{Target, TaskStats};

/// The tasks of a group.
#[derive(Clone, Debug)]
pub(in crate::model) struct GroupCount<'a> {
    pub name: &'a Arc<str>,
    /// The task that was spawned last.
    pub youngest: &'a TaskStats,
    pub living: u64,
    /// Tasks without a number in their name.
    pub unnumbered: u64,
    /// Tasks spawned since the base of the rates.
    pub spawned: u64,
}

/// Counts the tasks of each group.
pub(in crate::model) fn count_groups<'a>(
    now: &'a Target,
    base: Option<&Target>,
) -> Vec<GroupCount<'a>> {
    let base_ns = base.map_or(u64::MAX, |base| base.known_until_ns);
    let mut groups: Vec<GroupCount<'a>> = Vec::new();
    let mut indices: HashMap<&str, usize> = HashMap::new();
    let mut last: (*const u8, usize) = (std::ptr::null(), 0);
    for task in &now.tasks {
        // Adjacent tasks mostly belong to one group, whose tasks share one string.
        let name = &task.meta.group;
        if last.0 != name.as_ptr() {
            let index = *indices.entry(name).or_insert_with(|| {
                groups.push(GroupCount {
                    name,
                    youngest: task,
                    living: 0,
                    unnumbered: 0,
                    spawned: 0,
                });
                groups.len() - 1
            });
            last = (name.as_ptr(), index);
        }
        let group = &mut groups[last.1];
        group.living += u64::from(!task.state.is_done());
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
