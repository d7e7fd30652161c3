//! Groups of tasks: a million tasks are a dozen rows.

use std::{borrow::Cow, cmp::Ordering, collections::HashMap, sync::Arc};

use super::{Filter, ShownRates, TargetModel, TaskRates};
use crate::snapshot::{DistributionKey, FieldId, GroupKey, State, TargetId, TaskKind, TaskStats};

/// A column of the group table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupColumn {
    /// Name of the group.
    Name,
    /// Tasks that have not ended.
    Tasks,
    /// Runnable tasks.
    Runnable,
    /// Polls per second.
    PollRate,
    /// Polls begun.
    Polls,
    /// Share of the time in polls; 100 % is one worker.
    BusyShare,
    /// Time in polls.
    Busy,
    /// Longest poll.
    MaxPoll,
    /// 99th percentile of poll times.
    PollP99,
    /// 99th percentile of scheduling delays.
    DelayP99,
    /// Wakes.
    Wakes,
    /// Name of the target.
    Target,
    /// Where the tasks are spawned.
    Location,
}

impl GroupColumn {
    /// All columns, in the order of the table.
    pub const ALL: [GroupColumn; 13] = [
        GroupColumn::Name,
        GroupColumn::Tasks,
        GroupColumn::Runnable,
        GroupColumn::PollRate,
        GroupColumn::Polls,
        GroupColumn::BusyShare,
        GroupColumn::Busy,
        GroupColumn::MaxPoll,
        GroupColumn::PollP99,
        GroupColumn::DelayP99,
        GroupColumn::Wakes,
        GroupColumn::Target,
        GroupColumn::Location,
    ];

    /// The field of tasks or groups that the column displays, if a target may lack it.
    pub fn field(self) -> Option<FieldId> {
        Some(match self {
            GroupColumn::PollRate => FieldId::PollRate,
            GroupColumn::Polls => FieldId::Polls,
            GroupColumn::BusyShare => FieldId::BusyShare,
            GroupColumn::Busy => FieldId::Busy,
            GroupColumn::MaxPoll => FieldId::MaxPoll,
            GroupColumn::PollP99 => FieldId::GroupPollP99,
            GroupColumn::DelayP99 => FieldId::GroupDelayP99,
            GroupColumn::Wakes => FieldId::Wakes,
            GroupColumn::Name
            | GroupColumn::Tasks
            | GroupColumn::Runnable
            | GroupColumn::Target
            | GroupColumn::Location => return None,
        })
    }

    /// The title above the column.
    pub fn title(self) -> &'static str {
        match self {
            GroupColumn::Name => "GROUP",
            GroupColumn::Tasks => "TASKS",
            GroupColumn::Runnable => "RUNNABLE",
            GroupColumn::PollRate => "POLLS/S",
            GroupColumn::Polls => "POLLS",
            GroupColumn::BusyShare => "BUSY%",
            GroupColumn::Busy => "BUSY",
            GroupColumn::MaxPoll => "MAX POLL",
            GroupColumn::PollP99 => "POLL P99",
            GroupColumn::DelayP99 => "DELAY P99",
            GroupColumn::Wakes => "WAKES",
            GroupColumn::Target => "TARGET",
            GroupColumn::Location => "LOCATION",
        }
    }
}

/// The tasks of one group, summed up.
#[derive(Clone, Debug, Default)]
pub struct GroupRow {
    /// The target.
    pub target: TargetId,
    /// Name of the group.
    pub name: Arc<str>,
    /// Where its tasks are spawned; of several places, that of the first task.
    pub location: Arc<str>,
    /// Tasks that have not ended.
    pub tasks: usize,
    /// Ended tasks that are still listed.
    pub ended: usize,
    /// Runnable tasks.
    pub runnable: usize,
    /// Tasks that are being polled.
    pub polling: usize,
    /// The stages that its living tasks report, with the number of tasks, most first.
    pub stages: Vec<(Cow<'static, str>, usize)>,
    /// Whether the rates are unknown because the target is not connected.
    pub unknown: bool,
    /// Polls per second.
    pub poll_rate: f64,
    /// Polls begun.
    pub polls: u64,
    /// Share of the time in polls; 1 is one worker.
    pub busy_share: f64,
    /// Smoothed rates for the screen; reports use the exact ones above.
    pub shown: ShownRates,
    /// Time in polls.
    pub busy_ns: u64,
    /// Time runnable, from wake to poll.
    pub scheduled_ns: u64,
    /// Time waiting for a wake.
    pub idle_ns: u64,
    /// Longest poll.
    pub max_poll_ns: u64,
    /// Wakes.
    pub wakes: u64,
    /// 99th percentile of poll times; `None` if the snapshot has no distributions.
    pub poll_p99_ns: Option<u64>,
    /// 99th percentile of scheduling delays.
    pub delay_p99_ns: Option<u64>,
}

impl GroupRow {
    /// The key of the group.
    pub fn key(&self) -> GroupKey {
        GroupKey { target: self.target, name: Arc::clone(&self.name) }
    }

