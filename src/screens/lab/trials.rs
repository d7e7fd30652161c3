//! The trials: one line per setting of the hog or of a mode, with its effect.
//!
//! ```text
//!  TRIAL               SLOWDOWN       DELAY P99          HOLD  RUNTIME …
//!  ● spin                    ×∞ █████     ~3.4s ████▏   never  current …
//!    yield                 ×1.6 ▎         ~10ms ██▌      10ms multi ×2 …
//! ```

use ratatui::style::Style;

use crate::{
    model::{Factor, Trial, TrialSetting, Trials},
    screens::{
        theme::Theme,
        widgets::{bars::bar, canvas::Spans},
    },
    snapshot::Flavor,
    text::{bucket_duration, duration, factor, fit, optional, rate},
};

/// The table, in `width` columns; no lines without trials.
pub(super) fn lines(trials: &Trials, theme: Theme, width: usize) -> Vec<Spans> {
    let mut lines: Vec<Spans> = trials.iter().map(|trial| row(trial, width, theme)).collect();
    if !lines.is_empty() {
        lines.insert(0, vec![(head(width), theme.title())]);
    }
    lines
}

/// Width of the names.
const NAME: usize = 19;
/// The columns after the name, those that matter most first.
const TITLES: [&str; 7] = ["SLOWDOWN", "DELAY P99", "HOLD", "RUNTIME", "MAX", "WORK/S", "FOR"];
const WIDTHS: [usize; 7] = [8, 9, 7, 8, 6, 11, 7];
/// The maximum width of the bars behind slowdown and delay.
const MAX_BAR: usize = 12;
/// The width of both bars, at least. There are none if the hold time would not fit beside them: it
/// distinguishes the trials of one kind.
const MIN_BARS: usize = 12;
const HOLD: usize = 2;

/// The number of columns and the width of the bars.
fn plan(available: usize) -> (usize, usize) {
    let ends = WIDTHS.iter().scan(NAME + 1, |end, width| {
        *end += width + 1;
        Some(*end)
    });
    let fitting = |reserved: usize| -> Vec<usize> {
        ends.clone().take_while(|end| end + reserved <= available).collect()
    };
    let (reserved, fitting) = match fitting(MIN_BARS) {
        with_bars if with_bars.len() > HOLD => (MIN_BARS, with_bars),
        _ => (0, fitting(0)),
    };
    let left = available.saturating_sub(fitting.last().copied().unwrap_or(available));
    let bar = if reserved == 0 { 0 } else { (left / 2).saturating_sub(1).min(MAX_BAR) };
    (fitting.len(), bar)
}

/// A slowdown from ×1 to ×1,000 as a share of its bar.
fn slowdown_share(factor: Factor) -> f64 {
    match factor {
        Factor::Standstill => 1.0,
        Factor::Times(n) => n.max(1.0).log10() / 3.0,
    }
}

/// A delay from 10 µs to 10 s as a share of its bar.
fn delay_share(delay_ns: u64) -> f64 {
    ((delay_ns.max(1) as f64).log10() - 4.0) / 6.0
}

fn head(width: usize) -> String {
    let (columns, bars) = plan(width);
    let mut line = format!(" {:<NAME$}", " TRIAL");
    for (at, (title, wide)) in TITLES.iter().zip(WIDTHS).take(columns).enumerate() {
        line += &format!(" {title:>wide$}");
        if at < 2 && bars > 0 {
            line += &" ".repeat(bars + 1);
        }
    }
    line
}

fn row(trial: &Trial, width: usize, theme: Theme) -> Spans {
    let TrialSetting { count, flavor, workers, .. } = trial.setting;
    let times = theme.glyph("×", "x");
    let mark = if trial.is_on { theme.glyph("●", "*") } else { " " };
    let count = if count > 1 { format!("{times}{count}") } else { String::new() };
    let slowdown = match trial.slowdown {
        None => "–".to_owned(),
        Some(Factor::Standstill) => format!("{times}{}", theme.glyph("∞", "inf")),
        // A mode may be faster than that of the baseline.
        Some(Factor::Times(n)) if trial.kind.is_none() => factor(n, times),
        Some(Factor::Times(n)) => factor(n.max(1.0), times),
    };
    let runtime = match flavor {
        Some(Flavor::CurrentThread) => "current".to_owned(),
        Some(Flavor::MultiThread) => format!("multi {times}{workers}"),
        None => "–".to_owned(),
    };
    let work =
        trial.work_per_second.zip(trial.unit.as_ref()).map_or("–".to_owned(), |(done, unit)| {
            // The first word of "ms computed" is enough in a table.
            format!("{} {}", rate(done), unit.split(' ').next().unwrap_or_default())
        });
    let cells = [
        slowdown,
        optional(trial.delay_p99_ns, bucket_duration),
        trial.hold(),
        runtime,
        optional(trial.max_delay_ns, duration),
        work,
        duration(trial.measured_ns),
    ];
    let style = if trial.is_fix { theme.good() } else { Style::new() };
    let name = trial.name();
    let name_width = NAME - 1 - count.chars().count();
    let name = format!("{mark}{}{count}", fit(&name, name_width, theme.ascii));
    let mut spans: Spans = vec![(format!(" {name:<NAME$}"), style)];
    let shares = [trial.slowdown.map(slowdown_share), trial.delay_p99_ns.map(delay_share)];
    let (columns, bars) = plan(width);
    for (at, (cell, wide)) in cells.iter().zip(WIDTHS).take(columns).enumerate() {
        spans.push((format!(" {cell:>wide$}"), style));
        if let Some(share) = shares.get(at).filter(|_| bars > 0) {
            spans.push((" ".to_owned(), Style::new()));
            spans.push((bar(theme, share.unwrap_or(0.0), bars), theme.busy()));
        }
    }
    spans
}
