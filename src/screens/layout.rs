//! The places of the parts of a frame.

use ratatui::layout::{Rect, Size};

use super::widgets::{graphs, worker_bars};
use crate::app::App;

/// The minimum size of the terminal.
pub(super) const MIN_SIZE: Size = Size::new(24, 4);

pub(super) fn is_too_small(size: Size) -> bool {
    size.width < MIN_SIZE.width || size.height < MIN_SIZE.height
}

/// The places of the parts of a frame. As the height shrinks, parts are dropped by priority; the body
/// stays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub header: Option<Rect>,
    pub graphs: Option<Rect>,
    pub worker_bars: Option<Rect>,
    pub banner: Option<Rect>,
    pub title: Option<Rect>,
    pub body: Rect,
    pub footer: Option<Rect>,
}

impl Layout {
    pub(super) fn new(app: &App, Size { width, height }: Size) -> Layout {
        let mut left = height;
        // A part that needs a minimum height of the terminal, so that rows of the body stay.
        let mut part = |min_height: u16, lines: u16| {
            let fits = height >= min_height && lines > 0;
            left -= if fits { lines } else { 0 };
            fits.then_some(lines)
        };
        let header = part(5, 1);
        let footer = part(9, 1);
        // On a high terminal the line is always reserved. Otherwise the table would move each time
        // a hog yields.
        let has_banner = height >= 14 || !app.model().findings().is_empty();
        let banner = part(8, u16::from(has_banner));
        let worker_bars = part(10, worker_bars::height(app, width, height));
        let graphs = part(20, graphs::height(app, width, height));
        let title = part(7, 1);
        let mut y = 0;
        let mut place = |lines: Option<u16>| {
            let area = lines.map(|lines| Rect::new(0, y, width, lines));
            y += lines.unwrap_or(0);
            area
        };
        let (header, graphs, worker_bars) = (place(header), place(graphs), place(worker_bars));
        let (banner, title) = (place(banner), place(title));
        let body = Rect::new(0, y, width, left);
        let footer = footer.map(|lines| Rect::new(0, height - lines, width, lines));
        Layout { header, graphs, worker_bars, banner, title, body, footer }
    }
}
