//! Where an idle task waits, as plain data.

use std::sync::Arc;

use super::{Frame, FrameKind, Stack};

/// What came of asking a task where it waits.
///
/// The task is woken and polled once more than it would have been, with Tokio's futures
/// telling where they are instead of doing their work. Futures of others do not tell.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AwaitPoint {
    /// Key of the task.
    pub task: u64,
    /// When it was asked, in nanoseconds on the probe's clock.
    pub asked_ns: u64,
    /// What it said.
    pub answer: Awaits,
}

/// What a task says that was asked where it waits.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Awaits {
    /// Nothing yet: no worker has polled it since.
    Asked,
    /// One stack for each of Tokio's futures that it waits for, innermost frame first:
    /// several in a `select!` or `join!`, none if it awaits no Tokio future.
    In(Vec<Arc<Stack>>),
    /// It cannot be asked, or could not tell, and why.
    Unavailable(Arc<str>),
}

impl AwaitPoint {
    /// What it waits for and the chain of awaits that leads there, innermost first, a line
    /// each.
    pub fn lines(&self) -> Vec<String> {
        match &self.answer {
            Awaits::Asked => vec!["requested: answered by the task's next poll".to_owned()],
            Awaits::Unavailable(why) => vec![format!("– await point unknown: {why}")],
            Awaits::In(stacks) if stacks.is_empty() => {
                vec![
                    "awaits no Tokio future; await points in other crates are not traced"
                        .to_owned(),
                ]
            }
            Awaits::In(stacks) => stacks.iter().flat_map(|stack| chain(stack)).collect(),
        }
    }
}

/// One future that is waited for: what it is, and who awaits it.
fn chain(stack: &Stack) -> Vec<String> {
    let awaits = |frame: &&Frame| matches!(frame.kind, FrameKind::User | FrameKind::Dependency);
    let frames = stack.task_frames();
    let leaf = leaf(stack).map_or("a future", |leaf| &*leaf.name);
    let mut lines = vec![format!("waits in {leaf}")];
    lines.extend(frames.iter().filter(awaits).take(24).map(|frame| format!("  {frame}")));
    if let ([_], Some(why)) = (&*lines, &stack.cut) {
        lines.push(format!("  its callers are unknown: {why}"));
    }
    lines
}

/// The future of Tokio's that the innermost frame of the user's awaits.
fn leaf(stack: &Stack) -> Option<&Frame> {
    let is_tracing = |frame: &Frame| {
        let inside = ["tokio::runtime::task::trace::", "tokio::trace::", "tokio::runtime::context"];
        inside.iter().any(|path| frame.function.contains(path))
    };
    // The closure that a macro of Tokio's makes is in Tokio's file and has the user's name.
    let mine = stack.blame().map(|frame| root(&frame.function));
    let is_future = |frame: &&Frame| {
        let named = mine != Some(root(&frame.function));
        frame.kind == FrameKind::Runtime && named && !is_tracing(frame)
    };
    match stack.inside_of_blame() {
        Some(inside) => inside.iter().rev().find(is_future),
        // The task is a future of Tokio's itself.
        None => stack.task_frames().iter().find(is_future),
    }
}

/// The crate of a function, where its name says that.
fn root(function: &str) -> &str {
    let path = function.trim_start_matches(['<', '&', ' ']);
    path.split("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(name: &str, kind: FrameKind) -> Frame {
        Frame { path: Some("src/x.rs".into()), line: Some(7), ..Frame::new(name, kind) }
    }

    fn said(answer: Awaits) -> Vec<String> {
        AwaitPoint { task: 1, asked_ns: 0, answer }.lines()
    }

    #[test]
    fn the_chain_leads_from_what_is_awaited_to_the_task() {
        use FrameKind::{Dependency, Harness, Runtime, User};
        let frames = vec![
            frame("watch::leaf", Harness),
            frame("tokio::runtime::task::trace::trace_leaf", Runtime),
            frame("Sleep::poll_elapsed", Runtime),
            frame("Interval::tick", Runtime),
            frame("app::beat", User),
            frame("pool::run", Dependency),
            frame("app::serve", User),
            frame("Instrumented::poll", Harness),
            frame("app::main", User),
        ];
        let stack = Stack { frames, cut: None };
        assert_eq!(
            said(Awaits::In(vec![stack.into()])),
            [
                "waits in Interval::tick",
                "  app::beat at src/x.rs:7",
                "  pool::run at src/x.rs:7",
                "  app::serve at src/x.rs:7"
            ]
        );
    }

    #[test]
    fn a_task_that_awaits_tokio_alone_names_the_future() {
        use FrameKind::{Harness, Runtime};
        let frames = vec![
            frame("tokio::trace::async_trace_leaf", Runtime),
            frame("Sleep::poll", Runtime),
            frame("Instrumented::poll", Harness),
        ];
        let stack = Stack { frames, cut: None };
        assert_eq!(said(Awaits::In(vec![stack.into()])), ["waits in Sleep::poll"]);
    }

    #[test]
    fn what_is_not_known_says_why() {
        assert!(said(Awaits::In(Vec::new()))[0].contains("awaits no Tokio future"));
        let why = said(Awaits::Unavailable("Tokio was built without".into()));
        assert_eq!(why, ["– await point unknown: Tokio was built without"]);
    }
}
