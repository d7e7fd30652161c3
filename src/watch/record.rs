//! What is known of a long poll, as plain data.

use std::{fmt, sync::Arc, thread::ThreadId};

use super::{Cause, Cost};

/// Whose code a frame is: what may be blamed, and what a screen folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// The program's own crates, and the workloads of asynctop's lab.
    User,
    /// A crate from a registry or a git checkout.
    Dependency,
    /// Tokio and other parts of async runtimes.
    Runtime,
    /// The probe, between the runtime and the task.
    Harness,
    /// `core`, `alloc`, `std`.
    Std,
    /// Not Rust: the C library, the kernel's page of code.
    Native,
}

/// One function of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The function's full name, demangled, without its hash.
    pub function: Arc<str>,
    /// The name as people say it: `hog::spin`.
    pub name: Arc<str>,
    /// The source file, as the compiler wrote it down.
    pub file: Option<Arc<str>>,
    /// The source file as people write it: `src/lab/hog.rs`.
    pub path: Option<Arc<str>>,
    /// The line, counted from 1.
    pub line: Option<u32>,
    /// Whose code it is.
    pub kind: FrameKind,
    /// The compiler put this function into the body of the next frame's.
    pub inlined: bool,
}

impl Frame {
    /// `src/lab/hog.rs:42`, as much of it as is known.
    pub fn place(&self) -> Option<String> {
        let path = self.path.as_ref()?;
        Some(self.line.map_or_else(|| path.to_string(), |line| format!("{path}:{line}")))
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.place().map_or(Ok(()), |place| write!(f, " at {place}"))
    }
}

/// The functions that a thread was in, innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stack {
    /// All of them; what to fold is for the reader, who has each frame's kind.
    pub frames: Vec<Frame>,
    /// Why the stack ends before the thread's first function, if it does. The frames
    /// that are there are right.
    pub cut: Option<&'static str>,
}

impl Stack {
    /// The innermost frame of the user's own crates, or else the innermost one of a
    /// crate that they use. Frames outside of the probe's are the runtime's business.
    pub fn blame(&self) -> Option<&Frame> {
        self.blamed_at().map(|at| &self.frames[at])
    }

    /// What the blamed frame called: the frame next to it on the inside.
    pub fn callee(&self) -> Option<&Frame> {
        self.frames.get(self.blamed_at()?.checked_sub(1)?)
    }

    /// All that the blamed frame called, and what that called.
    pub(super) fn inside_of_blame(&self) -> Option<&[Frame]> {
        self.blamed_at().map(|at| &self.frames[..at])
    }

    /// The frames of the task: all inside of the probe's outermost `poll`.
    pub fn task_frames(&self) -> &[Frame] {
        let harness = self.frames.iter().rposition(|frame| frame.kind == FrameKind::Harness);
        &self.frames[..harness.unwrap_or(self.frames.len())]
    }

    /// Whether the task runs in `tokio::task::block_in_place`: then another thread has taken
    /// over the worker, and nobody waits for this one.
    fn has_given_way(&self) -> bool {
        let gives_way = |frame: &Frame| {
            // With line tables only, an inlined function has no path.
            frame.kind == FrameKind::Runtime && frame.function.contains("block_in_place")
        };
        self.task_frames().iter().any(gives_way)
    }

    fn blamed_at(&self) -> Option<usize> {
        let of = |kind| self.task_frames().iter().position(|frame| frame.kind == kind);
        of(FrameKind::User).or_else(|| of(FrameKind::Dependency))
    }

    /// Whether both are the same place of the program. Lines inside of the blamed frame
    /// and of what it called differ from sample to sample and do not matter; the line of
    /// a call that the blamed frame is in does.
    #[cfg(feature = "watch")]
    pub(super) fn is_alike(&self, other: &Stack) -> bool {
        let (Some(at), Some(theirs)) = (self.blamed_at(), other.blamed_at()) else {
            return self == other;
        };
        let inside = |stack: &Stack, at: usize| {
            stack.frames[..at].iter().rfind(|frame| !frame.inlined).map(|f| f.function.clone())
        };
        let (ours, other_inside) = (inside(self, at), inside(other, theirs));
        let (blamed, accused) = (&self.frames[at], &other.frames[theirs]);
        ours == other_inside
            && blamed.function == accused.function
            && (ours.is_none() || blamed.line == accused.line)
            && self.frames[at + 1..] == other.frames[theirs + 1..]
    }
}

