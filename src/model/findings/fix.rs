//! The fix for a long poll, by its cause.

use std::sync::Arc;

use super::rule::Rule;
use crate::snapshot::{CallKind, Cause, FrameKind, LongPoll, PollKind};

/// Embedded databases, and database clients that block. `library` names them in a stack.
const DATABASES: [&str; 13] = [
    "diesel", "duckdb", "fjall", "heed", "libsql", "lmdb", "mysql", "postgres", "redb", "rocksdb",
    "rusqlite", "sled", "sqlite3",
];
/// Modules of std whose functions block.
const BLOCKING_IO: [&str; 3] = ["std::fs", "std::net", "std::process"];

const DROP: &str = "Do no slow work in a destructor: when a task ends or is aborted, its destructors \
                    run on the worker. Clean up in an async function before that, or move the value \
                    to tokio::task::spawn_blocking(move || drop(value)).";
const DATABASE: &str = "Run the query in tokio::task::spawn_blocking, or on a thread that owns the \
                        connection and answers over a channel. A query cannot yield before it has \
                        its result.";
const NO_CPU: &str = "Give the program more CPU. The rest of the poll is work: split it and yield \
                      with tokio::task::yield_now().await between the pieces.";
const PAGE_FAULT: &str = "Its memory is on disk: it is swapped out, or part of a mapped file. Give \
                          the program more memory, or access mapped files in \
                          tokio::task::spawn_blocking.";
const SLEEP: &str = "Use tokio::time::sleep(…).await: std::thread::sleep blocks the worker.";
const THREAD: &str = "Await the other side: tokio::sync::mpsc or oneshot instead of std::sync::mpsc, \
                      Notify instead of Condvar, the JoinHandle of tokio::task::spawn_blocking \
                      instead of that of a thread.";
const LOCK: &str = "Hold the lock only briefly: drop its guard before slow work and before an \
                    .await. If it must be held for longer, use tokio::sync::Mutex, whose waiters \
                    yield.";
const IO: &str = "Use the async version of this call (tokio::net, tokio::fs, tokio::process), or \
                  move it to tokio::task::spawn_blocking.";
const OTHER_CALL: &str = "Move this call to tokio::task::spawn_blocking.";
/// It suits a query as well as computing.
const NO_STACK: &str = "Move a query or another blocking call to spawn_blocking, or split computing \
                        with yield_now().await: without a stack, the cause is unknown. Both are in \
                        tokio::task.";

/// The fix for a long poll with this evidence, or else the fix of the rule.
///
/// `polls` are the long polls of the same tasks. A query spends part of its time outside of the
/// database, so a single stack, or a single poll, may be outside of it.
pub(in crate::model) fn fix_for<'a>(
    evidence: Option<&LongPoll>,
    polls: impl Iterator<Item = &'a LongPoll>,
    rule: &Rule,
) -> &'static str {
    let Some(evidence) = evidence else { return rule.fix };
    if evidence.kind == PollKind::Drop {
        return DROP;
    }
    if passes_through(evidence, &DATABASES) {
        return DATABASE;
    }
    let call = match &evidence.cause {
        Cause::Call(call) => Some(call),
        _ => None,
    };
    if call.is_some_and(|call| call.kind == CallKind::Sleep) {
        return SLEEP;
    }
    let mut polls = polls.filter(|poll| poll.kind == PollKind::Poll);
    if polls.any(|poll| passes_through(poll, &DATABASES) && runs_the_same_code(poll, evidence)) {
        return DATABASE;
    }
    match (&evidence.cause, call.map(|call| call.kind)) {
        (_, Some(CallKind::Lock)) if waits_for_a_thread(evidence) => THREAD,
        (_, Some(CallKind::Lock)) => LOCK,
        (_, Some(CallKind::Read | CallKind::Write | CallKind::Wait)) => IO,
        (_, Some(CallKind::Other)) => OTHER_CALL,
        (Cause::NoCpu, _) => NO_CPU,
        (Cause::PageFault, _) => PAGE_FAULT,
        _ if passes_through(evidence, &BLOCKING_IO) => IO,
        _ if evidence.profile.is_empty() && evidence.stack.is_none() => NO_STACK,
        _ => rule.fix,
    }
}

/// Whether two polls of a group are of one task, or their stacks have a function of the program in
/// common, beside that of the task: all tasks of a group begin in that one.
fn runs_the_same_code(poll: &LongPoll, evidence: &LongPoll) -> bool {
    let functions = |poll: &LongPoll| -> Vec<Arc<str>> {
        let frames = poll.stack.iter().flat_map(|stack| stack.task_frames());
        let own = frames.filter(|frame| frame.kind == FrameKind::User);
        let functions: Vec<_> = own.map(|frame| Arc::clone(&frame.name)).collect();
        let task = functions.last().cloned();
        functions.into_iter().filter(|function| Some(function) != task.as_ref()).collect()
    };
    let shares_function = || {
        let others = functions(poll);
        functions(evidence).iter().any(|one| others.contains(one))
    };
    poll.task == evidence.task || shares_function()
}

