//! The details of a task.

mod long_polls;

use std::sync::Arc;

use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{
    resources,
    theme::Theme,
    widgets::{
        bars::{bar, histogram_bar},
        canvas::Spans,
    },
};
use crate::{
    Histogram,
    app::App,
    model::TaskRates,
    snapshot::{
        Accuracy, Answer, Description, DistributionKey, Distributions, FieldId, Outcome, State,
        Target, TaskKey, TaskKind, TaskStats,
    },
    text::{
        UNAVAILABLE, bucket_duration, compact_count, count, duration, optional, percent, rate, wrap,
    },
};

/// From this width on, the two distributions are side by side.
const TWO_COLUMNS: u16 = 132;

/// All lines.
pub(super) fn lines(app: &App, theme: Theme, width: u16, key: TaskKey) -> Vec<Spans> {
    let Some((model, task)) = app.model().task(key) else {
        let text = " this task has ended and is no longer kept; Esc: back";
        return vec![vec![(text.to_owned(), theme.dim())]];
    };
    let target = model.target();
    let rates = target.position(key.id).map(|at| model.rates(at)).unwrap_or_default();
    let name = app.has_several_targets().then(|| model.name());
    let mut lines = identity(theme, target, task, name);
    lines.extend(waits(app, theme, target, task));
    lines.extend(findings(app, theme, width, key));
    lines.extend(long_polls::lines(model, theme, key.id));
    lines.push(Spans::new());
    lines.extend(life(theme, &target.description, task, width));
    lines.push(Spans::new());
    lines.extend(counts(theme, target, task, rates));
    lines.push(Spans::new());
    lines.extend(distributions(app, theme, width, target, key.id));
    lines
}

fn identity(
    theme: Theme,
    target: &Target,
    task: &TaskStats,
    name: Option<&Arc<str>>,
) -> Vec<Spans> {
    let meta = &task.meta;
    let description = &target.description;
    let is_least = description.accuracy(FieldId::StateTime).is_lower_bound();
    let least = if is_least { theme.glyph("≥ ", ">= ") } else { "" };
    let since = match description.get(FieldId::StateTime, task.time_in_state_ns(target.taken_ns)) {
        Err(_) => String::new(),
        // Nothing is known.
        Ok(0) if is_least => String::new(),
        Ok(since) if task.state.is_done() => format!(" {} ago", duration(since)),
        Ok(since) => format!(" for {least}{}", duration(since)),
    };
    let stage = task.stage.as_ref().filter(|_| description.has(FieldId::Stage));
    let stage = stage.map(|stage| format!(", {stage}")).unwrap_or_default();
    let size = match meta.future_size {
        0 => String::new(),
        bytes => format!("  future size {} bytes", count(u64::from(bytes))),
    };
    let mut lines = vec![
        vec![
            (format!(" {}", meta.name), theme.title()),
            (format!("  task {}  group {}", meta.id, meta.group), theme.dim()),
        ],
        vec![
            (
                format!(" {} {}", theme.state_glyph(task.state), task.state.as_str()),
                theme.state(task.state),
            ),
            (format!("{since}{stage}"), Style::new()),
        ],
        vec![(location(description, &meta.location), Style::new()), (size, theme.dim())],
    ];
    let mut more = Vec::new();
    if meta.kind != TaskKind::Spawned {
        more.push(format!("kind {}", meta.kind.as_str()));
    }
    more.extend(name.map(|name| format!("target {name}")));
    if !meta.fields.is_empty() {
        more.push(meta.fields.to_string());
    }
    if !more.is_empty() {
        lines.push(vec![(format!(" {}", more.join("  ")), theme.dim())]);
    }
    lines
}

/// The line of the spawn or, where that is not known, of the future.
fn location(description: &Description, location: &str) -> String {
    match description.accuracy(FieldId::Location) {
        Accuracy::Exact => format!(" spawned at {location}"),
        _ if location.is_empty() => format!(" location {UNAVAILABLE}"),
        _ => format!(" future at {location}"),
    }
}

/// The resource that the task waits for, if it is known, otherwise its await point or the key that
/// requests it.
fn waits(app: &App, theme: Theme, target: &Target, task: &TaskStats) -> Vec<Spans> {
    let resources = target.resources.as_deref();
    if let Ok(Some(resources)) = target.description.get(FieldId::Resources, resources) {
        return resources::detail::waits_of(theme, target, resources, task.key);
    }
    let request = app.await_request(target.task_key(task.key));
    let answer = target.answers.iter().find(|answer| Some(answer.request) == request);
    if let Some(Answer { outcome: Outcome::AwaitPoint(answer), .. }) = answer {
        let line = |line: String| vec![(format!(" {line}"), Style::new())];
        return answer.lines().into_iter().map(line).collect();
    }
    let text = match (request, task.state) {
        (Some(_), _) => " await point requested: shown with the next sample",
        (_, State::Idle) if target.description.has(FieldId::AwaitPoint) => {
            " a  show the await point: polls the task once, not counted"
        }
        _ => return Vec::new(),
    };
    vec![vec![(text.to_owned(), theme.dim())]]
}

