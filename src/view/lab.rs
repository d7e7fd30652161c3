//! The lab: what runs, how much of it, the hog, and the lesson.

use ratatui::{layout::Rect, style::Style};

use super::{
    canvas::{Canvas, Pieces},
    header::turn,
    text::{count, duration, rate, wrap},
};
use crate::{
    app::App,
    model::{ConsoleFigures, Gauge, GaugeValue, LabFigures, Slowdown, WorkloadFigures},
};

/// How many workloads there are to select.
pub(super) fn workloads(app: &App) -> usize {
    let lab = app.model().snapshot().and_then(|snapshot| snapshot.lab.as_ref());
    lab.map_or(0, |lab| lab.workloads.len())
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let look = canvas.look;
    let Some(lab) = app.model().snapshot().and_then(|snapshot| snapshot.lab.as_ref()) else {
        let text = " there is no lab here: what is watched runs elsewhere";
        canvas.put(area.x, area.y, area.width, text, look.dim());
        return;
    };
    let head = format!(
        " {:<14}{:>7}{:>8}{:>11}{:>9}  UNIT",
        "WORKLOAD", "COUNT", "DONE", "BEFORE/S", "NOW/S"
    );
    let mut lines: Vec<(Pieces, bool)> = vec![(vec![(head, look.title())], false)];
    for (at, workload) in lab.workloads.iter().enumerate() {
        let line = line(workload, app.model().slowdown());
        lines.push((vec![(line, Style::new())], app.workloads.key() == Some(&at)));
    }
    let told = lab.workloads.iter().filter(|workload| !workload.gauges.is_empty());
    let width = usize::from(area.width).saturating_sub(2).min(92);
    for workload in told {
        let text = wrap(&format!("{}: {}", workload.name, gauges(workload)), width).into_iter();
        lines.extend(text.map(|line| (vec![(format!(" {line}"), look.dim())], false)));
    }
    lines.push((Pieces::new(), false));
    let on = lab.hog.on_since_ns.is_some();
    let style = if on { look.critical() } else { look.title() };
    lines.extend(
        wrap(&hog(lab), width).into_iter().map(|line| (vec![(format!(" {line}"), style)], false)),
    );
    lines.extend(
        wrap(KEYS, width).into_iter().map(|line| (vec![(format!(" {line}"), look.dim())], false)),
    );
    if let Some(served) = &lab.console {
        let served = wrap(&console(served), width).into_iter();
        lines.extend(served.map(|line| (vec![(format!(" {line}"), look.warning())], false)));
    }
    lines.push((Pieces::new(), false));
    for (heading, text) in lab.lesson.parts().into_iter().filter(|(_, text)| !text.is_empty()) {
        lines.push((vec![(format!(" {heading}"), look.title())], false));
        let text = wrap(text, width).into_iter();
        lines.extend(text.map(|line| (vec![(format!(" {line}"), Style::new())], false)));
    }
    for ((pieces, selected), y) in lines.iter().zip(area.y..area.bottom()) {
        canvas.line(area.x, y, area.right(), pieces);
        if *selected {
            canvas.highlight(Rect::new(area.x, y, area.width, 1), look.selected());
        }
    }
}

/// A hint, not a second keymap: the help has them all.
const KEYS: &str =
    "b on and off, B kind, [ ] hold, f flavour; ↑ ↓ select a workload, + - change it";

fn line(workload: &WorkloadFigures, slowdown: &Slowdown) -> String {
    let share = slowdown.shares.iter().find(|(name, ..)| *name == workload.name);
    let figure = |value: Option<f64>| value.map_or("–".to_owned(), rate);
    let done = match workload.unit {
        Some(_) => count(workload.done),
        None => "–".to_owned(),
    };
    let mode = workload.mode.map(|mode| format!(", {mode} (m)")).unwrap_or_default();
    format!(
        " {:<14}{:>7}{done:>8}{:>11}{:>9}  {}{mode}",
        workload.name,
        workload.count,
        figure(share.map(|(_, before, _)| *before)),
        figure(share.map(|(_, _, now)| *now)),
        workload.unit.unwrap_or("not closed-loop"),
    )
}

/// What a workload tells of itself.
fn gauges(workload: &WorkloadFigures) -> String {
    let time = |nanos: Option<u64>| nanos.map_or("–".to_owned(), duration);
    let one = |gauge: &Gauge| match &gauge.value {
        GaugeValue::Count(n) => format!("{} {}", gauge.name, count(*n)),
        GaugeValue::Text(text) => format!("{} {text}", gauge.name),
        GaugeValue::Latency { p50_ns, p99_ns, max_ns, waiting } => {
            let (p50, p99, max) = (time(*p50_ns), time(*p99_ns), time(*max_ns));
            let waiting = if *waiting > 0 { format!(", {waiting} wait") } else { String::new() };
            format!("{} p50 {p50} p99 {p99} max {max}{waiting}", gauge.name)
        }
    };
    workload.gauges.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn console(served: &ConsoleFigures) -> String {
    let ConsoleFigures { address, added_ns_per_poll, ended } = served;
    match ended {
        Some(why) => format!("tokio-console is served no longer: {why}"),
        None => format!(
            "tokio-console http://{address} shows these tasks too; each poll takes {} longer by \
             it, which is in all busy and scheduled times",
            duration(*added_ns_per_poll),
        ),
    }
}

fn hog(lab: &LabFigures) -> String {
    let hog = &lab.hog;
    let on = if hog.on_since_ns.is_some() { "on" } else { "off" };
    let count = if hog.count > 1 { format!("{} × ", hog.count) } else { String::new() };
    format!("hog {on}: {count}{}, {}", hog.kind, turn(hog))
}
