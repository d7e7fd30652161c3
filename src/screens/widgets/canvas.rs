//! A buffer that one writes lines of styled text to. Everything that reaches the terminal
//! passes through here, is sanitized and cut to its place.

use std::borrow::Cow;

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use crate::{
    app::Settings,
    screens::theme::Look,
    text::{fit, fit_path, sanitize},
};

pub struct Canvas<'a> {
    buffer: &'a mut Buffer,
    pub look: Look,
}

/// Pieces of text with their styles, for one line.
pub type Pieces = Vec<(String, Style)>;

impl<'a> Canvas<'a> {
    pub fn new(buffer: &'a mut Buffer, settings: Settings) -> Self {
        Canvas { buffer, look: Look::new(settings) }
    }

    /// Writes text from `x` on, at most `width` columns of it, and returns how many it took.
    pub fn put(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        if x >= area.right() || y >= area.bottom() {
            return 0;
        }
        let width = width.min(area.right() - x);
        let text = printable(text, self.look.ascii);
        let text = fit(&text, usize::from(width), self.look.ascii);
        self.buffer.set_stringn(x, y, &text, usize::from(width), style);
        text.width() as u16
    }

    /// Writes a path from `x` on, and cuts off its beginning if it must.
    pub fn put_path(&mut self, x: u16, y: u16, width: u16, path: &str, style: Style) {
        let path = printable(path, self.look.ascii);
        let path = fit_path(&path, usize::from(width), self.look.ascii);
        self.put(x, y, width, &path, style);
    }

    /// Writes text so that it ends before `x + width`.
    pub fn put_right(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let gap = width.saturating_sub(text.width() as u16);
        self.put(x + gap, y, width - gap, text, style);
    }

    /// Writes pieces one after the other and returns the column behind them.
    pub fn line(&mut self, mut x: u16, y: u16, right: u16, pieces: &Pieces) -> u16 {
        for (text, style) in pieces {
            x += self.put(x, y, right.saturating_sub(x), text, *style);
        }
        x
    }

    /// Writes pieces that end before `right`; those in front leave first if there is no
    /// room to the right of `left`.
    pub fn line_right(&mut self, left: u16, y: u16, right: u16, pieces: &Pieces) {
        let width = |pieces: &[(String, Style)]| -> u16 {
            pieces.iter().map(|(text, _)| text.width() as u16).sum()
        };
        let room = right.saturating_sub(left);
        let first = (0..=pieces.len()).find(|first| width(&pieces[*first..]) <= room);
        let shown = first.map_or(&[][..], |first| &pieces[first..]);
        self.line(right - width(shown).min(right), y, right, &shown.to_vec());
    }

    /// Gives a whole line a style, over what is written there.
    pub fn highlight(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area.intersection(self.buffer.area), style);
    }

    /// Blanks an area.
    pub fn clear(&mut self, area: Rect) {
        for y in area.top()..area.bottom() {
            let blank = " ".repeat(usize::from(area.width));
            self.put(area.x, y, area.width, &blank, Style::reset());
        }
    }

    /// Says that there is no room, as well as it can be said there.
    pub fn too_small(&mut self, area: Rect, need: (u16, u16)) {
        let sentence =
            format!("too small: have {}×{}, need {}×{}", area.width, area.height, need.0, need.1);
        let sentence = if self.look.ascii { sentence.replace('×', "x") } else { sentence };
        let mut words = sentence.split(' ').peekable();
        for y in 0..area.height {
            let mut line = String::new();
            while let Some(word) = words.next_if(|word| {
                line.is_empty() || line.width() + 1 + word.width() <= usize::from(area.width)
            }) {
                line += if line.is_empty() { "" } else { " " };
                line += word;
            }
            self.put(0, y, area.width, &line, Style::new());
        }
    }
}

/// The text without control characters; without characters beyond ASCII, if `ascii`.
fn printable(text: &str, ascii: bool) -> Cow<'_, str> {
    let text = sanitize(text);
    if !ascii || text.is_ascii() {
        return text;
    }
    let sign = |c| match c {
        '–' => '-',
        'µ' => 'u',
        '×' => 'x',
        '\0'..='\x7f' => c,
        _ => '?',
    };
    text.chars().map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn no_control_character_reaches_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\u{202E}c\n", false), "a�[2Jb�c�");
        assert_eq!(printable("a\x1b[2Jb 3µs", true), "a?[2Jb 3us");
        assert_eq!(printable("häuser", true), "h?user");
        assert_eq!(printable("häuser", false), "häuser");
    }
}
