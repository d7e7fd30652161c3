//! Selects and sorts tasks.

use super::{Column, TargetModel, TaskRates, TaskRow, fields::SortKey};
use crate::snapshot::{FieldId, GroupKey, TaskStats};

/// The text that the user typed after `/`. Each word must occur in a task's name, state, stage,
/// location or target, ignoring case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    words: Vec<String>,
}

impl Filter {
    /// The filter that `text` describes.
    pub fn new(text: &str) -> Self {
        Filter { words: text.split_whitespace().map(str::to_lowercase).collect() }
    }

    /// Whether all tasks pass.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether each word occurs in one of the texts.
    pub(super) fn passes(&self, texts: &[&str]) -> bool {
        self.words.iter().all(|word| texts.iter().any(|text| contains(text, word)))
    }

    fn passes_task(&self, target: &str, stage: &str, task: &TaskStats) -> bool {
        let meta = &task.meta;
        self.is_empty()
            || self.passes(&[&meta.name, task.state.as_str(), stage, &meta.location, target])
    }
}

/// Whether `text` contains `word`, which is in lower case.
fn contains(text: &str, word: &str) -> bool {
    if !text.is_ascii() {
        return text.to_lowercase().contains(word);
    }
    let (text, word) = (text.as_bytes(), word.as_bytes());
    text.windows(word.len().max(1)).any(|part| part.eq_ignore_ascii_case(word))
}

/// The tasks to show, and their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The column to sort by. Ties are sorted by id, so that rows keep their places.
    pub sort: Column,
    /// Whether the largest come first.
    pub descending: bool,
    /// The tasks that pass.
    pub filter: Filter,
    /// Limits the tasks to one group.
    pub group: Option<GroupKey>,
}

impl Default for Query {
    fn default() -> Self {
        Query { sort: Column::BusyShare, descending: true, filter: Filter::default(), group: None }
    }
}

/// The tasks of all targets that the query asks for, in its order. Rows without the value to sort by
/// come last.
pub(super) fn select(targets: &[TargetModel], query: &Query) -> Vec<TaskRow> {
    let directed = |number: u64| if query.descending { !number } else { number };
    let rows = passing(targets, query);
    match query.sort.entry().sort {
        SortKey::Number(number) => by_key(rows.map(|row| {
            let key = if row.has_key { directed(number(row.task, row.rates)) } else { u64::MAX };
            (key, row.task.meta.id, row.at)
        })),
        SortKey::Numbers(numbers) => by_key(rows.map(|row| {
            let (first, second) = numbers(row.task, row.rates);
            let key = if row.has_key {
                (directed(first), directed(second))
            } else {
                (u64::MAX, u64::MAX)
            };
            (key, row.task.meta.id, row.at)
        })),
        SortKey::Text(text) => {
            let keyed = rows.map(|row| {
                let key = row.has_key.then(|| text(row.target, row.task));
                (key, row.task.meta.id, row.at)
            });
            let mut keyed: Vec<_> = keyed.collect();
            keyed.sort_unstable_by(|(a, first, one), (b, second, other)| {
                let order = match (a, b) {
                    (Some(a), Some(b)) if query.descending => natural(b, a),
                    (Some(a), Some(b)) => natural(a, b),
                    (a, b) => b.is_some().cmp(&a.is_some()),
                };
                order.then((first, one).cmp(&(second, other)))
            });
            keyed.into_iter().map(|(.., row)| row).collect()
        }
    }
}

/// A task that passes the filter.
struct Row<'a> {
    target: &'a TargetModel,
    task: &'a TaskStats,
    rates: &'a TaskRates,
    at: TaskRow,
    /// Whether the target has the field to sort by.
    has_key: bool,
}

fn passing<'a>(targets: &'a [TargetModel], query: &'a Query) -> impl Iterator<Item = Row<'a>> {
    let group = query.group.as_ref();
    let targets = targets
        .iter()
        .zip(0u32..)
        .filter(move |(model, _)| group.is_none_or(|group| group.target == model.target().id));
    targets.flat_map(move |(target, position)| {
        let description = &target.target().description;
        let has_key = query.sort.entry().field.is_none_or(|field| description.has(field));
        let has_stage = description.has(FieldId::Stage);
        let tasks = target.target().tasks.iter().zip(target.all_rates()).zip(0u32..);
        let passing = tasks.filter(move |((task, _), _)| {
            let stage = task.stage.as_deref().filter(|_| has_stage).unwrap_or_default();
            group.is_none_or(|group| *task.meta.group == *group.name)
                && query.filter.passes_task(target.name(), stage, task)
        });
        let at = move |task| TaskRow { target: position, task };
        passing.map(move |((task, rates), row)| Row { target, task, rates, at: at(row), has_key })
    })
}

