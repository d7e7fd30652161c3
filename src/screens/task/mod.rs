//! The details of a task: identity and verdict on top; below them where it is and its long polls on
//! the left, its statistics on the right. On a narrow screen, one below the other.
//!
//! ```text
//!  hog  task 91  group hog  ▶ polling for 3.38s, spinning  spawned at src/lab/workload/hog/mod.rs:88
//!  ‼ hog has blocked worker 0 for 3.38s without yielding; 16 tasks delayed
//!  Fix: tokio::task::yield_now().await between pieces of the work
//!
//!  computing                                  │ lifetime  3.38s
//!  stack, innermost first                     │ busy      3.38s  100% ██████████
//!    ▸ hog::spin  …/hog/mod.rs:189            │ …
//!  long polls, last minute: 1, newest first   │ poll times  p50 ~28µs  p90 ~28µs …
//!     now    3.38s  16 tasks, 47.1 task-s     │ …
//! ```

mod activity;
mod identity;
mod life;
mod long_polls;

use std::sync::Arc;

use ratatui::layout::Size;

use super::{
    resources,
    theme::Theme,
    widgets::{
        canvas::{Spans, paragraph},
        columns::{self, beside},
        histogram,
    },
};
use crate::{
    app::App,
    model::{Finding, TargetModel, TaskRates},
    snapshot::{
        Description, DistributionKey, Distributions, FieldId, Histogram, Target, TaskKey, TaskStats,
    },
};

/// The task, and everything that its details are made from.
struct Details<'a> {
    app: &'a App,
    theme: Theme,
    model: &'a TargetModel,
    target: &'a Target,
    task: &'a TaskStats,
    rates: TaskRates,
    key: TaskKey,
}

/// The number of long polls on a narrow screen. In two columns, they have the height that is left.
const LONG_POLLS: usize = 6;

/// All lines.
pub(super) fn lines(app: &App, theme: Theme, size: Size, key: TaskKey) -> Vec<Spans> {
    let Some((model, task)) = app.model().task(key) else {
        let text = " this task has ended and is no longer kept; Esc: back";
        return vec![vec![(text.to_owned(), theme.dim())]];
    };
    let target = &**model.target();
    let rates = target.position(key.id).map(|at| model.rates(at)).unwrap_or_default();
    let details = Details { app, theme, model, target, task, rates, key };
    let available = usize::from(size.width);
    let mut lines = identity::lines(&details, available);
    lines.extend(details.verdict(available));
    lines.push(Spans::new());
    let blank = || vec![Spans::new()];
    match columns::widths(size.width) {
        Some([left, right]) => {
            let statistics = [
                life::split(&details, right),
                life::strip(&details),
                blank(),
                life::counts(&details, right),
                blank(),
                details.distributions(right, false),
            ];
            let mut statistics = statistics.concat();
            let rows = usize::from(size.height);
            // The end of the histograms is worth more than blank lines.
            while lines.len() + statistics.len() > rows
                && let Some(blank) = statistics.iter().rposition(Vec::is_empty)
            {
                statistics.remove(blank);
            }
            if lines.len() + statistics.len() > rows {
                lines.pop_if(|line| line.is_empty());
            }
            let mut events = activity::lines(&details, left);
            let height = statistics.len().max(rows.saturating_sub(lines.len()));
            let available = height.saturating_sub(events.len() + 1).max(LONG_POLLS);
            events.extend(long_polls::lines(&details, left, available));
            if events.is_empty() {
                events = long_polls::none(&details, left);
            }
            lines.extend(beside(events, statistics, left, theme));
        }
        None => {
            lines.extend(
                [life::split(&details, available), life::strip(&details), blank()].concat(),
            );
            let activity = activity::lines(&details, available);
            let long_polls = long_polls::lines(&details, available, LONG_POLLS);
            for part in [activity, long_polls] {
                if !part.is_empty() {
                    lines.extend([part, blank()].concat());
                }
            }
            lines.extend([life::counts(&details, available), blank()].concat());
            lines.extend(details.distributions(available, true));
        }
    }
    lines
}

impl Details<'_> {
    fn description(&self) -> &Description {
        &self.target.description
    }

    /// The active findings about the task.
    fn findings(&self) -> impl Iterator<Item = &Arc<Finding>> {
        let findings = self.app.model().findings().iter();
        findings.filter(|finding| finding.task_key() == Some(self.key))
    }

    /// The active findings about the task, each with its fix.
    fn verdict(&self, width: usize) -> Vec<Spans> {
        let theme = self.theme;
        let mut lines = Vec::new();
        for finding in self.findings() {
            let sign = theme.severity_glyph(finding.severity);
            let sentence = format!("{sign} {}", finding.sentence);
            lines.extend(paragraph(&sentence, width, theme.severity(finding.severity)));
            lines.extend(paragraph(&format!("Fix: {}", finding.fix), width, theme.title()));
        }
        lines
    }

    fn recorded_distributions(&self) -> Option<&Distributions> {
        let key = DistributionKey::Task(self.task.key);
        let found = self.target.distributions.iter().find(|(subject, _)| *subject == key);
        found.map(|(_, distributions)| distributions)
    }

    fn distributions(&self, width: usize, spaced: bool) -> Vec<Spans> {
        let (app, theme) = (self.app, self.theme);
        let found = self.recorded_distributions();
        let Ok(found) = self.description().get(FieldId::Distributions, found) else {
            return Vec::new();
        };
        let Some(Distributions { poll_times, delays }) = found else {
            let text = match app.is_frozen() {
                true => " –  distributions: not recorded before the screen was frozen",
                false => " –  distributions: shown with the next sample",
            };
            return vec![vec![(text.to_owned(), theme.dim())]];
        };
        let mut lines = histogram::lines(theme, "poll times", poll_times, width);
        lines.extend(spaced.then(Spans::new));
        lines.extend(histogram::lines(theme, "sched delays", delays, width));
        let bound = Histogram::ERROR_FACTOR;
        let note = format!(" p50, p90, p99: within a factor of {bound}; max is exact");
        lines.push(vec![(note, theme.dim())]);
        lines
    }
}
