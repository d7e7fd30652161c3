//! Draws the state: [`render`] and nothing else. The model sorts, filters and computes; rows that are
//! not visible are not read.
//!
//! ```text
//!  asynctop  lab:mixed  current-thread  up 1m23s  4 Hz       hog ● spin  delay p99 1.2s  slowdown ×38   header
//!  busy 38% ⣀⣀⣀⣿⣿⣿            p99 3.4 s ⣀⣀⣠⣾⣿⣿            work 12% ⣿⣿⣿⣀⣀⣀                              graphs
//!  w0 ██████████  100%  hog for 1.24s                                                                  worker bars
//!  ‼ hog has blocked worker 0 for 1.24s; 16 tasks delayed                 hog/mod.rs:42  ! why          banner
//!  Tasks 134  by busy% ▼                                         runnable 16  inj 12  pool 1           title
//!    ID S NAME          POLLS POLLS/S  BUSY% …                                                         body
//!     7 ▶ hog               1       0    100 …
//!  1 Tasks  2 Groups  3 Workers  5 Findings  6 Lab  b hog  Space freeze  / filter  ? help  q quit      footer
//! ```
//!
//! A screen is an entry of the table `SCREENS`, in a file or folder of its own: a new screen is a new file and
//! a line here. The half of an entry that the state needs (key, rows, keys, Enter) is a
//! [`ScreenSpec`], defined in `app`, and [`new_app`] passes it there. So `app` reads the table without
//! depending on this module, and everything about a screen is still in one place.
//!
//! Screens use `widgets` and `theme`, and no other screen; views over a screen may use parts of
//! screens. Only the event loop draws.

mod columns;
mod compare;
mod copy;
mod findings;
mod groups;
mod help;
mod lab;
mod layout;
mod overlay;
mod resources;
mod task;
mod tasks;
#[cfg(test)]
mod tests;
mod theme;
mod timeline;
mod widgets;
mod workers;

use std::time::Duration;

use ratatui::{
    Frame,
    layout::{Rect, Size},
};

use crate::app::{App, Prompt, ScreenSpec, Settings, Viewport, keymap::Binding, keymap::KEYMAP};
pub use compare::{comparison_scroll_limit, render_comparison};
pub use copy::copied_text;
use layout::Layout;
use theme::Theme;
pub use widgets::hit_map::HitMap;
use widgets::{
    banner,
    canvas::{Canvas, Spans},
    footer, graphs, header, targets, title, worker_bars,
};

/// A screen.
struct ScreenEntry {
    spec: ScreenSpec,
    /// The left part of the line above the body.
    title: fn(&App, Theme) -> Spans,
    /// The room in a body of this size.
    viewport: fn(&App, Size) -> Viewport,
    /// Draws the body.
    draw: fn(&App, &mut Canvas<'_>, Rect),
}

/// All screens, in the order of Tab.
static SCREENS: &[ScreenEntry] = &[
    tasks::SCREEN,
    groups::SCREEN,
    workers::SCREEN,
    timeline::SCREEN,
    findings::SCREEN,
    lab::SCREEN,
    resources::SCREEN,
];

/// A dashboard with all screens.
pub fn new_app(settings: Settings, interval: Duration) -> App {
    App::new(SCREENS.iter().map(|entry| &entry.spec), settings, interval)
}

/// All keys, in the order of the help.
pub fn bindings() -> impl Iterator<Item = &'static Binding> {
    SCREENS.iter().map(|entry| &entry.spec.binding).chain(KEYMAP)
}

fn entry(app: &App) -> &'static ScreenEntry {
    let id = app.screen().spec.id;
    SCREENS.iter().find(|entry| entry.spec.id == id).unwrap_or(&SCREENS[0])
}

/// The space in a terminal of this size for the screen that is shown.
pub fn viewport(app: &App, size: Size) -> Viewport {
    if layout::is_too_small(size) {
        return Viewport::default();
    }
    let body = Layout::new(app, size).body;
    let viewport = (entry(app).viewport)(app, body.as_size());
    match overlay::lines(app, Theme::new(app.settings), body.as_size()) {
        Some(lines) => Viewport {
            scroll_limit: lines.len().saturating_sub(usize::from(body.height)),
            page: body.height.into(),
            ..viewport
        },
        None => viewport,
    }
}

/// Draws the state. Returns the parts of the frame that can be clicked.
pub fn render(app: &App, frame: &mut Frame<'_>) -> HitMap {
    let area = frame.area();
    let mut canvas = Canvas::new(frame.buffer_mut(), app.settings);
    if layout::is_too_small(area.as_size()) {
        canvas.too_small(area, layout::MIN_SIZE);
        return HitMap::default();
    }
    let Layout { header, graphs, worker_bars, banner, title, body, footer } =
        Layout::new(app, area.as_size());
    if let Some(area) = header {
        header::draw(app, &mut canvas, area);
    }
    if let Some(area) = graphs {
        graphs::draw(app, &mut canvas, area);
    }
    if let Some(area) = worker_bars {
        worker_bars::draw(app, &mut canvas, area);
    }
    if let Some(area) = banner {
        banner::draw(app, &mut canvas, area);
    }
    let title_text =
        overlay::title(app, canvas.theme).unwrap_or_else(|| (entry(app).title)(app, canvas.theme));
    if let Some(area) = title {
        title::draw(app, &mut canvas, area, &title_text);
    }
    if let Prompt::Columns { at } = app.prompt {
        columns::draw(app, &mut canvas, body, at);
    } else if let Some(lines) = overlay::lines(app, canvas.theme, body.as_size()) {
        overlay::draw(&mut canvas, body, &lines, app.overlay_scroll());
    } else if !targets::draw_waiting(app, &mut canvas, body) {
        (entry(app).draw)(app, &mut canvas, body);
    }
    if let Some(area) = title.filter(|_| body.height > 0) {
        title::draw_filter_error(app, &mut canvas, area, &title_text);
    }
    match footer {
        Some(area) => footer::draw(app, &mut canvas, area),
        None => {
            footer::draw_urgent(app, &mut canvas, body);
        }
    }
    canvas.into_hit_map()
}