impl fmt::Display for Stack {
    /// One frame a line, innermost first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.frames.iter().try_for_each(|frame| writeln!(f, "{frame}"))
    }
}

/// One poll that took longer than the threshold, or takes longer already.
#[derive(Clone, Debug)]
pub struct PollRecord {
    /// Key of the task, as [`TaskView::key`](crate::probe::TaskView::key) gives it.
    pub task: u64,
    /// The thread that polls, as `std` and Tokio name it; `None` if it has ended.
    pub thread: Option<ThreadId>,
    /// The thread's name, empty if it has none.
    pub thread_name: Arc<str>,
    /// The thread as the operating system numbers it, where that is known.
    pub os_id: Option<u32>,
    /// When the poll began, in nanoseconds on the probe's clock. No two polls of a
    /// thread share it.
    pub began_ns: u64,
    /// When the watchdog last saw it last, in nanoseconds on the probe's clock.
    pub last_seen_ns: u64,
    /// When it ended, in nanoseconds on the probe's clock, or somewhat later: by no more than
    /// a look at the threads is apart from the next. `None` while it lasts.
    pub ended_ns: Option<u64>,
    /// When the watchdog saw that it was over, in nanoseconds on the probe's clock.
    pub noticed_ns: Option<u64>,
    /// The stacks, those seen most often first, and how often each was seen.
    pub stacks: Vec<(Arc<Stack>, u32)>,
    /// Stacks that were captured and are not in `stacks`: there were too many different.
    pub other_stacks: u32,
    /// What the thread did, and for how many nanoseconds, longest first. Only time that
    /// was looked at.
    pub causes: Vec<(Cause, u64)>,
    /// What it has cost the others, once that was looked at.
    pub cost: Option<Arc<Cost>>,
    /// How many nanoseconds of it were looked at closely.
    pub looked_ns: u64,
    /// How many of these were its own doing: on the CPU, or waiting in a system call. In
    /// the others the machine ran something else.
    pub own_ns: u64,
    /// Why there is no stack, if there is none and should be one.
    pub no_stack: Option<Arc<str>>,
}

impl PollRecord {
    /// How long it took, or has taken already, in nanoseconds.
    pub fn length_ns(&self) -> u64 {
        self.ended_ns.unwrap_or(self.last_seen_ns).saturating_sub(self.began_ns)
    }

    /// What the thread did most of the time.
    pub fn cause(&self) -> Cause {
        self.causes.first().map_or(Cause::Unknown("not looked at yet"), |(cause, _)| *cause)
    }

    /// How many stacks were captured.
    pub fn captures(&self) -> u32 {
        self.stacks.iter().map(|(_, count)| count).sum::<u32>() + self.other_stacks
    }

    /// How much of it was its own doing, at its worker's cost, as far as it was looked at.
    fn own_part(&self) -> Option<f64> {
        if self.stacks.iter().any(|(stack, _)| stack.has_given_way()) {
            return Some(0.0);
        }
        // The stack is on its way, and may say that it has given way.
        let is_awaited = self.stacks.is_empty() && self.no_stack.is_none();
        if is_awaited && self.looked_ns < STACK_NS {
            return None;
        }
        const ENOUGH_NS: u64 = 4_000_000;
        /// For so long nobody is judged without it.
        const STACK_NS: u64 = 1_000_000_000;
        (self.looked_ns >= ENOUGH_NS).then(|| self.own_ns as f64 / self.looked_ns as f64)
    }

