//! The list of findings: a sentence, and below it the location and the fix.

use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::plan::Plan;
use crate::{
    app::{App, HitTarget},
    model::Finding,
    screens::{
        theme::Theme,
        widgets::{
            canvas::{Canvas, Spans},
            columns::width_of,
            location,
        },
    },
    text::{clauses, compact_count, duration, wrap},
};

/// The columns before a sentence, and before a location.
const SENTENCE_AT: u16 = 3;
const PLACE_AT: u16 = 6;
const FIX: &str = "fix: ";
/// The column of the fix beside a location, counted from that.
const FIX_AT: usize = 38;
/// The columns of the numbers, with their titles.
const NUMBERS: [(&str, usize); 3] = [("TIMES", 7), ("FOR", 8), ("LAST", 10)];
const NUMBERS_WIDTH: u16 = 25;
/// Below this width, numbers would take too much of the sentence.
const NUMBERS_FROM: u16 = 76;

pub(super) fn has_numbers(width: u16) -> bool {
    width >= NUMBERS_FROM
}

fn numbers<T: std::fmt::Display>(texts: &[T; 3]) -> String {
    let columns = texts.iter().zip(NUMBERS);
    columns.map(|(text, (_, width))| format!("{text:>width$}")).collect()
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, plan: &Plan) {
    let (area, theme) = (plan.list, canvas.theme);
    if plan.titles > 0 {
        canvas.put(area.x, area.y, area.width, " FINDING", theme.title());
        let titles = numbers(&NUMBERS.map(|(title, _)| title));
        canvas.put_right(area.x, area.y, area.width - 1, &titles, theme.title());
    }
    let mut y = area.y + plan.titles;
    let findings = app.findings();
    let rows = findings.into_iter().enumerate().skip(plan.blocks.first);
    for ((row, finding), height) in rows.zip(&plan.blocks.lines) {
        let place = Rect { y, height: *height, ..area };
        Block::new(app, finding, area.width).draw(app, canvas, place, row, finding);
        y += height;
    }
}

/// The lines of a finding.
pub(super) struct Block {
    sentence: Vec<String>,
    /// The location and the fix.
    details: Vec<Spans>,
    /// The location and the beginning of the fix in one line.
    short_details: Spans,
}

impl Block {
    pub(super) fn new(app: &App, finding: &Finding, width: u16) -> Self {
        let theme = Theme::new(app.settings);
        let plain = if finding.active { Style::new() } else { theme.dim() };
        let target = app.target_prefix(finding.target);
        let numbers = if has_numbers(width) { NUMBERS_WIDTH } else { 0 };
        let available = usize::from(width.saturating_sub(SENTENCE_AT + numbers + 1)).max(16);
        let sentence = wrap(&format!("{target}{}", finding.sentence), available);

        let available = usize::from(width.saturating_sub(PLACE_AT + 1));
        let place = location::of_finding(finding, theme, available);
        let place_width = match place.width() {
            0 => 0,
            width => FIX_AT.max(width + 2),
        };
        let (fix, _) = finding.fix.split_once(". ").unwrap_or((finding.fix, ""));
        let fix = fix.trim_end_matches('.');
        let available = available.saturating_sub(FIX.width());
        let short_fix = clauses(fix).find(|part| part.width() + place_width <= available);
        let short_details = match short_fix {
            Some(short_fix) => vec![
                (format!("{place:<place_width$}"), plain),
                (FIX.to_owned(), theme.dim()),
                (short_fix.to_owned(), plain),
            ],
            None => vec![(place.clone(), plain)],
        };
        let details = match short_fix == Some(fix) {
            true => vec![short_details.clone()],
            false => {
                let mut label = FIX;
                let fix = wrap(fix, available.max(16)).into_iter().map(|line| {
                    let label = format!("{:1$}", std::mem::take(&mut label), FIX.width());
                    vec![(label, theme.dim()), (line, plain)]
                });
                let place = (place_width > 0).then(|| vec![(place, plain)]);
                place.into_iter().chain(fix).collect()
            }
        };
        Block { sentence, details, short_details }
    }

    /// The lines that the finding needs.
    pub(super) fn height(&self) -> u16 {
        (self.sentence.len() + self.details.len()) as u16
    }

    fn draw(self, app: &App, canvas: &mut Canvas<'_>, area: Rect, row: usize, finding: &Finding) {
        let theme = canvas.theme;
        let of_severity = match finding.active {
            true => theme.severity(finding.severity),
            false => theme.dim(),
        };
        let height = usize::from(area.height);
        let (sentence_lines, mut details) = match area.height.checked_sub(self.height()) {
            Some(_) => (self.sentence.len(), self.details),
            None => {
                let sentence_lines = (height.max(2) - 1).min(self.sentence.len());
                let details = match height - sentence_lines.min(height) {
                    ..=1 => vec![self.short_details],
                    _ => self.details,
                };
                (sentence_lines, details)
            }
        };
        // Words are more important than numbers: beside a sentence that needs the whole line, the
        // numbers move to the line below, if they fit.
        let numbers_at = has_numbers(area.width).then(|| match details.first() {
            _ if sentence_lines == self.sentence.len() => Some(area.y),
            Some(line)
                if usize::from(PLACE_AT + NUMBERS_WIDTH) + width_of(line)
                    < usize::from(area.width) =>
            {
                Some(area.y + sentence_lines as u16)
            }
            _ => None,
        });
        let numbers_at = numbers_at.flatten().filter(|y| *y < area.bottom());
        for (at, y) in (0..sentence_lines).zip(area.y..area.bottom()) {
            // What does not fit is cut from the last line.
            let text = match at + 1 == sentence_lines {
                true => self.sentence[at..].join(" "),
                false => self.sentence[at].clone(),
            };
            let numbers = if numbers_at == Some(y) { NUMBERS_WIDTH } else { 0 };
            let width = area.width.saturating_sub(SENTENCE_AT + numbers + 1);
            canvas.put(area.x + SENTENCE_AT, y, width, &text, of_severity);
        }
        canvas.put(area.x + 1, area.y, 2, theme.severity_glyph(finding.severity), of_severity);
        if let Some(y) = numbers_at {
            let style = if finding.active { Style::new() } else { theme.dim() };
            canvas.put_right(area.x, y, area.width - 1, &numbers(&times(app, finding)), style);
        }
        let sentence = Rect { height: (sentence_lines as u16).min(area.height), ..area };
        if app.cursor().is_at(row) {
            canvas.highlight(sentence, theme.selected());
        }
        let visible = usize::from(area.bottom() - sentence.bottom());
        if details.len() > visible
            && let Some((text, _)) =
                visible.checked_sub(1).and_then(|last| details[last].last_mut())
        {
            text.push_str(theme.glyph(" …", " ..."));
        }
        for (line, y) in details.iter().zip(sentence.bottom()..area.bottom()) {
            canvas.line(area.x + PLACE_AT, y, area.right(), line);
        }
        canvas.on_click(area, HitTarget::Row(row));
    }
}

/// How often, for how long and when.
fn times(app: &App, finding: &Finding) -> [String; 3] {
    let Finding { active, count, latest_ns, last_seen_ns, target, .. } = *finding;
    let now = app.model().target(target).map_or(last_seen_ns, |model| model.target().taken_ns);
    let end_ns = if active { now } else { last_seen_ns };
    let last = match active {
        true => "now".to_owned(),
        false => format!("{} ago", duration(now.saturating_sub(last_seen_ns))),
    };
    [compact_count(count), duration(end_ns.saturating_sub(latest_ns)), last]
}
