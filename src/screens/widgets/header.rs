//! The first line: the target on the left; hog, scheduling delay and slowdown on the right.
//!
//! ```text
//!  asynctop  lab:mixed  current-thread  up 1m23s  4 Hz     hog ● spin  never yields  p99 1.2s  slowdown ×38
//! ```

use ratatui::{
    layout::Rect,
    style::{Modifier, Style},
};
use unicode_width::UnicodeWidthStr;

use super::canvas::Canvas;
use crate::{
    app::{App, OwnCost},
    model::{Factor, Severity, TargetModel, Thresholds},
    screens::theme::Theme,
    snapshot::{Connection, ConsoleStats, FieldId, Flavor, HogStats},
    text::{
        UNAVAILABLE, bucket_duration, bytes, duration, factor, optional, percent, whole_percent,
    },
};

/// A part of the line. Parts with a high rank are dropped first.
struct Part {
    rank: u8,
    right: bool,
    text: String,
    /// The width of its longest usual text, so that a number with one digit more or less drops no
    /// other part.
    reserved: usize,
    /// A longer text, used if there is room beside the chosen parts.
    long: Option<String>,
    style: Style,
}

impl Part {
    fn or_longer(self, long: String) -> Part {
        Part { long: Some(long), ..self }
    }

    fn reserving(self, longest: &str) -> Part {
        Part { reserved: longest.width(), ..self }
    }

    fn width(&self) -> u16 {
        self.text.width().max(self.reserved) as u16
    }
}

fn left(rank: u8, text: impl Into<String>, style: Style) -> Part {
    Part { rank, right: false, text: text.into(), reserved: 0, long: None, style }
}

fn right(rank: u8, text: impl Into<String>, style: Style) -> Part {
    Part { rank, right: true, text: text.into(), reserved: 0, long: None, style }
}

const GAP: u16 = 2;
/// The rank after which details come: uptime and own cost.
const DETAILS: u8 = 9;

/// The header shows a lack of CPU from this share on.
const LACKING_CPU: f64 = 0.05;
const LACKING_CPU_WIDTH: &str = "run-queue 99%";

pub fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let parts = fitting(parts(app, canvas.theme), area.width);
    let is_shown = |part: &&Part| part.right && !part.text.is_empty();
    let at_right = parts.iter().filter(is_shown);
    let needed: u16 = at_right.map(|part| part.text.width() as u16 + GAP).sum();
    let mut x = area.x + 1;
    for part in parts.iter().filter(|part| !part.right) {
        x += canvas.put(x, area.y, area.right().saturating_sub(x), &part.text, part.style) + GAP;
    }
    let mut x = x.max(area.right().saturating_sub(needed) + 1);
    for part in parts.iter().filter(is_shown) {
        x += canvas.put(x, area.y, area.right().saturating_sub(x), &part.text, part.style) + GAP;
    }
}

/// The parts that fit, chosen by rank. The first one that does not fit ends the choice, so that a
/// narrow part never comes and goes in the place of a more important one. Longer texts come before
/// details.
fn fitting(mut parts: Vec<Part>, width: u16) -> Vec<Part> {
    let mut by_rank: Vec<usize> = (0..parts.len()).collect();
    by_rank.sort_by_key(|at| parts[*at].rank);
    let (mut left, mut chosen) = (width, vec![false; parts.len()]);
    for at in by_rank {
        if parts[at].rank >= DETAILS {
            lengthen(&mut parts, &chosen, &mut left);
        }
        let wide = parts[at].width() + GAP;
        if wide > left && parts[at].rank > 0 {
            break;
        }
        chosen[at] = true;
        left = left.saturating_sub(wide);
    }
    lengthen(&mut parts, &chosen, &mut left);
    let chosen = parts.into_iter().zip(chosen).filter_map(|(part, chosen)| chosen.then_some(part));
    chosen.collect()
}

/// Gives the chosen parts their longer texts where these fit.
fn lengthen(parts: &mut [Part], chosen: &[bool], left: &mut u16) {
    for (part, _) in parts.iter_mut().zip(chosen).filter(|(_, chosen)| **chosen) {
        let Some(long) = part.long.take() else { continue };
        let more = (long.width() as u16).saturating_sub(part.width());
        if more <= *left {
            *left -= more;
            part.text = long;
        }
    }
}

