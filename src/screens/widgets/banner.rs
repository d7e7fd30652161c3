//! The worst finding in one line: a sentence, the location, and the key that opens it.
//!
//! ```text
//!  ‼ hog has blocked worker 0 for 1.24s, computing in hog::spin; 112 tasks delayed   hog/mod.rs:42  ! why
//! ```

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::{
    canvas::{Canvas, Spans},
    location,
};
use crate::{
    app::{Action, App, HitTarget, Overlay},
    text::{clauses, file_and_folder, fit as fit_text},
};

pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let findings = app.model().findings();
    let Some(worst) = findings.first() else { return };
    let theme = canvas.theme;
    let more = match findings.len() - 1 {
        0 => String::new(),
        n => format!("  (+{n} more)"),
    };
    let target = app.target_prefix(worst.target);
    let head = format!(" {} {target}", theme.severity_glyph(worst.severity));
    let width = usize::from(area.width).saturating_sub(head.width());
    let line = file_and_folder(worst.place().unwrap_or_default());
    let is_open = app.overlay() == Some(&Overlay::Finding(worst.id()));
    let (text, place, has_key) = fit(&worst.sentence, &more, line, !is_open, width);
    let key = if has_key { KEY_WIDTH } else { 0 };
    // The free columns are for the caller.
    let place = match place == line {
        true => location::of_finding(worst, theme, width.saturating_sub(text.width() + 2 + key)),
        false => place.to_owned(),
    };
    let mut right: Spans = vec![(place, theme.dim())];
    if has_key {
        right.extend([("  !".to_owned(), theme.key()), (" why ".to_owned(), theme.dim())]);
    }
    let style = theme.severity(worst.severity);
    let end = canvas.put(area.x, area.y, area.width, &format!("{head}{text}"), style);
    canvas.line_right(area.x + end, area.y, area.right(), &right);
    canvas.on_click(area, HitTarget::Key(Action::OpenWorstFinding));
}

const KEY_WIDTH: usize = "  ! why ".len();

/// The folder of the place is dropped if fewer columns than this are left for the sentence.
const MIN_SENTENCE: usize = 16;

/// The sentence and the place, cut to `available` columns, and whether the key fits. The place is
/// the most useful part; the number of other findings, the end of the sentence, the time without a
/// CPU, the key and, at last, the folder make room for it.
fn fit<'a>(
    sentence: &str,
    more: &str,
    place: &'a str,
    has_key: bool,
    available: usize,
) -> (String, &'a str, bool) {
    let file = place.rsplit('/').next().unwrap_or(place);
    let gap = |place: &str| if place.is_empty() { 0 } else { 2 + place.width() };
    let left = |place: &str, has_key| {
        available.saturating_sub(gap(place) + if has_key { KEY_WIDTH } else { 0 })
    };
    let texts = clauses(sentence).map(|part| format!("{part}{more}"));
    let mut texts: Vec<_> = texts.chain(clauses(sentence).map(str::to_owned)).collect();
    let shortest = clauses(sentence).last().unwrap_or(sentence);
    let shortest = shortest.split_once(" (").map_or(shortest, |(before, _)| before);
    texts.push(shortest.to_owned());
    for has_key in [has_key, false] {
        if let Some(text) = texts.iter().find(|text| text.width() <= left(place, has_key)) {
            return (text.clone(), place, has_key);
        }
    }
    let places = [(place, MIN_SENTENCE), (file, MIN_SENTENCE / 2)];
    match places.into_iter().find(|(place, min)| left(place, false) >= *min) {
        Some((place, _)) => {
            let text = fit_text(shortest, left(place, false), false).into_owned();
            (text, place, false)
        }
        None => (sentence.to_owned(), "", false),
    }
}
