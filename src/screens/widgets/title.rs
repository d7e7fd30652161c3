//! The line above the list: its subject, sort order and filter; runnable tasks and queues.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::canvas::{Canvas, Pieces};
use crate::{
    app::{App, Overlay, Prompt, Screen},
    snapshot::{FieldId, Target},
    text::{duration, optional},
};

pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let look = canvas.look;
    let x = canvas.line(area.x, area.y, area.right(), &subject(app, canvas));
    let filter = filter(app, canvas);
    let wide =
        |pieces: &Pieces| -> u16 { pieces.iter().map(|(text, _)| text.width() as u16).sum() };
    let left = x + 2;
    let room = usize::from(area.right().saturating_sub(left));
    let queues = match wide(&filter) {
        0 => vec![(queues(app, room), look.dim())],
        _ => filter,
    };
    canvas.line_right(left, area.y, area.right(), &queues);
}

fn subject(app: &App, canvas: &Canvas<'_>) -> Pieces {
    let look = canvas.look;
    let sorted = |title: &str, descending| {
        let mark = if descending { look.glyph("▼", "v") } else { look.glyph("▲", "^") };
        (format!("  by {} {mark}", title.to_lowercase()), look.dim())
    };
    match (&app.overlay, app.screen) {
        (Overlay::Help { .. }, _) => vec![(" Help".into(), look.title())],
        (Overlay::Task { .. }, _) => vec![(" Task".into(), look.title())],
        (Overlay::Resource { .. }, _) => vec![(" Resource".into(), look.title())],
        (_, Screen::Resources) => {
            let count = format!(" Resources {}", app.resource_rows().len());
            vec![(count, look.title()), sorted("waiters", true)]
        }
        (Overlay::Finding { .. }, _) => vec![(" Finding".into(), look.title())],
        (_, Screen::Tasks) => {
            let mut pieces = vec![(format!(" Tasks {}", tasks(app)), look.title())];
            if let Some(group) = &app.query.group {
                pieces.push((format!("  in group {}", group.name), look.title()));
            }
            pieces.push(sorted(app.query.sort.title(), app.query.descending));
            pieces
        }
        (_, Screen::Groups) => {
            let (sort, descending) = app.group_sort;
            let count = format!(" Groups {}", app.group_rows().len());
            vec![(count, look.title()), sorted(sort.title(), descending)]
        }
        (_, Screen::Workers) => {
            // Every runtime has one: a source without any knows nothing of them.
            let workers = match app.worker_rows().len() {
                0 => "–".to_owned(),
                n => n.to_string(),
            };
            vec![(format!(" Workers {workers}"), look.title())]
        }
        (_, Screen::Timeline) => {
            let (from, to) = app.timeline.window(app.polls());
            let span = duration(to.saturating_sub(from));
            vec![(" Timeline".into(), look.title()), (format!("  {span} across"), look.dim())]
        }
        (_, Screen::Findings) => findings(app, canvas),
        (_, Screen::Lab) => match app.lab_stats() {
            Some(lab) => vec![(format!(" Lab {}", lab.scenario), look.title())],
            None => vec![(" Lab".into(), look.title())],
        },
    }
}

fn findings(app: &App, canvas: &Canvas<'_>) -> Pieces {
    let (active, all) = (app.model().findings().len(), app.model().all_findings().len());
    let resolved = format!(", {} resolved", all - active);
    vec![(format!(" Findings {active} active"), canvas.look.title()), (resolved, canvas.look.dim())]
}

/// Shown tasks, living tasks, and those that are not measured, of all targets.
fn tasks(app: &App) -> String {
    let targets = || app.model().targets().iter().map(|model| &**model.target());
    if targets().next().is_none() {
        return "–".into();
    }
    let measured: u64 = targets().map(|target| target.runtime.measured_tasks).sum();
    let alive = |target: &Target| {
        target.description.get(FieldId::AliveTasks, target.runtime.alive_tasks).ok()
    };
    let alive = match targets().map(alive).sum::<Option<u64>>() {
        // Tasks start and end between the two counts: a few more are not unmeasured ones.
        Some(alive) if alive > measured + 2 => {
            format!("{measured}/{alive} ({} not measured)", alive - measured)
        }
        _ => measured.to_string(),
    };
    let shown = app.order().len();
    if app.query.filter.is_empty() && app.query.group.is_none() {
        alive
    } else {
        format!("{shown} of {alive}")
    }
}

fn filter(app: &App, canvas: &Canvas<'_>) -> Pieces {
    let look = canvas.look;
    match (&app.prompt, app.filter.as_str()) {
        (Prompt::Filter, text) => {
            vec![(format!(" / {text}"), look.key()), (look.glyph("▏", "_").into(), look.key())]
        }
        (_, "") => Vec::new(),
        _ if app.overlay != Overlay::None => Vec::new(),
        (_, text) => {
            let mut pieces = vec![(format!(" / {text} "), look.warning())];
            // Out of a group Esc leads first.
            if app.query.group.is_none() {
                pieces.push((" Esc clears ".into(), look.dim()));
            }
            pieces
        }
    }
}

/// The runnable tasks of all targets and the queues of the selected one, abbreviated if there is
/// little room.
fn queues(app: &App, room: usize) -> String {
    let Some(snapshot) = app.target() else { return String::new() };
    let runtime = &snapshot.runtime;
    let count = |field, value: u64| {
        optional(snapshot.description.get(field, value).ok(), |value| value.to_string())
    };
    let runnable: usize =
        app.model().targets().iter().map(|model| model.scheduling_delay().runnable).sum();
    let (injection, pool) = (
        count(FieldId::InjectionQueue, runtime.global_queue),
        count(FieldId::BlockingThreads, runtime.blocking_threads),
    );
    let long = format!("runnable {runnable}  injection queue {injection}  blocking pool {pool} ");
    match long.width() <= room {
        true => long,
        false => format!("runnable {runnable}  inj {injection}  pool {pool} "),
    }
}
