//! The source line that the selected row, or the view over the screen, is about.

use super::{App, Overlay, RowKey};
use crate::{
    model::{Finding, FindingId, OffenderId},
    snapshot::{LongPoll, ResourceKey, TargetId, TaskKey},
};

/// A line of a program's source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    /// The program.
    pub target: TargetId,
    /// The file, as the compiler recorded it: relative to a folder that is not known here, or
    /// absolute.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
}

impl SourceLine {
    /// Whether both lines are in the same file.
    pub fn is_in_file_of(&self, other: &SourceLine) -> bool {
        (self.target, &self.file) == (other.target, &other.file)
    }
}

const NO_ROW: &str = "select a row with a source line: a task, a finding or a resource";
const NO_LOCATION: &str = "the source line is unknown";

impl App {
    /// The line that blocks, where its stack is shown: in details, or in the preview of a finding.
    pub fn shown_source(&self) -> Option<SourceLine> {
        let of_finding =
            |id: &FindingId| of_stack(id.target, self.model().finding(id)?.evidence.as_deref()?);
        let of_offender =
            |id: &OffenderId| of_stack(id.target, &self.model().offender(id)?.offender.evidence);
        match (self.overlay(), self.cursor().key()) {
            (Some(Overlay::Task(key)), _) => {
                let (model, _) = self.model().task(*key)?;
                let mut polls = model.impact_table().of_task(key.id);
                polls.find_map(|entry| of_stack(key.target, &entry.evidence))
            }
            (Some(Overlay::Finding(id)), _) | (None, Some(RowKey::Finding(id))) => of_finding(id),
            (Some(Overlay::Offender(id)), _) | (None, Some(RowKey::Offender(id))) => {
                of_offender(id)
            }
            _ => None,
        }
    }

    /// Marks a line whose file is newer than the program.
    pub fn mark_newer(&mut self, source: SourceLine) {
        self.newer_source = Some(source);
    }

    /// Whether the file of [`shown_source`](Self::shown_source) is newer than the program.
    pub fn is_source_newer(&self) -> bool {
        let (Some(newer), Some(shown)) = (&self.newer_source, self.shown_source()) else {
            return false;
        };
        newer.is_in_file_of(&shown)
    }

    /// The line that blocks the worker or, without one, where the task was spawned or the resource
    /// created.
    pub(super) fn source_line(&self) -> Result<SourceLine, &'static str> {
        match self.overlay() {
            Some(Overlay::Task(key)) => self.line_of_task(*key),
            Some(Overlay::Finding(id)) => self.line_of_finding(id),
            Some(Overlay::Offender(id)) => self.line_of_offender(id),
            Some(Overlay::Resource(key)) => self.line_of_resource(*key),
            Some(Overlay::Help) => Err(NO_ROW),
            None => match self.cursor().key().ok_or(NO_ROW)? {
                RowKey::Task(key) => self.line_of_task(*key),
                RowKey::Finding(id) => self.line_of_finding(id),
                RowKey::Offender(id) => self.line_of_offender(id),
                RowKey::Resource(key) => self.line_of_resource(*key),
                RowKey::Group(key) => {
                    let groups = self.group_rows();
                    let group = groups.iter().find(|group| group.key() == *key).ok_or(NO_ROW)?;
                    parse(key.target, &group.location).ok_or(NO_LOCATION)
                }
                RowKey::Worker(worker) => {
                    let worker = self.worker_rows().get(*worker).ok_or(NO_ROW)?;
                    let (poll, target) = worker
                        .stats
                        .current
                        .as_ref()
                        .zip(self.target())
                        .ok_or("this worker polls no task now")?;
                    self.line_of_task(target.task_key(poll.key))
                }
                RowKey::Workload(_) => Err(NO_ROW),
            },
        }
    }

    /// The line of the task's latest long poll with a stack, or where it was spawned.
    fn line_of_task(&self, key: TaskKey) -> Result<SourceLine, &'static str> {
        let (model, task) = self.model().task(key).ok_or("the task is no longer listed")?;
        let mut polls = model.impact_table().of_task(key.id);
        let blocked = polls.find_map(|entry| of_poll(key.target, &entry.evidence));
        blocked.or_else(|| parse(key.target, &task.meta.location)).ok_or(NO_LOCATION)
    }

    fn line_of_finding(&self, id: &FindingId) -> Result<SourceLine, &'static str> {
        let finding: &Finding = self.model().finding(id).ok_or("the finding is no longer kept")?;
        let blocked = finding.evidence.as_ref().and_then(|poll| of_poll(id.target, poll));
        let spawned = || parse(id.target, finding.location.as_deref()?);
        blocked.or_else(spawned).ok_or(NO_LOCATION)
    }

    fn line_of_offender(&self, id: &OffenderId) -> Result<SourceLine, &'static str> {
        let row = self.model().offender(id).ok_or("the long polls are more than a minute ago")?;
        of_poll(id.target, &row.offender.evidence).ok_or("no stack was captured")
    }

    fn line_of_resource(&self, key: ResourceKey) -> Result<SourceLine, &'static str> {
        let (_, resource) = self.resource(key).ok_or("the resource no longer exists")?;
        parse(key.target, &resource.location).ok_or(NO_LOCATION)
    }
}

/// The line that blocked the worker, if there is a stack.
fn of_stack(target: TargetId, poll: &LongPoll) -> Option<SourceLine> {
    poll.stack.as_ref().and_then(|_| of_poll(target, poll))
}

/// The line that blocked the worker. The frame has the whole path of the file.
fn of_poll(target: TargetId, poll: &LongPoll) -> Option<SourceLine> {
    let frame = poll.stack.as_ref().and_then(|stack| stack.offending_frame());
    let of_frame = frame.and_then(|frame| {
        let file = frame.file.as_ref().or(frame.path.as_ref())?;
        Some(SourceLine { target, file: file.to_string(), line: frame.line? })
    });
    of_frame.or_else(|| parse(target, poll.blocked_at()?))
}

/// `src/main.rs:7` or `src/main.rs:7:5`.
fn parse(target: TargetId, location: &str) -> Option<SourceLine> {
    let (file, last) = location.rsplit_once(':')?;
    let last = last.parse().ok()?;
    let before = file.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?)));
    let (file, line) = before.unwrap_or((file, last));
    Some(SourceLine { target, file: file.to_owned(), line })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_have_a_line_and_sometimes_a_column() {
        let parsed = |location| parse(TargetId(0), location).map(|it| (it.file, it.line));
        assert_eq!(parsed("src/main.rs:7"), Some(("src/main.rs".into(), 7)));
        assert_eq!(parsed("src/main.rs:7:5"), Some(("src/main.rs".into(), 7)));
        assert_eq!(parsed("C:\\a.rs:7:5"), Some(("C:\\a.rs".into(), 7)));
        assert_eq!(parsed("src/main.rs"), None);
        assert_eq!(parsed(""), None);
    }
}
