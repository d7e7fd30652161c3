//! Stacks and their frames.

use std::{fmt, sync::Arc};

/// The origin of a frame's code. Decides which frame is the offending one, and which ones are folded.
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
    Probe,
    /// `core`, `alloc`, `std`.
    Std,
    /// Not Rust: the C library, the kernel's vDSO.
    Native,
}

/// A frame of a stack: a call of a function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Frame {
    /// The full name, demangled, without its hash.
    pub function: Arc<str>,
    /// The short name, such as `hog::spin`.
    pub name: Arc<str>,
    /// The source file, as the compiler recorded it.
    pub file: Option<Arc<str>>,
    /// The short path of the source file, such as `src/lab/hog.rs`.
    pub path: Option<Arc<str>>,
    /// The line, counted from 1.
    pub line: Option<u32>,
    /// The origin of its code.
    pub kind: FrameKind,
    /// Whether the compiler inlined this function into that of the next frame.
    pub inlined: bool,
    /// The code offset, if the function is not known: the symbols may be on another machine.
    pub code: Option<CodeOffset>,
}

/// An address in the file of a program or a library, in the form that `addr2line` accepts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CodeOffset {
    /// The build id of the file, in hexadecimal, if it has one.
    pub build_id: Option<Arc<str>>,
    /// The address in the file.
    pub offset: u64,
}

impl Frame {
    /// A frame without a source location.
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

    /// The source location, such as `src/lab/hog.rs:42`, or the file alone if the line is not known.
    pub fn location(&self) -> Option<String> {
        let path = self.path.as_ref()?;
        Some(self.line.map_or_else(|| path.to_string(), |line| format!("{path}:{line}")))
    }

    /// The library that contains the function: the crate of a dependency, such as `redb`, the module
    /// of the standard library, such as `std::fs`, or the prefix of a C function, such as `sqlite3`
    /// in `sqlite3_step`. `None` for the program's own code, the runtime and the probe.
    pub fn library(&self) -> Option<&str> {
        // `<redb::Range<K> as Iterator>::next` and `<&mut redb::Range<K> as Iterator>::next`.
        let path = self.function.trim_start_matches(['<', '&', '*']);
        let path = ["mut ", "const ", "dyn "]
            .iter()
            .fold(path, |path, word| path.strip_prefix(word).unwrap_or(path));
        let segments = match self.kind {
            FrameKind::Dependency => 1,
            FrameKind::Std => 2,
            FrameKind::Native => return path.split_once('_').map(|(prefix, _)| prefix),
            FrameKind::User | FrameKind::Runtime | FrameKind::Probe => return None,
        };
        let end = path.match_indices("::").nth(segments - 1).map_or(path.len(), |(at, _)| at);
        Some(&path[..end])
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(code) = &self.code {
            write!(f, " +{:#x}", code.offset)?;
        }
        self.location().map_or(Ok(()), |location| write!(f, " at {location}"))
    }
}

/// The stack of a thread, innermost frame first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stack {
    /// All frames. A reader folds them by their kind.
    pub frames: Vec<Frame>,
    /// The reason if the stack is cut before the thread's first function. The frames up to there are
    /// correct.
    pub cut: Option<Arc<str>>,
}

impl Stack {
    /// The innermost frame of the user's own crates, or else of their dependencies. Frames outside
    /// the probe's belong to the runtime and are ignored.
    pub fn offending_frame(&self) -> Option<&Frame> {
        self.offending_index().map(|at| &self.frames[at])
    }

    /// The function that the offending frame called: the next frame inside it.
    pub fn callee(&self) -> Option<&Frame> {
        self.frames.get(self.offending_index()?.checked_sub(1)?)
    }

    /// The next function of the user's own crates outside the offending one, which called it
    /// directly or through other code. Without it, a helper that many tasks call names none of them.
    pub fn caller(&self) -> Option<&Frame> {
        let at = self.offending_index()?;
        let outside = &self.task_frames()[at + 1..];
        let function = &self.frames[at].function;
        outside.iter().find(|frame| frame.kind == FrameKind::User && frame.function != *function)
    }

    /// All frames inside the offending one.
    pub(super) fn inside_offending_frame(&self) -> Option<&[Frame]> {
        self.offending_index().map(|at| &self.frames[..at])
    }

    /// The frames of the task: all frames inside the probe's outermost `poll`.
    pub fn task_frames(&self) -> &[Frame] {
        let probe = self.frames.iter().rposition(|frame| frame.kind == FrameKind::Probe);
        &self.frames[..probe.unwrap_or(self.frames.len())]
    }

    /// Whether the task runs in `tokio::task::block_in_place`: another thread has taken over the
    /// worker, so no task waits for this one.
    pub fn is_in_block_in_place(&self) -> bool {
        // With line tables only, an inlined function has no path.
        let is_block_in_place = |frame: &Frame| {
            frame.kind == FrameKind::Runtime && frame.function.contains("block_in_place")
        };
        self.task_frames().iter().any(is_block_in_place)
    }

    fn offending_index(&self) -> Option<usize> {
        let innermost = |kind| self.task_frames().iter().position(|frame| frame.kind == kind);
        innermost(FrameKind::User).or_else(|| innermost(FrameKind::Dependency))
    }

