//! The trials: a line for each kind of hog or mode and setting, with its effect.

use ratatui::style::Style;

use crate::{
    model::{Factor, Trial, TrialSetting, Trials},
    screens::{theme::Look, widgets::canvas::Pieces},
    snapshot::Flavor,
    text::{bucket_duration, duration, factor, fit, optional, rate},
};

/// The table and an empty line below it; nothing at all if nothing was tried.
pub(super) fn lines(trials: &Trials, look: Look, width: u16) -> Vec<Pieces> {
    let mut lines: Vec<Pieces> =
        trials.iter().map(|trial| vec![(row(trial, width, look), style(trial, look))]).collect();
    if !lines.is_empty() {
        lines.insert(0, vec![(head(width), look.title())]);
        lines.push(Pieces::new());
    }
    lines
}

/// Narrow screens show slowdown and scheduling delay, wide ones all columns.
fn columns(width: u16) -> usize {
    match width {
        ..47 => 2,
        47..54 => 3,
        54..66 => 4,
        66..80 => 5,
        80..95 => 6,
        _ => 7,
    }
}

/// Width of the column of names.
const NAME: usize = 19;

fn line(kind: &str, cells: [&str; 7], width: u16) -> String {
    let widths = [8, 9, 6, 6, 11, 14, 7];
    let mut line = format!(" {kind:<NAME$}");
    for (cell, wide) in cells.iter().zip(widths).take(columns(width)) {
        line += &format!(" {cell:>wide$}");
    }
    line
}

fn head(width: u16) -> String {
    let titles = ["SLOWDOWN", "DELAY P99", "MAX", "HOLD", "WORK/S", "RUNTIME", "FOR"];
    line(" TRIAL", titles, width)
}

fn row(trial: &Trial, width: u16, look: Look) -> String {
    let TrialSetting { count, hold_ns, flavor, workers } = trial.setting;
    let times = look.glyph("×", "x");
    let mark = if trial.is_on { look.glyph("●", "*") } else { " " };
    let count = if count > 1 { format!("{times}{count}") } else { String::new() };
    let slowdown = match trial.slowdown {
        None => "–".to_owned(),
        Some(Factor::Standstill) => format!("{times}{}", look.glyph("∞", "inf")),
        // A mode may be faster than that of the baseline.
        Some(Factor::Times(n)) if trial.kind.is_none() => format!("{times}{}", factor(n)),
        Some(Factor::Times(n)) => format!("{times}{}", factor(n.max(1.0))),
    };
    let runtime = match flavor {
        Some(Flavor::CurrentThread) => "current-thread".to_owned(),
        Some(Flavor::MultiThread) => format!("multi {times}{workers}"),
        None => "–".to_owned(),
    };
    let work =
        trial.work_per_second.zip(trial.unit.as_ref()).map_or("–".to_owned(), |(done, unit)| {
            // The first word of "ms computed" is enough in a table.
            format!("{} {}", rate(done), unit.split(' ').next().unwrap_or_default())
        });
    let cells = [
        &*slowdown,
        &optional(trial.delay_p99_ns, bucket_duration),
        &optional(trial.max_delay_ns, duration),
        &match trial.kind {
            None => "–".to_owned(),
            Some(_) => hold_ns.map_or("never".to_owned(), duration),
        },
        &work,
        &runtime,
        &duration(trial.measured_ns),
    ];
    let name = trial.name();
    let room = NAME - 1 - count.chars().count();
    line(&format!("{mark}{}{count}", fit(&name, room, look.ascii)), cells, width)
}

fn style(trial: &Trial, look: Look) -> Style {
    if trial.is_fix { look.good() } else { Style::new() }
}
