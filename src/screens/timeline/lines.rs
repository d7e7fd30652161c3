//! The lines below the tracks: the poll under the cursor, and the legend of letters.

use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::axis::label;
use crate::{
    app::App,
    model::{Timeline, TimelinePoll, WorkerActivity, WorkerBar},
    screens::{
        theme::Theme,
        widgets::{canvas::Spans, columns::width_of},
    },
    snapshot::FieldId,
    text::{count, duration, percent, wrap},
};

/// The reason why there is no timeline.
pub(super) fn unavailable(app: &App, theme: Theme, width: u16) -> Vec<Spans> {
    let target = app.target();
    let reason = target.and_then(|target| target.description.reason(FieldId::Timeline));
    let is_requested = target.is_some_and(|target| target.timeline.is_some());
    let reason = match reason {
        Some(reason) => reason,
        None if is_requested => "no worker sampled yet",
        None if app.is_frozen() => "not recorded before the screen was frozen: Space resumes",
        None => "not requested yet: available with the next snapshot",
    };
    let lines = wrap(reason, usize::from(width.saturating_sub(5)));
    let mut sign = "–";
    lines
        .into_iter()
        .map(|line| vec![(format!(" {:<3}{line}", std::mem::take(&mut sign)), theme.dim())])
        .collect()
}

/// The poll under the cursor, and its neighbors. Without a cursor, the keys that show one,
/// in at most `max_lines` lines.
pub(super) fn cursor(app: &App, theme: Theme, width: u16, max_lines: u16) -> [Spans; 2] {
    let timeline = app.polls();
    let Some(cursor) = app.timeline.cursor_ns() else {
        let arrows = theme.glyph("← →", "h l");
        let hints = [
            format!(
                "Space freezes; + - or the wheel zoom, a drag selects a span, {arrows} n N move \
                 the cursor, Enter opens"
            ),
            format!("+ - zoom, {arrows} n N cursor, Enter opens"),
        ];
        let available = usize::from(width.saturating_sub(2));
        let hints = hints.map(|hint| wrap(&hint, available));
        let fitting = hints.into_iter().find(|lines| lines.len() <= max_lines.into());
        let mut lines = fitting.unwrap_or_default().into_iter();
        let mut line = || match lines.next() {
            Some(text) => vec![(format!(" {text}"), theme.dim())],
            None => Spans::new(),
        };
        return [line(), line()];
    };
    let (from, to) = app.timeline.window(timeline);
    let step = (to - from) / 1_000;
    let back = |moment: u64| label(timeline.now_ns().saturating_sub(moment), step);
    let head = format!(" w{} at {} ", app.timeline_worker(), back(cursor));
    let mut spans = vec![(head, theme.title())];
    let mut around = String::new();
    let mut unknown = |text: String| spans.push((format!(" {text}"), theme.dim()));
    match app.timeline_activity() {
        WorkerActivity::NotRecorded => {
            unknown("unknown: polls were not recorded then".into());
        }
        WorkerActivity::Dropped(0) => unknown("unknown".into()),
        WorkerActivity::Dropped(polls) => {
            unknown(format!("unknown: {} polls here are no longer kept one by one", count(polls)));
        }
        WorkerActivity::Idle { before, after } => {
            let text = match (before, after) {
                (Some(before), Some(after)) => {
                    format!("idle for {}", duration(after.began.saturating_sub(before.ended)))
                }
                _ => "idle".into(),
            };
            spans.push((text, Style::new()));
            around = neighbors(timeline, before, after);
        }
        WorkerActivity::Poll { poll, is_running, others, before, after } => {
            let (name, id) = name(timeline, &poll);
            let length = duration(poll.ended.saturating_sub(poll.began));
            let (verb, rest) = match is_running {
                true => ("polls ", format!(" for {length}, still running")),
                false => ("polled ", format!(" for {length} from {}", back(poll.began))),
            };
            spans.push((verb.into(), Style::new()));
            spans.push((format!("{name}{id}"), theme.group(poll.group).patch(theme.title())));
            spans.push((rest, Style::new()));
            around = neighbors(timeline, before, after);
            if others > 0 {
                around += &format!("  one of {} polls in this column", others + 1);
            }
        }
    }
    [spans, vec![(around, theme.dim())]]
}

