//! The stack of a long poll, innermost frame first. Frames of other crates are folded, but for the
//! function that the offending one called.
//!
//! ```text
//!  stack, innermost first, the most frequent of 64 captures
//!      ⋯ 2 frames of std
//!    ▸ hog::spin  src/lab/workload/hog/mod.rs:189
//!      hog::run   src/lab/workload/hog/mod.rs:139
//! ```

use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::canvas::Spans;
use crate::{
    app::App,
    screens::theme::Theme,
    snapshot::{Frame, FrameKind, LongPoll},
    text::{fit, fit_path, plural, wrap},
};

/// The lines of the stack, if there is one, in `width` columns. The offending frame is marked.
pub fn lines(app: &App, theme: Theme, evidence: &LongPoll, width: usize) -> Vec<Spans> {
    let Some(stack) = &evidence.stack else { return Vec::new() };
    let frames = stack.task_frames();
    let captures = match evidence.captures {
        0 | 1 => String::new(),
        n => format!(", the most frequent of {n} captures"),
    };
    let title = format!(" stack, innermost first{captures}");
    let mut lines = vec![vec![(title, theme.dim())]];
    if app.is_source_newer() {
        let text = "the file is newer than the program: its lines may have moved";
        let wrapped = wrap(text, width.saturating_sub(2)).into_iter();
        lines.extend(wrapped.map(|line| vec![(format!(" {line}"), theme.warning())]));
    }
    let width = width.saturating_sub(6);
    let is_folded = |frame: &Frame| {
        let is = |other: Option<&Frame>| other.is_some_and(|other| std::ptr::eq(other, frame));
        let is_callee = is(stack.callee()) && frame.kind == FrameKind::Dependency;
        frame.kind != FrameKind::User && !is(stack.offending_frame()) && !is_callee
    };
    let named = frames.iter().filter(|frame| !is_folded(frame));
    // Half of the line is for the location, unless there is none.
    let name_width = named.map(|frame| frame.name.width()).max().unwrap_or(0).min(width / 2);
    let mut at = 0;
    while at < frames.len() {
        let folded = frames[at..].iter().take_while(|frame| is_folded(frame)).count();
        if folded > 0 {
            let (dots, number) = (theme.glyph("⋯", "..."), plural(folded as u64, "frame"));
            let crates = crates(&frames[at..at + folded]);
            lines.push(vec![(format!("     {dots} {number} of {crates}"), theme.dim())]);
            at += folded;
            continue;
        }
        let frame = &frames[at];
        let offending = stack.offending_frame();
        let is_offending = offending.is_some_and(|offending| std::ptr::eq(offending, frame));
        let (mark, style) = match is_offending {
            true => (theme.glyph("▸", ">"), theme.title()),
            false => (" ", Style::new()),
        };
        lines.push(vec![(format!("   {mark} {}", text(theme, frame, name_width, width)), style)]);
        at += 1;
    }
    if let Some(cut) = &stack.cut {
        lines.push(vec![(format!("     incomplete: {cut}"), theme.dim())]);
    }
    lines
}

/// The name of a function and its location. The name is cut at its end and the location at its
/// start, so that the line number stays.
fn text(theme: Theme, frame: &Frame, name_width: usize, width: usize) -> String {
    let Some(location) = frame.location() else {
        return fit(&frame.to_string(), width, theme.ascii).into_owned();
    };
    let name = fit(&frame.name, name_width, theme.ascii);
    let gap = " ".repeat(name_width - name.width() + 2);
    let location = fit_path(&location, width.saturating_sub(name_width + 2), theme.ascii);
    format!("{name}{gap}{location}")
}

/// The origin of frames that are folded: `redb-4.6.0 and std`.
fn crates(frames: &[Frame]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for frame in frames {
        let name = match (frame.kind, &frame.path) {
            (FrameKind::Dependency, Some(path)) => path.split('/').next().unwrap_or(path),
            (FrameKind::Dependency, None) => "dependencies",
            (FrameKind::Runtime | FrameKind::Probe, _) => "the runtime",
            (FrameKind::Native, _) => "native code",
            (FrameKind::User | FrameKind::Std, _) => "std",
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match &names[..] {
        [names @ .., last] if !names.is_empty() => format!("{} and {last}", names.join(", ")),
        names => names.concat(),
    }
}
