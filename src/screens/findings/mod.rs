//! The findings: active ones, then resolved ones, and below them the impact of long polls. The rest
//! of the screen shows when each finding was active, and the details of the selected row.
//!
//! ```text
//!  FINDING                                                                  TIMES     FOR      LAST
//!  ‼ hog has blocked worker 0 for 8.52s, computing in hog::spin; 16 tasks …     1   8.52s       now   list
//!        hog/mod.rs:189 ← hog::run :139        fix: Split the work and call yield_now().await …
//! ── impact of long polls, total of the last minute ────────────────────────────────────────────────
//!  TASK-SECONDS          OFFENDER   FUNCTION   BLOCKED AT       POLLS  BLOCKED  DELAYED              impact
//!           129 ████████ hog        hog::spin  hog/mod.rs:189       1    8.52s       16
//! ── active, last 1 min ───────────────────────────────────────────────────────────────────────────
//!  ‼ worker-held  hog                                  ████████████████████████████████████████     when
//! ── hog: worker-held ─────────────────────────────────────────────────────────────────────────────
//!  cause      computing                                                                             preview
//! ```

pub(super) mod detail;
mod evidence;
mod impact;
mod list;
pub(super) mod offender;
mod plan;
mod rules;
mod when;

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::layout::{Rect, Size};

use super::{
    ScreenEntry,
    theme::Theme,
    widgets::{
        canvas::{Canvas, Spans, paragraph},
        preview, title,
    },
};
use crate::{
    app::{
        Action, App, List, Opened, Overlay, RowKey, ScreenId, ScreenKey, ScreenSpec, Viewport,
        keymap::Binding,
    },
    model::{FindingId, OffenderId},
    text::plural,
};
use plan::Plan;

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
        open: |app| match selected(app) {
            Some(Selected::Finding(id)) => Ok(Opened::Overlay(Overlay::Finding(id.clone()))),
            Some(Selected::Offender(id)) => Ok(Opened::Overlay(Overlay::Offender(id.clone()))),
            None => Err("no finding to open"),
        },
    },
    title,
    viewport,
    draw,
};

fn title(app: &App, theme: Theme) -> Spans {
    let findings = app.findings();
    let active = findings.iter().filter(|finding| finding.active).count();
    let mut spans = vec![(format!(" Findings {active} active"), theme.title())];
    let mut separator = ", ";
    // On a narrow screen, the pin is more useful than the number of resolved findings.
    if let Some(pin) = title::pin(app, theme) {
        let others = app.model().all_findings().len() - findings.len();
        spans.extend([pin, (format!(" ({})", plural(others as u64, "other")), theme.dim())]);
        separator = "  ";
    }
    let resolved = findings.len() - active;
    spans.push((format!("{separator}{resolved} resolved"), theme.dim()));
    spans
}

/// The selected row.
enum Selected<'a> {
    Finding(&'a FindingId),
    Offender(&'a OffenderId),
}

fn selected(app: &App) -> Option<Selected<'_>> {
    match app.cursor().key()? {
        RowKey::Finding(id) => Some(Selected::Finding(id)),
        RowKey::Offender(id) => Some(Selected::Offender(id)),
        _ => None,
    }
}

fn viewport(app: &App, size: Size) -> Viewport {
    let plan = Plan::new(app, Rect::from(((0, 0).into(), size)));
    Viewport::with_rows(plan.blocks.visible_rows(app.row_count()))
}

fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let plan = Plan::new(app, area);
    match app.findings().is_empty() {
        true => rules::draw(app, canvas, plan.list),
        false => list::draw(app, canvas, &plan),
    }
    impact::draw(app, canvas, plan.impact);
    when::draw(app, canvas, plan.when);
    draw_preview(app, canvas, plan.preview);
}

/// Draws the details of the selected row, as many lines as fit.
fn draw_preview(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    if area.height < 2 {
        return;
    }
    let (title, lines) = match selected(app) {
        Some(Selected::Finding(id)) => (
            format!("{}: {}", id.subject, id.rule),
            detail::preview(app, canvas.theme, area.width, id),
        ),
        Some(Selected::Offender(id)) => {
            (offender::title(app, id), offender::preview(app, canvas.theme, area.width, id))
        }
        None => return,
    };
    preview::draw_titled(canvas, area, &title, &lines);
}

/// The lines of a text, of a width that can be read.
fn wrapped(text: &str, width: u16, style: ratatui::style::Style) -> Vec<Spans> {
    paragraph(text, usize::from(width).min(112), style)
}

/// A line with a label.
fn fact(theme: Theme, label: &str, text: impl Into<String>) -> Spans {
    vec![(format!(" {label:<11}"), theme.dim()), (text.into(), ratatui::style::Style::new())]
}

/// Lines with a label at the first one.
fn facts(theme: Theme, mut label: &str, text: &str, width: u16) -> Vec<Spans> {
    let available = usize::from(width).saturating_sub(13).clamp(20, 99);
    let lines = crate::text::wrap(text, available);
    lines.into_iter().map(|line| fact(theme, std::mem::take(&mut label), line)).collect()
}
