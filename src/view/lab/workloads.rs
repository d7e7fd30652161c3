//! The workloads: how many of each are wanted, and what they achieve.

use ratatui::style::Style;

use super::Line;
use crate::{
    app::App,
    model::{LabFigures, Slowdown, WorkloadFigures},
    view::{
        text::{count as short, rate},
        theme::Look,
    },
};

/// How many workloads there are to select.
pub(in crate::view) fn count(app: &App) -> usize {
    let lab = app.model().snapshot().and_then(|snapshot| snapshot.lab.as_ref());
    lab.map_or(0, |lab| lab.workloads.len())
}

pub(super) fn lines(app: &App, lab: &LabFigures, look: Look) -> Vec<Line> {
    let head = format!(
        " {:<14}{:>7}{:>8}{:>11}{:>9}  UNIT",
        "WORKLOAD", "COUNT", "DONE", "BEFORE/S", "NOW/S"
    );
    let mut lines = vec![(vec![(head, look.title())], false)];
    for (at, workload) in lab.workloads.iter().enumerate() {
        let text = line(workload, app.model().slowdown());
        let style = if workload.paused.is_some() { look.dim() } else { Style::new() };
        lines.push((vec![(text, style)], app.workloads.key() == Some(&at)));
    }
    lines
}

fn line(workload: &WorkloadFigures, slowdown: &Slowdown) -> String {
    let share = slowdown.shares.iter().find(|(name, ..)| *name == workload.name);
    let figure = |value: Option<f64>| value.map_or("–".to_owned(), rate);
    let done = match workload.unit {
        Some(_) => short(workload.done),
        None => "–".to_owned(),
    };
    let unit = workload.unit.unwrap_or("not closed-loop");
    let paused = workload.paused.map(|count| format!("paused, p starts {count}"));
    format!(
        " {:<14}{:>7}{done:>8}{:>11}{:>9}  {}",
        workload.name,
        workload.count,
        figure(share.map(|(_, before, _)| *before)),
        figure(share.map(|(_, _, now)| *now)),
        paused.as_deref().unwrap_or(unit),
    )
}
