//! The lab: what runs, how much of it, the hog, and the lesson.

use ratatui::{layout::Rect, style::Style};

use super::{
    canvas::{Canvas, Pieces},
    text::{duration, rate},
};
use crate::{
    app::App,
    model::{LabFigures, Slowdown},
};

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let look = canvas.look;
    let Some(lab) = app.model().snapshot().and_then(|snapshot| snapshot.lab.clone()) else {
        canvas.put(area.x + 1, area.y, area.width, "there is no lab here", look.dim());
        return;
    };
    let head =
        format!(" {:<14}{:>7}  {:>10}  {:>10}  UNIT", "WORKLOAD", "COUNT", "BEFORE/S", "NOW/S");
    let mut lines: Vec<(Pieces, bool)> = vec![(vec![(head, look.title())], false)];
    for (at, line) in workloads(&lab, app.model().slowdown()).into_iter().enumerate() {
        lines.push((vec![(line, Style::new())], app.workloads.key() == Some(&at)));
    }
    lines.push((Pieces::new(), false));
    for line in hog(&lab, look.key()) {
        lines.push((line, false));
    }
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        canvas.line(area.x, y, area.right(), &line.0);
        if line.1 {
            canvas.highlight(Rect::new(area.x, y, area.width, 1), look.selected());
        }
    }
    let taken = area.y + lines.len() as u16 + 1;
    let room = Rect::new(area.x, taken, area.width, area.bottom().saturating_sub(taken));
    lesson(canvas, room, &lab.lesson);
}

fn workloads(lab: &LabFigures, slowdown: &Slowdown) -> Vec<String> {
    let line = |workload: &crate::model::WorkloadFigures| {
        let share = slowdown.shares.iter().find(|(name, ..)| *name == workload.name);
        let figure = |value: Option<f64>| value.map_or("–".to_owned(), rate);
        format!(
            " {:<14}{:>7}  {:>10}  {:>10}  {}",
            workload.name,
            workload.count,
            figure(share.map(|(_, before, _)| *before)),
            figure(share.map(|(_, _, now)| *now)),
            workload.unit.unwrap_or("not closed-loop: no rate of its own"),
        )
    };
    lab.workloads.iter().map(line).collect()
}

fn hog(lab: &LabFigures, key: Style) -> Vec<Pieces> {
    let hog = &lab.hog;
    let plain = Style::new();
    let on = if hog.on_since_ns.is_some() { "on" } else { "off" };
    let hold = match hog.hold_ns {
        Some(nanos) => format!("it gives way after {}", duration(nanos)),
        None => "it never gives way".to_owned(),
    };
    vec![vec![
        (format!(" hog {on}: {} × {}, {hold}   ", hog.count, hog.kind), plain),
        ("b".into(), key),
        (" on and off  ".into(), plain),
        ("B".into(), key),
        (" kind  ".into(), plain),
        ("[ ]".into(), key),
        (" hold  ".into(), plain),
        ("+ -".into(), key),
        (" workload  ".into(), plain),
        ("f".into(), key),
        (" flavour".into(), plain),
    ]]
}

/// The lesson, wrapped.
fn lesson(canvas: &mut Canvas<'_>, area: Rect, text: &str) {
    let width = usize::from(area.width.saturating_sub(2)).min(92);
    let mut y = area.y;
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace().chain([""]) {
            let full = line.chars().count() + 1 + word.chars().count() > width;
            if (full || word.is_empty()) && y < area.bottom() {
                canvas.put(area.x + 1, y, area.width - 1, &line, Style::new());
                line.clear();
                y += 1;
            }
            line += if line.is_empty() { "" } else { " " };
            line += word;
        }
    }
}
