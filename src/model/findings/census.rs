//! How many tasks each group has, counted once for all rules.

use std::{collections::HashMap, sync::Arc};

use crate::snapshot::{Target, TaskStats};

/// The tasks of a group.
#[derive(Clone, Debug)]
pub(in crate::model) struct GroupCount<'a> {
    pub name: &'a Arc<str>,
    /// One of its tasks: the youngest.
    pub youngest: &'a TaskStats,
    pub living: u64,
    /// Tasks whose name is that of the group, without a number.
    pub unnumbered: u64,
    /// Spawned since the moment that rates are taken against.
    pub spawned: u64,
}

/// Counts the tasks of each group.
pub(in crate::model) fn census<'a>(now: &'a Target, base: Option<&Target>) -> Vec<GroupCount<'a>> {
    let before = base.map_or(u64::MAX, |base| base.known_until_ns);
    let mut groups: Vec<GroupCount<'a>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut last: (*const u8, usize) = (std::ptr::null(), 0);
    for task in &now.tasks {
        // Neighbors mostly belong to one group, whose name exists only once.
        let name = &task.meta.group;
        if last.0 != name.as_ptr() {
            let place = *places.entry(name).or_insert_with(|| {
                groups.push(GroupCount {
                    name,
                    youngest: task,
                    living: 0,
                    unnumbered: 0,
                    spawned: 0,
                });
                groups.len() - 1
            });
            last = (name.as_ptr(), place);
        }
        let group = &mut groups[last.1];
        group.living += u64::from(!task.state.is_done());
        // A group's name is the task's without its number.
        group.unnumbered += u64::from(task.meta.name.len() == name.len());
        let spawned = spawned_ns(now.taken_ns, task) > before;
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
