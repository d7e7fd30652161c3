//! The findings, one per row: active ones, then resolved ones.

pub(super) mod detail;
mod impact;

use std::sync::Arc;

use ratatui::{layout::Rect, style::Style};

use super::widgets::{
    canvas::{Canvas, Pieces},
    table::{Place, Spec, places},
};
pub(super) use impact::height as impact_height;

use crate::{
    app::App,
    model::{Finding, RULES, Rule, TargetModel},
    text::{compact_count, duration, wrap},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Sign,
    Rule,
    Subject,
    Sentence,
    Since,
    Last,
    Count,
    Where,
}

const fn figure(column: Column, width: u16, rank: u8) -> Spec<Column> {
    Spec { column, width, grow: 0, rank, right: true }
}

const fn words(column: Column, width: u16, grow: u16, rank: u8) -> Spec<Column> {
    Spec { column, width, grow, rank, right: false }
}

const SPECS: [Spec<Column>; 8] = [
    words(Column::Sign, 2, 0, 1),
    words(Column::Rule, 16, 7, 3),
    words(Column::Subject, 9, 7, 7),
    words(Column::Sentence, 36, 96, 2),
    figure(Column::Since, 6, 4),
    figure(Column::Last, 6, 5),
    figure(Column::Count, 5, 6),
    words(Column::Where, 20, 30, 8),
];

/// Below this width the sentence has the line to itself.
const NARROW: u16 = 58;
const NARROW_SPECS: [Spec<Column>; 2] =
    [words(Column::Sign, 2, 0, 1), words(Column::Sentence, 20, 96, 2)];

fn specs(width: u16) -> &'static [Spec<Column>] {
    if width < NARROW { &NARROW_SPECS } else { &SPECS }
}

fn title(column: Column) -> &'static str {
    match column {
        Column::Sign => "",
        Column::Rule => "RULE",
        Column::Subject => "SUBJECT",
        Column::Sentence => "FINDING",
        Column::Since => "SINCE",
        Column::Last => "LAST",
        Column::Count => "TIMES",
        // The line that blocks or, without one, where the task was spawned.
        Column::Where => "LINE",
    }
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    impact::draw(app, canvas, area);
    let area = Rect { height: area.height - impact::height(app, area.height), ..area };
    let findings = app.model().all_findings();
    if findings.is_empty() {
        return nothing(app, canvas, area);
    }
    let places = places(specs(area.width), Column::Sign, area.width);
    for place in &places {
        place.put(canvas, area.y, title(place.column), canvas.look.title(), false);
    }
    let visible = usize::from(area.height).saturating_sub(1);
    let rows = findings.iter().skip(app.findings.top()).take(visible);
    for (finding, y) in rows.zip(area.y + 1..) {
        let Some(target) = app.model().target(finding.target) else { continue };
        let name = app.has_several_targets().then(|| target.name());
        for place in &places {
            cell(canvas, y, place, finding, target.target().taken_ns, name);
        }
        if app.findings.key().is_some_and(|id| finding.is(id)) {
            let style = canvas.look.selected();
            canvas.highlight(Rect::new(area.x, y, area.width, 1), style);
        }
    }
}

fn cell(
    canvas: &mut Canvas<'_>,
    y: u16,
    place: &Place<Column>,
    finding: &Finding,
    now: u64,
    target: Option<&Arc<str>>,
) {
    let look = canvas.look;
    let (plain, loud) = match finding.active {
        true => (Style::new(), look.severity(finding.severity)),
        false => (look.dim(), look.dim()),
    };
    let ago = |then: u64| duration(now.saturating_sub(then));
    let (text, style) = match place.column {
        Column::Sign => (look.alarm(finding.severity).to_owned(), loud),
        Column::Rule => (finding.rule.to_string(), loud),
        Column::Subject => match target {
            Some(target) => (format!("{} of {target}", finding.subject), plain),
            None => (finding.subject.to_string(), plain),
        },
        Column::Sentence => (finding.sentence.clone(), plain),
        Column::Since => (ago(finding.first_seen_ns), plain),
        Column::Last if finding.active => ("now".to_owned(), plain),
        Column::Last => (ago(finding.last_seen_ns), plain),
        Column::Count => (compact_count(finding.count), plain),
        Column::Where => (finding.place().unwrap_or_default().to_owned(), look.dim()),
    };
    place.put(canvas, y, &text, style, place.column == Column::Where);
}

/// No rule has fired: shows the largest impact, if there is one, and the rules.
fn nothing(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let look = canvas.look;
    let largest = app.model().offenders().first().map(|largest| largest.offender.describe());
    let mut lines: Vec<Pieces> = match (app.target(), &largest) {
        (None, _) => vec![vec![(" waiting for the first sample".to_owned(), look.good())]],
        (Some(_), None) => vec![vec![(" No rule has fired. The rules:".to_owned(), look.good())]],
        (Some(_), Some(largest)) => {
            let text = format!("No rule has fired. Largest impact: {largest}. The rules:");
            wrap(&text, usize::from(area.width).saturating_sub(2))
                .into_iter()
                .map(|line| vec![(format!(" {line}"), look.warning())])
                .collect()
        }
    };
    let indent = 26;
    let room = usize::from(area.width).saturating_sub(indent + 1).max(20);
    let unavailable = |rule: &Rule| {
        let cannot_fire =
            |model: &TargetModel| rule.unavailable(&model.target().description).is_some();
        app.model().targets().iter().all(cannot_fire)
    };
    let on = RULES.iter().filter(|rule| app.model().thresholds().get(rule.id).is_some());
    for rule in on.filter(|rule| !unavailable(rule)) {
        let mut name = rule.name;
        for line in wrap(rule.meaning, room) {
            let head = format!("  {:<1$}", std::mem::take(&mut name), indent - 2);
            lines.push(vec![(head, look.title()), (line, Style::new())]);
        }
    }
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        canvas.line(area.x, y, area.right(), line);
    }
}
