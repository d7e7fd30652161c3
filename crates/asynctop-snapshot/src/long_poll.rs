//! Long polls, for findings, reports and screens.

use std::sync::Arc;

use super::{Cause, Frame, FrameKind, PollImpact, PollKind, Stack, TimeWithoutCpu};
use crate::text::{duration, whole_percent};

/// A function of the user's code, and its share of the stacks of a poll.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ProfileEntry {
    /// The short name of the function, such as `hog::spin`.
    pub function: Arc<str>,
    /// The file and line that were captured most often, such as `src/lab/hog.rs:42`.
    pub location: Option<String>,
    /// The function that was called there, such as `thread::sleep`.
    pub callee: Option<Arc<str>>,
    /// The share of stacks in this function, 0 to 1.
    pub share: f64,
    /// The libraries that any of these stacks passes through: see [`Frame::library`]. The most
    /// frequent stack alone may be outside of a library that takes much of the time.
    pub libraries: Vec<Arc<str>>,
}

impl ProfileEntry {
    fn new(stack: &Stack, offending_frame: &Frame) -> Self {
        ProfileEntry {
            function: offending_frame.name.clone(),
            location: offending_frame.location(),
            callee: stack.callee().map(|frame| frame.name.clone()),
            share: 0.0,
            libraries: Vec::new(),
        }
    }

    fn add_libraries(&mut self, stack: &Stack) {
        for library in stack.task_frames().iter().filter_map(Frame::library) {
            if !self.libraries.iter().any(|known| **known == *library) {
                self.libraries.push(library.into());
            }
        }
    }

    /// The profile of `captures` stacks, largest share first. Each stack comes with the number of
    /// times that it was captured, the most frequent ones first.
    pub fn from_stacks(stacks: &[(Arc<Stack>, u32)], captures: u32) -> Vec<ProfileEntry> {
        let mut profile: Vec<(ProfileEntry, u32)> = Vec::new();
        for (stack, count) in stacks {
            let Some(frame) = stack.offending_frame() else { continue };
            let known = profile.iter().position(|(entry, _)| entry.function == frame.name);
            let at = known.unwrap_or_else(|| {
                profile.push((ProfileEntry::new(stack, frame), 0));
                profile.len() - 1
            });
            profile[at].0.add_libraries(stack);
            profile[at].1 += count;
        }
        profile.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let share = |count| f64::from(count) / f64::from(captures.max(1));
        profile
            .into_iter()
            .map(|(entry, count)| ProfileEntry { share: share(count), ..entry })
            .collect()
    }
}

/// A long poll: how long it took, its cause, and the functions and lines that took the time.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LongPoll {
    /// Whether it is a poll, or the drop of a future.
    pub kind: PollKind,
    /// The key of the task.
    pub task: u64,
    /// When the poll began, in nanoseconds on the target's clock. Identifies the poll, together
    /// with the task.
    pub began_ns: u64,
    /// Increases with each change of a long poll of the target.
    pub revision: u64,
    /// The length so far, in nanoseconds.
    pub length_ns: u64,
    /// Whether the length is a lower bound.
    pub is_lower_bound: bool,
    /// The index of the worker; `None` if it is not known, or the thread was not a worker.
    pub worker: Option<usize>,
    /// Whether the poll has ended.
    pub is_ended: bool,
    /// The main activity of the thread, such as `sleeping in clock_nanosleep`.
    pub cause: Cause,
    /// The time that the task blocked its worker, in nanoseconds: the length minus the time without
    /// a CPU, up to the watchdog's latest sample of the thread; 0 in `block_in_place`. `None` if it
    /// is not known, or not known yet.
    pub net_ns: Option<u64>,
    /// Time inside the poll in which the machine, and not the task, prevented progress.
    pub without_cpu: TimeWithoutCpu,
    /// The number of captured stacks.
    pub captures: u32,
    /// The offending functions, largest share first. Empty if there is no stack.
    pub profile: Vec<ProfileEntry>,
    /// The stack that was captured most often.
    pub stack: Option<Arc<Stack>>,
    /// The impact on other tasks; `None` if it was not measured: the poll is too short so far, or
    /// there are too many tasks to measure it this often.
    pub impact: Option<Arc<PollImpact>>,
    /// The reason why a stack that should have been captured is missing.
    pub no_stack: Option<Arc<str>>,
    /// The number of captured stacks that are not symbolized yet.
    pub unsymbolized: u32,
}

