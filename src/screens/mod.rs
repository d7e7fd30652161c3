//! Draws the state. `render(&App, frame)` and nothing else: no sorting, no filtering, no
//! figures of its own; what is not visible is not looked at.
//!
//! ```text
//!  asynctop  lab:mixed  current-thread  up 1m23s  4 Hz       hog ● spin  delay p99 1.2s  slowdown ×38   header
//!  w0 ██████████  100%  hog for 1.24s                                                                  strip
//!  ‼ hog has blocked worker 0 for 1.24s without yielding; 16 tasks delayed    hog.rs:42  ⏎ why
//!  Tasks 134  by busy% ▼                                         runnable 16  inj 12  pool 1           title
//!    ID S NAME          POLLS POLLS/S  BUSY% …                                                         tasks
//!     7 ▶ hog               1       0    100 …
//!  1 Tasks  2 Groups  3 Workers  5 Findings  6 Lab  b hog  Space freeze  / filter  ? help  q quit                  footer
//! ```

mod compare;
mod findings;
mod groups;
mod help;
mod lab;
mod resources;
mod task;
mod tasks;
#[cfg(test)]
mod tests;
mod theme;
mod timeline;
mod widgets;
mod workers;

use ratatui::{
    Frame,
    layout::{Rect, Size},
};

use crate::app::{App, HitTarget, Overlay, Screen, Viewport};
pub use compare::{board_scroll_limit, render_board};
use theme::Look;
use widgets::{
    canvas::{Canvas, Pieces},
    footer, graphs, header, strip, targets, title,
};

/// The least that anything can be shown on.
const MIN: (u16, u16) = (24, 4);

/// Where the parts are. Parts leave by priority as the height shrinks; the list is the
/// last to go.
#[derive(Clone, Copy, Debug)]
struct Layout {
    header: Option<Rect>,
    graphs: Option<Rect>,
    strip: Option<Rect>,
    finding: Option<Rect>,
    title: Option<Rect>,
    body: Rect,
    footer: Option<Rect>,
}

impl Layout {
    fn new(app: &App, width: u16, height: u16) -> Layout {
        let mut left = height;
        // A part that comes only from some height on, so that the list keeps its share.
        let mut part = |from: u16, lines: u16| {
            let fits = height >= from && lines > 0;
            left -= if fits { lines } else { 0 };
            fits.then_some(lines)
        };
        let header = part(5, 1);
        let footer = part(9, 1);
        // From some height on its place is kept, or the table would jump each time that a
        // hog yields.
        let found = height >= 14 || !app.model().findings().is_empty();
        let finding = part(8, u16::from(found));
        let strip = part(10, strip::lines(app, width, height));
        let graphs = part(20, graphs::lines(app, width, height));
        let title = part(7, 1);
        let mut y = 0;
        let mut place = |lines: Option<u16>| {
            let area = lines.map(|lines| Rect::new(0, y, width, lines));
            y += lines.unwrap_or(0);
            area
        };
        let (header, graphs, strip) = (place(header), place(graphs), place(strip));
        let (finding, title) = (place(finding), place(title));
        let body = Rect::new(0, y, width, left);
        let footer = footer.map(|lines| Rect::new(0, height - lines, width, lines));
        Layout { header, graphs, strip, finding, title, body, footer }
    }
}

fn is_too_small(width: u16, height: u16) -> bool {
    width < MIN.0 || height < MIN.1
}

/// How much a terminal of this size has room for.
pub fn viewport(app: &App, size: Size) -> Viewport {
    Viewport {
        rows: rows(app, size.width, size.height),
        scroll_limit: scroll_limit(app, size.width, size.height),
        timeline_columns: timeline::columns(size.width),
    }
}

/// How many rows of the list that is shown fit into a terminal of this size.
fn rows(app: &App, width: u16, height: u16) -> usize {
    if is_too_small(width, height) {
        return 1;
    }
    let body = usize::from(Layout::new(app, width, height).body.height);
    match app.screen {
        // One line is the table's head.
        Screen::Groups => groups::rows(Layout::new(app, width, height).body.height).max(1),
        Screen::Tasks | Screen::Workers | Screen::Resources => body.saturating_sub(1).max(1),
        Screen::Findings => {
            body.saturating_sub(1 + usize::from(findings::impact_height(app, body as u16))).max(1)
        }
        Screen::Timeline => timeline::workers(app, body),
        Screen::Lab => body,
    }
}

/// The lines of what lies over the screen.
fn overlay(app: &App, look: Look, width: u16) -> Vec<Pieces> {
    match &app.overlay {
        Overlay::None => Vec::new(),
        Overlay::Help { .. } => help::lines(app, look, width),
        Overlay::Task { key, .. } => task::lines(app, look, width, *key),
        Overlay::Finding { id, .. } => findings::detail::lines(app, look, width, id),
        Overlay::Resource { key, .. } => resources::detail(app, look, *key),
    }
}

