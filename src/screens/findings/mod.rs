//! The findings, one per row: active ones, then resolved ones. Below them, the impact table.

pub(super) mod detail;
mod impact;

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::{layout::Rect, style::Style};

use super::{
    ScreenEntry,
    widgets::{
        canvas::{Canvas, Spans},
        table::{self, Place, Spec},
    },
};
use crate::{
    app::{
        Action, App, List, Opened, Overlay, RowKey, ScreenId, ScreenKey, ScreenSpec, Viewport,
        keymap::Binding,
    },
    model::{Finding, RULES, Rule, TargetModel},
    text::{compact_count, duration, wrap},
};

pub(super) const ID: ScreenId = ScreenId("findings");

pub(super) const SCREEN: ScreenEntry = ScreenEntry {
    spec: ScreenSpec {
        id: ID,
        binding: Binding {
            keys: &[(KeyModifiers::NONE, KeyCode::Char('5'))],
            label: "5",
            action: Action::Show(ID),
            short: "Findings",
            help: "findings: offender, location, affected tasks and fix",
        },
        list: List::Findings,
        needs: None,
        keys: &[ScreenKey::new(Action::Open, Action::Open).in_footer("why", 5)],
        subscribe: |_| {},
        open,
    },
    title: |app, theme| {
        let (active, all) = (app.model().findings().len(), app.row_count());
        let resolved = format!(", {} resolved", all - active);
        vec![(format!(" Findings {active} active"), theme.title()), (resolved, theme.dim())]
    },
    viewport: |app, size| Viewport::below_titles(size.height - impact::height(app, size.height)),
    draw,
};

fn open(app: &App) -> Result<Opened, &'static str> {
    match app.cursor().key() {
        Some(RowKey::Finding(id)) => Ok(Opened::Overlay(Overlay::Finding(id.clone()))),
        _ => Err("no finding to open"),
    }
}

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

const SPECS: [Spec<Column>; 8] = [
    Spec::text(Column::Sign, 2, 0, 1),
    Spec::text(Column::Rule, 16, 7, 3),
    Spec::text(Column::Subject, 9, 7, 7),
    Spec::text(Column::Sentence, 36, 96, 2),
    Spec::number(Column::Since, 6, 4),
    Spec::number(Column::Last, 6, 5),
    Spec::number(Column::Count, 5, 6),
    Spec::text(Column::Where, 20, 30, 8),
];

/// Below this width, only the sentences are shown.
const NARROW: u16 = 58;
const NARROW_SPECS: [Spec<Column>; 2] =
    [Spec::text(Column::Sign, 2, 0, 1), Spec::text(Column::Sentence, 20, 96, 2)];

fn specs(width: u16) -> &'static [Spec<Column>] {
    if width < NARROW { &NARROW_SPECS } else { &SPECS }
}

fn column_title(column: Column) -> &'static str {
    match column {
        Column::Sign => "",
        Column::Rule => "RULE",
        Column::Subject => "SUBJECT",
        Column::Sentence => "FINDING",
        Column::Since => "SINCE",
        Column::Last => "LAST",
        Column::Count => "TIMES",
        // The line that blocks or, if it is unknown, where the task was spawned.
        Column::Where => "LINE",
    }
}

fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    impact::draw(app, canvas, area);
    let area = Rect { height: area.height - impact::height(app, area.height), ..area };
    let findings = app.model().all_findings();
    if findings.is_empty() {
        return draw_rules(app, canvas, area);
    }
    let places = table::places(specs(area.width), Column::Sign, area.width);
    for place in &places {
        place.put_title(canvas, area.y, column_title(place.column), None);
    }
    for (row, y) in table::visible_rows(app, area) {
        let finding = &findings[row];
        let Some(target) = app.model().target(finding.target) else { continue };
        let name = app.has_several_targets().then(|| target.name());
        for place in &places {
            cell(canvas, y, place, finding, target.target().taken_ns, name);
        }
        table::finish_row(app, canvas, area, row, y);
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
    let theme = canvas.theme;
    let (plain, of_severity) = match finding.active {
        true => (Style::new(), theme.severity(finding.severity)),
        false => (theme.dim(), theme.dim()),
    };
    let ago = |then: u64| duration(now.saturating_sub(then));
    let (text, style) = match place.column {
        Column::Sign => (theme.severity_glyph(finding.severity).to_owned(), of_severity),
        Column::Rule => (finding.rule.to_string(), of_severity),
        Column::Subject => match target {
            Some(target) => (format!("{} of {target}", finding.subject), plain),
            None => (finding.subject.to_string(), plain),
        },
        Column::Sentence => (finding.sentence.clone(), plain),
        Column::Since => (ago(finding.first_seen_ns), plain),
        Column::Last if finding.active => ("now".to_owned(), plain),
        Column::Last => (ago(finding.last_seen_ns), plain),
        Column::Count => (compact_count(finding.count), plain),
        Column::Where => (finding.place().unwrap_or_default().to_owned(), theme.dim()),
    };
    place.put(canvas, y, &text, style, place.column == Column::Where);
}

/// Draws the largest impact, if there is one, and the rules, none of which has fired.
fn draw_rules(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let theme = canvas.theme;
    let largest = app.model().offenders().first().map(|largest| largest.offender.describe());
    let mut lines: Vec<Spans> = match (app.target(), &largest) {
        (None, _) => vec![vec![(" waiting for the first sample".to_owned(), theme.good())]],
        (Some(_), None) => vec![vec![(" No rule has fired. The rules:".to_owned(), theme.good())]],
        (Some(_), Some(largest)) => {
            let text = format!("No rule has fired. Largest impact: {largest}. The rules:");
            wrap(&text, usize::from(area.width).saturating_sub(2))
                .into_iter()
                .map(|line| vec![(format!(" {line}"), theme.warning())])
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
            lines.push(vec![(head, theme.title()), (line, Style::new())]);
        }
    }
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        canvas.line(area.x, y, area.right(), line);
    }
}
