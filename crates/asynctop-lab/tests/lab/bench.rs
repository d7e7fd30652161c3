//! A running lab with a sampler.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use asynctop_lab::{HogKind, Lab, LabOptions, LabSampler, Scenario};
use asynctop_probe::Registry;
use asynctop_snapshot::{Flavor, Subscription, Target, TaskStats};

use crate::support::TIMEOUT;

/// The groups of tasks that `mixed` starts.
pub const GROUPS: [&str; 8] =
    ["heartbeat", "accept", "conn", "client", "ping", "pong", "cruncher", "feed"];

pub struct Bench {
    pub lab: Lab,
    pub sampler: LabSampler,
}

impl Bench {
    pub fn start(options: LabOptions) -> Bench {
        let lab = Lab::start(options).expect("the lab starts");
        let sampler = LabSampler::new(&lab);
        Bench { lab, sampler }
    }

    pub fn mixed(flavor: Flavor) -> Bench {
        Bench::start(LabOptions { flavor: Some(flavor), ..mixed() })
    }

    pub fn sample(&mut self) -> Target {
        let snapshot = self.sampler.sample(&Subscription::default());
        check_invariants(&snapshot);
        snapshot
    }

    /// Samples until the condition holds.
    pub fn wait(&mut self, expected: &str, mut holds: impl FnMut(&Target) -> bool) -> Target {
        let begin = Instant::now();
        loop {
            let snapshot = self.sample();
            if holds(&snapshot) {
                return snapshot;
            }
            assert!(begin.elapsed() < TIMEOUT, "waited in vain until {expected}: {snapshot:#?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until each group of `mixed` has tasks and completes work.
    pub fn wait_for_work(&mut self) -> Target {
        let before = self.sample();
        // Both in one snapshot: a snapshot reads the tasks first, and the completed work last.
        self.wait("all closed-loop work advanced", |now| {
            all_advanced(&before, now) && GROUPS.iter().all(|group| alive(now, group) > 0)
        })
    }

    pub fn wait_for_hog(&mut self) -> Target {
        self.wait("a hog blocks a worker", |s| current_hog(s).is_some())
    }
}

pub fn mixed() -> LabOptions {
    LabOptions {
        registry: Registry::leak(),
        ..LabOptions::new(Scenario::built_in("mixed").expect("built in"))
    }
}

pub fn check_invariants(snapshot: &Target) {
    assert!(snapshot.tasks.windows(2).all(|pair| pair[0].key < pair[1].key), "sorted by key");
    for task in &snapshot.tasks {
        let sum = task.busy_ns + task.scheduled_ns + task.idle_ns;
        assert_eq!(task.lifetime_ns, sum, "{task:?}");
        assert!(task.since_ns <= task.known_ns, "{task:?}");
        assert!(task.known_ns <= snapshot.taken_ns, "{task:?}");
    }
    for worker in &snapshot.workers {
        let current = worker.current.as_ref();
        assert!(current.is_none_or(|poll| poll.since_ns <= snapshot.taken_ns), "{worker:?}");
        let poll_ns = worker.poll_ns;
        assert!(poll_ns <= snapshot.runtime.uptime_ns, "{worker:?}");
    }
}

pub fn done(snapshot: &Target) -> Vec<(Arc<str>, u64)> {
    let lab = snapshot.lab.as_ref().expect("a lab's snapshot");
    let closed = lab.workloads.iter().filter(|workload| workload.unit.is_some());
    closed.map(|workload| (workload.name.clone(), workload.done)).collect()
}

pub fn all_advanced(before: &Target, now: &Target) -> bool {
    done(before).iter().zip(done(now)).all(|((_, then), (_, now))| now > *then)
}

pub fn named<'a>(snapshot: &'a Target, name: &str) -> Option<&'a TaskStats> {
    // The latest one, if the name was used several times.
    snapshot.tasks.iter().filter(|task| &*task.meta.name == name).max_by_key(|task| task.meta.id)
}

pub fn alive(snapshot: &Target, group: &str) -> usize {
    let of_group = |task: &&TaskStats| !task.state.is_done() && &*task.meta.group == group;
    snapshot.tasks.iter().filter(of_group).count()
}

/// The current poll of a hog.
pub struct HogPoll {
    pub key: u64,
    pub start_ns: u64,
    pub blocked_ns: u64,
}

impl HogPoll {
    /// Whether this is the same poll as `before`, more than `ns` later.
    pub fn has_grown(&self, before: &HogPoll, ns: u64) -> bool {
        (self.key, self.start_ns) == (before.key, before.start_ns)
            && self.blocked_ns > before.blocked_ns + ns
    }
}

/// The longest current poll of a hog.
pub fn current_hog(snapshot: &Target) -> Option<HogPoll> {
    let is_hog = |key: u64| {
        let task = snapshot.tasks.iter().find(|task| task.key == key);
        task.is_some_and(|task| &*task.meta.group == "hog")
    };
    let polls = snapshot.workers.iter().filter_map(|worker| worker.current.as_ref());
    let hog_polls = polls.filter(|poll| is_hog(poll.key)).map(|poll| HogPoll {
        key: poll.key,
        start_ns: poll.since_ns,
        blocked_ns: snapshot.taken_ns - poll.since_ns,
    });
    hog_polls.max_by_key(|poll| poll.blocked_ns)
}

pub fn anti_patterns() -> impl Iterator<Item = HogKind> {
    HogKind::ALL.iter().copied().filter(|kind| !kind.info().is_fix)
}
