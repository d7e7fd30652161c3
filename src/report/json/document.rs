//! The JSON document and its targets.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use super::{
    Envelope,
    findings::{finding, impact},
    lab::{lab, phase, runnable, scheduling_delay, slowdown, trial},
    machine::machine,
};
use crate::{
    model::{Model, TargetModel},
    report::{
        Summary, availability,
        row::{Row, list, map, row},
        tables,
    },
    snapshot::FieldId,
};

#[derive(Serialize)]
pub(super) struct Document<'a> {
    targets: Vec<TargetDocument<'a>>,
}

#[derive(Serialize)]
struct TargetDocument<'a> {
    #[serde(flatten)]
    target: Row<'a>,
    #[serde(serialize_with = "tasks")]
    tasks: &'a TargetModel,
}

impl<'a> Document<'a> {
    /// `None` before the first snapshot.
    pub(super) fn of(model: &'a Model, summary: &'a Summary) -> Option<Envelope<Self>> {
        let time = UNIX_EPOCH + Duration::from_nanos(model.unix_ns());
        let targets = model.targets().iter();
        let targets = targets
            .map(|model| TargetDocument { target: target(model, summary), tasks: model })
            .collect::<Vec<_>>();
        (!targets.is_empty()).then(|| Envelope::new(time, Document { targets }))
    }
}

fn tasks<S: Serializer>(model: &&TargetModel, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(tables::tasks(model))
}

/// The fields of a target except `tasks`.
fn target<'a>(model: &'a TargetModel, summary: &'a Summary) -> Row<'a> {
    let target = model.target();
    let (description, now_ns) = (&*target.description, target.taken_ns);
    let slowdown = slowdown(model.slowdown(), now_ns, description);
    let mut unavailable = availability::unavailable(target);
    if slowdown.is_none() {
        unavailable.insert(FieldId::Slowdown.path(), availability::no_slowdown(model));
    }
    if let Some(reason) = description.reason(FieldId::Lab) {
        unavailable.insert(FieldId::Lab.path(), reason);
    }
    let resources = target.resources.as_deref().filter(|_| description.has(FieldId::Resources));
    if description.has(FieldId::Machine) && model.machine().is_none() {
        unavailable.insert(FieldId::Machine.path(), "it was observed for less than a second");
    }
    if let Some(reason) = description.reason(FieldId::Resources) {
        unavailable.insert(FieldId::Resources.path(), reason);
    }
    let workers = || list(tables::workers(model));
    let findings = model.all_findings().iter().chain(model.covered_findings());
    row! {
        name: model.name(),
        process_id: description.process_id,
        epoch: target.epoch,
        taken_ns: now_ns,
        connection: target.connection.as_str(),
        incomplete: target.losses.is_incomplete(),
        losses: list(target.losses.descriptions()),
        rates_span_ns: model.rates_span_ns(),
        unavailable: map(unavailable),
        accuracy: map(availability::accuracy(target)),
        runtime: tables::runtime(target),
        machine: description.get(FieldId::Machine, model.machine()).ok().flatten().map(machine),
        scheduling_delay: scheduling_delay(model.scheduling_delay(), description),
        runnable: runnable(model.scheduling_delay()),
        slowdown: slowdown,
        phases: list(summary.of(target.id).map(|part| phase(part, description))),
        trials: list(model.trials().iter().map(|one| trial(one, description))),
        lab: target.lab.as_ref().filter(|_| description.has(FieldId::Lab)).map(|it| lab(it, now_ns)),
        findings: list(findings.map(|it| finding(it))),
        impact: list(model.impact_table().offenders().iter().map(impact)),
        workers: description.has(FieldId::Workers).then(workers),
        groups: list(tables::groups(model)),
        resources: resources.map(tables::resources),
        async_ops: resources.map(tables::async_ops),
    }
}