    /// Whether both stacks are at the same location of the program. Lines in the offending frame and
    /// inside it differ between samples and are ignored, unless the offending frame is in a call:
    /// then the line of the call counts.
    pub fn is_same_location(&self, other: &Stack) -> bool {
        let (Some(at), Some(other_at)) = (self.offending_index(), other.offending_index()) else {
            // The innermost address differs between samples.
            let innermost = |stack: &Stack| stack.frames.first().map(|f| f.function.clone());
            return innermost(self) == innermost(other)
                && self.frames.get(1..) == other.frames.get(1..)
                && self.cut == other.cut;
        };
        let called = |stack: &Stack, at: usize| {
            stack.frames[..at].iter().rfind(|frame| !frame.inlined).map(|f| f.function.clone())
        };
        let callee = called(self, at);
        let (frame, other_frame) = (&self.frames[at], &other.frames[other_at]);
        callee == called(other, other_at)
            && frame.function == other_frame.function
            && (callee.is_none() || frame.line == other_frame.line)
            && self.frames[at + 1..] == other.frames[other_at + 1..]
    }
}

impl fmt::Display for Stack {
    /// One line per frame, innermost first.
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
    use FrameKind::{Dependency, Native, Probe, Runtime, User};

    #[test]
    fn offending_frame_is_the_innermost_user_frame_inside_the_probe() {
        let stack = stack(&[
            ("memcpy", 1, Native),
            ("serde::de", 2, Dependency),
            ("app::load", 3, User),
            ("app::run", 4, User),
            ("Instrumented::poll", 5, Probe),
            ("tokio::poll", 6, Runtime),
            ("app::main", 7, User),
        ]);
        assert_eq!(stack.offending_frame().map(|frame| &*frame.name), Some("app::load"));
        assert_eq!(stack.callee().map(|frame| &*frame.name), Some("serde::de"));
        assert_eq!(stack.task_frames().len(), 4);
    }

    #[test]
    fn library_is_a_crate_a_module_of_std_or_a_prefix() {
        let library =
            |function: &str, kind| Frame::new(function, kind).library().map(str::to_owned);
        let cases = [
            ("redb::tree::get", Dependency, Some("redb")),
            ("<redb::Range<K> as core::iter::Iterator>::next", Dependency, Some("redb")),
            ("<&mut redb::Range<K> as Iterator>::next", Dependency, Some("redb")),
            ("<&std::fs::File as std::io::Read>::read", FrameKind::Std, Some("std::fs")),
            ("sqlite3_step", Native, Some("sqlite3")),
            ("read", Native, None),
            ("app::redb::get", User, None),
            ("tokio::fs::read", Runtime, None),
        ];
        for (function, kind, expected) in cases {
            assert_eq!(library(function, kind).as_deref(), expected, "{function}");
        }
    }

    #[test]
    fn caller_is_the_next_function_of_the_user() {
        let caller = |frames: &[(&str, u32, FrameKind)]| {
            stack(frames).caller().map(|frame| frame.name.to_string())
        };
        let helper = [
            ("app::sum", 3, User),
            ("app::sum", 9, User),
            ("Iterator::for_each", 1, FrameKind::Std),
            ("app::storm", 4, User),
            ("Instrumented::poll", 5, Probe),
            ("app::main", 7, User),
        ];
        assert_eq!(caller(&helper).as_deref(), Some("app::storm"));
        assert_eq!(caller(&helper[3..]), None, "outside of the probe");
        assert_eq!(caller(&[("hyper::serve", 1, Dependency)]), None);
    }

    #[test]
    fn offending_frame_is_a_dependency_without_user_code_and_never_main() {
        let mut stack = stack(&[
            ("hyper::serve", 1, Dependency),
            ("Instrumented::poll", 2, Probe),
            ("app::main", 3, User),
        ]);
        assert_eq!(stack.offending_frame().map(|frame| &*frame.name), Some("hyper::serve"));
        stack.frames.remove(0);
        assert_eq!(stack.offending_frame(), None);
        assert_eq!(stack.callee(), None);
    }

    #[test]
    fn is_same_location_compares_the_lines_of_calls_only() {
        let spin = |line| stack(&[("spin", line, User), ("run", 9, User)]);
        assert!(spin(1).is_same_location(&spin(2)));
        let sleep =
            |line| stack(&[("sleep", 5, FrameKind::Std), ("nap", line, User), ("run", 9, User)]);
        assert!(sleep(1).is_same_location(&sleep(1)));
        assert!(!sleep(1).is_same_location(&sleep(2)), "another call");
        assert!(!sleep(1).is_same_location(&spin(1)));
        let deeper = stack(&[("spin", 1, User), ("run", 8, User)]);
        assert!(!spin(1).is_same_location(&deeper), "another caller");
        let stripped = |offsets: [u64; 2]| {
            let code = |offset| Some(CodeOffset { build_id: None, offset });
            let frame = |offset| Frame { code: code(offset), ..Frame::new("[app]", Native) };
            Stack { frames: offsets.map(frame).into(), cut: None }
        };
        assert!(stripped([1, 9]).is_same_location(&stripped([2, 9])));
        assert!(!stripped([1, 9]).is_same_location(&stripped([1, 8])), "another caller");
    }
}
