//! The selected task in a few lines.
//!
//! ```text
//! ──── hog ───────────────────────────────────────────────────────────────────────────────────────
//!  ▶ polling for 3.38s on worker 0  spins      blocked at hog::spin  hog/mod.rs:189
//!  busy ████████████████████ 100%  scheduled 0.0%  idle 0.0%      delayed 16 tasks, 47 task-seconds
//!  Fix: tokio::task::yield_now().await between pieces, or spawn_blocking
//! ```

use ratatui::{layout::Rect, style::Style};

use crate::{
    app::App,
    model::{TargetModel, TaskRow},
    screens::{
        theme::Theme,
        widgets::{
            bars::parts_bar,
            canvas::{Canvas, Spans},
            columns::width_of,
            preview,
            task_facts::{location_label, time_in_state},
        },
    },
    snapshot::{FieldId, TaskStats},
    text::{bytes, compact_count, duration, file_and_folder, percent, plural, wrap},
};

/// The lines of the pane with its title.
pub(super) const HEIGHT: u16 = 5;

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect, row: TaskRow) {
    let Some((target, task, _)) = app.model().task_of_row(row) else { return };
    let theme = canvas.theme;
    let title = format!("{}  task {}", task.meta.name, task.meta.id);
    let mut lines = vec![activity(theme, target, task), life(theme, target, task, area.width)];
    lines.extend(remedy(app, theme, target, task, area.width));
    preview::draw_titled(canvas, area, &title, &lines);
}

/// What the task does, and where it blocks or is spawned.
fn activity(theme: Theme, target: &TargetModel, task: &TaskStats) -> Spans {
    let sample = target.target();
    let description = &sample.description;
    let glyph = format!(" {} {}", theme.state_glyph(task.state), task.state.as_str());
    let mut spans = vec![(glyph, theme.state(task.state))];
    spans.push((time_in_state(theme, sample, task), Style::new()));
    let is_polling = |poll: &crate::snapshot::CurrentPoll| poll.key == task.key;
    let mut workers = sample.workers.iter();
    let worker = workers.find(|worker| worker.current.as_ref().is_some_and(is_polling));
    if let Some(worker) = worker.filter(|_| description.has(FieldId::CurrentPoll)) {
        spans.push((format!(" on worker {}", worker.index), Style::new()));
    }
    if let Some(stage) = task.stage.as_deref().filter(|_| description.has(FieldId::Stage)) {
        spans.push((format!("  {stage}"), theme.title()));
    }
    let evidence = target.impact_table().of_task(task.key).next().map(|entry| &entry.evidence);
    match evidence.and_then(|evidence| Some((evidence.function()?, evidence.blocked_at()?))) {
        Some((function, place)) => {
            spans.push((format!("  blocked at {function}"), theme.warning()));
            spans.push((format!("  {}", file_and_folder(place)), theme.dim()));
        }
        None => {
            let location = &task.meta.location;
            let is_known = description.has(FieldId::Location) && !location.is_empty();
            let spawned =
                format!("  {} {}", location_label(description), file_and_folder(location));
            spans.extend(is_known.then_some((spawned, theme.dim())));
        }
    }
    spans
}

/// How the lifetime divides, and the impact of the long polls.
fn life(theme: Theme, target: &TargetModel, task: &TaskStats, width: u16) -> Spans {
    let description = &target.target().description;
    let mut spans = Spans::new();
    let parts = [
        ("busy", FieldId::Busy, task.busy_ns),
        ("scheduled", FieldId::Scheduled, task.scheduled_ns),
        ("idle", FieldId::Idle, task.idle_ns),
    ];
    let share = |part_ns: u64| part_ns as f64 / task.lifetime_ns.max(1) as f64;
    for (name, field, part_ns) in parts {
        if description.has(field) {
            spans.push((format!("  {name} "), theme.dim()));
            spans.push((percent(share(part_ns)), Style::new()));
        }
    }
    if description.has(FieldId::Lifetime) {
        spans.push((format!("  of {}", duration(task.lifetime_ns)), theme.dim()));
    }
    let own = target.impact_table().of_task(task.key).count();
    if own > 0 {
        let offenders = target.impact_table().offenders_among(|meta| meta.id == task.meta.id);
        let impacts = offenders.iter().filter_map(|offender| offender.impact);
        let impact_ns = impacts.clone().map(|impact| impact.total_ns).sum::<u64>();
        let accuracy = impacts.map(|impact| impact.accuracy).max().unwrap_or_default();
        let text = match impact_ns {
            0 => plural(own as u64, "long poll"),
            _ => {
                let seconds = theme.task_seconds(accuracy, impact_ns);
                format!("{seconds} task-seconds of delay to others")
            }
        };
        spans.push((format!("  {text}"), theme.warning()));
    } else if task.meta.future_size > 0 {
        let size = bytes(u64::from(task.meta.future_size));
        spans.push((format!("  future of {size}"), theme.dim()));
    }
    if parts.iter().all(|(_, field, _)| description.has(*field)) {
        // Words are not cut for the bar.
        let left = usize::from(width).saturating_sub(width_of(&spans) + 2);
        let available = usize::from(width / 4).min(40).min(left);
        let [busy, scheduled, _] = parts.map(|(.., part_ns)| share(part_ns));
        let (busy, scheduled, idle) = parts_bar(theme, [busy, scheduled], available);
        let bar =
            [(format!(" {busy}"), theme.busy()), (scheduled, theme.warning()), (idle, theme.dim())];
        spans.splice(0..0, bar);
    }
    spans
}

/// The fix of the worst finding about the task, or else its polls and wakes.
fn remedy(
    app: &App,
    theme: Theme,
    target: &TargetModel,
    task: &TaskStats,
    width: u16,
) -> Vec<Spans> {
    let key = target.target().task_key(task.key);
    let mut findings = app.model().findings().iter();
    if let Some(finding) = findings.find(|it| it.task_key() == Some(key)) {
        let lines = wrap(finding.fix, usize::from(width.saturating_sub(2)));
        return lines.iter().map(|line| vec![(format!(" {line}"), theme.title())]).collect();
    }
    let description = &target.target().description;
    let mut spans = Spans::new();
    let counts = [
        ("polls", FieldId::Polls, compact_count(task.polls)),
        ("longest", FieldId::MaxPoll, duration(task.max_poll_ns)),
        ("max delay", FieldId::MaxDelay, duration(task.max_delay_ns)),
        ("wakes", FieldId::Wakes, compact_count(task.wakes)),
        ("self-wakes", FieldId::SelfWakes, compact_count(task.self_wakes)),
    ];
    for (name, field, value) in counts {
        if description.has(field) {
            let gap = if spans.is_empty() { "" } else { " " };
            let is_least = description.accuracy(field).is_lower_bound();
            let least = if is_least { theme.glyph("≥ ", ">= ") } else { "" };
            spans.push((format!("{gap} {name} {least}"), theme.dim()));
            spans.push((value, Style::new()));
        }
    }
    vec![spans]
}
