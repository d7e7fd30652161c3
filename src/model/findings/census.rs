//! How many tasks each group has, counted once for all rules.

use std::{collections::HashMap, sync::Arc};

use crate::model::{Target, TaskStats};

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

/// Counts the tasks of each group of each program.
pub(in crate::model) fn census<'a>(now: &'a Target, base: Option<&Target>) -> Vec<GroupCount<'a>> {
    let before = base.map_or(u64::MAX, |base| base.taken_ns);
    let mut groups: Vec<GroupCount<'a>> = Vec::new();
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut last: ([*const u8; 2], usize) = ([std::ptr::null(); 2], 0);
    for task in &now.tasks {
        // Neighbours are mostly of one group of one program, whose names are there once.
        let name = &task.meta.group;
        let names = [task.meta.target.as_ptr(), name.as_ptr()];
        if last.0 != names {
            let place = *places.entry((&task.meta.target, name)).or_insert_with(|| {
                groups.push(GroupCount {
                    name,
                    youngest: task,
                    living: 0,
                    unnumbered: 0,
                    spawned: 0,
                });
                groups.len() - 1
            });
            last = (names, place);
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
