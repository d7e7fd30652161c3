//! ratatui's backend for this terminal.

use std::{
    env,
    io::{self, BufWriter, Stdout, Write},
};

use ratatui::{
    backend::{Backend, ClearType, CrosstermBackend, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
};
use rustix::termios::tcgetwinsize;

/// crossterm's backend with two differences: a terminal that reports no size gets a default size,
/// and the cursor is not changed. The cursor is hidden when the terminal is set up and shown when it
/// is restored; ratatui's `Terminal` shows it when dropped, and panics if the terminal is gone.
#[derive(Debug)]
pub struct ScreenBackend(CrosstermBackend<BufWriter<Stdout>>);

impl ScreenBackend {
    /// Writes to stdout, buffered, so that a frame is written at once.
    pub(super) fn stdout() -> Self {
        ScreenBackend(CrosstermBackend::new(BufWriter::with_capacity(1 << 16, io::stdout())))
    }
}

impl Backend for ScreenBackend {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.0.draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.0.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.0.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.0.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.0.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        let size = tcgetwinsize(io::stdout())?;
        let cells = |cells, variable, default| known_size(cells, env::var(variable).ok(), default);
        Ok(Size::new(cells(size.ws_col, "COLUMNS", 80), cells(size.ws_row, "LINES", 24)))
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: self.0.window_size()?.pixels })
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(&mut self.0)
    }
}

/// The reported size, or else that of the environment variable, or else the default.
fn known_size(reported: u16, variable: Option<String>, default: u16) -> u16 {
    let of_variable = || variable.and_then(|text| text.parse().ok());
    Some(reported)
        .filter(|cells| *cells > 0)
        .or_else(of_variable)
        .filter(|c| *c > 0)
        .unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::known_size;

    #[test]
    fn terminal_without_a_size_has_the_default_size() {
        let variable = |text: &str| Some(text.to_owned());
        assert_eq!(known_size(120, variable("50"), 80), 120);
        assert_eq!(known_size(0, variable("50"), 80), 50);
        for unknown in [None, variable(""), variable("0"), variable("wide")] {
            assert_eq!(known_size(0, unknown, 80), 80);
        }
    }
}
