//! A long poll in few words, for findings, reports and screens.

use std::sync::Arc;

use super::{Cause, Cost, Frame, FrameKind, PollKind, Stack, TimeWithoutCpu};
use crate::text::{duration, whole_percent};

/// One function of the user's and its part of a poll.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Share {
    /// The function as people say it: `hog::spin`.
    pub function: Arc<str>,
    /// Its file and line where it was seen most often: `src/lab/hog.rs:42`.
    pub place: Option<String>,
    /// What it had called there: `thread::sleep`.
    pub callee: Option<Arc<str>>,
    /// How much of the stacks were in it: 0 to 1.
    pub part: f64,
}

impl Share {
    fn of(stack: &Stack, blame: &Frame) -> Self {
        Share {
            function: blame.name.clone(),
            place: blame.place(),
            callee: stack.callee().map(|frame| frame.name.clone()),
            part: 0.0,
        }
    }

    /// The functions of `captures` stacks, each with its part of them, largest first. Each stack
    /// comes with the number of times that it was captured.
    pub fn of_stacks(stacks: &[(Arc<Stack>, u32)], captures: u32) -> Vec<Share> {
        let mut shares: Vec<(Share, u32)> = Vec::new();
        for (stack, count) in stacks {
            let Some(blame) = stack.blame() else { continue };
            match shares.iter_mut().find(|(share, _)| share.function == blame.name) {
                Some((_, all)) => *all += count,
                // The first is the most frequent one: its place stands for the others.
                None => shares.push((Share::of(stack, blame), *count)),
            }
        }
        shares.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let part = |count| f64::from(count) / f64::from(captures.max(1));
        shares.into_iter().map(|(share, count)| Share { part: part(count), ..share }).collect()
    }
}

/// A long poll in few words: which function, at which line, why, and in which parts.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LongPoll {
    /// Whether it is a poll, or the drop of a future.
    pub kind: PollKind,
    /// Key of the task.
    pub task: u64,
    /// When the poll began, in nanoseconds on the target's clock: with the task, its identity.
    pub began_ns: u64,
    /// Increases with each change of a long poll of the target.
    pub revision: u64,
    /// How long it took, or has taken already, in nanoseconds.
    pub length_ns: u64,
    /// The length is a lower bound.
    pub is_least: bool,
    /// The worker whose thread it is or was on, counted from 0; `None` if that is not known, or
    /// the thread was not a worker.
    pub worker: Option<usize>,
    /// It has ended.
    pub over: bool,
    /// What the thread did most of the time; displays as `sleeping in clock_nanosleep`.
    pub cause: Cause,
    /// How long the task blocked its worker, in nanoseconds: the length less the time without a
    /// CPU, up to the watchdog's latest sample of the thread; 0 in `block_in_place`. `None` if it
    /// is not known, or not known yet.
    pub net_ns: Option<u64>,
    /// Time inside of it in which the machine, and not the task, prevented progress.
    pub without_cpu: TimeWithoutCpu,
    /// How many stacks were captured.
    pub captures: u32,
    /// The functions to blame, most of the time first. Empty if there is no stack.
    pub shares: Vec<Share>,
    /// The stack seen most often.
    pub stack: Option<Arc<Stack>>,
    /// What it has cost the others; `None` if that was not looked at: the poll is too
    /// young, or there are too many tasks to look at them this often.
    pub cost: Option<Arc<Cost>>,
    /// Why there is no stack, if there is none and should be one.
    pub no_stack: Option<Arc<str>>,
    /// How many stacks were captured whose names are still being looked up.
    pub unnamed: u32,
}

impl LongPoll {
    /// A poll that has ended and spent its whole length computing, without a stack. Its revision is
    /// its end.
    pub fn computing(task: u64, began_ns: u64, length_ns: u64) -> LongPoll {
        LongPoll {
            kind: PollKind::Poll,
            task,
            began_ns,
            revision: began_ns.saturating_add(length_ns),
            length_ns,
            is_least: false,
            worker: None,
            over: true,
            cause: Cause::Computing,
            net_ns: Some(length_ns),
            without_cpu: TimeWithoutCpu::default(),
            captures: 0,
            shares: Vec::new(),
            stack: None,
            cost: None,
            no_stack: None,
            unnamed: 0,
        }
    }

    /// The function to blame most.
    pub fn function(&self) -> Option<&str> {
        self.shares.first().map(|share| &*share.function)
    }

    /// Its file and line.
    pub fn place(&self) -> Option<&str> {
        self.shares.first()?.place.as_deref()
    }

    /// What there is to say where the stack would be, if it is not there.
    pub fn instead_of_stack(&self) -> Option<String> {
        let owed = "captured; it is being symbolized, which takes longer the first time";
        match (&self.stack, &self.no_stack) {
            (Some(_), _) => None,
            (None, _) if self.unnamed > 0 => Some(owed.to_owned()),
            (None, Some(why)) => Some(format!("– ({why})")),
            (None, None) => (!self.over).then(|| "requested".to_owned()),
        }
    }

    /// Where, why and how it came there, a line each, for a report or a screen: what is
    /// to blame, the profile if there are several parts, what it cost the others, and the
    /// frames of the task.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.kind == PollKind::Drop {
            lines.push("while its future was dropped".to_owned());
        }
        match (self.function(), self.instead_of_stack()) {
            (Some(function), _) => {
                let place = self.place().map(|place| format!(" at {place}")).unwrap_or_default();
                lines.push(format!("{} in {function}{place}", self.cause));
            }
            (None, Some(said)) => lines.push(format!("{}; stack: {said}", self.cause)),
            (None, None) => lines.push(self.cause.to_string()),
        }
        lines.extend(self.deduction());
        lines.extend(self.profile());
        lines.extend(self.cost.iter().filter_map(|cost| cost.sentence()));
        let frames = self.stack.iter().flat_map(|stack| stack.task_frames());
        let shown = frames.filter(|frame| {
            matches!(frame.kind, FrameKind::User | FrameKind::Dependency | FrameKind::Std)
        });
        lines.extend(shown.take(24).map(|frame| format!("  {frame}")));
        lines
    }

    /// Time without a CPU that is deducted from the length, in nanoseconds; `None` if it is less than
    /// 1 ms or 5 % of the length.
    pub fn deducted_ns(&self) -> Option<u64> {
        let without_ns = self.without_cpu.total_ns();
        let is_much = without_ns >= 1_000_000 && without_ns >= self.length_ns / 20;
        is_much.then_some(without_ns)
    }

    /// `120ms without a CPU is not counted (run-queue delay 120ms)`; `None` if it is little.
    fn deduction(&self) -> Option<String> {
        let deducted = duration(self.deducted_ns()?);
        Some(format!("{deducted} without a CPU is not counted ({})", self.without_cpu))
    }

    /// `81% in parse_json, 19% in checksum`; `None` unless there are several parts.
    pub fn profile(&self) -> Option<String> {
        let said = |share: &Share| format!("{} in {}", whole_percent(share.part), share.function);
        let several = self.shares.len() > 1;
        several.then(|| self.shares.iter().map(said).collect::<Vec<_>>().join(", "))
    }
}