/// How far what lies over the screen can be scrolled, or the Lab, which is no list.
fn scroll_limit(app: &App, width: u16, height: u16) -> usize {
    if is_too_small(width, height) {
        return 0;
    }
    let look = Look::new(app.settings);
    let lines = match (&app.overlay, app.screen) {
        (Overlay::None, Screen::Lab) => lab::lines(app, look, width).len(),
        (Overlay::None, _) => return 0,
        _ => overlay(app, look, width).len(),
    };
    let body = Layout::new(app, width, height).body;
    lines.saturating_sub(usize::from(body.height))
}

/// Draws everything.
pub fn render(app: &App, frame: &mut Frame<'_>) {
    let area = frame.area();
    let mut canvas = Canvas::new(frame.buffer_mut(), app.settings);
    if is_too_small(area.width, area.height) {
        canvas.too_small(area, MIN);
        return;
    }
    let layout = Layout::new(app, area.width, area.height);
    if let Some(area) = layout.header {
        header::header(app, &mut canvas, area);
    }
    if let Some(area) = layout.graphs {
        graphs::draw(app, &mut canvas, area);
    }
    if let Some(area) = layout.strip {
        strip::draw(app, &mut canvas, area);
    }
    if let Some(area) = layout.finding {
        strip::finding(app, &mut canvas, area);
    }
    if let Some(area) = layout.title {
        title::draw(app, &mut canvas, area);
    }
    // Until the first target has answered, each screen shows what it is waiting for.
    let waits = app.overlay == Overlay::None && targets::waiting(app, &mut canvas, layout.body);
    match (&app.overlay, app.screen) {
        (
            Overlay::Help { scroll }
            | Overlay::Task { scroll, .. }
            | Overlay::Resource { scroll, .. }
            | Overlay::Finding { scroll, .. },
            _,
        ) => {
            let lines = overlay(app, canvas.look, layout.body.width);
            task::show(&mut canvas, layout.body, &lines, *scroll);
        }
        (Overlay::None, screen) if screen != Screen::Lab && waits => {}
        (Overlay::None, Screen::Tasks) => tasks::draw(app, &mut canvas, layout.body),
        (Overlay::None, Screen::Groups) => groups::draw(app, &mut canvas, layout.body),
        (Overlay::None, Screen::Workers) => workers::draw(app, &mut canvas, layout.body),
        (Overlay::None, Screen::Resources) => resources::draw(app, &mut canvas, layout.body),
        (Overlay::None, Screen::Timeline) => timeline::draw(app, &mut canvas, layout.body),
        (Overlay::None, Screen::Findings) => findings::draw(app, &mut canvas, layout.body),
        (Overlay::None, Screen::Lab) => lab::draw(app, &mut canvas, layout.body),
    }
    if let Some(area) = layout.footer {
        footer::draw(app, &mut canvas, area);
    } else {
        footer::urgent(app, &mut canvas, layout.body);
    }
}

/// What a click at this cell of a terminal of this size hits.
pub fn hit_target(app: &App, size: Size, x: u16, y: u16) -> Option<HitTarget> {
    if is_too_small(size.width, size.height) {
        return None;
    }
    let layout = Layout::new(app, size.width, size.height);
    if layout.footer.is_some_and(|footer| footer.y == y) {
        let entry = footer::entries(app, size.width).into_iter().find(|entry| entry.covers(x));
        return entry.map(|entry| HitTarget::Key(entry.action));
    }
    let body = layout.body;
    let line = usize::from(y.checked_sub(body.y).filter(|line| *line < body.height)?);
    let row = |top: usize, len: usize| {
        let row = top + line.checked_sub(1)?;
        (row < len).then_some(HitTarget::Row(row))
    };
    match (app.screen, line) {
        _ if app.overlay != Overlay::None => None,
        (Screen::Tasks, 0) => tasks::column_at(app, body.width, x).map(HitTarget::Column),
        (Screen::Groups, 0) => groups::column_at(app, body.width, x).map(HitTarget::GroupColumn),
        (Screen::Tasks, _) => row(app.tasks.top(), app.order().len()),
        (Screen::Groups, _) => row(app.groups.top(), app.group_rows().len()),
        (Screen::Workers, _) => row(app.workers.top(), app.worker_rows().len()),
        (Screen::Findings, _) if line > rows(app, size.width, size.height) => None,
        (Screen::Resources, _) => row(app.resource_cursor.top(), app.resource_rows().len()),
        (Screen::Timeline, _) => timeline::moment_at(app, body, x, y),
        (Screen::Findings, _) => row(app.findings.top(), app.model().all_findings().len()),
        (Screen::Lab, _) => row(app.lab_scroll, lab::workloads(app)),
    }
}
