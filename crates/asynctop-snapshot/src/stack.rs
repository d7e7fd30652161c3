//! A stack, as plain data.

use std::{fmt, sync::Arc};

/// Whose code a frame is: what may be blamed, and what a screen folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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
    /// Where the code is, if its function is not known: the symbols may be on another machine.
    pub code: Option<CodeOffset>,
}

/// A place in the code of a program or a library, in the form that `addr2line` accepts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CodeOffset {
    /// The build id of the file, in hexadecimal; `None` if it has none.
    pub build_id: Option<Arc<str>>,
    /// The address in the file.
    pub offset: u64,
}

impl Frame {
    /// A function without a place.
    pub fn new(function: impl Into<Arc<str>>, kind: FrameKind) -> Self {
        let function = function.into();
        Frame {
            name: function.clone(),
            function,
            file: None,
            path: None,
            line: None,
            kind,
            inlined: false,
            code: None,
        }
    }

    /// `src/lab/hog.rs:42`, as much of it as is known.
    pub fn place(&self) -> Option<String> {
        let path = self.path.as_ref()?;
        Some(self.line.map_or_else(|| path.to_string(), |line| format!("{path}:{line}")))
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(code) = &self.code {
            write!(f, " +{:#x}", code.offset)?;
        }
        self.place().map_or(Ok(()), |place| write!(f, " at {place}"))
    }
}

/// The functions that a thread was in, innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stack {
    /// All of them; what to fold is for the reader, who has each frame's kind.
    pub frames: Vec<Frame>,
    /// Why the stack ends before the thread's first function, if it does. The frames
    /// that are there are right.
    pub cut: Option<Arc<str>>,
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
    /// over the worker, and no task waits for this one.
    pub fn has_given_way(&self) -> bool {
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
    pub fn is_alike(&self, other: &Stack) -> bool {
        let (Some(at), Some(theirs)) = (self.blamed_at(), other.blamed_at()) else {
            // The innermost address differs from sample to sample.
            let function = |stack: &Stack| stack.frames.first().map(|f| f.function.clone());
            return function(self) == function(other)
                && self.frames.get(1..) == other.frames.get(1..)
                && self.cut == other.cut;
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

/// Stacks for tests of crates that read snapshots.
#[cfg(any(test, feature = "testing"))]
pub mod testing {
    use super::*;

    /// A frame of `/w/src/x.rs` at this line.
    pub fn frame(name: &str, line: u32, kind: FrameKind) -> Frame {
        let (file, path) = (Some("/w/src/x.rs".into()), Some("src/x.rs".into()));
        Frame { file, path, line: Some(line), ..Frame::new(name, kind) }
    }

    /// A stack of such frames, innermost first.
    pub fn stack(frames: &[(&str, u32, FrameKind)]) -> Stack {
        let frames = frames.iter().map(|(name, line, kind)| frame(name, *line, *kind)).collect();
        Stack { frames, cut: None }
    }
}

#[cfg(test)]
mod tests {
    use super::{testing::stack, *};
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
        let stripped = |offsets: [u64; 2]| {
            let code = |offset| Some(CodeOffset { build_id: None, offset });
            let frame = |offset| Frame { code: code(offset), ..Frame::new("[app]", Native) };
            Stack { frames: offsets.map(frame).into(), cut: None }
        };
        assert!(stripped([1, 9]).is_alike(&stripped([2, 9])));
        assert!(!stripped([1, 9]).is_alike(&stripped([1, 8])), "called from another place");
    }
}
