//! The rows of the document's tables. Field names are a promise.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{
    Culprit, Description, Factor, FieldId, Finding, Flavor, GroupRow, Setting, TaskRates,
    TaskStats, Trial, WorkerRow,
};

#[derive(Serialize)]
pub(super) struct WorkerDoc<'a> {
    index: usize,
    thread: &'a str,
    current: Option<CurrentDoc<'a>>,
    busy_share: f64,
    polls_per_second: f64,
    poll_ns: Option<u64>,
    busy_ns: Option<u64>,
    polls: Option<u64>,
    parks: Option<u64>,
    steals: Option<u64>,
    overflows: Option<u64>,
    local_queue: Option<u64>,
}

#[derive(Serialize)]
struct CurrentDoc<'a> {
    task: u64,
    name: &'a str,
    kind: &'static str,
    for_ns: u64,
}

impl<'a> WorkerDoc<'a> {
    pub(super) fn of(row: &'a WorkerRow, description: &Description) -> Self {
        let figures = &row.figures;
        let get = |field, value| description.get(field, value).ok();
        let current = figures.current.as_ref().zip(row.current.as_ref());
        WorkerDoc {
            index: figures.index,
            thread: &figures.thread,
            current: current.map(|(poll, (name, for_ns))| CurrentDoc {
                task: poll.key,
                name,
                kind: poll.kind.as_str(),
                for_ns: *for_ns,
            }),
            busy_share: row.busy,
            polls_per_second: row.polls,
            poll_ns: get(FieldId::WorkerPollTime, figures.poll_ns),
            busy_ns: get(FieldId::WorkerBusyTime, figures.busy_ns),
            polls: get(FieldId::WorkerPolls, figures.polls),
            parks: get(FieldId::Parks, figures.parks),
            steals: get(FieldId::Steals, figures.steals),
            overflows: get(FieldId::Overflows, figures.overflows),
            local_queue: get(FieldId::LocalQueue, figures.local_queue),
        }
    }
}

#[derive(Serialize)]
pub(super) struct GroupDoc {
    name: String,
    location: String,
    tasks: usize,
    ended: usize,
    waiting: usize,
    polling: usize,
    polls: u64,
    polls_per_second: f64,
    busy_share: f64,
    busy_ns: u64,
    scheduled_ns: u64,
    idle_ns: u64,
    max_poll_ns: u64,
    poll_p99_ns: Option<u64>,
    delay_p99_ns: Option<u64>,
    wakes: u64,
}

impl GroupDoc {
    pub(super) fn of(row: GroupRow) -> Self {
        GroupDoc {
            name: row.name.to_string(),
            location: row.location.to_string(),
            tasks: row.tasks,
            ended: row.ended,
            waiting: row.waiting,
            polling: row.polling,
            polls: row.polls,
            polls_per_second: row.poll_rate,
            busy_share: row.busy_share,
            busy_ns: row.busy_ns,
            scheduled_ns: row.scheduled_ns,
            idle_ns: row.idle_ns,
            max_poll_ns: row.max_poll_ns,
            poll_p99_ns: row.poll_p99_ns,
            delay_p99_ns: row.delay_p99_ns,
            wakes: row.wakes,
        }
    }
}

#[derive(Serialize)]
pub(super) struct CulpritDoc<'a> {
    kind: &'static str,
    name: &'a str,
    task: u64,
    function: Option<&'a str>,
    held_at: Option<&'a str>,
    polls: u64,
    held_ns: u64,
    cost_ns: Option<u64>,
    waited_tasks: Option<usize>,
    exact: Option<bool>,
}

impl<'a> CulpritDoc<'a> {
    pub(super) fn of(culprit: &'a Culprit) -> Self {
        CulpritDoc {
            kind: culprit.kind.as_str(),
            name: &culprit.name,
            task: culprit.task,
            function: culprit.function.as_deref(),
            held_at: culprit.place.as_deref(),
            polls: culprit.polls,
            held_ns: culprit.held_ns,
            cost_ns: culprit.cost.map(|cost| cost.total_ns),
            waited_tasks: culprit.cost.map(|cost| cost.tasks),
            exact: culprit.cost.map(|cost| cost.exact),
        }
    }
}

