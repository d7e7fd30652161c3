//! The `await` at which an idle task waits.

use std::sync::Arc;

use super::{Frame, FrameKind, Stack};

/// A request for the await point of a task, and its result.
///
/// The task is woken and polled one extra time, in which Tokio's futures record their stack
/// instead of making progress. Futures of other crates do not support this.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AwaitPoint {
    /// The key of the task.
    pub task: u64,
    /// The time of the request, in nanoseconds on the probe's clock.
    pub requested_ns: u64,
    /// The result so far.
    pub state: AwaitState,
}

/// The result of a request for an await point.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum AwaitState {
    /// No worker has polled the task since the request.
    Requested,
    /// One stack per Tokio future that the task waits for, innermost frame first: several in a
    /// `select!` or `join!`. Futures that are not traced have none: those of other crates, and some
    /// of Tokio's.
    At(Vec<Arc<Stack>>),
    /// The await point cannot be determined, for this reason.
    Unavailable(Arc<str>),
}

/// The await point of a task that awaits only futures without a trace.
const NOT_TRACED: &str = "– await point unknown: it awaits a future that Tokio does not trace, such as \
                          JoinSet::join_next, TcpListener::accept, UdpSocket::recv_from, or one of \
                          another crate";

impl AwaitPoint {
    /// The futures that the task waits for, each with the chain of awaits that leads to it,
    /// innermost first; one line per frame.
    pub fn lines(&self) -> Vec<String> {
        match &self.state {
            AwaitState::Requested => vec!["requested: answered by the task's next poll".to_owned()],
            AwaitState::Unavailable(why) => vec![format!("– await point unknown: {why}")],
            AwaitState::At(stacks) if stacks.is_empty() => {
                vec![NOT_TRACED.to_owned()]
            }
            AwaitState::At(stacks) => stacks.iter().flat_map(|stack| await_chain(stack)).collect(),
        }
    }
}

/// A future and the functions that await it, innermost first.
fn await_chain(stack: &Stack) -> Vec<String> {
    let is_listed = |frame: &&Frame| matches!(frame.kind, FrameKind::User | FrameKind::Dependency);
    let future = awaited_future(stack).map_or("a future", |frame| &*frame.name);
    let mut lines = vec![format!("waits in {future}")];
    let awaits = stack.task_frames().iter().filter(is_listed).take(24);
    lines.extend(awaits.map(|frame| format!("  {frame}")));
    if let ([_], Some(why)) = (&*lines, &stack.cut) {
        lines.push(format!("  its callers are unknown: {why}"));
    }
    lines
}

/// The Tokio future that the innermost frame of the user's code awaits.
fn awaited_future(stack: &Stack) -> Option<&Frame> {
    let is_tracing = |frame: &Frame| {
        // The last two combine futures, such as those of a `join!`.
        let inside = [
            "tokio::runtime::task::trace::",
            "tokio::trace::",
            "tokio::runtime::context",
            "tokio::future::",
            "futures_util::",
        ];
        inside.iter().any(|path| frame.function.contains(path))
    };
    // The closure of a Tokio macro is in Tokio's file, but has a name in the user's crate.
    let user_crate = stack.offending_frame().map(|frame| crate_name(&frame.function));
    let is_future = |frame: &&Frame| {
        let is_user_closure = user_crate == Some(crate_name(&frame.function));
        frame.kind == FrameKind::Runtime && !is_user_closure && !is_tracing(frame)
    };
    match stack.inside_offending_frame() {
        Some(inside) => inside.iter().rev().find(is_future),
        // The task itself is a Tokio future.
        None => stack.task_frames().iter().find(is_future),
    }
}

/// The first part of the path of a function.
fn crate_name(function: &str) -> &str {
    let path = function.trim_start_matches(['<', '&', ' ']);
    path.split("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(name: &str, kind: FrameKind) -> Frame {
        Frame { path: Some("src/x.rs".into()), line: Some(7), ..Frame::new(name, kind) }
    }

    fn lines(state: AwaitState) -> Vec<String> {
        AwaitPoint { task: 1, requested_ns: 0, state }.lines()
    }

    #[test]
    fn lines_are_the_future_and_the_functions_that_await_it() {
        use FrameKind::{Dependency, Probe, Runtime, User};
        let frames = vec![
            frame("watch::leaf", Probe),
            frame("tokio::runtime::task::trace::trace_leaf", Runtime),
            frame("Sleep::poll_elapsed", Runtime),
            frame("Interval::tick", Runtime),
            frame("app::beat", User),
            frame("pool::run", Dependency),
            frame("app::serve", User),
            frame("Instrumented::poll", Probe),
            frame("app::main", User),
        ];
        let stack = Stack { frames, cut: None };
        assert_eq!(
            lines(AwaitState::At(vec![stack.into()])),
            [
                "waits in Interval::tick",
                "  app::beat at src/x.rs:7",
                "  pool::run at src/x.rs:7",
                "  app::serve at src/x.rs:7"
            ]
        );
    }

    #[test]
    fn lines_name_the_future_of_a_task_without_user_code() {
        use FrameKind::{Probe, Runtime};
        let frames = vec![
            frame("tokio::trace::async_trace_leaf", Runtime),
            frame("Sleep::poll", Runtime),
            frame("Instrumented::poll", Probe),
        ];
        let stack = Stack { frames, cut: None };
        assert_eq!(lines(AwaitState::At(vec![stack.into()])), ["waits in Sleep::poll"]);
    }

    #[test]
    fn lines_state_why_the_await_point_is_unknown() {
        assert!(
            lines(AwaitState::At(Vec::new()))[0].contains("a future that Tokio does not trace")
        );
        let why = lines(AwaitState::Unavailable("Tokio was built without".into()));
        assert_eq!(why, ["– await point unknown: Tokio was built without"]);
    }
}