    fn new(target: TargetId, task: &TaskStats) -> Self {
        GroupRow {
            target,
            name: task.meta.group.clone(),
            location: task.meta.location.clone(),
            ..GroupRow::default()
        }
    }

    fn add(&mut self, task: &TaskStats, rates: TaskRates) {
        if task.state.is_done() {
            self.ended += 1;
        } else {
            self.tasks += 1;
            self.count_stage(task.stage.as_ref());
        }
        self.runnable += usize::from(task.state == State::Scheduled);
        self.polling += usize::from(task.state == State::Polling);
        self.unknown |= rates.unknown;
        self.poll_rate += rates.polls;
        self.shown.polls += rates.shown.polls;
        self.polls = self.polls.saturating_add(task.polls);
        // As in the task table: closures of the blocking pool keep no worker busy.
        if task.meta.kind != TaskKind::Blocking {
            self.busy_share += rates.busy;
            self.shown.busy += rates.shown.busy;
        }
        self.busy_ns = self.busy_ns.saturating_add(task.busy_ns);
        self.scheduled_ns = self.scheduled_ns.saturating_add(task.scheduled_ns);
        self.idle_ns = self.idle_ns.saturating_add(task.idle_ns);
        self.max_poll_ns = self.max_poll_ns.max(task.max_poll_ns);
        self.wakes = self.wakes.saturating_add(task.wakes);
    }

    /// Clears a value that the target lacks, so that rows are not sorted by it.
    fn clear(&mut self, column: GroupColumn) {
        match column {
            GroupColumn::PollRate => (self.poll_rate, self.shown.polls) = (0.0, 0.0),
            GroupColumn::Polls => self.polls = 0,
            GroupColumn::BusyShare => (self.busy_share, self.shown.busy) = (0.0, 0.0),
            GroupColumn::Busy => self.busy_ns = 0,
            GroupColumn::MaxPoll => self.max_poll_ns = 0,
            GroupColumn::PollP99 => self.poll_p99_ns = None,
            GroupColumn::DelayP99 => self.delay_p99_ns = None,
            GroupColumn::Wakes => self.wakes = 0,
            GroupColumn::Name
            | GroupColumn::Tasks
            | GroupColumn::Runnable
            | GroupColumn::Target
            | GroupColumn::Location => {}
        }
    }

