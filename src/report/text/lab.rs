//! The lab in the text report: phases, trials and the metrics of workloads.

use std::io::{self, Write};

use super::slowdown_factor;
use crate::{
    model::{TargetModel, Trial, TrialSetting},
    report::{
        Phase, Work,
        table::{self, Column},
    },
    snapshot::{Description, FieldId, Flavor, MetricValue, Target, WorkloadMetric},
    text::{UNAVAILABLE, bucket_duration, count, duration, optional, rate},
};

pub(super) fn phases(
    phases: &[&Phase],
    description: &Description,
    out: &mut impl Write,
) -> io::Result<()> {
    let Some(first) = phases.first() else { return Ok(()) };
    let mut columns = vec![
        Column::left("PHASE"),
        Column::right("DURATION"),
        Column::right("DELAY P50").of(FieldId::SchedulingDelay),
        Column::right("DELAY P99").of(FieldId::SchedulingDelay),
    ];
    let work_title = |work: &Work| Column::right(format!("{} {}s/s", work.name, work.unit));
    columns.extend(first.work.iter().map(work_title));
    let row = |phase: &&Phase| {
        let mut row = vec![
            phase.name.to_owned(),
            duration(phase.duration_ns),
            optional(phase.scheduling_delay.p50_ns, bucket_duration),
            optional(phase.scheduling_delay.p99_ns, bucket_duration),
        ];
        row.extend(phase.work.iter().map(|work| rate(work.per_second)));
        row
    };
    writeln!(out)?;
    table::write(&columns, &phases.iter().map(row).collect::<Vec<_>>(), description, out)
}

/// The hogs and modes that were tried, with their effect.
pub(super) fn trials(model: &TargetModel, out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<_> = model.trials().iter().map(trial).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let columns = [
        Column::left("TRIAL"),
        Column::left(""),
        Column::right("HOLD"),
        Column::left("RUNTIME").of(FieldId::Flavor),
        Column::right("SLOWDOWN").of(FieldId::Slowdown),
        Column::right("DELAY P99").of(FieldId::SchedulingDelay),
        Column::right("MAX DELAY").of(FieldId::SchedulingDelay),
        Column::right("WORK/S"),
        Column::right("FOR"),
    ];
    writeln!(out)?;
    table::write(&columns, &rows, &model.target().description, out)
}

fn trial(trial: &Trial) -> Vec<String> {
    let TrialSetting { count, flavor, workers, .. } = &trial.setting;
    let work = trial.work_per_second.zip(trial.unit.as_ref());
    let name = trial.name();
    let label = match (&trial.kind, trial.is_fix) {
        (None, _) => "mode",
        (Some(_), true) => "fix",
        (Some(_), false) => "anti-pattern",
    };
    vec![
        if *count > 1 { format!("{count} × {name}") } else { name },
        label.to_owned(),
        trial.hold(),
        format!("{} ×{workers}", flavor.map_or(UNAVAILABLE, Flavor::as_str)),
        slowdown_factor(trial.slowdown),
        optional(trial.delay_p99_ns, bucket_duration),
        optional(trial.max_delay_ns, duration),
        work.map_or(UNAVAILABLE.to_owned(), |(done, unit)| format!("{} {unit}", rate(done))),
        duration(trial.measured_ns),
    ]
}

/// Writes the metrics of the workloads.
pub(super) fn metrics(snapshot: &Target, out: &mut impl Write) -> io::Result<()> {
    let workloads = snapshot.lab.iter().flat_map(|lab| &lab.workloads);
    for workload in workloads.filter(|workload| !workload.metrics.is_empty()) {
        write!(out, "\n{}", &workload.name)?;
        for WorkloadMetric { name, value } in &workload.metrics {
            match value {
                MetricValue::Count(n) => write!(out, "\n  {name}: {}", count(*n))?,
                MetricValue::Text(text) => write!(out, "\n  {name}: {}", text)?,
                MetricValue::Latency { p50_ns, p99_ns, max_ns, in_progress } => {
                    let (p50, p99, max) = (
                        optional(*p50_ns, duration),
                        optional(*p99_ns, duration),
                        optional(*max_ns, duration),
                    );
                    write!(
                        out,
                        "\n  {name}: p50 {p50}, p99 {p99}, max {max}, {in_progress} waiting"
                    )?;
                }
            }
        }
        writeln!(out)?;
    }
    Ok(())
}