/// The active findings about the task, each with its evidence and fix.
fn findings(app: &App, theme: Theme, width: u16, key: TaskKey) -> Vec<Spans> {
    let width = usize::from(width.saturating_sub(2));
    let wrapped = |text: &str, style: Style| -> Vec<Spans> {
        wrap(text, width).into_iter().map(|line| vec![(format!(" {line}"), style)]).collect()
    };
    let mut lines = Vec::new();
    for finding in app.model().findings().iter().filter(|finding| finding.task_key() == Some(key)) {
        lines.push(Spans::new());
        lines.extend(wrapped(&finding.sentence, theme.severity(finding.severity)));
        let evidence = finding.evidence.iter().flat_map(|evidence| evidence.lines());
        lines.extend(evidence.map(|line| vec![(format!("   {line}"), Style::new())]));
        lines.extend(wrapped(finding.fix, theme.title()));
    }
    lines
}

/// Busy, scheduled and idle time, to the nanosecond: they add up to the lifetime.
fn life(theme: Theme, description: &Description, task: &TaskStats, width: u16) -> Vec<Spans> {
    let share = |part: u64| match task.lifetime_ns {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    };
    let row = |name: &str, nanos: u64| {
        let exact = format!("{}ns", count(nanos));
        format!(" {name:<10}{:>8} {exact:>24}", duration(nanos))
    };
    let room = usize::from(width).saturating_sub(56).min(40);
    let room = if room < 8 { 0 } else { room };
    let parts = [
        ("busy", FieldId::Busy, task.busy_ns, theme.busy()),
        ("scheduled", FieldId::Scheduled, task.scheduled_ns, theme.warning()),
        ("idle", FieldId::Idle, task.idle_ns, Style::new()),
    ];
    let is_whole = parts.iter().all(|(_, field, ..)| description.has(*field));
    let unavailable =
        |name, reason| vec![(format!(" {name:<10}{UNAVAILABLE:>8}  {reason}"), theme.dim())];
    let part = |(name, field, nanos, style)| match description.get(field, nanos) {
        Err(reason) => unavailable(name, reason),
        Ok(nanos) if !is_whole => vec![(row(name, nanos), Style::new())],
        Ok(nanos) => vec![
            (row(name, nanos), Style::new()),
            (format!(" {:>6}  ", percent(share(nanos))), Style::new()),
            (bar(theme, share(nanos), room), style),
        ],
    };
    let is_least = description.accuracy(FieldId::Lifetime).is_lower_bound();
    let lifetime = if is_least { "observed" } else { "lifetime" };
    let is_whole = is_whole && description.has(FieldId::Lifetime);
    let lifetime = is_whole.then(|| vec![(row(lifetime, task.lifetime_ns), theme.title())]);
    lifetime.into_iter().chain(parts.map(part)).collect()
}

fn counts(theme: Theme, target: &Target, task: &TaskStats, rates: TaskRates) -> Vec<Spans> {
    let description = &target.description;
    // The value as text, or the reason why it is unavailable.
    let known = |field, text: &dyn Fn() -> String| match description.reason(field) {
        None => text(),
        Some(reason) => format!("{UNAVAILABLE} ({reason})"),
    };
    let short = |field, text: String| match description.has(field) {
        true => text,
        false => UNAVAILABLE.to_owned(),
    };
    let [longest_poll, longest_delay] = longest(theme, target, task);
    let wakers = match task.live_wakers {
        _ if task.state.is_done() => UNAVAILABLE.to_owned(),
        wakers => match description.get_some(FieldId::LiveWakers, wakers) {
            Ok(wakers) => wakers.to_string(),
            Err(reason) => format!("{UNAVAILABLE} ({reason})"),
        },
    };
    let lost = task.state == State::Idle
        && description.get_some(FieldId::LiveWakers, task.live_wakers) == Ok(0);
    let mean = match (description.has(FieldId::Busy), description.has(FieldId::Polls)) {
        (true, true) => duration(task.busy_ns.checked_div(task.polls).unwrap_or(0)),
        _ => UNAVAILABLE.to_owned(),
    };
    let rate = |value| if rates.unknown { UNAVAILABLE.to_owned() } else { rate(value) };
    let polls = || format!("{}, {} per second", count(task.polls), rate(rates.shown.polls));
    let self_wakes = short(FieldId::SelfWakes, count(task.self_wakes));
    let wakes = || format!("{}, {} per second", count(task.wakes), rate(rates.wakes));
    let facts = [
        ("polls", known(FieldId::Polls, &polls)),
        ("max poll", format!("{}, mean {mean}", short(FieldId::MaxPoll, longest_poll))),
        ("max delay", known(FieldId::MaxDelay, &|| format!("{longest_delay} from wake to poll"))),
        ("wakes", format!("{}; {self_wakes} self-wakes", known(FieldId::Wakes, &wakes))),
        (
            "wakers",
            if lost {
                "0: nothing can wake this task, so it will never run again".into()
            } else {
                wakers
            },
        ),
    ];
    let line = |(name, fact): (&str, String)| {
        let style = if lost && name == "wakers" { theme.critical() } else { Style::new() };
        vec![(format!(" {name:<14}"), theme.dim()), (fact, style)]
    };
    facts.into_iter().map(line).collect()
}

