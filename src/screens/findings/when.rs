//! When each finding was active, one line each.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use crate::{
    app::{App, GraphWindow},
    model::{ActiveSpan, Finding},
    screens::widgets::{canvas::Canvas, preview},
};

const MAX_ROWS: u16 = 8;

/// The height for this many findings, with a title.
pub(super) fn height(findings: usize) -> u16 {
    match u16::try_from(findings).unwrap_or(u16::MAX) {
        0 => 0,
        rows => 1 + rows.min(MAX_ROWS),
    }
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let findings = app.findings();
    let name = |finding: &Finding| {
        format!("{}{} {}", app.target_prefix(finding.target), finding.rule, finding.subject)
    };
    let widest = findings.iter().map(|finding| name(finding).width()).max().unwrap_or(0) as u16;
    let label = (widest + 4).min(area.width / 2);
    let columns = area.width.saturating_sub(label + 1);
    if area.height < 2 || columns < 8 {
        return;
    }
    // The selected finding is always among the lines.
    let visible = usize::from(area.height - 1);
    let selected = app.cursor().row();
    let selected = if selected < findings.len() { selected } else { 0 };
    let first = (selected + 1).saturating_sub(visible);
    let shown = findings.iter().skip(first).take(visible);
    let Some(model) = app.selected() else { return };
    let (is_latest, span) = (!app.has_graph_selection(), app.graph_span_text(model));
    let which = if is_latest { "last" } else { "selected" };
    let part = match findings.len() {
        all if all > visible => format!(", {visible} of {all}"),
        _ => String::new(),
    };
    let title = format!("active in the {which} {span}{part}");
    preview::draw_titled(canvas, area, &title, &[]);
    for (finding, y) in shown.zip(area.y + 1..area.bottom()) {
        let theme = canvas.theme;
        let style = match finding.active {
            true => theme.severity(finding.severity),
            false => theme.dim(),
        };
        let sign = theme.severity_glyph(finding.severity);
        canvas.put(area.x, y, label, &format!(" {sign} {}", name(finding)), style);
        let Some(model) = app.model().target(finding.target) else { continue };
        let GraphWindow { end_ns, span_ns } = app.graph_window(model);
        let now_ns = if is_latest { model.target().taken_ns } else { end_ns };
        let parts = parts(&finding.spans, now_ns, span_ns, usize::from(columns));
        let known = model.history().points().columns(now_ns, span_ns, usize::from(columns));
        for ((part, known), x) in parts.into_iter().zip(known).zip(area.x + label..) {
            let (glyph, style) = match part {
                // A gap is not known to be without the problem.
                Part::Inactive if known.is_none() => continue,
                Part::Inactive => (theme.glyph("─", "-"), theme.dim()),
                Part::Partly => (theme.glyph("▌", "+"), theme.severity(finding.severity)),
                Part::Active => (theme.glyph("█", "#"), theme.severity(finding.severity)),
            };
            canvas.put(x, y, 1, glyph, style);
        }
    }
}

/// Whether a finding was active in a part of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Inactive,
    /// For less than half of the part.
    Partly,
    Active,
}

/// The `span_ns` up to `now_ns` in `columns` parts, oldest first.
///
/// The boundaries of the parts are multiples of their length, so marks stay in their part while
/// time advances.
fn parts(spans: &[ActiveSpan], now_ns: u64, span_ns: u64, columns: usize) -> Vec<Part> {
    let length_ns = (span_ns / columns as u64).max(1);
    let end_ns = (now_ns.saturating_sub(1) / length_ns + 1) * length_ns;
    let part = |age: usize| {
        let to_ns = end_ns.saturating_sub(age as u64 * length_ns);
        let from_ns = to_ns.saturating_sub(length_ns);
        let to_ns = to_ns.min(now_ns.max(from_ns + 1));
        let in_part = spans.iter().filter(|span| span.from_ns < to_ns && span.to_ns >= from_ns);
        let covered_ns: Option<u64> = in_part
            .map(|span| span.to_ns.min(to_ns).saturating_sub(span.from_ns.max(from_ns)))
            .reduce(|sum, covered| sum + covered);
        match covered_ns {
            None => Part::Inactive,
            Some(covered_ns) if covered_ns * 2 >= to_ns - from_ns => Part::Active,
            Some(_) => Part::Partly,
        }
    };
    (0..columns).rev().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn parts_have_the_times_of_the_finding() {
        let parts = |spans: &[ActiveSpan], now_ns| -> String {
            let mark = |part| match part {
                Part::Inactive => '-',
                Part::Partly => '+',
                Part::Active => '#',
            };
            parts(spans, now_ns, 10 * S, 10).into_iter().map(mark).collect()
        };
        let span = |from_ns, to_ns| ActiveSpan { from_ns, to_ns };
        let spans = [span(101 * S, 101 * S + S / 4), span(104 * S, 107 * S - 1)];
        assert_eq!(parts(&spans, 107 * S - 1), "----+--###");
        assert_eq!(parts(&spans, 109 * S), "--+--###--");
        assert_eq!(parts(&spans, 109 * S + 1), "-+--###---");
        assert_eq!(parts(&[], 2 * S), "----------");
    }
}