    /// What a finding needs to say where and why.
    pub fn evidence(&self) -> Evidence {
        let mut shares: Vec<(Share, u32)> = Vec::new();
        for (stack, count) in &self.stacks {
            let Some(blame) = stack.blame() else { continue };
            match shares.iter_mut().find(|(share, _)| share.function == blame.name) {
                Some((_, all)) => *all += count,
                // The first is the one seen most often: its place stands for the others.
                None => shares.push((Share::of(stack, blame), *count)),
            }
        }
        shares.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let captures = self.captures().max(1);
        for (share, count) in &mut shares {
            share.part = f64::from(*count) / f64::from(captures);
        }
        Evidence {
            task: self.task,
            began_ns: self.began_ns,
            length_ns: self.length_ns(),
            worker: None,
            over: self.ended_ns.is_some(),
            cause: self.cause(),
            own_part: self.own_part(),
            captures: self.captures(),
            shares: shares.into_iter().map(|(share, _)| share).collect(),
            stack: self.stacks.first().map(|(stack, _)| stack.clone()),
            cost: self.cost.clone(),
            no_stack: self.no_stack.clone(),
        }
    }
}

/// One function of the user's and its part of a poll.
#[derive(Clone, Debug, PartialEq)]
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
}

/// A long poll in few words: which function, at which line, why, and in which parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Key of the task.
    pub task: u64,
    /// When the poll began, in nanoseconds on the probe's clock: with the task, its name.
    pub began_ns: u64,
    /// How long it took, or has taken already, in nanoseconds.
    pub length_ns: u64,
    /// The worker whose thread it is or was on, counted from 0; `None` if that is not known, or
    /// the thread was nobody's worker.
    pub worker: Option<usize>,
    /// It has ended.
    pub over: bool,
    /// What the thread did most of the time; displays as `sleeping in clock_nanosleep`.
    pub cause: Cause,
    /// How much of it was the task's own doing (on the CPU, or waiting in a system call), 0
    /// to 1; in the rest the machine ran something else. Also 0 in `block_in_place`, where it
    /// has given its worker away. `None` if nobody has looked for long enough to say.
    pub own_part: Option<f64>,
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
}

impl Evidence {
    /// The function to blame most.
    pub fn function(&self) -> Option<&str> {
        self.shares.first().map(|share| &*share.function)
    }

    /// Its file and line.
    pub fn place(&self) -> Option<&str> {
        self.shares.first()?.place.as_deref()
    }