fn parts(app: &App, theme: Theme) -> Vec<Part> {
    let Some(model) = app.selected() else {
        return vec![
            left(2, "asynctop", theme.title()),
            left(0, "waiting for the first sample", Style::new()),
        ];
    };
    let target = model.target();
    let runtime = target.runtime.flavor.map(|flavor| match flavor {
        Flavor::CurrentThread => "current-thread".to_owned(),
        Flavor::MultiThread if !target.description.has(FieldId::Workers) => {
            "multi-thread".to_owned()
        }
        Flavor::MultiThread => {
            format!("multi-thread {}{}", theme.glyph("×", "x"), target.workers.len())
        }
    });
    let mut parts = Vec::new();
    if app.is_frozen() {
        // This comes first: a frozen screen must not be taken for the present.
        let banner = format!(" FROZEN {} ago ", duration(app.frozen_for_ns()));
        parts.push(left(0, banner, theme.warning().add_modifier(Modifier::REVERSED)));
    } else {
        parts.push(left(7, "asynctop", theme.title()));
    }
    parts.extend(
        app.overdue_sample()
            .map(|age| left(1, format!("no sample for {}s", age.as_secs()), theme.warning())),
    );
    parts.push(left(2, model.name().to_string(), theme.title()));
    parts.extend(runtime.map(|runtime| left(4, runtime, theme.title())));
    if let Some((text, style)) = connections(app, theme) {
        parts.push(left(1, text, style));
    }
    match lacking_cpu(model) {
        Some([short, long]) => {
            let part = right(2, short, theme.warning());
            parts.push(part.reserving(LACKING_CPU_WIDTH).or_longer(long));
        }
        // It comes and goes with the load, and details must not go with it.
        None if target.description.has(FieldId::Machine) => {
            parts.push(right(DETAILS, "", theme.dim()).reserving(LACKING_CPU_WIDTH));
        }
        None => {}
    }
    if target.epoch > 0 {
        parts.push(left(10, format!("up {}", duration(target.runtime.uptime_ns)), theme.dim()));
    }
    parts.push(left(8, interval(app), theme.dim()));
    parts.extend(app.own_cost.map(|cost| {
        let part = left(11, own_cost(&cost), theme.dim());
        let measuring = app.measuring_share().map(percent);
        let long = measuring.map(|share| format!("{}  measuring ~{share} CPU", part.text));
        Part { long, ..part }
    }));
    if let Some(lab) = &target.lab {
        parts.extend(lab.console.as_ref().map(|served| console(served, theme)));
        let worst = app.model().findings().first().map(|worst| worst.severity);
        hog(&mut parts, &lab.hog, worst, theme);
    }
    statistics(&mut parts, model, app.model().thresholds(), theme);
    parts
}

/// The largest share of CPU time that the program was not given, from 5 % on; short and long.
fn lacking_cpu(model: &TargetModel) -> Option<[String; 2]> {
    let load = model.machine().filter(|_| model.target().description.has(FieldId::Machine))?;
    let run_delay = load.run_delay.map(|(_, share)| share);
    let kinds =
        [("run-queue delay", run_delay), ("steal", load.steal), ("throttled", load.throttled)];
    let known = kinds.into_iter().filter_map(|(name, share)| Some((name, share?)));
    let (name, share) = known.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let texts = [name.trim_end_matches(" delay"), name];
    (share >= LACKING_CPU).then(|| texts.map(|text| format!("{text} {}", whole_percent(share))))
}

/// The CPU time, the memory and the time to draw of this program.
fn own_cost(cost: &OwnCost) -> String {
    let cpu = optional(cost.cpu_share, percent);
    let memory = optional(cost.memory, bytes);
    format!("own {cpu} CPU {memory} {}/frame", duration(cost.frame_ns))
}

/// The state of the connections, if there are any.
fn connections(app: &App, theme: Theme) -> Option<(String, Style)> {
    let targets: Vec<_> = app.model().remote_targets().collect();
    let live = targets.iter().filter(|target| target.connection.is_live()).count();
    let is_incomplete = targets.iter().any(|target| target.losses.is_incomplete());
    match (&targets[..], live) {
        ([], _) => None,
        (all, live) if live == all.len() && is_incomplete => {
            Some(("incomplete".to_owned(), theme.warning()))
        }
        ([_], 1) => Some(("connected".to_owned(), theme.good())),
        (all, live) if live == all.len() => Some((format!("{live} connected"), theme.good())),
        ([one], _) => {
            let text = match one.connection {
                Connection::Connecting { .. } => "connecting",
                Connection::Stale { .. } => "STALE",
                _ if one.epoch == 0 => "not connected",
                _ => "DISCONNECTED",
            };
            Some((text.to_owned(), theme.critical()))
        }
        (all, live) => Some((format!("{live} of {} connected", all.len()), theme.critical())),
    }
}

/// The refresh interval.
fn interval(app: &App) -> String {
    match app.interval.as_secs_f64() {
        s if s >= 1.0 => format!("every {s:.0}s"),
        s => format!("{:.0} Hz", 1.0 / s.max(0.001)),
    }
}