impl LongPoll {
    /// A poll that has ended and computed for its whole length, without a stack. Its revision is the
    /// time at which it ended.
    pub fn computing(task: u64, began_ns: u64, length_ns: u64) -> LongPoll {
        LongPoll {
            kind: PollKind::Poll,
            task,
            began_ns,
            revision: began_ns.saturating_add(length_ns),
            length_ns,
            is_lower_bound: false,
            worker: None,
            is_ended: true,
            cause: Cause::Computing,
            net_ns: Some(length_ns),
            without_cpu: TimeWithoutCpu::default(),
            captures: 0,
            profile: Vec::new(),
            stack: None,
            impact: None,
            no_stack: None,
            unsymbolized: 0,
        }
    }

    /// This state of the poll, with the stacks that a later state of it has.
    #[must_use]
    pub fn with_stacks_of(self, later: &LongPoll) -> LongPoll {
        LongPoll {
            revision: later.revision,
            // A stack may show `block_in_place`.
            net_ns: later.net_ns.map(|net_ns| net_ns.min(self.length_ns)),
            captures: later.captures,
            profile: later.profile.clone(),
            stack: later.stack.clone(),
            no_stack: later.no_stack.clone(),
            unsymbolized: later.unsymbolized,
            ..self
        }
    }

    /// The offending function with the largest share.
    pub fn function(&self) -> Option<&str> {
        self.profile.first().map(|entry| &*entry.function)
    }

    /// The file and line of [`function`](Self::function).
    pub fn blocked_at(&self) -> Option<&str> {
        self.profile.first()?.location.as_deref()
    }

    /// The caller of [`function`](Self::function), if the most frequent stack is in that function.
    pub fn caller(&self) -> Option<&Frame> {
        let stack = self.stack.as_ref()?;
        let offending = stack.offending_frame()?;
        (Some(&*offending.name) == self.function()).then(|| stack.caller()).flatten()
    }

    /// The reason why there is no stack, as text; `None` if there is one, or none is expected.
    pub fn missing_stack(&self) -> Option<String> {
        let pending = "captured; it is being symbolized, which takes longer the first time";
        match (&self.stack, &self.no_stack) {
            (Some(_), _) => None,
            (None, _) if self.unsymbolized > 0 => Some(pending.to_owned()),
            (None, Some(why)) => Some(format!("– ({why})")),
            (None, None) => (!self.is_ended).then(|| "requested".to_owned()),
        }
    }

    /// The poll as lines of a report or screen: cause and location, time without a CPU, the profile
    /// if it has several functions, the impact, and the frames of the task.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.kind == PollKind::Drop {
            lines.push("while its future was dropped".to_owned());
        }
        match (self.function(), self.missing_stack()) {
            (Some(function), _) => {
                let location = self.blocked_at().map(|at| format!(" at {at}")).unwrap_or_default();
                lines.push(format!("{} in {function}{location}", self.cause));
            }
            (None, Some(reason)) => lines.push(format!("{}; stack: {reason}", self.cause)),
            (None, None) => lines.push(self.cause.to_string()),
        }
        lines.extend(self.deduction());
        lines.extend(self.profile_summary());
        lines.extend(self.impact.iter().filter_map(|impact| impact.sentence()));
        let frames = self.stack.iter().flat_map(|stack| stack.task_frames());
        let shown =
            frames.filter(|frame| matches!(frame.kind, FrameKind::User | FrameKind::Dependency));
        lines.extend(shown.take(24).map(|frame| format!("  {frame}")));
        lines
    }

    /// Time without a CPU that is deducted from the length, in nanoseconds; `None` if it is less
    /// than 1 ms or 5 % of the length.
    pub fn deducted_ns(&self) -> Option<u64> {
        let without_ns = self.without_cpu.total_ns();
        let is_relevant = without_ns >= 1_000_000 && without_ns >= self.length_ns / 20;
        is_relevant.then_some(without_ns)
    }

    /// `120ms without a CPU is not counted (run-queue delay 120ms)`.
    fn deduction(&self) -> Option<String> {
        let deducted = duration(self.deducted_ns()?);
        Some(format!("{deducted} without a CPU is not counted ({})", self.without_cpu))
    }

    /// `81% in parse_json, 19% in checksum`; `None` unless there are several functions.
    pub fn profile_summary(&self) -> Option<String> {
        let text =
            |entry: &ProfileEntry| format!("{} in {}", whole_percent(entry.share), entry.function);
        let has_several = self.profile.len() > 1;
        has_several.then(|| self.profile.iter().map(text).collect::<Vec<_>>().join(", "))
    }
}
