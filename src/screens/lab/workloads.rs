//! The workloads: their counts, work rates, modes and gauges.
//!
//! ```text
//!  WORKLOAD        COUNT BASELINE/S   NOW/S            UNIT
//!  web                24        960     521 █████▍░░░░ request
//!  heartbeats          4          –       –            –
//!  web mode (m)   ▸spawn-blocking  thread  on-the-worker
//! ```

use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{Choice, Line, choices};
use crate::{
    app::HitTarget,
    model::Slowdown,
    screens::{
        theme::Theme,
        widgets::{bars::bar, canvas::paragraph},
    },
    snapshot::{LabStats, MetricValue, WorkloadMetric, WorkloadStats},
    text::{UNAVAILABLE, bucket_duration, compact_count, duration, fit, optional, rate},
};

/// The minimum width of the names.
const MIN_NAME: usize = 8;
/// The widths of the bar of the current rate.
const MIN_BAR: usize = 4;
const MAX_BAR: usize = 10;

pub(super) fn lines(lab: &LabStats, slowdown: &Slowdown, theme: Theme, width: usize) -> Vec<Line> {
    let plan = Plan::new(lab, width);
    let name = plan.name;
    let mut titles = format!(" {:<name$} {:>5}", "WORKLOAD", "COUNT");
    if plan.has_baseline {
        titles += &format!("{:>11}", "BASELINE/S");
    }
    titles += &format!("{:>8}", "NOW/S");
    if let Some(bar) = plan.bar {
        titles += &format!(" {:bar$} UNIT", "");
    }
    let mut lines: Vec<Line> = vec![vec![(titles, theme.title())].into()];
    for (at, workload) in lab.workloads.iter().enumerate() {
        let row = Some((at, width as u16));
        lines.push(Line { row, ..line(workload, slowdown, theme, plan) });
    }
    if !slowdown.no_factor_reason.is_empty() {
        let text = format!("slowdown {UNAVAILABLE}: {}", slowdown.no_factor_reason);
        lines.extend(paragraph(&text, width, theme.dim()).into_iter().map(Line::from));
    }
    for (at, workload) in lab.workloads.iter().enumerate() {
        lines.extend(modes(at, workload, theme, width));
    }
    for workload in &lab.workloads {
        let Some(why) = &workload.failure else { continue };
        let text = format!("{} failed: {why}.", workload.name);
        lines.extend(paragraph(&text, width, theme.critical()).into_iter().map(Line::from));
    }
    for workload in lab.workloads.iter().filter(|workload| !workload.metrics.is_empty()) {
        let text = format!("{}: {}", workload.name, gauges(workload));
        lines.extend(paragraph(&text, width, theme.dim()).into_iter().map(Line::from));
    }
    lines
}

/// The columns that fit, names before numbers.
#[derive(Clone, Copy)]
struct Plan {
    /// The width of the names: that of the longest one, if there is room.
    name: usize,
    has_baseline: bool,
    /// The width of the bar of the current rate, which stands before the unit.
    bar: Option<usize>,
}

impl Plan {
    fn new(lab: &LabStats, available: usize) -> Plan {
        let widest =
            |texts: &mut dyn Iterator<Item = &str>| texts.map(UnicodeWidthStr::width).max();
        let names = &mut lab.workloads.iter().map(|workload| &*workload.name);
        let longest = widest(names).unwrap_or(0).max(MIN_NAME);
        let units = &mut lab.workloads.iter().filter_map(|workload| workload.unit.as_deref());
        let (numbers, baseline) = (1 + 6 + 8 + 1, 11);
        let unit = 2 + widest(units).unwrap_or(0);
        let left = |others: usize| available.checked_sub(numbers + longest + others);
        let bar = left(baseline + unit).filter(|left| *left >= MIN_BAR);
        let bar = bar.map(|left| left.min(MAX_BAR));
        let has_baseline = left(baseline).is_some();
        let name = longest.min(available.saturating_sub(numbers)).max(MIN_NAME);
        Plan { name, has_baseline, bar }
    }
}

fn line(workload: &WorkloadStats, slowdown: &Slowdown, theme: Theme, plan: Plan) -> Line {
    let name = plan.name;
    let share = slowdown.shares.iter().find(|(name, ..)| *name == workload.name);
    let rate_of = |value: Option<f64>| optional(value, rate);
    let style = if workload.paused.is_some() { theme.dim() } else { Style::new() };
    let text = fit(&workload.name, name, theme.ascii);
    let mut start = format!(" {text:<name$} {:>5}", workload.count);
    if plan.has_baseline {
        start += &format!("{:>11}", rate_of(share.map(|(_, before, _)| *before)));
    }
    start += &format!("{:>8} ", rate_of(share.map(|(_, _, now)| *now)));
    let Some(width) = plan.bar else { return vec![(start, style)].into() };
    let bar = match share {
        Some((_, before, now)) if *before > 0.0 => bar(theme, now / before, width),
        _ => " ".repeat(width),
    };
    let paused = workload.paused.map(|count| format!("paused, p resumes {count}"));
    let unit = paused.as_deref().or(workload.unit.as_deref()).unwrap_or(UNAVAILABLE);
    vec![(start, style), (bar, theme.busy()), (format!(" {unit}"), style)].into()
}

/// The modes of a workload.
fn modes(workload: usize, stats: &WorkloadStats, theme: Theme, width: usize) -> Vec<Line> {
    if stats.modes.is_empty() {
        return Vec::new();
    }
    let all: Vec<_> = (stats.modes.iter().enumerate())
        .map(|(mode, name)| {
            let is_current = stats.mode.as_ref() == Some(name);
            let style = if is_current { theme.key() } else { theme.dim() };
            Choice { name, is_current, style, target: HitTarget::Mode { workload, mode } }
        })
        .collect();
    choices(&format!("{} mode (m)", stats.name), &all, theme, width)
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
