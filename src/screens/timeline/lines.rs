//! What stands below the bars: the poll under the cursor, and which letter is whose.

use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::axis::label;
use crate::{
    app::App,
    model::{Timeline, TimelinePoll, WorkerActivity, WorkerBar},
    screens::{theme::Look, widgets::canvas::Pieces},
    snapshot::FieldId,
    text::{count, duration, percent, wrap},
};

/// Why there is nothing to see.
pub(super) fn nothing(app: &App, look: Look, width: u16) -> Vec<Pieces> {
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
        .map(|line| vec![(format!(" {:<3}{line}", std::mem::take(&mut sign)), look.dim())])
        .collect()
}

/// What there is under the cursor, and what is around it; how to get a cursor while the
/// picture moves.
pub(super) fn reading(app: &App, look: Look) -> [Pieces; 2] {
    let timeline = app.polls();
    let Some(cursor) = app.timeline.cursor_ns() else {
        let arrows = look.glyph("← →", "h l");
        let hint = format!(" Space freezes; + - zoom, {arrows} n N move the cursor, Enter opens");
        return [vec![(hint, look.dim())], Pieces::new()];
    };
    let step = app.timeline.span_ns() / 1_000;
    let back = |moment: u64| label(timeline.now_ns().saturating_sub(moment), step);
    let head = format!(" w{} at {} ", app.timeline_worker(), back(cursor));
    let mut pieces = vec![(head, look.title())];
    let mut around = String::new();
    let mut unknown = |text: String| pieces.push((format!(" {text}"), look.dim()));
    match app.timeline_activity() {
        WorkerActivity::NotRecorded => {
            unknown("unknown: polls are recorded only while this screen is open".into());
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
            pieces.push((text, Style::new()));
            around = neighbours(timeline, before, after);
        }
        WorkerActivity::Poll { poll, is_running, others, before, after } => {
            let (name, id) = name(timeline, &poll);
            let length = duration(poll.ended.saturating_sub(poll.began));
            let (verb, rest) = match is_running {
                true => ("polls ", format!(" for {length}, still running")),
                false => ("polled ", format!(" for {length} from {}", back(poll.began))),
            };
            pieces.push((verb.into(), Style::new()));
            pieces.push((format!("{name}{id}"), look.group(poll.group).patch(look.title())));
            pieces.push((rest, Style::new()));
            around = neighbours(timeline, before, after);
            if others > 0 {
                around += &format!("  one of {} polls in this column", others + 1);
            }
        }
    }
    [pieces, vec![(around, look.dim())]]
}

fn name(timeline: &Timeline, poll: &TimelinePoll) -> (String, String) {
    match timeline.task(poll.key) {
        Some(meta) => (meta.name.to_string(), format!(" (task {})", meta.id)),
        None => ("a task that has ended".into(), String::new()),
    }
}

fn neighbours(
    timeline: &Timeline,
    before: Option<TimelinePoll>,
    after: Option<TimelinePoll>,
) -> String {
    let of = |word: &str, poll: Option<TimelinePoll>| {
        poll.map_or(String::new(), |poll| format!("  {word} {}", name(timeline, &poll).0))
    };
    of("after", before) + &of("before", after)
}

/// Which letter is whose, with its share of what is shown, in at most `most` lines.
pub(super) fn legend(
    app: &App,
    look: Look,
    width: u16,
    most: u16,
    shares: &[(u16, f64)],
    bars: &[WorkerBar],
) -> Vec<Pieces> {
    if most == 0 {
        return Vec::new();
    }
    let groups = app.polls().groups();
    let rest = rest(look, shares, bars);
    let width = usize::from(width);
    let (mut lines, mut line) = (Vec::new(), Pieces::new());
    for (place, (group, share)) in shares.iter().enumerate() {
        let Some(known) = groups.get(usize::from(*group)) else { continue };
        let entry = vec![
            (format!(" {} ", known.letter), look.group(*group).patch(look.title())),
            (format!("{} {} ", known.name, percent(*share)), Style::new()),
        ];
        let more = format!("  +{} more", shares.len() - place);
        let is_last = lines.len() + 1 >= usize::from(most);
        // The last line has to say how many there are no room for.
        let reserve = if is_last { wide(&rest) + more.width() } else { 0 };
        if wide(&line) + wide(&entry) + reserve <= width || line.is_empty() {
            line.extend(entry);
        } else if is_last {
            line.push((more, look.dim()));
            break;
        } else {
            lines.push(std::mem::replace(&mut line, entry));
        }
    }
    if wide(&line) + wide(&rest) > width && lines.len() + 1 < usize::from(most) {
        lines.push(std::mem::take(&mut line));
    }
    line.extend(rest);
    lines.push(line);
    lines
}

/// What is of no group.
fn rest(look: Look, shares: &[(u16, f64)], bars: &[WorkerBar]) -> Pieces {
    let busy: f64 = shares.iter().map(|(_, share)| share).sum();
    let mut rest = Pieces::new();
    if bars.iter().any(|bar| bar.covered_ns > 0) {
        rest.push((format!("  idle {}", percent((1.0 - busy).max(0.0))), look.dim()));
    }
    if bars.iter().any(WorkerBar::is_sampled) {
        rest.push(("  partly estimated".into(), look.dim()));
    }
    if bars.iter().any(WorkerBar::has_gaps) {
        rest.push((format!("  {} unknown", look.glyph("·", ".")), look.dim()));
    }
    rest
}

fn wide(pieces: &Pieces) -> usize {
    pieces.iter().map(|(text, _)| text.width()).sum()
}
