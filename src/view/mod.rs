//! Draws the state. `render(&App, frame)` and nothing else: no sorting, no filtering, no
//! figures of its own; what is not visible is not looked at.
//!
//! ```text
//!  asynctop  lab:mixed  current-thread  up 1m23s  live 4/s       slowdown ×38  lag p99 1.2s  hog ● spin
//!  w0 ██████████ 100% hog for 1.24s                               queue 12  tasks 134 of 134
//!  ‼ hog has held worker 0 for 1.24 s without yielding; 16 tasks wait            src/lab/workload/hog.rs:42
//!  Tasks 134  busy% ▼                                                                    / filter
//!    ID S NAME          POLLS POLLS/S  BUSY% …
//!     7 ▶ hog               1       0    100 …
//!  1 Tasks  2 Groups  3 Workers  6 Lab   b hog  …
//! ```

mod bars;
mod canvas;
mod detail;
mod footer;
mod groups;
mod header;
mod help;
mod lab;
mod table;
mod tasks;
mod text;
mod theme;
mod workers;

use ratatui::{Frame, layout::Rect};

use crate::{
    app::{App, Overlay, Screen},
    model::Column,
};
use canvas::Canvas;

/// The least that anything can be shown on.
const MIN: (u16, u16) = (24, 4);

/// Something that can be clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// A row of the list that is shown.
    Row(usize),
    /// The title of a column of the task table.
    Column(Column),
}

/// Where the parts are. Parts leave by priority as the height shrinks; the list is the
/// last to go.
#[derive(Clone, Copy, Debug)]
struct Layout {
    header: Option<Rect>,
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
        let finding = part(8, u16::from(!app.model().findings().is_empty()));
        let strip = part(10, header::strip_lines(app, width, height / 5));
        let title = part(7, 1);
        let mut y = 0;
        let mut place = |lines: Option<u16>| {
            let area = lines.map(|lines| Rect::new(0, y, width, lines));
            y += lines.unwrap_or(0);
            area
        };
        let (header, strip) = (place(header), place(strip));
        let (finding, title) = (place(finding), place(title));
        let body = Rect::new(0, y, width, left);
        let footer = footer.map(|lines| Rect::new(0, height - lines, width, lines));
        Layout { header, strip, finding, title, body, footer }
    }
}

fn is_too_small(width: u16, height: u16) -> bool {
    width < MIN.0 || height < MIN.1
}

/// How many rows of the list that is shown fit into a terminal of this size.
pub fn rows(app: &App, width: u16, height: u16) -> usize {
    if is_too_small(width, height) {
        return 1;
    }
    let body = usize::from(Layout::new(app, width, height).body.height);
    match app.screen {
        // One line is the table's head.
        Screen::Tasks | Screen::Groups => body.saturating_sub(1).max(1),
        Screen::Workers => (body / workers::LINES).max(1),
        Screen::Lab => body,
    }
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
    if let Some(area) = layout.strip {
        header::strip(app, &mut canvas, area);
    }
    if let Some(area) = layout.finding {
        header::finding(app, &mut canvas, area);
    }
    if let Some(area) = layout.title {
        footer::title(app, &mut canvas, area);
    }
    match (&app.overlay, app.screen) {
        (Overlay::Help { scroll }, _) => help::draw(&mut canvas, layout.body, *scroll),
        (Overlay::Task { key, scroll }, _) => {
            detail::draw(app, &mut canvas, layout.body, *key, *scroll);
        }
        (Overlay::None, Screen::Tasks) => tasks::draw(app, &mut canvas, layout.body),
        (Overlay::None, Screen::Groups) => groups::draw(app, &mut canvas, layout.body),
        (Overlay::None, Screen::Workers) => workers::draw(app, &mut canvas, layout.body),
        (Overlay::None, Screen::Lab) => lab::draw(app, &mut canvas, layout.body),
    }
    if let Some(area) = layout.footer {
        footer::keys(app, &mut canvas, area);
    } else if layout.title.is_none() {
        footer::urgent(app, &mut canvas, layout.body);
    }
}

/// What is at this place of a terminal whose last size the state knows.
pub fn spot(app: &App, size: (u16, u16), x: u16, y: u16) -> Option<Spot> {
    if is_too_small(size.0, size.1) {
        return None;
    }
    let body = Layout::new(app, size.0, size.1).body;
    let line = usize::from(y.checked_sub(body.y).filter(|line| *line < body.height)?);
    match (app.screen, line) {
        (Screen::Tasks, 0) => tasks::column_at(app, body.width, x).map(Spot::Column),
        (Screen::Tasks, line) => {
            let row = app.tasks.top() + line - 1;
            (row < app.order().len()).then_some(Spot::Row(row))
        }
        (Screen::Groups, line) => {
            let row = app.groups.top() + line.checked_sub(1)?;
            (row < app.group_rows().len()).then_some(Spot::Row(row))
        }
        (Screen::Workers, line) => Some(Spot::Row(app.workers.top() + line / workers::LINES)),
        (Screen::Lab, _) => None,
    }
}
