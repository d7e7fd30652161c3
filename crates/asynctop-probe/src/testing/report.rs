//! The messages of tests that fail.

use std::{
    fmt::Write,
    thread,
    time::{Duration, Instant},
};

use crate::{
    accounting::{PollKind, Registry, State},
    watch::{AwaitState, WatchHandle},
};

/// Maximum number of polls in a message; the longest are listed.
const MAX_POLLS: usize = 5;
/// Maximum number of tasks in a message.
const MAX_TASKS: usize = 100;
/// How long to wait for the watchdog, which reads the debug information of the program for the first
/// stack; and how long to wait for the await points of all tasks.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A measured task.
struct TestTask {
    key: u64,
    name: String,
    state: State,
    since: u64,
}

/// The message for polls that have blocked a worker for longer than the limit since `began`; `None`
/// if there are none.
pub(super) fn blocked(
    registry: &'static Registry,
    watchdog: &WatchHandle,
    began: u64,
    limit: Duration,
) -> Option<String> {
    let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    // Before waiting for the stacks: the registry keeps ended tasks for some seconds only.
    let tasks = tasks(registry, registry.now());
    watchdog.settle(TIMEOUT);
    let mut polls = watchdog.records();
    polls.retain(|poll| poll.began_ns >= began && poll.net_ns() > limit_ns);
    polls.sort_by_key(|poll| std::cmp::Reverse(poll.net_ns()));
    let mut report = String::new();
    for poll in polls.iter().take(MAX_POLLS) {
        let task = tasks.iter().find(|task| task.key == poll.task);
        let name = task.map_or("a task that has ended", |task| &task.name);
        let length = Duration::from_millis(poll.net_ns() / 1_000_000);
        let effect = match poll.kind {
            PollKind::Poll => "blocked its worker for",
            PollKind::Drop => "blocked its worker while its future was dropped, for",
        };
        let _ = writeln!(report, "{name} {effect} {length:?}; the limit is {limit:?}");
        for line in poll.long_poll().lines() {
            let _ = writeln!(report, "  {line}");
        }
    }
    if polls.len() > MAX_POLLS {
        let _ = writeln!(report, "… and {} more polls over the limit", polls.len() - MAX_POLLS);
    }
    (!report.is_empty()).then_some(report)
}

/// The message for a test that hangs: the state of each task, and the await points of idle ones.
pub(super) fn hang(registry: &'static Registry, watchdog: &WatchHandle, after: Duration) -> String {
    let now = registry.now();
    let mut tasks = tasks(registry, now);
    tasks.retain(|task| !task.state.is_done());
    let deadline = Instant::now() + TIMEOUT;
    let mut report = format!("the test hangs: it has not ended after {after:?}\n");
    for task in tasks.iter().take(MAX_TASKS) {
        let since = Duration::from_millis(now.saturating_sub(task.since) / 1_000_000);
        let (name, state) = (&task.name, task.state.as_str());
        let _ = writeln!(report, "{name}: {state} for {since:?}");
        let lines = match task.state {
            State::Idle => await_point(watchdog, task.key, deadline),
            _ => {
                watchdog.current(task.key).map(|poll| poll.long_poll().lines()).unwrap_or_default()
            }
        };
        for line in lines {
            let _ = writeln!(report, "  {line}");
        }
    }
    if tasks.len() > MAX_TASKS {
        let _ = writeln!(report, "… and {} more tasks", tasks.len() - MAX_TASKS);
    }
    report.push_str("tasks of plain tokio::spawn are not measured and not listed\n");
    report
}

/// The await point of an idle task.
fn await_point(watchdog: &WatchHandle, task: u64, deadline: Instant) -> Vec<String> {
    watchdog.request_await_point(task);
    loop {
        let point = watchdog.await_point(task);
        let is_pending = point.as_ref().is_some_and(|point| point.state == AwaitState::Requested);
        if !is_pending || Instant::now() > deadline {
            return point.map(|point| point.lines()).unwrap_or_default();
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn tasks(registry: &'static Registry, now: u64) -> Vec<TestTask> {
    let mut tasks = Vec::new();
    registry.scan(now, |task| {
        let (reading, stage) = (&task.reading, task.stage.map(|stage| format!(", {stage}")));
        let spawned = format!("spawned at {}:{}", task.location().file(), task.location().line());
        let name = match task.name() {
            "the test" => "the test".to_owned(),
            name => format!("{name} ({spawned}{})", stage.unwrap_or_default()),
        };
        tasks.push(TestTask { key: task.key(), name, state: reading.state, since: reading.since });
    });
    tasks
}
