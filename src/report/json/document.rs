//! The document as serde sees it. Field names are a promise.

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

use serde::{Serialize, Serializer};

use super::lab::LabDoc;
use super::rows::{CulpritDoc, FindingDoc, GroupDoc, TaskDoc, TrialDoc, WorkerDoc};
use crate::model::{
    Factor, FieldId, Flavor, GroupColumn, Lag, Model, Slowdown, Target, TargetModel,
};
use crate::report::{Phase, Summary, figures};

#[derive(Serialize)]
pub(super) struct Document<'a> {
    schema: &'static str,
    /// UTC, as ISO 8601 has it.
    time: String,
    targets: Vec<TargetDoc<'a>>,
}

impl<'a> Document<'a> {
    /// `None` before the first snapshot.
    pub(super) fn of(model: &'a Model, summary: &'a Summary) -> Option<Self> {
        let time = UNIX_EPOCH + Duration::from_nanos(model.unix_ns());
        let target = |target| TargetDoc::of(target, summary);
        (!model.targets().is_empty()).then(|| Document {
            schema: "asynctop/2",
            time: humantime::format_rfc3339_millis(time).to_string(),
            targets: model.targets().iter().map(target).collect(),
        })
    }
}

#[derive(Serialize)]
struct TargetDoc<'a> {
    name: &'a str,
    process_id: Option<u32>,
    epoch: u32,
    taken_ns: u64,
    connection: &'static str,
    incomplete: bool,
    losses: Vec<String>,
    rates_span_ns: Option<u64>,
    runtimes: [RuntimeDoc; 1],
    slowdown: Option<SlowdownDoc<'a>>,
    lag: LagDoc,
    phases: Vec<PhaseDoc<'a>>,
    trials: Vec<TrialDoc<'a>>,
    lab: Option<LabDoc<'a>>,
    workers: Vec<WorkerDoc<'a>>,
    groups: Vec<GroupDoc>,
    findings: Vec<FindingDoc<'a>>,
    blame: Vec<CulpritDoc<'a>>,
    #[serde(serialize_with = "tasks")]
    tasks: &'a TargetModel,
    unavailable: BTreeMap<&'static str, &'a str>,
    accuracy: BTreeMap<&'static str, String>,
}

impl<'a> TargetDoc<'a> {
    fn of(model: &'a TargetModel, summary: &'a Summary) -> Self {
        let target = model.target();
        let mut unavailable = figures::unavailable(target);
        if model.slowdown().factor.is_none() {
            unavailable.insert("slowdown", figures::no_slowdown(target));
        }
        let findings = model.all_findings().iter().chain(model.partial_findings());
        let worker = |row| WorkerDoc::of(row, &target.description);
        TargetDoc {
            name: model.name(),
            process_id: target.description.process_id,
            epoch: target.epoch,
            taken_ns: target.taken_ns,
            connection: target.connection.as_str(),
            incomplete: target.losses.is_incomplete(),
            losses: target.losses.words(),
            rates_span_ns: model.rates_span_ns(),
            runtimes: [RuntimeDoc::of(target)],
            slowdown: SlowdownDoc::of(model.slowdown(), target.taken_ns),
            lag: LagDoc::of(model.lag()),
            phases: summary.of(target.id).map(PhaseDoc::of).collect(),
            trials: model.session().trials().map(TrialDoc::of).collect(),
            lab: target.lab.as_ref().map(|lab| LabDoc::of(lab, target.taken_ns)),
            workers: model.workers().iter().map(worker).collect(),
            groups: model.groups(GroupColumn::Name, false).into_iter().map(GroupDoc::of).collect(),
            findings: findings.map(|finding| FindingDoc::of(finding)).collect(),
            blame: model.blame().culprits().iter().map(CulpritDoc::of).collect(),
            tasks: model,
            unavailable,
            accuracy: figures::accuracy(target),
        }
    }
}

/// One by one: a million tasks need no second list.
fn tasks<S: Serializer>(model: &&TargetModel, serializer: S) -> Result<S::Ok, S::Error> {
    let (tasks, taken_ns) = (&model.target().tasks, model.target().taken_ns);
    let row = |(at, task)| TaskDoc::of(task, model.rates(at), taken_ns);
    serializer.collect_seq(tasks.iter().enumerate().map(row))
}