#[derive(Serialize)]
pub(super) struct TaskDoc<'a> {
    id: u64,
    key: u64,
    name: &'a str,
    group: &'a str,
    location: &'a str,
    state: &'static str,
    state_ns: u64,
    stage: Option<&'a str>,
    polls: u64,
    wakes: u64,
    self_wakes: u64,
    live_wakers: Option<u32>,
    lifetime_ns: u64,
    busy_ns: u64,
    scheduled_ns: u64,
    idle_ns: u64,
    max_poll_ns: u64,
    max_delay_ns: u64,
    polls_per_second: Option<f64>,
    busy_share: Option<f64>,
    future_bytes: Option<u32>,
    kind: &'static str,
}

impl<'a> TaskDoc<'a> {
    pub(super) fn of(task: &'a TaskStats, rates: TaskRates, now_ns: u64) -> Self {
        let known = |rate| (!rates.unknown).then_some(rate);
        TaskDoc {
            id: task.meta.id,
            key: task.key,
            name: &task.meta.name,
            group: &task.meta.group,
            location: &task.meta.location,
            state: task.state.as_str(),
            state_ns: task.lasts_ns(now_ns),
            stage: task.stage.as_deref(),
            polls: task.polls,
            wakes: task.wakes,
            self_wakes: task.self_wakes,
            live_wakers: task.live_wakers,
            lifetime_ns: task.lifetime_ns,
            busy_ns: task.busy_ns,
            scheduled_ns: task.scheduled_ns,
            idle_ns: task.idle_ns,
            max_poll_ns: task.max_poll_ns,
            max_delay_ns: task.max_delay_ns,
            polls_per_second: known(rates.polls),
            busy_share: known(rates.busy),
            future_bytes: Some(task.meta.future_size).filter(|size| *size > 0),
            kind: task.meta.kind.as_str(),
        }
    }
}

/// A finding, and what its evidence states.
#[derive(Serialize)]
pub(super) struct FindingDoc<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    held_at: Option<&'a str>,
    kind: Option<&'static str>,
    because: Option<String>,
    stack: Option<Vec<String>>,
}

impl<'a> FindingDoc<'a> {
    pub(super) fn of(finding: &'a Finding) -> Self {
        let evidence = finding.evidence.as_deref();
        FindingDoc {
            finding,
            held_at: evidence.and_then(|evidence| evidence.place()),
            kind: evidence.map(|evidence| evidence.kind.as_str()),
            because: evidence.map(|evidence| evidence.cause.to_string()),
            stack: evidence.and_then(|evidence| {
                let frames = evidence.stack.as_ref()?.task_frames().iter();
                Some(frames.map(ToString::to_string).collect())
            }),
        }
    }
}

/// A kind of hog, or modes of workloads, under one setting, over all the time that it was on.
#[derive(Serialize)]
pub(super) struct TrialDoc<'a> {
    /// Null if modes were tried without a hog.
    hog: Option<&'a str>,
    cure: bool,
    count: usize,
    hold_ns: Option<u64>,
    /// The workloads whose mode differed from the baseline.
    modes: BTreeMap<String, &'a str>,
    flavor: Option<&'static str>,
    workers: usize,
    measured_ns: u64,
    slowdown: Option<f64>,
    standstill: Option<bool>,
    lag_p99_ns: Option<u64>,
    lag_worst_ns: Option<u64>,
    work_per_second: Option<f64>,
    unit: Option<&'a str>,
}

impl<'a> TrialDoc<'a> {
    pub(super) fn of(trial: &'a Trial) -> Self {
        let Setting { count, hold_ns, flavor, workers } = trial.setting;
        TrialDoc {
            hog: trial.kind.as_deref(),
            modes: trial.modes.iter().map(|(name, mode)| (name.to_string(), &**mode)).collect(),
            cure: trial.cure,
            count,
            hold_ns,
            flavor: flavor.map(Flavor::as_str),
            workers,
            measured_ns: trial.measured_ns,
            slowdown: match trial.slowdown {
                Some(Factor::Times(n)) => Some(n),
                _ => None,
            },
            standstill: trial.slowdown.map(|slowdown| slowdown == Factor::Standstill),
            lag_p99_ns: trial.lag_p99_ns,
            lag_worst_ns: trial.lag_worst_ns,
            work_per_second: trial.work_per_second,
            unit: trial.unit.as_deref(),
        }
    }
}