/// Whether any captured stack of the poll passes through one of these libraries.
fn passes_through(poll: &LongPoll, libraries: &[&str]) -> bool {
    let mut all = poll.profile.iter().flat_map(|entry| &entry.libraries);
    all.any(|library| libraries.contains(&&**library))
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
    use crate::{
        model::RuleId,
        snapshot::{Frame, ProfileEntry, Stack, SystemCall},
    };

    fn call(kind: CallKind) -> Cause {
        Cause::Call(SystemCall { number: 1, name: None, kind })
    }

    fn fix_of(evidence: &LongPoll, others: &[LongPoll]) -> &'static str {
        fix_for(Some(evidence), others.iter(), RuleId::WorkerHeld.rule())
    }

    fn with_callee(cause: Cause, callee: Option<&str>) -> LongPoll {
        let entry = ProfileEntry {
            function: "query".into(),
            location: None,
            callee: callee.map(Into::into),
            share: 1.0,
            libraries: Vec::new(),
        };
        LongPoll { cause, profile: vec![entry], ..LongPoll::computing(1, 0, 1_000_000_000) }
    }

    /// A poll with these stacks, the most frequent one first. Each is a list of functions; those of
    /// `app` are the user's.
    fn sampled(stacks: &[&[&str]]) -> LongPoll {
        let frame = |name: &&str| {
            let kind = match name.split("::").next() {
                Some("app") => FrameKind::User,
                Some("std") => FrameKind::Std,
                Some("probe") => FrameKind::Probe,
                Some(name) if name.starts_with("sqlite3") => FrameKind::Native,
                _ => FrameKind::Dependency,
            };
            Frame::new(*name, kind)
        };
        let stack = |functions: &&[&str]| {
            Arc::new(Stack { frames: functions.iter().map(frame).collect(), cut: None })
        };
        let counts = (1..=stacks.len() as u32).rev();
        let stacks: Vec<_> = stacks.iter().map(stack).zip(counts).collect();
        LongPoll {
            profile: ProfileEntry::from_stacks(&stacks, 9),
            stack: stacks.first().map(|(stack, _)| Arc::clone(stack)),
            ..LongPoll::computing(1, 0, 1_000_000_000)
        }
    }

    const QUERY: &[&str] = &["<redb::Range<K> as Iterator>::next", "app::query", "app::serve"];
    const DECODE: &[&str] = &["app::decode", "app::query", "app::serve"];

    #[test]
    fn query_belongs_on_another_thread_whichever_stack_is_most_frequent() {
        let native: &[&str] = &["sqlite3_step", "app::query"];
        let callback: &[&str] = &["app::row", "rusqlite::Rows::next", "app::query"];
        for stacks in [&[QUERY][..], &[QUERY, DECODE], &[DECODE, QUERY], &[native], &[callback]] {
            let fix = fix_of(&sampled(stacks), &[]);
            assert_eq!(fix, DATABASE, "{stacks:?}");
        }
        let own: &[&str] = &["app::redb::next", "app::query"];
        for stacks in [&[DECODE][..], &[own], &[]] {
            assert!(fix_of(&sampled(stacks), &[]).contains("yield_now"), "{stacks:?}");
        }
    }

    #[test]
    fn query_in_another_poll_of_the_group_decides() {
        let (decode, query) = (sampled(&[DECODE]), sampled(&[QUERY]));
        assert_eq!(fix_of(&decode, &[decode.clone(), query.clone()]), DATABASE);
        // In a drop, or in a sleep outside of the database, the cause is known.
        let drop = LongPoll { kind: PollKind::Drop, ..decode.clone() };
        assert_eq!(fix_of(&drop, std::slice::from_ref(&query)), DROP);
        assert!(
            fix_of(&decode, &[LongPoll { kind: PollKind::Drop, ..query.clone() }])
                .contains("yield_now")
        );
        let sleep = LongPoll { cause: call(CallKind::Sleep), ..decode };
        assert_eq!(fix_of(&sleep, std::slice::from_ref(&query)), SLEEP);
        let busy_handler = LongPoll { cause: call(CallKind::Sleep), ..query };
        assert_eq!(fix_of(&busy_handler, &[]), DATABASE);
    }

    #[test]
    fn query_in_a_poll_of_other_code_does_not_decide() {
        let of_task = |task, stack: &[&str]| LongPoll { task, ..sampled(&[stack]) };
        // Outside of the task, all stacks of a thread are equal.
        let in_main = |stack: &[&'static str]| [stack, &["probe::poll", "app::main"]].concat();
        let query = of_task(2, &in_main(QUERY));
        let other = &in_main(&["app::spin", "app::serve"]);
        assert_eq!(fix_of(&of_task(1, DECODE), std::slice::from_ref(&query)), DATABASE);
        assert!(fix_of(&of_task(1, other), &[query]).contains("yield_now"));
    }

    #[test]
    fn fix_without_a_stack_suits_a_query_and_computing() {
        let unknown = sampled(&[]);
        let fix = fix_of(&unknown, std::slice::from_ref(&unknown));
        assert!(fix.contains("a query") && fix.contains("yield_now"), "{fix}");
        assert!(fix.contains("without a stack"), "{fix}");
        assert_eq!(fix_of(&unknown, &[sampled(&[QUERY])]), DATABASE);
        // A system call is known without a stack.
        let read = LongPoll { cause: call(CallKind::Read), ..unknown };
        assert_eq!(fix_of(&read, &[]), IO);
    }

    #[test]
    fn computing_between_file_accesses_has_the_fix_of_file_access() {
        let read: &[&str] = &["std::fs::read", "app::load"];
        assert_eq!(fix_of(&sampled(&[DECODE, read]), &[]), IO);
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
            let cause = kind.map_or(Cause::Computing, call);
            let fix = fix_of(&with_callee(cause, callee), &[]);
            for (_, _, part) in cases {
                let (has, is_expected) = (fix.contains(part), part == expected);
                assert_eq!(has, is_expected, "{kind:?} {callee:?} {part}: {fix}");
            }
        }
    }
}
