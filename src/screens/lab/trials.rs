//! The trials: one line per setting of the hog or of a mode, with its effect.

use ratatui::style::Style;

use crate::{
    model::{Factor, Trial, TrialSetting, Trials},
    screens::{theme::Theme, widgets::canvas::Spans},
    snapshot::Flavor,
    text::{bucket_duration, duration, factor, fit, optional, rate},
};

/// The table and an empty line below it; no lines without trials.
pub(super) fn lines(trials: &Trials, theme: Theme, width: u16) -> Vec<Spans> {
    let mut lines: Vec<Spans> =
        trials.iter().map(|trial| vec![(row(trial, width, theme), style(trial, theme))]).collect();
    if !lines.is_empty() {
        lines.insert(0, vec![(head(width), theme.title())]);
        lines.push(Spans::new());
    }
    lines
}

/// The number of columns. Narrow screens show slowdown and scheduling delay, wide ones everything.
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

/// Width of the names.
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

fn row(trial: &Trial, width: u16, theme: Theme) -> String {
    let TrialSetting { count, hold_ns, flavor, workers } = trial.setting;
    let times = theme.glyph("×", "x");
    let mark = if trial.is_on { theme.glyph("●", "*") } else { " " };
    let count = if count > 1 { format!("{times}{count}") } else { String::new() };
    let slowdown = match trial.slowdown {
        None => "–".to_owned(),
        Some(Factor::Standstill) => format!("{times}{}", theme.glyph("∞", "inf")),
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
    line(&format!("{mark}{}{count}", fit(&name, room, theme.ascii)), cells, width)
}

fn style(trial: &Trial, theme: Theme) -> Style {
    if trial.is_fix { theme.good() } else { Style::new() }
}
