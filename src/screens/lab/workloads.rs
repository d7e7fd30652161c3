//! The workloads: how many of each are wanted, and what they achieve.

use ratatui::style::Style;

use super::{Line, paragraph};
use crate::{
    app::App,
    model::Slowdown,
    screens::theme::Look,
    snapshot::{Gauge, GaugeValue, LabStats, WorkloadStats},
    text::{bucket_duration, compact_count, duration, optional, rate},
};

/// How many workloads there are to select.
pub(in crate::screens) fn count(app: &App) -> usize {
    let lab = app.lab_stats();
    lab.map_or(0, |lab| lab.workloads.len())
}

pub(super) fn lines(
    app: &App,
    lab: &LabStats,
    slowdown: &Slowdown,
    look: Look,
    room: usize,
) -> Vec<Line> {
    let head = format!(
        " {:<14}{:>7}{:>8}{:>11}{:>9}  UNIT",
        "WORKLOAD", "COUNT", "DONE", "BASELINE/S", "NOW/S"
    );
    let mut lines = vec![(vec![(head, look.title())], false)];
    for (at, workload) in lab.workloads.iter().enumerate() {
        let text = line(workload, slowdown);
        let style = if workload.paused.is_some() { look.dim() } else { Style::new() };
        lines.push((vec![(text, style)], app.workloads.key() == Some(&at)));
    }
    for workload in &lab.workloads {
        let Some(why) = &workload.failure else { continue };
        let text = format!("{} failed: {why}.", workload.name);
        let reported = paragraph(&text, look.critical(), room).into_iter();
        lines.extend(reported.map(|line| (line, false)));
    }
    for workload in lab.workloads.iter().filter(|workload| !workload.gauges.is_empty()) {
        let text = format!("{}: {}", workload.name, gauges(workload));
        let gauges = paragraph(&text, look.dim(), room).into_iter();
        lines.extend(gauges.map(|line| (line, false)));
    }
    lines
}

fn line(workload: &WorkloadStats, slowdown: &Slowdown) -> String {
    let share = slowdown.shares.iter().find(|(name, ..)| *name == workload.name);
    let figure = |value: Option<f64>| optional(value, rate);
    let done = match &workload.unit {
        Some(_) => compact_count(workload.done),
        None => "–".to_owned(),
    };
    let unit = workload.unit.as_deref().unwrap_or("not closed-loop");
    let mode = workload.mode.as_ref().map(|mode| format!(", {mode} (m)")).unwrap_or_default();
    let paused = workload.paused.map(|count| format!("paused, p resumes {count}"));
    format!(
        " {:<14}{:>7}{done:>8}{:>11}{:>9}  {}{mode}",
        workload.name,
        workload.count,
        figure(share.map(|(_, before, _)| *before)),
        figure(share.map(|(_, _, now)| *now)),
        paused.as_deref().unwrap_or(unit),
    )
}

/// What a workload tells of itself.
fn gauges(workload: &WorkloadStats) -> String {
    let one = |gauge: &Gauge| match &gauge.value {
        GaugeValue::Count(n) => format!("{} {}", gauge.name, compact_count(*n)),
        GaugeValue::Text(text) => format!("{} {text}", gauge.name),
        GaugeValue::Latency { p50_ns, p99_ns, max_ns, waiting } => {
            let (p50, p99, max) = (
                optional(*p50_ns, bucket_duration),
                optional(*p99_ns, bucket_duration),
                optional(*max_ns, duration),
            );
            let waiting = if *waiting > 0 { format!(", {waiting} waiting") } else { String::new() };
            format!("{} p50 {p50} p99 {p99} max {max}{waiting}", gauge.name)
        }
    };
    workload.gauges.iter().map(one).collect::<Vec<_>>().join("; ")
}
