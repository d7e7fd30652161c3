//! Two columns of lines side by side.

use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::canvas::Spans;
use crate::{screens::theme::Theme, text::fit};

/// From this width on, text is set in two columns.
pub const MIN_WIDTH: u16 = 110;

/// The widths of two columns, without the line between them; `None` if there is room for only one.
pub fn widths(width: u16) -> Option<[usize; 2]> {
    let left = usize::from(width) / 2;
    (width >= MIN_WIDTH).then(|| [left, usize::from(width) - left - 1])
}

/// The lines of both columns, with a line between them. Lines of the left column are cut to `width`.
pub fn beside(left: Vec<Spans>, right: Vec<Spans>, width: usize, theme: Theme) -> Vec<Spans> {
    let count = left.len().max(right.len());
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    let line = |_| {
        let mut line = cut(left.next().unwrap_or_default(), width, theme.ascii);
        line.push((" ".repeat(width - width_of(&line)), Style::new()));
        line.push((theme.glyph("│", "|").to_owned(), theme.dim()));
        line.extend(right.next().unwrap_or_default());
        line
    };
    (0..count).map(line).collect()
}

/// The width of a line.
pub fn width_of(spans: &[(String, Style)]) -> usize {
    spans.iter().map(|(text, _)| text.width()).sum()
}

/// The line, cut to `width` with an ellipsis.
fn cut(mut line: Spans, width: usize, ascii: bool) -> Spans {
    let mut left = width;
    for at in 0..line.len() {
        let wide = line[at].0.width();
        if wide > left {
            line[at].0 = fit(&line[at].0, left, ascii).into_owned();
            line.truncate(at + 1);
            break;
        }
        left -= wide;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Settings;

    #[test]
    fn columns_are_aligned_and_the_left_one_is_cut() {
        let line = |parts: &[&str]| {
            parts.iter().map(|text| ((*text).to_owned(), Style::new())).collect::<Spans>()
        };
        let left = vec![line(&["漢字", "abc", "d"]), line(&["x"])];
        let right = vec![line(&["1"]), line(&["2"]), line(&["3"])];
        let lines = beside(left, right, 6, Theme::new(Settings::default()));
        let text = |line: &Spans| line.iter().map(|(text, _)| text.as_str()).collect::<String>();
        assert_eq!(
            lines.iter().map(text).collect::<Vec<_>>(),
            ["漢字a…│1", "x     │2", "      │3"]
        );
    }
}
