//! The cause and the stack of a long poll.

use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::fact;
use crate::{
    app::App,
    screens::{
        theme::Theme,
        widgets::{bars::bar, canvas::Spans, stack},
    },
    snapshot::{LongPoll, PollKind},
    text::{fit_path, percent},
};

/// The cause of a long poll, its time by function, and its stack.
pub(super) fn lines(app: &App, theme: Theme, evidence: &LongPoll, width: u16) -> Vec<Spans> {
    let mut lines = cause(theme, evidence, width);
    lines.extend(stack::lines(app, theme, evidence, usize::from(width.saturating_sub(2)).min(110)));
    lines
}

/// The width before the bars, and that of the bars.
const INDENT: usize = 12;
const BAR: usize = 10;

/// The cause of a long poll, and its time by function.
fn cause(theme: Theme, evidence: &LongPoll, width: u16) -> Vec<Spans> {
    let mut lines = Vec::new();
    if evidence.kind == PollKind::Drop {
        lines.push(fact(theme, "during", "drop of the future, not a poll"));
    }
    lines.push(fact(theme, "cause", evidence.cause.to_string()));
    if let Some(reason) = evidence.missing_stack() {
        lines.push(fact(theme, "stack", reason));
    }
    if evidence.profile.len() > 1 {
        for entry in &evidence.profile {
            let mut shown = format!("{:>6}  {}", percent(entry.share), entry.function);
            if let Some(location) = &entry.location {
                shown += " at ";
                let left = usize::from(width).saturating_sub(INDENT + BAR + shown.width() + 1);
                shown += &fit_path(location, left, theme.ascii);
            }
            lines.push(vec![
                (" ".repeat(INDENT), Style::new()),
                (bar(theme, entry.share, BAR), theme.busy()),
                (shown, Style::new()),
            ]);
        }
    }
    lines
}
