//! What a test that fails has to say.

use std::{
    fmt::Write,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::{
    accounting::{PollKind, Registry, State},
    watch::{AwaitState, PollRecord, WatchHandle},
};

/// Polls over the limit that are told of, the longest.
const POLLS: usize = 5;
/// Tasks of a test that hangs that are listed, and asked where they wait.
const TASKS: usize = 100;
/// How long the watchdog may take, which reads the program's lines from its file when the
/// first stack comes, and how long all tasks together may take to say where they wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// A task, as a report names it.
struct Named {
    key: u64,
    name: String,
    state: State,
    since: u64,
}

/// Who held a worker for longer than the limit since `began`; `None` if nobody did.
pub(super) fn held(
    registry: &'static Registry,
    watchdog: &WatchHandle,
    began: u64,
    limit: Duration,
) -> Option<String> {
    let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    // Before the stacks are awaited: tasks that have ended are kept for some seconds only.
    let tasks = tasks(registry, registry.now());
    let mut polls = settled(watchdog, began);
    polls.retain(|poll| poll.net_ns() > limit_ns);
    polls.sort_by_key(|poll| std::cmp::Reverse(poll.net_ns()));
    let mut report = String::new();
    for poll in polls.iter().take(POLLS) {
        let task = tasks.iter().find(|task| task.key == poll.task);
        let name = task.map_or("a task that has ended", |task| &task.name);
        let length = Duration::from_millis(poll.net_ns() / 1_000_000);
        let how = match poll.kind {
            PollKind::Poll => "blocked its worker for",
            PollKind::Drop => "blocked its worker while its future was dropped, for",
        };
        let _ = writeln!(report, "{name} {how} {length:?}; the limit is {limit:?}");
        for line in poll.long_poll().lines() {
            let _ = writeln!(report, "  {line}");
        }
    }
    if polls.len() > POLLS {
        let _ = writeln!(report, "… and {} more polls over the limit", polls.len() - POLLS);
    }
    (!report.is_empty()).then_some(report)
}

/// The long polls since `began`, those that have ended known to be over, with their stacks.
fn settled(watchdog: &WatchHandle, began: u64) -> Vec<Arc<PollRecord>> {
    watchdog.settle(PATIENCE);
    let mut polls = watchdog.records();
    polls.retain(|poll| poll.began_ns >= began);
    polls
}

/// What each task does, and where those wait that are idle.
pub(super) fn hang(registry: &'static Registry, watchdog: &WatchHandle, after: Duration) -> String {
    let now = registry.now();
    let mut tasks = tasks(registry, now);
    tasks.retain(|task| !task.state.is_done());
    let until = Instant::now() + PATIENCE;
    let mut report = format!("the test hangs: it has not ended after {after:?}\n");
    for task in tasks.iter().take(TASKS) {
        let since = Duration::from_millis(now.saturating_sub(task.since) / 1_000_000);
        let (name, state) = (&task.name, task.state.as_str());
        let _ = writeln!(report, "{name}: {state} for {since:?}");
        let lines = match task.state {
            State::Idle => wait(watchdog, task.key, until),
            _ => {
                watchdog.current(task.key).map(|poll| poll.long_poll().lines()).unwrap_or_default()
            }
        };
        for line in lines {
            let _ = writeln!(report, "  {line}");
        }
    }
    if tasks.len() > TASKS {
        let _ = writeln!(report, "… and {} more tasks", tasks.len() - TASKS);
    }
    report.push_str("tasks of plain tokio::spawn are not measured and not listed\n");
    report
}

/// Where an idle task waits.
fn wait(watchdog: &WatchHandle, task: u64, until: Instant) -> Vec<String> {
    watchdog.ask(task);
    loop {
        let answer = watchdog.await_point(task);
        let open = answer.as_ref().is_some_and(|point| point.state == AwaitState::Requested);
        if !open || Instant::now() > until {
            return answer.map(|point| point.lines()).unwrap_or_default();
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn tasks(registry: &'static Registry, now: u64) -> Vec<Named> {
    let mut tasks = Vec::new();
    registry.scan(now, |task| {
        let (reading, stage) = (&task.reading, task.stage.map(|stage| format!(", {stage}")));
        let place = format!("spawned at {}:{}", task.location().file(), task.location().line());
        let name = match task.name() {
            "the test" => "the test".to_owned(),
            name => format!("{name} ({place}{})", stage.unwrap_or_default()),
        };
        tasks.push(Named { key: task.key(), name, state: reading.state, since: reading.since });
    });
    tasks
}