    /// Where, why and how it came there, a line each, for a report or a screen: what is
    /// to blame, the profile if there are several parts, what it cost the others, and the
    /// frames of the task.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match (self.function(), self.place(), &self.no_stack) {
            (Some(function), place, _) => {
                let place = place.map(|place| format!(" at {place}")).unwrap_or_default();
                lines.push(format!("{} in {function}{place}", self.cause));
            }
            (None, _, Some(why)) => lines.push(format!("{}; no stack: {why}", self.cause)),
            (None, _, None) => lines.push(self.cause.to_string()),
        }
        lines.extend(self.profile());
        lines.extend(self.cost.iter().filter_map(|cost| cost.sentence()));
        let frames = self.stack.iter().flat_map(|stack| stack.task_frames());
        let shown = frames.filter(|frame| {
            matches!(frame.kind, FrameKind::User | FrameKind::Dependency | FrameKind::Std)
        });
        lines.extend(shown.take(24).map(|frame| format!("  {frame}")));
        lines
    }

    /// `81 % in parse_json, 19 % in checksum`; `None` unless there are several parts.
    pub fn profile(&self) -> Option<String> {
        let said = |share: &Share| format!("{:.0} % in {}", share.part * 100.0, share.function);
        let several = self.shares.len() > 1;
        several.then(|| self.shares.iter().map(said).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(name: &str, line: u32, kind: FrameKind) -> Frame {
        Frame {
            function: name.into(),
            name: name.into(),
            file: Some("/w/src/x.rs".into()),
            path: Some("src/x.rs".into()),
            line: Some(line),
            kind,
            inlined: false,
        }
    }

    fn stack(frames: &[(&str, u32, FrameKind)]) -> Stack {
        let frames = frames.iter().map(|(name, line, kind)| frame(name, *line, *kind)).collect();
        Stack { frames, cut: None }
    }

    fn record(stacks: Vec<(Arc<Stack>, u32)>) -> PollRecord {
        PollRecord {
            task: 7,
            thread: None,
            thread_name: "worker".into(),
            os_id: Some(1),
            began_ns: 100,
            last_seen_ns: 400,
            ended_ns: None,
            noticed_ns: None,
            stacks,
            other_stacks: 0,
            causes: vec![(Cause::Computing, 300)],
            cost: None,
            looked_ns: 0,
            own_ns: 0,
            no_stack: None,
        }
    }

    use FrameKind::{Dependency, Harness, Native, Runtime, User};

    #[test]
    fn the_innermost_frame_of_the_user_inside_of_the_probe_is_to_blame() {
        let stack = stack(&[
            ("memcpy", 1, Native),
            ("serde::de", 2, Dependency),
            ("app::load", 3, User),
            ("app::run", 4, User),
            ("Instrumented::poll", 5, Harness),
            ("tokio::poll", 6, Runtime),
            ("app::main", 7, User),
        ]);
        assert_eq!(stack.blame().map(|frame| &*frame.name), Some("app::load"));
        assert_eq!(stack.callee().map(|frame| &*frame.name), Some("serde::de"));
        assert_eq!(stack.task_frames().len(), 4);
    }

    #[test]
    fn without_the_users_code_a_dependency_is_to_blame_and_never_main() {
        let mut stack = stack(&[
            ("hyper::serve", 1, Dependency),
            ("Instrumented::poll", 2, Harness),
            ("app::main", 3, User),
        ]);
        assert_eq!(stack.blame().map(|frame| &*frame.name), Some("hyper::serve"));
        stack.frames.remove(0);
        assert_eq!(stack.blame(), None);
        assert_eq!(stack.callee(), None);
    }

    #[cfg(feature = "watch")]
    #[test]
    fn lines_tell_calls_apart_and_not_samples_of_one_function() {
        let spin = |line| stack(&[("spin", line, User), ("run", 9, User)]);
        assert!(spin(1).is_alike(&spin(2)));
        let sleep =
            |line| stack(&[("sleep", 5, FrameKind::Std), ("nap", line, User), ("run", 9, User)]);
        assert!(sleep(1).is_alike(&sleep(1)));
        assert!(!sleep(1).is_alike(&sleep(2)), "another call");
        assert!(!sleep(1).is_alike(&spin(1)));
        let deeper = stack(&[("spin", 1, User), ("run", 8, User)]);
        assert!(!spin(1).is_alike(&deeper), "called from another line");
    }

    #[test]
    fn evidence_is_a_profile_by_function() {
        let parse = Arc::new(stack(&[("parse", 10, User), ("poll", 1, Harness)]));
        let again = Arc::new(stack(&[("parse", 20, User), ("poll", 1, Harness)]));
        let sum = Arc::new(stack(&[("sum", 30, User), ("poll", 1, Harness)]));
        let evidence = record(vec![(parse, 60), (again, 21), (sum, 19)]).evidence();
        assert_eq!(evidence.function(), Some("parse"));
        assert_eq!(evidence.place(), Some("src/x.rs:10"));
        assert_eq!(evidence.profile().as_deref(), Some("81 % in parse, 19 % in sum"));
        assert_eq!(evidence.length_ns, 300);
    }

    #[test]
    fn who_blocks_in_place_has_given_its_worker_away() {
        let given = ("tokio::task::blocking::block_in_place", 78, FrameKind::Runtime);
        let own = ("my::block_in_place", 8, FrameKind::User);
        for (frame, part) in [(given, Some(0.0)), (own, Some(1.0))] {
            let inner = ("sleep", 1, FrameKind::Std);
            let harness = ("instrument::go", 3, FrameKind::Harness);
            let mut record = record(vec![(stack(&[inner, frame, harness]).into(), 1)]);
            (record.looked_ns, record.own_ns) = (9_000_000, 9_000_000);
            assert_eq!(record.evidence().own_part, part);
        }
    }

    #[test]
    fn no_stack_is_no_profile() {
        let mut without = record(Vec::new());
        without.no_stack = Some("stacks are unavailable on this platform".into());
        let evidence = without.evidence();
        assert_eq!(evidence.function(), None);
        assert_eq!(evidence.profile(), None);
        assert_eq!(evidence.no_stack, without.no_stack);
    }
}
