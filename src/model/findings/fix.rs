//! The fix for a long poll, by its cause.

use std::sync::Arc;

use super::rule::Rule;
use crate::snapshot::{CallKind, Cause, LongPoll, PollKind};

/// The fix for a long poll with this evidence, or else the fix of the rule.
pub(in crate::model) fn fix_for(evidence: Option<&Arc<LongPoll>>, rule: &Rule) -> &'static str {
    evidence.and_then(|evidence| of_cause(evidence)).unwrap_or(rule.fix)
}

fn of_cause(evidence: &LongPoll) -> Option<&'static str> {
    if evidence.kind == PollKind::Drop {
        return Some(
            "Do no slow work in a destructor: when a task ends or is aborted, its destructors run \
             on the worker. Clean up in an async function before that, or move the value to \
             tokio::task::spawn_blocking(move || drop(value)).",
        );
    }
    if is_in_a_database(evidence) {
        return Some(
            "Run the query in tokio::task::spawn_blocking, or on a thread that owns the connection \
             and answers over a channel. A query cannot yield before it has its result.",
        );
    }
    let call = match &evidence.cause {
        Cause::Computing | Cause::Unknown(_) => return None,
        Cause::NoCpu => {
            return Some(
                "Give the program more CPU. The rest of the poll is work: split it and yield with \
                 tokio::task::yield_now().await between the pieces.",
            );
        }
        Cause::PageFault => {
            return Some(
                "Its memory is on disk: it is swapped out, or part of a mapped file. Give the \
                 program more memory, or access mapped files in tokio::task::spawn_blocking.",
            );
        }
        Cause::Call(call) => call,
    };
    Some(match call.kind {
        CallKind::Sleep => "Use tokio::time::sleep(…).await: std::thread::sleep blocks the worker.",
        CallKind::Lock if waits_for_a_thread(evidence) => {
            "Await the other side: tokio::sync::mpsc or oneshot instead of std::sync::mpsc, Notify \
             instead of Condvar, the JoinHandle of tokio::task::spawn_blocking instead of that of \
             a thread."
        }
        CallKind::Lock => {
            "Hold the lock only briefly: drop its guard before slow work and before an .await. If \
             it must be held for longer, use tokio::sync::Mutex, whose waiters yield."
        }
        CallKind::Read | CallKind::Write | CallKind::Wait => {
            "Use the async version of this call (tokio::net, tokio::fs, tokio::process), or move \
             it to tokio::task::spawn_blocking."
        }
        CallKind::Other => "Move this call to tokio::task::spawn_blocking.",
    })
}

/// Whether the stack has a function of an embedded database or of a blocking database client.
fn is_in_a_database(evidence: &LongPoll) -> bool {
    const CRATES: [&str; 12] = [
        "diesel", "duckdb", "fjall", "heed", "libsql", "lmdb", "mysql", "postgres", "redb",
        "rocksdb", "rusqlite", "sled",
    ];
    let frames = evidence.stack.iter().flat_map(|stack| stack.task_frames());
    frames.map(|frame| frame.function.trim_start_matches('<')).any(|function| {
        let krate = function.split("::").next().unwrap_or_default();
        CRATES.contains(&krate) || function.starts_with("sqlite3_")
    })
}

/// Whether a futex call belongs to a channel, a condition variable or a join, by the called
/// function. Without a stack it may be a lock.
fn waits_for_a_thread(evidence: &LongPoll) -> bool {
    const FUNCTIONS: [&str; 7] =
        ["recv", "recv_timeout", "send", "join", "park", "wait", "wait_timeout"];
    let callee = evidence.profile.first().and_then(|share| share.callee.as_deref());
    let name = callee.and_then(|callee| callee.rsplit("::").next());
    name.is_some_and(|name| FUNCTIONS.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Frame, FrameKind, ProfileEntry, Stack, SystemCall};

    fn fix_of(kind: Option<CallKind>, callee: Option<&str>) -> &'static str {
        let call = |kind| Cause::Call(SystemCall { number: 1, name: None, kind });
        let entry = ProfileEntry {
            function: "query".into(),
            location: None,
            callee: callee.map(Into::into),
            share: 1.0,
        };
        let cause = kind.map_or(Cause::Computing, call);
        let evidence =
            LongPoll { cause, profile: vec![entry], ..LongPoll::computing(1, 0, 1_000_000_000) };
        fix_for(Some(&Arc::new(evidence)), crate::model::RuleId::WorkerHeld.rule())
    }

    #[test]
    fn query_belongs_on_another_thread() {
        let stack = |functions: &[&str]| {
            let frames = functions.iter().map(|name| Frame::new(*name, FrameKind::User));
            let stack = Some(Arc::new(Stack { frames: frames.collect(), cut: None }));
            let evidence = LongPoll { stack, ..LongPoll::computing(1, 0, 1_000_000_000) };
            fix_for(Some(&Arc::new(evidence)), crate::model::RuleId::WorkerHeld.rule())
        };
        for function in ["<redb::table::Range<K> as Iterator>::next", "sqlite3_step"] {
            let fix = stack(&[function, "app::query"]);
            assert!(fix.contains("owns the connection") && !fix.contains("yield_now"), "{fix}");
        }
        assert!(stack(&["app::redb::next", "app::query"]).contains("yield_now"));
    }

    #[test]
    fn fix_names_only_what_the_evidence_states() {
        let cases = [
            (None, None, "yield_now"),
            (None, Some("thread::sleep"), "yield_now"),
            (Some(CallKind::Sleep), Some("thread::sleep"), "tokio::time::sleep"),
            (Some(CallKind::Lock), Some("Mutex<T>::lock"), "sync::Mutex"),
            (Some(CallKind::Lock), None, "sync::Mutex"),
            (Some(CallKind::Lock), Some("Receiver<T>::recv"), "sync::mpsc"),
            (Some(CallKind::Lock), Some("JoinHandle<T>::join"), "sync::mpsc"),
            (Some(CallKind::Read), Some("File::read"), "tokio::fs"),
            (Some(CallKind::Other), Some("File::sync_all"), "Move this call"),
        ];
        for (kind, callee, expected) in cases {
            let fix = fix_of(kind, callee);
            for (_, _, part) in cases {
                let (has, is_expected) = (fix.contains(part), part == expected);
                assert_eq!(has, is_expected, "{kind:?} {callee:?} {part}: {fix}");
            }
        }
    }
}