/// The longest poll and the longest scheduling delay of a task. Where those of the list are lower
/// bounds, the distributions may have larger ones.
fn longest(theme: Theme, snapshot: &Target, task: &TaskStats) -> [String; 2] {
    let found = distributions_of(snapshot, task.key);
    let of = |field: FieldId, known: u64, all: Option<&Histogram>| {
        let all = all.and_then(|all| all.quantile(1.0)).unwrap_or(0);
        match snapshot.description.accuracy(field).is_lower_bound() {
            true => format!("{} {}", theme.glyph("≥", ">="), duration(known.max(all))),
            false => duration(known),
        }
    };
    [
        of(FieldId::MaxPoll, task.max_poll_ns, found.map(|all| &all.poll_times)),
        of(FieldId::MaxDelay, task.max_delay_ns, found.map(|all| &all.delays)),
    ]
}

fn distributions_of(snapshot: &Target, key: u64) -> Option<&Distributions> {
    let mine =
        |(subject, _): &&(DistributionKey, Distributions)| *subject == DistributionKey::Task(key);
    snapshot.distributions.iter().find(mine).map(|(_, distributions)| distributions)
}

fn distributions(app: &App, theme: Theme, width: u16, target: &Target, key: u64) -> Vec<Spans> {
    let found = distributions_of(target, key);
    let Ok(found) = target.description.get(FieldId::Distributions, found) else {
        return Vec::new();
    };
    let Some(Distributions { poll_times, delays }) = found else {
        let text = match app.is_frozen() {
            true => " –  distributions: not recorded before the screen was frozen",
            false => " –  distributions: shown with the next sample",
        };
        return vec![vec![(text.to_owned(), theme.dim())]];
    };
    let polls = distribution(theme, "poll times", poll_times);
    let delays = distribution(theme, "scheduling delays", delays);
    let mut lines = if width >= TWO_COLUMNS {
        side_by_side(polls, delays, usize::from(width / 2))
    } else {
        [polls, vec![Spans::new()], delays].concat()
    };
    let bound = Histogram::ERROR_FACTOR;
    let note = format!(" p50, p90, p99: within a factor of {bound}; max is exact");
    lines.push(vec![(note, theme.dim())]);
    lines
}

fn distribution(theme: Theme, name: &str, histogram: &Histogram) -> Vec<Spans> {
    if histogram.count() == 0 {
        return vec![vec![(format!(" {name}: none yet"), theme.title())]];
    }
    let quantile = |q| optional(histogram.quantile(q), bucket_duration);
    let head = format!(
        " {name}: p50 {}  p90 {}  p99 {}  max {}",
        quantile(0.5),
        quantile(0.9),
        quantile(0.99),
        optional(histogram.quantile(1.0), duration)
    );
    let max = histogram.buckets().map(|(_, n)| n).max().unwrap_or(1);
    let bars = histogram.buckets().map(|(from, n)| {
        let from =
            if from == 0 { "below 1µs".to_owned() } else { format!("from {}", duration(from)) };
        vec![
            (format!(" {from:>14} {:>7} ", compact_count(n)), theme.dim()),
            (histogram_bar(theme, n as f64 / max as f64, 30), theme.busy()),
        ]
    });
    std::iter::once(vec![(head, theme.title())]).chain(bars).collect()
}

/// Two blocks of lines side by side, the second from column `at` on.
fn side_by_side(left: Vec<Spans>, right: Vec<Spans>, at: usize) -> Vec<Spans> {
    let count = left.len().max(right.len());
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    let line = |_| {
        let mut line = left.next().unwrap_or_default();
        let wide: usize = line.iter().map(|(text, _)| text.width()).sum();
        line.push((" ".repeat(at.saturating_sub(wide)), Style::new()));
        line.extend(right.next().unwrap_or_default());
        line
    };
    (0..count).map(line).collect()
}
