//! The workloads: their counts, work rates and gauges.

use ratatui::style::Style;

use super::{Line, paragraph};
use crate::{
    model::Slowdown,
    screens::theme::Theme,
    snapshot::{LabStats, MetricValue, WorkloadMetric, WorkloadStats},
    text::{bucket_duration, compact_count, duration, optional, rate},
};

pub(super) fn lines(lab: &LabStats, slowdown: &Slowdown, theme: Theme, room: usize) -> Vec<Line> {
    let titles = format!(
        " {:<14}{:>7}{:>8}{:>11}{:>9}  UNIT",
        "WORKLOAD", "COUNT", "DONE", "BASELINE/S", "NOW/S"
    );
    let mut lines = vec![(vec![(titles, theme.title())], None)];
    for (at, workload) in lab.workloads.iter().enumerate() {
        let text = line(workload, slowdown);
        let style = if workload.paused.is_some() { theme.dim() } else { Style::new() };
        lines.push((vec![(text, style)], Some(at)));
    }
    for workload in &lab.workloads {
        let Some(why) = &workload.failure else { continue };
        let text = format!("{} failed: {why}.", workload.name);
        let reported = paragraph(&text, theme.critical(), room).into_iter();
        lines.extend(reported.map(|line| (line, None)));
    }
    for workload in lab.workloads.iter().filter(|workload| !workload.metrics.is_empty()) {
        let text = format!("{}: {}", workload.name, gauges(workload));
        let gauges = paragraph(&text, theme.dim(), room).into_iter();
        lines.extend(gauges.map(|line| (line, None)));
    }
    lines
}

fn line(workload: &WorkloadStats, slowdown: &Slowdown) -> String {
    let share = slowdown.shares.iter().find(|(name, ..)| *name == workload.name);
    let rate_of = |value: Option<f64>| optional(value, rate);
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
        rate_of(share.map(|(_, before, _)| *before)),
        rate_of(share.map(|(_, _, now)| *now)),
        paused.as_deref().unwrap_or(unit),
    )
}

/// The gauges of a workload in one sentence.
fn gauges(workload: &WorkloadStats) -> String {
    let one = |gauge: &WorkloadMetric| match &gauge.value {
        MetricValue::Count(n) => format!("{} {}", gauge.name, compact_count(*n)),
        MetricValue::Text(text) => format!("{} {text}", gauge.name),
        MetricValue::Latency { p50_ns, p99_ns, max_ns, in_progress } => {
            let (p50, p99, max) = (
                optional(*p50_ns, bucket_duration),
                optional(*p99_ns, bucket_duration),
                optional(*max_ns, duration),
            );
            let waiting =
                if *in_progress > 0 { format!(", {in_progress} waiting") } else { String::new() };
            format!("{} p50 {p50} p99 {p99} max {max}{waiting}", gauge.name)
        }
    };
    workload.metrics.iter().map(one).collect::<Vec<_>>().join("; ")
}
