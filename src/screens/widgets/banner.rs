//! The worst finding in one line: a sentence, the location, and the key that opens it.
//!
//! ```text
//!  ‼ hog has blocked worker 0 for 1.24s without yielding; 112 tasks delayed   hog.rs:42  ⏎ why
//! ```

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::canvas::Canvas;
use crate::app::{App, List, Opened, Overlay};

pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let findings = app.model().findings();
    let Some(worst) = findings.first() else { return };
    let theme = canvas.theme;
    let sign = theme.severity_glyph(worst.severity);
    let more = match findings.len() - 1 {
        0 => String::new(),
        n => format!("  (+{n} more)"),
    };
    let target = app.model().target(worst.target).filter(|_| app.has_several_targets());
    let target = target.map(|target| format!("{}: ", target.name())).unwrap_or_default();
    let sentence = format!(" {sign} {target}{}{more}", worst.sentence);
    let place = worst.place().unwrap_or_default();
    // The whole path if it fits, otherwise the file. The line number is the most useful part: the end
    // of the sentence is cut for it, unless it takes more than a quarter of the line.
    let file = place.rsplit('/').next().unwrap_or(place);
    let opened = if app.overlay().is_none() { app.opened() } else { None };
    let is_opened = opened == Some(Opened::Overlay(Overlay::Finding(worst.id())));
    let hint = match is_opened && app.screen().spec.list != List::Findings {
        true => theme.glyph("  ⏎ why", "  Enter: why"),
        false => "",
    };
    let room = usize::from(area.width).saturating_sub(sentence.width() + 3);
    let texts = [format!("{place}{hint}"), format!("{file}{hint}"), file.to_owned()];
    let fitting = texts.into_iter().find(|text| text.width() <= room);
    let is_short = file.width() * 4 <= usize::from(area.width);
    let text = fitting.or(is_short.then(|| file.to_owned())).unwrap_or_default();
    let right = area.width - (text.width() as u16 + u16::from(!text.is_empty())).min(area.width);
    let width = right - u16::from(right < area.width);
    canvas.put(0, area.y, width, &sentence, theme.severity(worst.severity));
    canvas.put(right, area.y, area.width - right, &text, theme.dim());
}