#[derive(Serialize)]
struct RuntimeDoc {
    flavor: Option<&'static str>,
    workers: Option<usize>,
    uptime_ns: u64,
    alive_tasks: Option<u64>,
    measured_tasks: u64,
    global_queue: Option<u64>,
    blocking_threads: Option<u64>,
    idle_blocking_threads: Option<u64>,
    blocking_queue: Option<u64>,
    budget_forced_yields: Option<u64>,
    remote_schedules: Option<u64>,
}

impl RuntimeDoc {
    fn of(target: &Target) -> Self {
        let Target { runtime, description, .. } = target;
        let get = |field, value: u64| description.get(field, value).ok();
        RuntimeDoc {
            flavor: runtime.flavor.map(Flavor::as_str),
            workers: description.get(FieldId::Workers, target.workers.len()).ok(),
            uptime_ns: runtime.uptime_ns,
            alive_tasks: get(FieldId::AliveTasks, runtime.alive_tasks),
            measured_tasks: runtime.measured_tasks,
            global_queue: get(FieldId::InjectionQueue, runtime.global_queue),
            blocking_threads: get(FieldId::BlockingThreads, runtime.blocking_threads),
            idle_blocking_threads: get(FieldId::IdleBlockingThreads, runtime.idle_blocking_threads),
            blocking_queue: get(FieldId::BlockingQueue, runtime.blocking_queue),
            budget_forced_yields: get(FieldId::BudgetForcedYields, runtime.budget_forced_yields),
            remote_schedules: get(FieldId::RemoteSchedules, runtime.remote_schedules),
        }
    }
}

#[derive(Serialize)]
struct SlowdownDoc<'a> {
    factor: Option<f64>,
    standstill: bool,
    standstill_ns: Option<u64>,
    work: Vec<ShareDoc<'a>>,
}

#[derive(Serialize)]
struct ShareDoc<'a> {
    workload: &'a str,
    per_second_before: f64,
    per_second_now: f64,
}

impl<'a> SlowdownDoc<'a> {
    fn of(slowdown: &'a Slowdown, now_ns: u64) -> Option<Self> {
        let (factor, standstill) = match slowdown.factor? {
            Factor::Times(n) => (Some(n), false),
            Factor::Standstill => (None, true),
        };
        let work = slowdown.shares.iter().map(|(workload, before, now)| ShareDoc {
            workload,
            per_second_before: *before,
            per_second_now: *now,
        });
        Some(SlowdownDoc {
            factor,
            standstill,
            standstill_ns: slowdown.standstill_since_ns.map(|since| now_ns.saturating_sub(since)),
            work: work.collect(),
        })
    }
}

#[derive(Serialize)]
struct LagDoc {
    p50_ns: Option<u64>,
    p99_ns: Option<u64>,
    waiting: usize,
    longest_ns: u64,
}

impl LagDoc {
    fn of(lag: &Lag) -> Self {
        let Lag { p50_ns, p99_ns, waiting, longest_ns } = *lag;
        LagDoc { p50_ns, p99_ns, waiting, longest_ns }
    }
}

#[derive(Serialize)]
struct PhaseDoc<'a> {
    name: &'static str,
    begin_ns: u64,
    duration_ns: u64,
    work: Vec<WorkDoc<'a>>,
    lag: LagDoc,
    slowdown: Option<SlowdownDoc<'a>>,
}

#[derive(Serialize)]
struct WorkDoc<'a> {
    workload: &'a str,
    unit: &'a str,
    done: u64,
    per_second: f64,
}

impl<'a> PhaseDoc<'a> {
    fn of(phase: &'a Phase) -> Self {
        let work = phase.work.iter().map(|work| WorkDoc {
            workload: &work.name,
            unit: &work.unit,
            done: work.done,
            per_second: work.per_second,
        });
        PhaseDoc {
            name: phase.name,
            begin_ns: phase.begin_ns,
            duration_ns: phase.duration_ns,
            work: work.collect(),
            lag: LagDoc::of(&phase.lag),
            slowdown: SlowdownDoc::of(&phase.slowdown, phase.begin_ns + phase.duration_ns),
        }
    }
}