    fn count_stage(&mut self, stage: Option<&Cow<'static, str>>) {
        let Some(stage) = stage else { return };
        // A linear search: groups have few stages, whatever the number of their tasks.
        match self.stages.iter_mut().find(|(known, _)| known == stage) {
            Some((_, tasks)) => *tasks += 1,
            None => self.stages.push((stage.clone(), 1)),
        }
    }
}

/// The groups of a target whose name, location or target passes the filter.
pub(super) fn sum_up(model: &TargetModel, filter: &Filter) -> Vec<GroupRow> {
    let target = model.target();
    let mut rows: Vec<GroupRow> = Vec::new();
    let mut indices: HashMap<&str, usize> = HashMap::new();
    for (at, task) in target.tasks.iter().enumerate() {
        let index = *indices.entry(&task.meta.group).or_insert_with(|| {
            rows.push(GroupRow::new(target.id, task));
            rows.len() - 1
        });
        rows[index].add(task, model.rates(at));
    }
    for (subject, distributions) in &target.distributions {
        let DistributionKey::Group(name) = subject else { continue };
        if let Some(index) = indices.get(&**name) {
            rows[*index].poll_p99_ns = distributions.poll_times.quantile(0.99);
            rows[*index].delay_p99_ns = distributions.delays.quantile(0.99);
        }
    }
    let lacks =
        |column: &GroupColumn| column.field().is_some_and(|field| !target.description.has(field));
    for column in GroupColumn::ALL.into_iter().filter(lacks) {
        rows.iter_mut().for_each(|row| row.clear(column));
    }
    let has_stages = target.description.has(FieldId::Stage);
    for row in &mut rows {
        if !has_stages {
            row.stages.clear();
        }
        row.stages.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
    }
    rows.retain(|row| filter.passes(&[&row.name, &row.location, model.name()]));
    rows
}

/// Sorts groups by a column; ties by name and target.
pub(super) fn sort(rows: &mut [GroupRow], sort: GroupColumn, descending: bool) {
    rows.sort_by(|a, b| {
        let order = compare(a, b, sort);
        let order = if descending { order.reverse() } else { order };
        order.then_with(|| a.name.cmp(&b.name)).then(a.target.cmp(&b.target))
    });
}

fn compare(a: &GroupRow, b: &GroupRow, by: GroupColumn) -> Ordering {
    match by {
        GroupColumn::Name => a.name.cmp(&b.name),
        GroupColumn::Tasks => a.tasks.cmp(&b.tasks),
        GroupColumn::Runnable => a.runnable.cmp(&b.runnable),
        GroupColumn::PollRate => a.shown.polls.total_cmp(&b.shown.polls),
        GroupColumn::Polls => a.polls.cmp(&b.polls),
        GroupColumn::BusyShare => a.shown.busy.total_cmp(&b.shown.busy),
        GroupColumn::Busy => a.busy_ns.cmp(&b.busy_ns),
        GroupColumn::MaxPoll => a.max_poll_ns.cmp(&b.max_poll_ns),
        GroupColumn::PollP99 => a.poll_p99_ns.cmp(&b.poll_p99_ns),
        GroupColumn::DelayP99 => a.delay_p99_ns.cmp(&b.delay_p99_ns),
        GroupColumn::Wakes => a.wakes.cmp(&b.wakes),
        GroupColumn::Target => a.target.cmp(&b.target),
        GroupColumn::Location => a.location.cmp(&b.location),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Model,
        testing::{snapshot, task},
    };

    const S: u64 = 1_000_000_000;

    fn rows(names: &[&str], sort: GroupColumn, filter: &str) -> Vec<(String, usize)> {
        let tasks = (1..).zip(names).map(|(id, name)| task(id, name));
        let mut model = Model::default();
        model.advance(&snapshot(0, tasks).into());
        let rows = model.groups(sort, true, &Filter::new(filter));
        rows.iter().map(|row| (row.name.to_string(), row.tasks)).collect()
    }

    #[test]
    fn tasks_with_numbered_names_are_one_row() {
        let names = ["ping-1", "conn-1", "conn-2", "accept"];
        let expected = [("conn", 2), ("accept", 1), ("ping", 1)];
        let expected = expected.map(|(name, tasks)| (name.to_owned(), tasks));
        assert_eq!(rows(&names, GroupColumn::Tasks, ""), expected);
        assert_eq!(rows(&names, GroupColumn::Tasks, "pin"), expected[2..]);
    }

    #[test]
    fn group_row_sums_up_its_tasks() {
        let mut tasks = [task(1, "a-1"), task(2, "a-2"), task(3, "a-3")];
        tasks[0].polls = 3;
        tasks[0].max_poll_ns = 7;
        tasks[1].polls = 4;
        tasks[1].max_poll_ns = 9;
        tasks[1].state = State::Scheduled;
        tasks[2].state = State::Completed;
        tasks.iter_mut().for_each(|task| (task.busy_ns, task.lifetime_ns) = (S / 4, S));
        let mut model = Model::default();
        model.advance(&snapshot(S, tasks).into());
        let rows = model.only().groups(GroupColumn::Name, false);
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((row.tasks, row.ended, row.runnable), (2, 1, 1));
        assert_eq!((row.polls, row.max_poll_ns, row.busy_share), (7, 9, 0.75));
    }

    #[test]
    fn stages_count_living_tasks() {
        let mut tasks = [1, 2, 3, 4, 5].map(|id| task(id, "conn-1"));
        let stages = ["write", "query", "query", "read"].map(|stage| Some(stage.into()));
        for (task, stage) in tasks.iter_mut().zip(stages) {
            task.stage = stage;
        }
        tasks[3].state = State::Completed;
        let mut model = Model::default();
        model.advance(&snapshot(0, tasks).into());
        let rows = model.only().groups(GroupColumn::Name, false);
        assert_eq!(rows[0].stages, [("query".into(), 2), ("write".into(), 1)]);
    }
}
