//! The lab, and the progress of its work.

use crate::{
    model::{Factor, SchedulingDelay, Slowdown, Trial, TrialSetting},
    report::{
        Phase,
        row::{Row, Value, list, map, row},
    },
    snapshot::{
        Description, FieldId, Flavor, HogStats, LabStats, MetricValue, WorkloadMetric,
        WorkloadStats,
    },
};

pub(super) fn lab(lab: &LabStats, now_ns: u64) -> Row<'_> {
    row! {
        scenario: &lab.scenario,
        workloads: list(lab.workloads.iter().map(workload)),
        hog: hog(&lab.hog, now_ns),
        console: lab.console.as_ref().map(|console| row! {
            address: console.address.to_string(),
            added_per_poll_ns: console.added_ns_per_poll,
        }),
    }
}

fn workload(workload: &WorkloadStats) -> Row<'_> {
    row! {
        name: &workload.name,
        count: workload.count,
        paused: workload.paused,
        unit: workload.unit.as_deref(),
        done: workload.unit.as_ref().map(|_| workload.done),
        mode: workload.mode.as_deref(),
        failure: workload.failure.as_deref(),
        gauges: map(workload.metrics.iter().map(metric)),
    }
}

fn metric(metric: &WorkloadMetric) -> (String, Value<'_>) {
    let value = match &metric.value {
        MetricValue::Count(count) => (*count).into(),
        MetricValue::Text(text) => text.into(),
        &MetricValue::Latency { p50_ns, p99_ns, max_ns, in_progress } => {
            let latency = row! {
                p50_ns: p50_ns,
                p99_ns: p99_ns,
                max_ns: max_ns,
                in_progress: in_progress,
            };
            latency.into()
        }
    };
    (metric.name.replace(' ', "_"), value)
}

fn hog(hog: &HogStats, now_ns: u64) -> Row<'_> {
    row! {
        kind: &hog.kind,
        fix: hog.is_fix,
        count: hog.count,
        hold_ns: hog.hold_ns,
        on: hog.on_since_ns.is_some(),
        on_ns: hog.on_since_ns.map(|since| now_ns.saturating_sub(since)),
        unit: hog.unit.as_deref(),
        done: hog.unit.as_ref().map(|_| hog.done),
        failure: hog.failure.as_deref(),
    }
}

/// The scheduling delays of the last second; `None` if they are unavailable.
pub(super) fn scheduling_delay(
    delay: &SchedulingDelay,
    description: &Description,
) -> Option<Row<'static>> {
    description
        .get(FieldId::SchedulingDelay, row! { p50_ns: delay.p50_ns, p99_ns: delay.p99_ns, })
        .ok()
}

/// The tasks that are scheduled now.
pub(super) fn runnable(delay: &SchedulingDelay) -> Row<'static> {
    row! { tasks: delay.runnable, longest_ns: delay.longest_ns, }
}

/// `None` without a baseline.
pub(super) fn slowdown<'a>(
    slowdown: &'a Slowdown,
    now_ns: u64,
    description: &Description,
) -> Option<Row<'a>> {
    let factor = description.get(FieldId::Slowdown, slowdown.factor).ok()??;
    let work = slowdown.shares.iter().map(|(workload, baseline, now)| {
        row! {
            workload: workload,
            baseline_per_second: *baseline,
            per_second: *now,
        }
    });
    Some(row! {
        factor: times(factor),
        standstill: factor == Factor::Standstill,
        standstill_ns: slowdown.standstill_since_ns.map(|since| now_ns.saturating_sub(since)),
        work: list(work),
    })
}

/// The factor as a number; `None` at a standstill.
fn times(factor: Factor) -> Option<f64> {
    match factor {
        Factor::Times(n) => Some(n),
        Factor::Standstill => None,
    }
}

pub(super) fn phase<'a>(phase: &'a Phase, description: &Description) -> Row<'a> {
    let work = phase.work.iter().map(|work| {
        row! {
            workload: &work.name,
            unit: &work.unit,
            done: work.done,
            per_second: work.per_second,
        }
    });
    let end_ns = phase.begin_ns + phase.duration_ns;
    row! {
        name: phase.name,
        begin_ns: phase.begin_ns,
        duration_ns: phase.duration_ns,
        work: list(work),
        scheduling_delay: scheduling_delay(&phase.scheduling_delay, description),
        runnable: runnable(&phase.scheduling_delay),
        slowdown: slowdown(&phase.slowdown, end_ns, description),
    }
}

/// A kind of hog, or modes of workloads, in one setting, over the total time for which it was on.
pub(super) fn trial<'a>(trial: &'a Trial, description: &Description) -> Row<'a> {
    let TrialSetting { count, hold_ns, flavor, workers } = trial.setting;
    let slowdown = description.get(FieldId::Slowdown, trial.slowdown).ok().flatten();
    let delay = |ns: Option<u64>| description.get(FieldId::SchedulingDelay, ns).ok().flatten();
    row! {
        hog: trial.kind.as_deref(),
        fix: trial.is_fix,
        count: count,
        hold_ns: hold_ns,
        modes: map(trial.modes.iter().map(|(workload, mode)| (&**workload, mode))),
        flavor: description.get(FieldId::Flavor, flavor.map(Flavor::as_str)).ok().flatten(),
        workers: description.get(FieldId::Workers, workers).ok(),
        measured_ns: trial.measured_ns,
        slowdown: slowdown.and_then(times),
        standstill: slowdown.map(|factor| factor == Factor::Standstill),
        delay_p99_ns: delay(trial.delay_p99_ns),
        max_delay_ns: delay(trial.max_delay_ns),
        work_per_second: trial.work_per_second,
        unit: trial.unit.as_deref(),
    }
}