/// Sorts by key and id.
fn by_key<K: Ord>(keyed: impl Iterator<Item = (K, u64, TaskRow)>) -> Vec<TaskRow> {
    let mut keyed: Vec<_> = keyed.collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(.., row)| row).collect()
}

/// Text order in which `conn-9` comes before `conn-10`.
fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let split = |text: &'_ str| {
        let stem = text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        (stem, text[stem..].parse::<u64>().ok())
    };
    let ((a_stem, a_number), (b_stem, b_number)) = (split(a), split(b));
    a[..a_stem].cmp(&b[..b_stem]).then(a_number.cmp(&b_number)).then(a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        FieldKind, Model,
        testing::{snapshot, task},
    };

    fn names(tasks: &[TaskStats], query: &Query) -> Vec<String> {
        let mut model = Model::default();
        model.advance(&snapshot(0, tasks.iter().cloned()).into());
        let selected = model.only().tasks(query);
        selected.map(|at| tasks[at].meta.name.to_string()).collect()
    }

    fn query(sort: Column, descending: bool, filter: &str) -> Query {
        Query { sort, descending, filter: Filter::new(filter), group: None }
    }

    #[test]
    fn numbers_in_names_sort_as_numbers() {
        let tasks = [task(1, "conn-10"), task(2, "conn-9"), task(3, "accept")];
        assert_eq!(names(&tasks, &query(Column::Name, false, "")), ["accept", "conn-9", "conn-10"]);
        assert_eq!(names(&tasks, &query(Column::Name, true, "")), ["conn-10", "conn-9", "accept"]);
    }

    #[test]
    fn ties_are_sorted_by_id_in_both_directions() {
        let tasks = [task(1, "a"), task(2, "b"), task(3, "c")];
        for descending in [false, true] {
            assert_eq!(names(&tasks, &query(Column::Polls, descending, "")), ["a", "b", "c"]);
        }
    }

    #[test]
    fn filter_requires_each_word_and_ignores_case() {
        let mut busy = task(1, "Conn-1");
        busy.stage = Some("read the request".into());
        let tasks = [busy, task(2, "conn-2"), task(3, "ping-1")];
        assert_eq!(names(&tasks, &query(Column::Id, false, "CONN")), ["Conn-1", "conn-2"]);
        assert_eq!(names(&tasks, &query(Column::Id, false, "conn request")), ["Conn-1"]);
        assert_eq!(names(&tasks, &query(Column::Id, false, "idle -1")), ["Conn-1", "ping-1"]);
        assert!(names(&tasks, &query(Column::Id, false, "nothing like it")).is_empty());
    }

    #[test]
    fn filter_ignores_case_beyond_ascii() {
        assert!(Filter::new("ÄPFEL").passes(&["grüne äpfel"]));
        assert!(!Filter::new("x").passes(&[""]));
    }

    #[test]
    fn tasks_are_sorted_by_every_column() {
        let mut tasks = [task(1, "a"), task(2, "b")];
        let larger = &mut tasks[1];
        for field in [
            &mut larger.polls,
            &mut larger.busy_ns,
            &mut larger.scheduled_ns,
            &mut larger.idle_ns,
            &mut larger.max_poll_ns,
            &mut larger.max_delay_ns,
            &mut larger.wakes,
            &mut larger.self_wakes,
        ] {
            *field = 1 << 40;
        }
        let mut model = Model::default();
        model.advance(&snapshot(0, tasks).into());
        for column in Column::all() {
            let query = query(column, true, "");
            let selected: Vec<_> = model.only().tasks(&query).collect();
            let expected = if column.entry().kind == FieldKind::Statistic
                || matches!(column, Column::Id | Column::Name)
            {
                [1, 0]
            } else {
                [0, 1]
            };
            assert_eq!(selected, expected, "{column:?}");
        }
    }
}
