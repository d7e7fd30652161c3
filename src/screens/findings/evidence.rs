//! The cause and the stack of a long poll.

use ratatui::style::Style;

use super::fact;
use crate::{
    probe::PollKind,
    screens::{
        theme::Theme,
        widgets::{bars::bar, canvas::Spans, stack},
    },
    text::percent,
    watch::LongPoll,
};

/// The cause of a long poll, its time by function, and its stack.
pub(super) fn lines(theme: Theme, evidence: &LongPoll, width: u16) -> Vec<Spans> {
    let mut lines = cause(theme, evidence);
    lines.extend(stack::lines(theme, evidence, usize::from(width.saturating_sub(2)).min(110)));
    lines
}

/// The cause of a long poll, and its time by function.
fn cause(theme: Theme, evidence: &LongPoll) -> Vec<Spans> {
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
            let place = entry.location.as_ref().map(|p| format!(" at {p}")).unwrap_or_default();
            let shown = format!("{:>6}  {}{place}", percent(entry.share), entry.function);
            lines.push(vec![
                (format!(" {:<11}", ""), Style::new()),
                (bar(theme, entry.share, 10), theme.busy()),
                (shown, Style::new()),
            ]);
        }
    }
    lines
}
