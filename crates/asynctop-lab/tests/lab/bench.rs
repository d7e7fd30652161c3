//! A lab and its source, to act on and to look at.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use asynctop_lab::{HogKind, Lab, LabOptions, LabSampler, find};
use asynctop_probe::Registry;
use asynctop_snapshot::{Flavor, Subscription, Target, TaskStats};

use crate::support::PATIENCE;

/// The groups of tasks that `mixed` starts.
pub const GROUPS: [&str; 8] =
    ["heartbeat", "accept", "conn", "client", "ping", "pong", "cruncher", "feed"];

pub struct Bench {
    pub lab: Lab,
    pub source: LabSampler,
}

impl Bench {
    pub fn start(options: LabOptions) -> Bench {
        let lab = Lab::start(options).expect("the lab starts");
        let source = LabSampler::new(&lab);
        Bench { lab, source }
    }

    pub fn mixed(flavor: Flavor) -> Bench {
        Bench::start(LabOptions { flavor: Some(flavor), ..mixed() })
    }

    pub fn look(&mut self) -> Target {
        let snapshot = self.source.sample(&Subscription::default());
        check_invariants(&snapshot);
        snapshot
    }

    /// Looks until what is seen is as expected.
    pub fn wait(&mut self, what: &str, mut as_expected: impl FnMut(&Target) -> bool) -> Target {
        let begin = Instant::now();
        loop {
            let snapshot = self.look();
            if as_expected(&snapshot) {
                return snapshot;
            }
            assert!(begin.elapsed() < PATIENCE, "waited in vain until {what}: {snapshot:#?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until each of `mixed`'s groups has tasks and its work goes on.
    pub fn wait_for_work(&mut self) -> Target {
        let before = self.look();
        // Both in one snapshot: it takes in what was done after it looked at the tasks.
        self.wait("all closed-loop work went on", |now| {
            all_advanced(&before, now) && GROUPS.iter().all(|group| alive(now, group) > 0)
        })
    }

    pub fn wait_for_hog(&mut self) -> Target {
        self.wait("a hog holds a worker", |s| current_hog(s).is_some())
    }
}

pub fn mixed() -> LabOptions {
    LabOptions { registry: Registry::leak(), ..LabOptions::new(find("mixed").expect("built in")) }
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
    // The last one, if the name was used before.
    snapshot.tasks.iter().filter(|task| &*task.meta.name == name).max_by_key(|task| task.meta.id)
}

pub fn alive(snapshot: &Target, group: &str) -> usize {
    let of_group = |task: &&TaskStats| !task.state.is_done() && &*task.meta.group == group;
    snapshot.tasks.iter().filter(of_group).count()
}

/// A hog's poll that is under way.
pub struct Hold {
    pub key: u64,
    began_ns: u64,
    pub blocked_ns: u64,
}

impl Hold {
    /// Whether this poll began at `ns`.
    pub fn has_begun_at(&self, ns: u64) -> bool {
        self.began_ns == ns
    }

    /// Whether this is a later look at the same poll, by more than `by`.
    pub fn has_grown(&self, before: &Hold, by: u64) -> bool {
        (self.key, self.began_ns) == (before.key, before.began_ns)
            && self.blocked_ns > before.blocked_ns + by
    }
}

/// The hog that holds a worker, the one that has done so for longest.
pub fn current_hog(snapshot: &Target) -> Option<Hold> {
    let is_hog = |key: u64| {
        let task = snapshot.tasks.iter().find(|task| task.key == key);
        task.is_some_and(|task| &*task.meta.group == "hog")
    };
    let polls = snapshot.workers.iter().filter_map(|worker| worker.current.as_ref());
    let of_hog = polls.filter(|poll| is_hog(poll.key)).map(|poll| Hold {
        key: poll.key,
        began_ns: poll.since_ns,
        blocked_ns: snapshot.taken_ns - poll.since_ns,
    });
    of_hog.max_by_key(|hold| hold.blocked_ns)
}

pub fn diseases() -> impl Iterator<Item = HogKind> {
    HogKind::ALL.iter().copied().filter(|kind| !kind.about().is_fix)
}
