//! The lesson of a scenario: what to watch, what to try, why it happens.

use ratatui::style::Style;

use super::paragraph;
use crate::{
    screens::{theme::Look, widgets::canvas::Pieces},
    snapshot::Lesson,
};

pub(super) fn lines(lesson: &Lesson, look: Look, room: usize) -> Vec<Pieces> {
    let mut lines = Vec::new();
    for (heading, text) in lesson.parts().into_iter().filter(|(_, text)| !text.is_empty()) {
        lines.push(vec![(format!(" {heading}"), look.title())]);
        lines.extend(paragraph(text, Style::new(), room));
    }
    lines
}
