//! What is wrong, in plain sentences with the numbers. One function for each rule.

use std::sync::Arc;

use super::{Figure, Slowdown, Snapshot, TaskFigures, WorkerFigures};
use crate::{probe::State, watch::Evidence};

/// A poll this long holds its worker: what a person feels as a delay.
const HELD_NS: u64 = 100_000_000;
/// An idle task without a waker this long is not just between two of them.
const LOST_NS: u64 = 1_000_000_000;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Costs something.
    Warning,
    /// Others stand still because of it.
    Critical,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The rule that found it: `worker-held`, `task-panicked`, `lost-waker`.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The key of the task that is to blame.
    pub task: Option<u64>,
    /// A plain sentence with the numbers.
    pub sentence: String,
    /// Where the task was spawned.
    pub location: Option<Arc<str>>,
    /// Where the program is right now, and why it stays there, if a watchdog has looked.
    pub evidence: Option<Arc<Evidence>>,
    /// What to do about it.
    pub cure: &'static str,
}

impl Finding {
    /// The line that is to blame, or else where the task was spawned.
    pub fn place(&self) -> Option<&str> {
        let line = self.evidence.as_ref().and_then(|evidence| evidence.place());
        line.or(self.location.as_deref())
    }
}

/// All findings of a moment, worst first.
pub(super) fn find(snapshot: &Snapshot, slowdown: &Slowdown) -> Vec<Finding> {
    let mut found: Vec<Finding> = snapshot
        .workers
        .iter()
        .filter_map(|worker| worker_held(snapshot, worker, slowdown))
        .collect();
    for task in &snapshot.tasks {
        found.extend(task_panicked(task));
        found.extend(lost_waker(snapshot, task));
    }
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

/// A worker has been in one poll for long: nobody else got it meanwhile.
fn worker_held(
    snapshot: &Snapshot,
    worker: &WorkerFigures,
    slowdown: &Slowdown,
) -> Option<Finding> {
    let poll = worker.current.as_ref()?;
    let held_ns = snapshot.taken_ns.saturating_sub(poll.since_ns);
    if held_ns < HELD_NS {
        return None;
    }
    let at = snapshot.tasks.binary_search_by_key(&poll.key, |task| task.key).ok()?;
    let task = &snapshot.tasks[at];
    let waiting = snapshot.tasks.iter().filter(|task| task.state == State::Scheduled).count();
    let waiting = match waiting {
        0 => "no task waits".to_owned(),
        1 => "1 task waits".to_owned(),
        n => format!("{n} tasks wait"),
    };
    // The only worker is also the one that asks for timers and sockets: tasks that wait
    // for these are not even woken.
    let alone = match snapshot.workers.len() {
        1 => ", timers and sockets are not served",
        _ if slowdown.standstill_since_ns.is_some() => ", nothing gets done",
        _ => "",
    };
    let same =
        |evidence: &&Arc<Evidence>| evidence.task == poll.key && evidence.began_ns == poll.since_ns;
    let evidence = snapshot.evidence.iter().find(same).cloned();
    let why = evidence
        .as_ref()
        .and_then(|evidence| Some(format!(", {} in {}", evidence.cause, evidence.function()?)));
    Some(Finding {
        rule: "worker-held",
        severity: Severity::Critical,
        task: Some(task.key),
        sentence: format!(
            "{} has held worker {} for {} without yielding{}; {waiting}{alone}",
            task.meta.name,
            worker.index,
            duration(held_ns),
            why.unwrap_or_default(),
        ),
        location: Some(task.meta.location.clone()),
        evidence,
        cure: "Give way with tokio::task::yield_now().await, or move the work to \
               tokio::task::spawn_blocking or a thread of its own.",
    })
}

fn task_panicked(task: &TaskFigures) -> Option<Finding> {
    (task.state == State::Panicked).then(|| Finding {
        rule: "task-panicked",
        severity: Severity::Warning,
        task: Some(task.key),
        sentence: format!("{} panicked in poll {}", task.meta.name, task.polls),
        location: Some(task.meta.location.clone()),
        evidence: None,
        cure: "Await its JoinHandle and handle the JoinError: Tokio keeps the panic there.",
    })
}

/// Idle, and nobody is left who could wake it.
fn lost_waker(snapshot: &Snapshot, task: &TaskFigures) -> Option<Finding> {
    let idle_ns = snapshot.taken_ns.saturating_sub(task.since_ns);
    let lost = task.state == State::Idle && task.live_wakers == Figure::Measured(0);
    (lost && idle_ns >= LOST_NS).then(|| Finding {
        rule: "lost-waker",
        severity: Severity::Warning,
        task: Some(task.key),
        sentence: format!(
            "{} has been idle for {} and no waker of it is left: it will never run again",
            task.meta.name,
            duration(idle_ns),
        ),
        location: Some(task.meta.location.clone()),
        evidence: None,
        cure: "A future that returns Pending must keep cx.waker().clone() where somebody \
               will wake it.",
    })
}

/// Nanoseconds as people write them, with three digits that count.
pub(super) fn duration(nanos: u64) -> String {
    let seconds = nanos as f64 / 1e9;
    match nanos {
        0..1_000_000_000 => format!("{} ms", nanos / 1_000_000),
        1_000_000_000..10_000_000_000 => format!("{seconds:.2} s"),
        10_000_000_000..60_000_000_000 => format!("{seconds:.1} s"),
        _ => format!("{} min {} s", nanos / 60_000_000_000, nanos / 1_000_000_000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        CurrentPoll,
        testing::{snapshot, task},
    };

    const S: u64 = 1_000_000_000;

    fn rules(snapshot: &Snapshot) -> Vec<&'static str> {
        let found = find(snapshot, &Slowdown::default());
        found.iter().map(|finding| finding.rule).collect()
    }

    fn held(since_ns: u64) -> Snapshot {
        let mut hog = task(7, "hog");
        hog.state = State::Polling;
        let mut waits = task(8, "waits");
        waits.state = State::Scheduled;
        let mut now = snapshot(2 * S, [hog, waits]);
        now.workers[0].current = Some(CurrentPoll { key: 7, since_ns });
        now
    }

    #[test]
    fn a_long_poll_holds_its_worker_and_a_short_one_does_not() {
        let found = find(&held(S / 2), &Slowdown::default());
        assert_eq!(
            found[0].sentence,
            "hog has held worker 0 for 1.50 s without yielding; 1 task waits, timers and sockets are \
             not served"
        );
        assert_eq!(found[0].task, Some(7));
        assert!(rules(&held(2 * S - 50_000_000)).is_empty());
    }

    #[test]
    fn a_panicked_task_is_named_with_its_poll() {
        let mut broken = task(1, "broken");
        broken.state = State::Panicked;
        broken.polls = 3;
        let found = find(&snapshot(S, [broken]), &Slowdown::default());
        assert_eq!(found[0].sentence, "broken panicked in poll 3");
    }

    #[test]
    fn a_lost_waker_needs_an_idle_task_without_any_for_a_while() {
        let mut lost = task(1, "lost");
        lost.live_wakers = Figure::Measured(0);
        assert_eq!(rules(&snapshot(2 * S, [lost.clone()])), ["lost-waker"]);
        assert!(rules(&snapshot(S / 2, [lost.clone()])).is_empty(), "too short");
        let mut held = lost.clone();
        held.live_wakers = Figure::Measured(1);
        assert!(rules(&snapshot(2 * S, [held])).is_empty());
        let mut unknown = lost.clone();
        unknown.live_wakers = Figure::Unavailable("several wakers");
        assert!(rules(&snapshot(2 * S, [unknown])).is_empty());
        lost.state = State::Scheduled;
        assert!(rules(&snapshot(2 * S, [lost])).is_empty());
    }

    #[test]
    fn the_worst_comes_first() {
        let mut now = held(0);
        let mut broken = task(1, "broken");
        broken.state = State::Panicked;
        now.tasks.insert(0, broken);
        assert_eq!(rules(&now), ["worker-held", "task-panicked"]);
    }
}