fn name(timeline: &Timeline, poll: &TimelinePoll) -> (String, String) {
    match timeline.task(poll.key) {
        Some(meta) => (meta.name.to_string(), format!(" (task {})", meta.id)),
        None => ("a task that has ended".into(), String::new()),
    }
}

fn neighbors(
    timeline: &Timeline,
    before: Option<TimelinePoll>,
    after: Option<TimelinePoll>,
) -> String {
    let of = |word: &str, poll: Option<TimelinePoll>| {
        poll.map_or(String::new(), |poll| format!("  {word} {}", name(timeline, &poll).0))
    };
    of("after", before) + &of("before", after)
}

/// The letters with their groups and shares of the visible time, in at most `max_lines` lines.
pub(super) fn legend(
    app: &App,
    theme: Theme,
    width: u16,
    max_lines: u16,
    shares: &[(u16, f64)],
    bars: &[WorkerBar],
) -> Vec<Spans> {
    if max_lines == 0 {
        return Vec::new();
    }
    let groups = app.polls().groups();
    let rest = rest(theme, shares, bars);
    let width = usize::from(width);
    let (mut lines, mut line) = (Vec::new(), Spans::new());
    for (place, (group, share)) in shares.iter().enumerate() {
        let Some(known) = groups.get(usize::from(*group)) else { continue };
        let entry = vec![
            (format!(" {} ", known.letter), theme.group(*group).patch(theme.title())),
            (format!("{} {} ", known.name, percent(*share)), Style::new()),
        ];
        let more = format!("  +{} more", shares.len() - place);
        let is_last = lines.len() + 1 >= usize::from(max_lines);
        // The last line ends with the number of groups that do not fit.
        let reserve = if is_last { width_of(&rest) + more.width() } else { 0 };
        if width_of(&line) + width_of(&entry) + reserve <= width || line.is_empty() {
            line.extend(entry);
        } else if is_last {
            line.push((more, theme.dim()));
            break;
        } else {
            lines.push(std::mem::replace(&mut line, entry));
        }
    }
    if width_of(&line) + width_of(&rest) > width && lines.len() + 1 < usize::from(max_lines) {
        lines.push(std::mem::take(&mut line));
    }
    line.extend(rest);
    lines.push(line);
    lines
}

/// The shares of the pinned task or group and of all others.
pub(super) fn pin_legend(
    theme: Theme,
    name: &str,
    shares: &[(u16, f64)],
    bars: &[WorkerBar],
) -> Spans {
    let busy: f64 = shares.iter().map(|(_, share)| share).sum();
    let sum = |of: fn(&WorkerBar) -> u64| bars.iter().map(of).sum::<u64>();
    let pinned = sum(|bar| bar.scoped_ns) as f64 / sum(|bar| bar.covered_ns).max(1) as f64;
    let mut line = vec![
        (format!(" {name} {}", percent(pinned)), theme.title()),
        (format!("  others {}", percent((busy - pinned).max(0.0))), theme.dim()),
    ];
    line.extend(rest(theme, shares, bars));
    line
}

/// The shares that belong to no group.
fn rest(theme: Theme, shares: &[(u16, f64)], bars: &[WorkerBar]) -> Spans {
    let busy: f64 = shares.iter().map(|(_, share)| share).sum();
    let mut rest = Spans::new();
    if bars.iter().any(|bar| bar.covered_ns > 0) {
        rest.push((format!("  idle {}", percent((1.0 - busy).max(0.0))), theme.dim()));
    }
    if bars.iter().any(WorkerBar::is_sampled) {
        rest.push(("  partly estimated".into(), theme.dim()));
    }
    if bars.iter().any(WorkerBar::has_gaps) {
        rest.push((format!("  {} unknown", theme.glyph("╌", "~")), theme.dim()));
    }
    rest
}
