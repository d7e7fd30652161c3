//! The lesson of a scenario: things to watch, things to try, and the reason.

use ratatui::style::Style;

use crate::{
    screens::{
        theme::Theme,
        widgets::canvas::{Spans, paragraph},
    },
    snapshot::Lesson,
};

pub(super) fn lines(lesson: &Lesson, theme: Theme, width: usize) -> Vec<Spans> {
    let mut lines: Vec<Spans> = Vec::new();
    for (heading, text) in lesson.parts().into_iter().filter(|(_, text)| !text.is_empty()) {
        if !lines.is_empty() {
            lines.push(Spans::new());
        }
        lines.push(vec![(format!(" {heading}"), theme.title())]);
        lines.extend(paragraph(text, width, Style::new()));
    }
    lines
}
