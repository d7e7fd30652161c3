//! Writes styled text to a buffer. All text that reaches the terminal is sanitized and cut to its
//! place here.

use std::borrow::Cow;

use ratatui::{
    buffer::Buffer,
    layout::{Rect, Size},
    style::Style,
};
use unicode_width::UnicodeWidthStr;

use super::hit_map::HitMap;
use crate::{
    app::{HitTarget, Settings},
    screens::theme::Theme,
    text::{fit, fit_path, sanitize, wrap},
};

pub struct Canvas<'a> {
    buffer: &'a mut Buffer,
    pub theme: Theme,
    hit_map: HitMap,
}

/// The parts of a line, each with its style.
pub type Spans = Vec<(String, Style)>;

/// The lines of a text, each after a space.
pub fn paragraph(text: &str, width: usize, style: Style) -> Vec<Spans> {
    let lines = wrap(text, width.saturating_sub(2));
    lines.into_iter().map(|line| vec![(format!(" {line}"), style)]).collect()
}

impl<'a> Canvas<'a> {
    pub fn new(buffer: &'a mut Buffer, settings: Settings) -> Self {
        Canvas { buffer, theme: Theme::new(settings), hit_map: HitMap::default() }
    }

    /// Makes an area clickable. It covers those that were made clickable before.
    pub fn on_click(&mut self, area: Rect, target: HitTarget) {
        self.hit_map.add(area, target);
    }

    /// The areas that can be clicked.
    pub fn into_hit_map(self) -> HitMap {
        self.hit_map
    }

    /// Writes text from `x` on, at most `width` columns, and returns its width.
    pub fn put(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        if x >= area.right() || y >= area.bottom() {
            return 0;
        }
        let width = width.min(area.right() - x);
        let text = printable(text, self.theme.ascii);
        let text = fit(&text, usize::from(width), self.theme.ascii);
        self.buffer.set_stringn(x, y, &text, usize::from(width), style);
        text.width() as u16
    }

    /// Writes a path from `x` on. A path that does not fit is cut at its start.
    pub fn put_path(&mut self, x: u16, y: u16, width: u16, path: &str, style: Style) {
        let path = printable(path, self.theme.ascii);
        let path = fit_path(&path, usize::from(width), self.theme.ascii);
        self.put(x, y, width, &path, style);
    }

    /// Writes text so that it ends before `x + width`.
    pub fn put_right(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let gap = width.saturating_sub(text.width() as u16);
        self.put(x + gap, y, width - gap, text, style);
    }

    /// Writes spans one after the other and returns the column after them.
    pub fn line(&mut self, mut x: u16, y: u16, right: u16, spans: &Spans) -> u16 {
        for (text, style) in spans {
            x += self.put(x, y, right.saturating_sub(x), text, *style);
        }
        x
    }

    /// Writes spans that end before `right`. The first ones are dropped if there is no room to the
    /// right of `left`.
    pub fn line_right(&mut self, left: u16, y: u16, right: u16, spans: &Spans) {
        let width = |spans: &[(String, Style)]| -> u16 {
            spans.iter().map(|(text, _)| text.width() as u16).sum()
        };
        let available = right.saturating_sub(left);
        let first = (0..=spans.len()).find(|first| width(&spans[*first..]) <= available);
        let shown = first.map_or(&[][..], |first| &spans[first..]);
        self.line(right - width(shown).min(right), y, right, &shown.to_vec());
    }

    /// Replaces the style of an area and keeps its text: colors on a highlight are illegible.
    pub fn highlight(&mut self, area: Rect, style: Style) {
        let style = Style::reset().patch(style);
        self.buffer.set_style(area.intersection(self.buffer.area), style);
    }

    /// Blanks an area.
    pub fn clear(&mut self, area: Rect) {
        for y in area.top()..area.bottom() {
            let blank = " ".repeat(usize::from(area.width));
            self.put(area.x, y, area.width, &blank, Style::reset());
        }
    }

    /// Writes that the terminal is too small, as far as that fits.
    pub fn too_small(&mut self, area: Rect, min: Size) {
        let sentence = format!(
            "too small: have {}×{}, need {}×{}",
            area.width, area.height, min.width, min.height
        );
        let sentence = if self.theme.ascii { sentence.replace('×', "x") } else { sentence };
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

/// The text without control characters, and only of ASCII characters if `ascii`.
fn printable(text: &str, ascii: bool) -> Cow<'_, str> {
    let text = sanitize(text);
    if !ascii || text.is_ascii() {
        return text;
    }
    let replaced = |c| match c {
        '–' => '-',
        'µ' => 'u',
        '×' => 'x',
        '\0'..='\x7f' => c,
        _ => '?',
    };
    text.chars().map(replaced).collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn printable_text_has_no_control_characters() {
        assert_eq!(printable("a\x1b[2Jb\u{202E}c\n", false), "a�[2Jb�c�");
        assert_eq!(printable("a\x1b[2Jb 3µs", true), "a?[2Jb 3us");
        assert_eq!(printable("häuser", true), "h?user");
        assert_eq!(printable("häuser", false), "häuser");
    }
}
