//! Where a task blocks: the line with its caller, as far as they fit.

use unicode_width::UnicodeWidthStr;

use crate::{
    model::Finding,
    screens::theme::Theme,
    snapshot::LongPoll,
    text::{file_and_folder, fit_path},
};

/// The location in at most `width` columns: the line that blocks, with its caller or, without one,
/// where the task was spawned.
pub fn of_finding(finding: &Finding, theme: Theme, width: usize) -> String {
    let line = finding.evidence.as_deref().zip(finding.blocked_at());
    match (line, finding.location.as_deref()) {
        (Some((evidence, line)), _) => blocked_at(evidence, line, theme, width),
        (None, Some(location)) => {
            let place = file_and_folder(location);
            let long = format!("spawned at {place}");
            let fits = long.width() <= width;
            if fits { long } else { fit_path(place, width, theme.ascii).into_owned() }
        }
        (None, None) => String::new(),
    }
}

/// The line that blocks in at most `width` columns, with its caller if that fits:
/// `compute.rs:13 ← storm::run storm.rs:98`.
pub fn blocked_at(evidence: &LongPoll, line: &str, theme: Theme, width: usize) -> String {
    let place = file_and_folder(line);
    let Some(caller) = evidence.caller() else {
        return fit_path(place, width, theme.ascii).into_owned();
    };
    let location = caller.location().unwrap_or_default();
    let location = file_and_folder(&location);
    let file = |place: &str| place.rsplit_once(':').map(|(file, _)| file.to_owned());
    let line = match file(place) == file(location) {
        true => &location[location.rfind(':').unwrap_or(0)..],
        false => location,
    };
    let short = format!("{place} {} {}", theme.glyph("←", "<-"), caller.name);
    let texts = [format!("{short} {line}"), short];
    let fitting = texts.into_iter().find(|text| text.width() <= width);
    fitting.unwrap_or_else(|| fit_path(place, width, theme.ascii).into_owned())
}
