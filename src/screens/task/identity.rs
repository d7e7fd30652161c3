//! Name, state and origin of a task.

use ratatui::style::Style;

use super::Details;
use crate::{
    screens::widgets::{
        canvas::Spans,
        columns::width_of,
        task_facts::{location_label, time_in_state},
    },
    snapshot::{Accuracy, FieldId, TaskKind},
    text::{UNAVAILABLE, count, fit_path, wrap},
};

/// As many facts on each line as fit into `width` columns.
pub(super) fn lines(details: &Details<'_>, width: usize) -> Vec<Spans> {
    let Details { app, theme, model, target, task, .. } = *details;
    let meta = &task.meta;
    let state = format!("{} {}", theme.state_glyph(task.state), task.state.as_str());
    let stage = task.stage.as_ref().filter(|_| details.description().has(FieldId::Stage));
    let stage = stage.map(|stage| format!(", {stage}")).unwrap_or_default();
    let plain = |text: String| vec![(text, Style::new())];
    let dim = |text: String| vec![(text, theme.dim())];
    let mut facts: Vec<Spans> = vec![
        vec![(meta.name.to_string(), theme.title())],
        dim(format!("task {}", meta.id)),
        dim(format!("group {}", meta.group)),
        vec![
            (state, theme.state(task.state)),
            (format!("{}{stage}", time_in_state(theme, target, task)), Style::new()),
        ],
        plain(location(details, &meta.location, width)),
    ];
    facts.extend(
        (meta.future_size > 0)
            .then(|| dim(format!("future size {} bytes", count(u64::from(meta.future_size))))),
    );
    if meta.kind != TaskKind::Spawned {
        facts.push(dim(format!("kind {}", meta.kind.as_str())));
    }
    if app.has_several_targets() {
        facts.push(dim(format!("target {}", model.name())));
    }
    let fields = wrap(&meta.fields, width.saturating_sub(2));
    facts.extend(fields.into_iter().filter(|line| !line.is_empty()).map(dim));
    let mut lines: Vec<Spans> = Vec::new();
    for fact in facts {
        match lines.last_mut() {
            Some(line) if width_of(line) + 2 + width_of(&fact) < width => {
                line.push(("  ".to_owned(), Style::new()));
                line.extend(fact);
            }
            _ => lines.push([vec![(" ".to_owned(), Style::new())], fact].concat()),
        }
    }
    lines
}

/// The line of the spawn or, where that is not known, of the future. A long path is cut at its start.
fn location(details: &Details<'_>, location: &str, width: usize) -> String {
    let description = details.description();
    if location.is_empty() && *description.accuracy(FieldId::Location) != Accuracy::Exact {
        return format!("location {UNAVAILABLE}");
    }
    let label = location_label(description);
    let left = width.saturating_sub(label.len() + 3);
    format!("{label} {}", fit_path(location, left, details.theme.ascii))
}
