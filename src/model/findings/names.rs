//! The name of a task in a sentence, with its id if another task has that name: `conn (task 17)`.

use crate::snapshot::{TaskMeta, TaskStats};

use super::GroupCount;

/// Numbered names are compared only up to this number of tasks: beyond it, comparing would take
/// longer than the rules.
const MAX_TASKS: usize = 10_000;

/// The name of a task in a sentence. Names without a number are compared through the group counts,
/// if there are any.
pub(super) fn display_name(
    key: u64,
    meta: &TaskMeta,
    tasks: &[TaskStats],
    groups: &[GroupCount<'_>],
) -> String {
    let group = groups.iter().find(|group| *group.name == meta.group);
    let repeats = match group.filter(|_| meta.name == meta.group) {
        Some(group) => group.unnumbered > 1,
        None => {
            let mut others = tasks.iter().filter(|task| task.key != key);
            tasks.len() <= MAX_TASKS && others.any(|task| task.meta.name == meta.name)
        }
    };
    match repeats {
        true => format!("{} (task {})", meta.name, meta.id),
        false => meta.name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        findings::count_groups,
        testing::{snapshot, task},
    };

    #[test]
    fn name_has_the_id_if_another_task_has_that_name() {
        let names = ["conn", "conn", "conn-1", "conn-2", "conn-2", "hog"];
        let now = snapshot(1, (11..).zip(names).map(|(id, name)| task(id, name)));
        let (groups, _) = count_groups(&now, None, &[]);
        let named = |groups: &[GroupCount<'_>]| {
            let name = |task: &TaskStats| display_name(task.key, &task.meta, &now.tasks, groups);
            now.tasks.iter().map(name).collect::<Vec<_>>()
        };
        let expected = [
            "conn (task 11)",
            "conn (task 12)",
            "conn-1",
            "conn-2 (task 14)",
            "conn-2 (task 15)",
            "hog",
        ];
        assert_eq!(named(&groups), expected);
        assert_eq!(named(&[]), expected);
    }

    #[test]
    fn numbered_names_of_many_tasks_are_not_compared() {
        let tasks = (0..MAX_TASKS as u64).map(|id| task(id, "conn"));
        let now = snapshot(1, tasks.chain([task(20_001, "job-1"), task(20_002, "job-1")]));
        let (groups, _) = count_groups(&now, None, &[]);
        let name = |at: usize| {
            let task = &now.tasks[at];
            display_name(task.key, &task.meta, &now.tasks, &groups)
        };
        assert_eq!((name(0).as_str(), name(MAX_TASKS).as_str()), ("conn (task 0)", "job-1"));
    }
}