/// The hog. It is critical if a finding is: on a runtime with idle workers, it may delay no task.
fn hog(parts: &mut Vec<Part>, hog: &HogStats, worst: Option<Severity>, theme: Theme) {
    if hog.failure.is_some() && hog.on_since_ns.is_none() {
        let text = format!("hog {} {} failed", theme.glyph("✗", "!"), hog.kind);
        parts.push(right(1, text, theme.critical()));
        return;
    }
    if hog.restart_pending {
        let text = format!("hog {} {} restarts", theme.glyph("○", "-"), hog.kind);
        parts.push(right(1, text, theme.warning()));
        return;
    }
    if hog.on_since_ns.is_none() {
        let off = format!("hog {} {} off", theme.glyph("○", "-"), hog.kind);
        parts.push(right(6, off, theme.dim()));
        return;
    }
    let count = match hog.count {
        ..=1 => String::new(),
        n => format!("{}{n}", theme.glyph("×", "x")),
    };
    let is_critical = !hog.is_fix && worst == Some(Severity::Critical);
    let style = if is_critical { theme.critical() } else { theme.warning() };
    let on = format!("hog {} {}{count}", theme.glyph("●", "ON"), hog.kind);
    parts.push(right(1, on, style));
    parts.push(right(5, hold_time(hog), style));
}

/// How long a hog blocks its worker, or how much work it does, before it yields.
pub fn hold_time(hog: &HogStats) -> String {
    match (hog.is_fix, hog.hold_ns) {
        (false, Some(nanos)) => format!("yields after {}", duration(nanos)),
        (false, None) => "never yields".to_owned(),
        (true, Some(nanos)) => format!("{} of work at a time", duration(nanos)),
        (true, None) => "endless work".to_owned(),
    }
}

/// The port for tokio-console, and the time that console-subscriber adds to each poll.
fn console(served: &ConsoleStats, theme: Theme) -> Part {
    if served.ended.is_some() {
        return left(4, "console stopped", theme.warning());
    }
    let added = duration(served.added_ns_per_poll);
    left(4, format!("console :{} +{added}/poll", served.address.port()), theme.warning())
}

/// Whether tasks have been runnable for as long as a long poll. Otherwise the work itself is slow.
fn delays_tasks(model: &TargetModel) -> bool {
    let delays = model.scheduling_delay();
    delays.longest_ns.max(delays.p99_ns.unwrap_or(0)) >= model.long_poll_ns()
}

/// Scheduling delay and slowdown.
fn statistics(parts: &mut Vec<Part>, model: &TargetModel, thresholds: &Thresholds, theme: Theme) {
    let delay = model.scheduling_delay().p99_ns;
    let style = theme.length(thresholds, delay.unwrap_or(0), theme.title());
    let delay = delay.filter(|_| model.target().description.has(FieldId::SchedulingDelay));
    let text = format!("p99 {}", optional(delay, bucket_duration));
    let long = format!("sched delay {text}");
    parts.push(right(3, text, style).or_longer(long).reserving("p99 ~210µs"));
    let Some(slowdown) = model.slowdown().factor else {
        let reason = &model.slowdown().no_factor_reason;
        if !reason.is_empty() {
            let part = right(0, format!("slowdown {UNAVAILABLE}"), theme.dim());
            parts.push(part.or_longer(format!("slowdown {UNAVAILABLE} ({reason})")));
        }
        return;
    };
    let times = theme.glyph("×", "x");
    let (text, style) = match slowdown {
        Factor::Standstill => (times.to_owned() + theme.glyph("∞", "inf"), theme.critical()),
        Factor::Times(n) if n >= 10.0 && delays_tasks(model) => {
            (factor(n, times), theme.critical())
        }
        Factor::Times(n) if n >= 1.5 => (factor(n, times), theme.warning()),
        Factor::Times(n) => (factor(n.max(1.0), times), theme.good()),
    };
    let mut part = right(0, format!("slowdown {text}"), style).reserving("slowdown ×1.0");
    if let Some(since_ns) = model.slowdown().standstill_since_ns {
        let lasted = duration(model.target().taken_ns.saturating_sub(since_ns));
        let long = format!("{}: no work done for {lasted}", part.text);
        part = part.or_longer(long);
    }
    parts.push(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(width: u16, delay: &str) -> Vec<String> {
        let plain = Style::new();
        let parts = vec![
            left(0, "lab:mixed", plain),
            left(8, "up 1m23s", plain),
            left(9, "4 Hz", plain),
            right(3, delay, plain).reserving("delay p99 ~210µs"),
        ];
        fitting(parts, width).into_iter().map(|part| part.text).collect()
    }

    #[test]
    fn part_is_never_replaced_by_a_less_important_one() {
        assert_eq!(texts(45, "delay p99 ~1s"), ["lab:mixed", "up 1m23s", "4 Hz", "delay p99 ~1s"]);
        assert_eq!(texts(40, "delay p99 ~1s"), ["lab:mixed", "up 1m23s", "delay p99 ~1s"]);
        assert_eq!(texts(36, "delay p99 ~1s"), ["lab:mixed", "delay p99 ~1s"], "room for 4 Hz");
    }

    #[test]
    fn longer_number_drops_no_other_part() {
        for width in 20..60 {
            let [short, long] =
                ["delay p99 ~1s", "delay p99 ~210µs"].map(|delay| texts(width, delay).len());
            assert_eq!(short, long, "{width}");
        }
    }
}
