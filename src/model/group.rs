//! Groups of tasks: a million tasks are a dozen rows.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use super::{Query, ShownRates, TargetModel, TaskRates, fields};
use crate::snapshot::{
    DistributionKey, FieldId, GroupKey, State, TargetId, TaskKind, TaskMeta, TaskStats,
};

/// The property that the tasks of a group have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grouping {
    /// Their names without the numbers at their ends.
    #[default]
    Name,
    /// The location at which they are spawned.
    Location,
    /// Their kind.
    Kind,
    /// Their target.
    Target,
}

impl Grouping {
    /// The next grouping. That by target is left out if there is only one.
    pub fn next(self, has_several_targets: bool) -> Self {
        match self {
            Grouping::Name => Grouping::Location,
            Grouping::Location => Grouping::Kind,
            Grouping::Kind if has_several_targets => Grouping::Target,
            Grouping::Kind | Grouping::Target => Grouping::Name,
        }
    }

    /// The name on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Grouping::Name => "name",
            Grouping::Location => "location",
            Grouping::Kind => "kind",
            Grouping::Target => "target",
        }
    }

    /// The name of the group that a task of this target belongs to.
    pub fn group_of<'a>(self, target: &'a str, task: &'a TaskMeta) -> &'a str {
        match self {
            Grouping::Name => &task.group,
            Grouping::Location => &task.location,
            Grouping::Kind => task.kind.as_str(),
            Grouping::Target => target,
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
    /// The location at which its tasks are spawned; if it differs, that of the first task.
    pub location: Arc<str>,
    /// Tasks that have not ended.
    pub tasks: usize,
    /// Ended tasks that are still listed.
    pub ended: usize,
    /// Runnable tasks.
    pub runnable: usize,
    /// Closures that wait for a thread of the blocking pool.
    pub queued: usize,
    /// Tasks that are being polled.
    pub polling: usize,
    /// The stages that its alive tasks report, with the number of tasks, most first.
    pub stages: Vec<(Cow<'static, str>, usize)>,
    /// Whether the rates are unknown because the target is not connected.
    pub unknown: bool,
    /// Polls per second.
    pub poll_rate: f64,
    /// Polls begun.
    pub polls: u64,
    /// Share of the time in polls; 1 is one worker.
    pub busy_share: f64,
    /// The part of `shown.busy` that keeps workers busy, without closures of the blocking pool.
    pub worker_busy: f64,
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

    /// Tasks that wait for a wake.
    pub fn idle(&self) -> usize {
        self.tasks.saturating_sub(self.runnable + self.queued + self.polling)
    }

    fn new(target: TargetId, name: &str, task: &TaskStats) -> Self {
        GroupRow {
            target,
            name: name.into(),
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
        self.runnable += usize::from(task.is_runnable());
        self.queued += usize::from(task.state == State::Scheduled && !task.is_runnable());
        self.polling += usize::from(task.state == State::Polling);
        self.unknown |= rates.unknown;
        self.poll_rate += rates.polls;
        self.shown.polls += rates.shown.polls;
        self.polls = self.polls.saturating_add(task.polls);
        self.busy_share += rates.busy;
        self.shown.busy += rates.shown.mean_busy;
        if task.meta.kind != TaskKind::Blocking {
            self.worker_busy += rates.shown.mean_busy;
        }
        self.busy_ns = self.busy_ns.saturating_add(task.busy_ns);
        self.scheduled_ns = self.scheduled_ns.saturating_add(task.scheduled_ns);
        self.idle_ns = self.idle_ns.saturating_add(task.idle_ns);
        self.max_poll_ns = self.max_poll_ns.max(task.max_poll_ns);
        self.wakes = self.wakes.saturating_add(task.wakes);
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

/// The groups of a target, sorted by name.
fn sum_up(model: &TargetModel, grouping: Grouping) -> Vec<GroupRow> {
    let target = model.target();
    let mut rows: Vec<GroupRow> = Vec::new();
    let mut indices: HashMap<&str, usize> = HashMap::new();
    for (at, task) in target.tasks.iter().enumerate() {
        let name = grouping.group_of(model.name(), &task.meta);
        let index = *indices.entry(name).or_insert_with(|| {
            rows.push(GroupRow::new(target.id, name, task));
            rows.len() - 1
        });
        rows[index].add(task, model.rates(at));
    }
    for (subject, distributions) in &target.distributions {
        let DistributionKey::Group(name) = subject else { continue };
        let index = indices.get(&**name).filter(|_| grouping == Grouping::Name);
        if let Some(index) = index {
            let row = &mut rows[*index];
            row.poll_p99_ns = distributions.poll_times.quantile(0.99);
            row.delay_p99_ns = distributions.delays.quantile(0.99);
            // The distributions include tasks that are no longer listed.
            row.max_poll_ns = row.max_poll_ns.max(distributions.poll_times.max());
        }
    }
    let has_stages = target.description.has(FieldId::Stage);
    for row in &mut rows {
        if let Some(shown) = model.shown_busy(grouping, &row.name).filter(|_| !row.unknown) {
            let off_workers = row.shown.busy - row.worker_busy;
            row.shown.busy = shown;
            row.worker_busy = (shown - off_workers).max(0.0);
        }
        if !has_stages {
            row.stages.clear();
        }
        row.stages.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    rows
}

/// The groups of all targets that the query asks for, in its order; ties by target and name.
pub(super) fn select(targets: &[TargetModel], query: &Query) -> Vec<GroupRow> {
    let mut rows: Vec<(&TargetModel, GroupRow)> = Vec::new();
    for target in targets {
        let matcher = query.filter.of::<GroupRow>(target);
        let groups = sum_up(target, query.grouping).into_iter();
        rows.extend(groups.filter(|row| matcher.passes(target, row)).map(|row| (target, row)));
    }
    fields::select(rows, query.sort, query.descending)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Column, Filter, Model, Scope,
        testing::{snapshot, task},
    };

    const S: u64 = 1_000_000_000;

    fn rows(names: &[&str], sort: Column, filter: &str) -> Vec<(String, usize)> {
        let tasks = (1..).zip(names).map(|(id, name)| task(id, name));
        let mut model = Model::default();
        model.advance(&snapshot(0, tasks).into());
        let query = Query { sort, filter: Filter::new(filter), ..Query::default() };
        let rows = model.groups(&query);
        rows.iter().map(|row| (row.name.to_string(), row.tasks)).collect()
    }

    #[test]
    fn tasks_with_numbered_names_are_one_row() {
        let names = ["ping-1", "conn-1", "conn-2", "accept"];
        let expected = [("conn", 2), ("accept", 1), ("ping", 1)];
        let expected = expected.map(|(name, tasks)| (name.to_owned(), tasks));
        assert_eq!(rows(&names, "tasks", ""), expected);
        assert_eq!(rows(&names, "tasks", "pin"), expected[2..]);
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
        let rows = model.only().groups("name", false);
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((row.tasks, row.ended, row.runnable), (2, 1, 1));
        assert_eq!((row.polls, row.max_poll_ns, row.busy_share), (7, 9, 0.75));
    }

    #[test]
    fn queued_closures_are_neither_runnable_nor_idle() {
        let mut closures = [task(1, "read-1"), task(2, "read-2")];
        for closure in &mut closures {
            closure.state = State::Scheduled;
            Arc::make_mut(&mut closure.meta).kind = TaskKind::Blocking;
        }
        let mut model = Model::default();
        model.advance(&snapshot(S, closures).into());
        let rows = model.only().groups("name", false);
        assert_eq!((rows[0].tasks, rows[0].runnable, rows[0].idle()), (2, 0, 0));
    }

    #[test]
    fn closures_are_busy_but_listed_after_tasks_of_workers() {
        let mut tasks = [task(1, "read-1"), task(2, "conn-1")];
        Arc::make_mut(&mut tasks[0].meta).kind = TaskKind::Blocking;
        for (task, busy_ns) in tasks.iter_mut().zip([S, S / 4]) {
            (task.busy_ns, task.lifetime_ns) = (busy_ns, S);
        }
        let mut model = Model::default();
        model.advance(&snapshot(S, tasks).into());
        let rows = model.only().groups("busy_share", true);
        let rows: Vec<_> = rows.iter().map(|row| (&*row.name, row.busy_share)).collect();
        assert_eq!(rows, [("conn", 0.25), ("read", 1.0)]);
    }

    /// Two tasks share a worker. The first gives so little of its share to the second that only that of
    /// the second changes on the screen.
    #[test]
    fn busy_share_of_a_group_is_no_larger_than_that_of_its_worker() {
        let (mut model, mut busy_ns) = (Model::default(), [0, 0]);
        for quarter in 1..=60 {
            let permille = if quarter <= 20 { [520, 430] } else { [462, 498] };
            let mut tasks = [task(1, "a-1"), task(2, "a-2")];
            for ((task, total), permille) in tasks.iter_mut().zip(&mut busy_ns).zip(permille) {
                *total += S / 4_000 * permille;
                (task.busy_ns, task.lifetime_ns) = (*total, quarter * S / 4);
            }
            model.advance(&snapshot(quarter * S / 4, tasks).into());
            let shown = model.only().groups("busy_share", true)[0].shown.busy;
            assert!((0.9..0.97).contains(&shown), "{quarter}: {shown}");
        }
        let tasks = [0, 1].map(|at| model.only().rates(at).shown.busy);
        assert!(tasks.iter().sum::<f64>() > 1.0, "{tasks:?}");
    }

    #[test]
    fn tasks_are_grouped_by_location_or_kind() {
        let mut tasks = [task(1, "a-1"), task(2, "b-1"), task(3, "c-1")];
        Arc::make_mut(&mut tasks[2].meta).location = "src/other.rs:1".into();
        Arc::make_mut(&mut tasks[0].meta).kind = TaskKind::Blocking;
        let mut model = Model::default();
        model.advance(&snapshot(S, tasks).into());
        let names = |grouping| -> Vec<_> {
            let query = Query { sort: "name", descending: false, grouping, ..Query::default() };
            model.groups(&query).iter().map(|row| (row.name.to_string(), row.tasks)).collect()
        };
        let expected = [("src/main.rs:7".to_owned(), 2), ("src/other.rs:1".to_owned(), 1)];
        assert_eq!(names(Grouping::Location), expected);
        assert_eq!(names(Grouping::Kind), [("blocking".to_owned(), 1), ("task".to_owned(), 2)]);
        let grouping = Grouping::Location;
        let key = model.groups(&Query { grouping, ..Query::default() })[0].key();
        let scope = Some(Scope::Group { key, grouping });
        assert_eq!(model.tasks(&Query { scope, ..Query::default() }).len(), 2);
    }

    #[test]
    fn stages_count_alive_tasks() {
        let mut tasks = [1, 2, 3, 4, 5].map(|id| task(id, "conn-1"));
        let stages = ["write", "query", "query", "read"].map(|stage| Some(stage.into()));
        for (task, stage) in tasks.iter_mut().zip(stages) {
            task.stage = stage;
        }
        tasks[3].state = State::Completed;
        let mut model = Model::default();
        model.advance(&snapshot(0, tasks).into());
        let rows = model.only().groups("name", false);
        assert_eq!(rows[0].stages, [("query".into(), 2), ("write".into(), 1)]);
    }
}
