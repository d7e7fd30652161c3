//! The messages of tests that fail.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
    io::Write as _,
    panic::Location,
    thread,
    time::{Duration, Instant},
};

use asynctop_snapshot::{group_name, text::short_source_path};

use crate::{
    accounting::{PollKind, Registry, State},
    watch::{AwaitState, PollRecord, UNMEASURED, WatchHandle},
};

/// Maximum number of polls in a message; the longest are listed.
const MAX_POLLS: usize = 5;
/// Maximum number of groups of tasks in a message.
const MAX_GROUPS: usize = 100;
/// How long to wait for the watchdog, which reads the debug information of the program for the first
/// stack; and how long to wait for the await points of all tasks.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait for await points while a worker is blocked, which may be the only one.
const BLOCKED_TIMEOUT: Duration = Duration::from_secs(1);
/// A task that is polled for this long blocks its worker, also if the watchdog has no record of it:
/// the limit of the check may be higher.
const LONG_POLL_NS: u64 = 1_000_000_000;

/// The name of the test's own future.
pub(super) const TEST: &str = "the test";
/// The name of the code that only the canary notices.
const UNMEASURED_NAME: &str = "code that is not measured, such as a task of plain tokio::spawn,";

/// A measured task.
struct TestTask {
    key: u64,
    /// The name without its number, and where it was spawned.
    group: String,
    /// The name, and where it was spawned.
    name: String,
    /// Its current stage, after a comma, or nothing.
    stage: String,
    state: State,
    since: u64,
}

/// The message for polls that have blocked a worker for longer than the limit since `began`; `None`
/// if there are none. Tasks of earlier checks, `leftover`, do not count.
pub(super) fn blocked(
    watchdog: &WatchHandle,
    began: u64,
    limit: Duration,
    leftover: &BTreeSet<u64>,
) -> Option<String> {
    let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    watchdog.settle(TIMEOUT);
    let mut polls = watchdog.records();
    polls.retain(|poll| {
        poll.began_ns >= began && poll.net_ns() > limit_ns && !leftover.contains(&poll.task)
    });
    polls.sort_by_key(|poll| std::cmp::Reverse(poll.net_ns()));
    let mut report = String::new();
    for poll in polls.iter().take(MAX_POLLS) {
        let (name, stage) = (name_of(poll), poll.stage);
        let stage = stage.map(|stage| format!(" in its stage \"{stage}\"")).unwrap_or_default();
        let length = Duration::from_millis(poll.net_ns() / 1_000_000);
        let effect = match poll.kind {
            PollKind::Poll => "blocked its worker for",
            PollKind::Drop => "blocked its worker while its future was dropped, for",
        };
        let _ = writeln!(report, "{name} {effect} {length:?}{stage}; the limit is {limit:?}");
        for line in poll.long_poll().lines() {
            let _ = writeln!(report, "  {line}");
        }
    }
    if polls.len() > MAX_POLLS {
        let _ = writeln!(report, "… and {} more polls over the limit", polls.len() - MAX_POLLS);
    }
    if polls.iter().any(|poll| poll.ended_ns.is_none()) {
        // The runtime waits for its end when it is dropped, perhaps without end, and the test harness
        // shows what it has captured only after that.
        let _ = writeln!(std::io::stderr(), "{report}");
    }
    (!report.is_empty()).then_some(report)
}

/// The name of the task of a poll, and where it was spawned.
fn name_of(poll: &PollRecord) -> String {
    match (&*poll.task_name, poll.spawned_at) {
        _ if poll.task == UNMEASURED => UNMEASURED_NAME.to_owned(),
        (name, Some(at)) if name != TEST => {
            format!("{name} ({})", spawned_at(at))
        }
        ("", _) => "a task that has ended".to_owned(),
        (name, _) => name.to_owned(),
    }
}

fn spawned_at(location: &Location<'_>) -> String {
    format!("spawned at {}:{}", short_source_path(location.file()), location.line())
}

/// The message for a test that hangs: the state of each group of tasks, offenders first, and the await
/// points of idle ones.
pub(super) fn hang(registry: &'static Registry, watchdog: &WatchHandle, after: Duration) -> String {
    let now = registry.now();
    let mut tasks = tasks(registry, now);
    tasks.retain(|task| !task.state.is_done());
    tasks.sort_by_key(|task| (order(task.state), task.since));
    let groups = groups(tasks);
    // Before the requests for await points, which wake tasks.
    let blocking: Vec<_> = groups.iter().map(|group| blocking(watchdog, &group[0])).collect();
    // A blocked worker answers no request.
    let unmeasured = watchdog.current(UNMEASURED);
    let is_long = |task: &TestTask| now.saturating_sub(task.since) >= LONG_POLL_NS;
    let is_polled = |group: &Vec<TestTask>| order(group[0].state) == 0 && is_long(&group[0]);
    let is_blocked = unmeasured.is_some()
        || blocking.iter().any(Option::is_some)
        || groups.iter().any(is_polled);
    let deadline = Instant::now() + if is_blocked { BLOCKED_TIMEOUT } else { TIMEOUT };
    let mut report = format!("the test hangs: it has not ended after {after:?}\n");
    if let Some(poll) = unmeasured {
        let length = Duration::from_millis(poll.net_ns() / 1_000_000);
        let _ = writeln!(report, "{UNMEASURED_NAME} has blocked the thread for {length:?}");
        for line in poll.long_poll().lines() {
            let _ = writeln!(report, "  {line}");
        }
    }
    for (group, blocking) in groups.iter().zip(blocking).take(MAX_GROUPS) {
        let task = &group[0];
        let since = Duration::from_millis(now.saturating_sub(task.since) / 1_000_000);
        let (name, stage, state) = (&task.name, &task.stage, task.state.as_str());
        let _ = match group.len() {
            1 => writeln!(report, "{name}{stage}: {state} for {since:?}"),
            n => writeln!(report, "{name}{stage} and {} more: {state} for up to {since:?}", n - 1),
        };
        let lines = match task.state {
            State::Idle => await_point(watchdog, task.key, deadline),
            _ => blocking.unwrap_or_default(),
        };
        for line in lines {
            let _ = writeln!(report, "  {line}");
        }
    }
    if let Some(rest) = groups.get(MAX_GROUPS..).filter(|rest| !rest.is_empty()) {
        let more: usize = rest.iter().map(Vec::len).sum();
        let _ = writeln!(report, "… and {more} more tasks");
    }
    report.push_str("tasks of plain tokio::spawn are not measured and not listed\n");
    report
}

/// The position of a state in the list: a task that is polled may be the cause of the others.
fn order(state: State) -> u8 {
    match state {
        State::Polling | State::Dropping => 0,
        State::Scheduled => 1,
        _ => 2,
    }
}

/// The lines about the poll that blocks a worker, if the watchdog has sampled one of the task.
fn blocking(watchdog: &WatchHandle, task: &TestTask) -> Option<Vec<String>> {
    (order(task.state) == 0)
        .then(|| watchdog.current(task.key))?
        .map(|poll| poll.long_poll().lines())
}

/// The tasks that differ at most in their number, in the order of their first one.
fn groups(tasks: Vec<TestTask>) -> Vec<Vec<TestTask>> {
    let mut groups: Vec<Vec<TestTask>> = Vec::new();
    let mut indices = HashMap::new();
    for task in tasks {
        let key = (task.group.clone(), task.stage.clone(), order(task.state));
        let index = *indices.entry(key).or_insert(groups.len());
        match groups.get_mut(index) {
            Some(group) => group.push(task),
            None => groups.push(vec![task]),
        }
    }
    groups
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
        let (reading, name) = (&task.reading, task.name());
        let spawned = spawned_at(task.location());
        let (state, since) = (reading.state, reading.since);
        tasks.push(TestTask {
            key: task.key(),
            group: format!("{} {spawned}", group_name(name)),
            name: if name == TEST { TEST.to_owned() } else { format!("{name} ({spawned})") },
            stage: task.stage.map(|stage| format!(", {stage}")).unwrap_or_default(),
            state,
            since,
        });
    });
    tasks
}
