//! What the watchdog's thread does: look at the probe's threads, again and again.
//!
//! It looks at threads and not at tasks, so it costs the same with ten tasks and with a
//! million, and it sees polls that have not ended. A look reads two words for each
//! thread. From what it sees it knows when the next long poll can be due at the
//! earliest, and sleeps until then.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

use super::{
    PollRecord, Stop, TimeWithoutCpu,
    bill::{Before, Biller, Charge},
    busy_thread::BusyThread,
    case::Case,
    cpu_account::{self, CpuAccount},
    eyes::is_runnable,
    inspector::{Inspector, LATE_NS},
    options::{WatchOptions, slow_ns},
    shared::{Shared, count},
    steal::{StealReading, StealTime},
    stops::StopDetector,
};
use crate::accounting::{CurrentPoll, PollKind, Registry, ThreadSlot};

const MS: u64 = 1_000_000;
/// A look at all threads is at least so long after the one before.
const STEP_NS: u64 = 5 * MS;
/// How long a poll may be over the threshold before it is known. To come later is to
/// come less often: most of what the watchdog costs is its waking up.
const SLACK_NS: u64 = 10 * MS;
/// Maximum number of stops that are kept.
const STOPS: usize = 64;

/// The watchdog's thread.
pub(super) struct Rounds {
    registry: &'static Registry,
    shared: Arc<Shared>,
    slow_ns: u64,
    inspector: Inspector,
    slots: Vec<&'static ThreadSlot>,
    posts: Vec<Post>,
    busy_threads: Vec<BusyThread>,
    cpu_accounts: Vec<CpuAccount>,
    steal: StealTime,
    stop_detector: StopDetector,
    biller: Biller,
}

/// What the watchdog remembers of one thread.
#[derive(Default)]
struct Post {
    /// The poll that it was in at the last look, and what has been looked for in it.
    case: Case,
    /// Steal time before the poll began.
    steal_before: StealReading,
    /// The kind of that poll.
    kind: PollKind,
    /// The poll is long and has a record.
    is_long: bool,
    /// All tasks at the first look at this poll, once it was long.
    others: Option<Before>,
    /// How much of the poll counts.
    charge: Charge,
    /// Time that the thread had spent in polls when this one began.
    busy_before: u64,
}

/// The poll that a thread is in, if two consecutive reads agree.
fn steady(slot: &ThreadSlot) -> Option<CurrentPoll> {
    let seen = slot.glance_at_poll();
    seen.filter(|_| seen == slot.glance_at_poll())
}

impl Rounds {
    pub(super) fn new(
        registry: &'static Registry,
        options: &WatchOptions,
        shared: Arc<Shared>,
    ) -> Self {
        Rounds {
            registry,
            inspector: Inspector::new(options.signal, Arc::clone(&shared)),
            shared,
            slow_ns: slow_ns(options),
            slots: Vec::new(),
            posts: Vec::new(),
            busy_threads: Vec::new(),
            cpu_accounts: Vec::new(),
            steal: StealTime::default(),
            stop_detector: StopDetector::default(),
            biller: Biller::new(registry),
        }
    }

    /// Looks until it is told to stop.
    pub(super) fn walk(&mut self) {
        while !self.shared.stop.load(Relaxed) {
            let due = self.look();
            let wait = due.saturating_sub(self.registry.now());
            self.shared.due.store(due, Relaxed);
            thread::park_timeout(Duration::from_nanos(wait));
            if let Some(stop) = self.stop_detector.woke_up(self.registry.now(), wait) {
                self.enter_stop(stop);
            }
        }
        self.shared.due.store(u64::MAX, Relaxed);
        let why = "the watchdog has ended";
        self.shared.log().give_up(why, self.registry.now());
        self.shared.awaits().give_up(why);
    }

    fn enter_stop(&self, stop: Stop) {
        let mut stops = self.shared.stops();
        if stops.len() == STOPS {
            stops.remove(0);
        }
        stops.push(stop);
    }

    /// Looks at all threads once; returns when to look again.
    fn look(&mut self) -> u64 {
        self.registry.thread_slots(&mut self.slots);
        self.posts.resize_with(self.slots.len(), Post::default);
        self.busy_threads.resize_with(self.slots.len(), BusyThread::default);
        self.cpu_accounts.resize_with(self.slots.len(), CpuAccount::default);
        let began = self.registry.now();
        // A poll that begins right after this look.
        let mut due = began.saturating_add(self.slow_ns + SLACK_NS);
        for at in 0..self.slots.len() {
            due = due.min(self.visit(at));
        }
        self.inspector.hear(self.registry);
        // After all threads: a poll that the next look finds has not begun yet.
        self.steal.renew(self.registry.now());
        count(&self.shared.looks);
        if let Some(cpu) = self.inspector.own_cpu_time() {
            self.shared.cpu.store(cpu, Relaxed);
        }
        if self.shared.awaits().are_owed(began) {
            return began + LATE_NS;
        }
        let asked = self.posts.iter().filter_map(|post| post.case.asked_at()).max();
        let soon = asked.is_some_and(|at| began < at + 10 * LATE_NS);
        let step = began + if soon { LATE_NS } else { STEP_NS };
        if self.inspector.owes_names() { step } else { due.max(step) }
    }

    /// Looks at one thread; returns when it is to be looked at again.
    fn visit(&mut self, at: usize) -> u64 {
        let slot = self.slots[at];
        let current = steady(slot);
        let seen = current.map(|poll| (poll.task, poll.since));
        let now = self.registry.now();
        let os_id = slot.os_id();
        let before = self.cpu_accounts[at].read(os_id, now);
        self.inspector.collect(at, &mut self.posts[at].case, slot, now);
        if seen != self.posts[at].case.poll {
            let others = self.leave(at, seen.map(|(_, began)| began), now);
            let others = others.filter(|_| self.slots[at].glance() == seen);
            let account = &self.cpu_accounts[at];
            let cpu = account.latest().map(|reading| reading.times.cpu_ns);
            let before = before.or_else(|| account.assumed_before(seen?.1));
            let case = Case::new(seen, (now, cpu), before);
            let steal_before = self.steal.latest();
            self.posts[at] = Post { case, steal_before, others, ..Post::default() };
            self.posts[at].kind = current.map(|poll| poll.kind).unwrap_or_default();
        }
        let busy_thread = &mut self.busy_threads[at];
        self.inspector.collect_sample(busy_thread, now);
        let is_due = busy_thread.is_due(now, || slot.read(now).busy);
        let Some((task, began)) = seen else { return u64::MAX };
        let age = now.saturating_sub(began);
        if age < self.slow_ns {
            if is_due {
                self.inspector.sample(&mut self.busy_threads[at], slot, now);
            }
            // Few polls of a healthy program are this old: look closely at this one.
            let slack = if age < self.slow_ns / 4 { SLACK_NS } else { 0 };
            return began + self.slow_ns + slack;
        }
        if !self.posts[at].is_long {
            self.enter(at, task, began, now);
        } else if self.posts[at].others.is_none() {
            let runtime = self.registry.runtime_of(task);
            self.begin_bill(at, (task, began), runtime);
        }
        if os_id.is_some_and(|os_id| !is_runnable(os_id)) {
            self.cpu_accounts[at].is_blocked();
        }
        let case = &mut self.posts[at].case;
        let is_due = case.is_due(now);
        if is_due {
            self.inspector.inspect(at, case, slot, now);
        }
        self.account(at, now, None);
        if is_due && self.biller.is_rested() {
            self.sum_up(at, None);
        }
        now + STEP_NS
    }

    /// A poll has become long.
    fn enter(&mut self, at: usize, task: u64, began: u64, now: u64) {
        self.posts[at].is_long = true;
        count(&self.shared.polls);
        let runtime = self.registry.runtime_of(task);
        self.posts[at].others.take_if(|others| !Biller::is_of(others, runtime));
        // Read before the poll is published.
        if self.posts[at].others.is_none() {
            self.begin_bill(at, (task, began), runtime);
        }
        let thread = self.slots[at].read(now);
        // If the poll has ended by now, its length has no such limit.
        let is_same = thread.current.is_some_and(|poll| (poll.task, poll.since) == (task, began));
        let busy_before = thread.busy.saturating_sub(now.saturating_sub(began));
        self.posts[at].busy_before = if is_same { busy_before } else { 0 };
        let record = PollRecord {
            kind: self.posts[at].kind,
            runtime,
            thread: thread.id,
            thread_name: thread.name.into(),
            os_id: thread.os_id,
            last_seen_ns: now,
            no_stack: self.shared.no_stacks(),
            ..PollRecord::begun(task, began)
        };
        self.shared.log().open(at, record);
    }

    /// Reads the scheduling delays of all tasks, unless that would cost too much now. If the poll
    /// ends during this read (the watchdog had to wait for a CPU), the delayed tasks may have been
    /// polled already: no impact then.
    fn begin_bill(&mut self, at: usize, poll: (u64, u64), runtime: Option<u32>) {
        let others = self.biller.begin(at, runtime);
        self.posts[at].others = others.filter(|_| self.slots[at].glance() == Some(poll));
    }

    /// Records how long the poll on a thread has lasted, and how much of that the thread was
    /// without a CPU.
    fn account(&mut self, at: usize, now: u64, ended: Option<u64>) {
        let post = &mut self.posts[at];
        let Some((_, began)) = post.case.poll else { return };
        let until = ended.unwrap_or(now);
        let (clock, os_id) = (|| self.registry.now(), self.slots[at].os_id());
        if let (true, Some(os_id)) = (post.case.waits_for_lock(), os_id) {
            if ended.is_some() {
                let tail = until.saturating_sub(post.case.judged.0);
                post.case.lock_ns += tail;
            }
            let others = post.case.others.get_or_insert_default();
            others.read(os_id, clock, ended.is_some());
        }
        let run_delay = post.case.before.zip(self.cpu_accounts[at].latest());
        let run_delay = run_delay
            .map(|(before, latest)| cpu_account::run_delay(&before, &latest, began, ended));
        let others = post.case.others.as_ref();
        let without_cpu = TimeWithoutCpu {
            run_delay_ns: run_delay.unwrap_or(0),
            lock_holder_ns: others.map_or(0, |others| others.largest_delay()),
            steal_ns: self.steal.since(&post.steal_before, now),
            stopped_ns: Stop::overlap_ns(&self.shared.stops(), began, until),
        };
        let length_ns = until.saturating_sub(began);
        let without_cpu = without_cpu.fitted(length_ns, post.case.blocked_ns, post.case.lock_ns);
        self.shared.log().update(at, |record| {
            record.last_seen_ns = until;
            record.without_cpu = without_cpu;
        });
        post.charge = Charge { length_ns, without_cpu };
    }

    /// The poll that a thread was in is over, and the next one has begun, if it has. Returns the
    /// scheduling delays of all tasks, if they were read.
    fn leave(&mut self, at: usize, next: Option<u64>, now: u64) -> Option<Before> {
        let mut others = None;
        if self.posts[at].is_long {
            let ended = self.posts[at].case.poll.map_or(now, |(task, began)| {
                // The sample comes later than the end, and much later on a busy machine.
                let uncounted = self.slots[at].uncounted_end(began);
                let end = uncounted.unwrap_or_else(|| match self.posts[at].kind {
                    PollKind::Poll => {
                        // The thread has spent no more time in polls since then.
                        let thread = self.slots[at].read(now);
                        let busy = thread.busy.saturating_sub(self.posts[at].busy_before);
                        let end = self.registry.end_of_poll(task, began).unwrap_or(now);
                        end.min(began.saturating_add(busy))
                    }
                    PollKind::Drop => now,
                });
                now.min(end).min(next.unwrap_or(now)).max(began)
            });
            self.account(at, now, Some(ended));
            others = self.sum_up(at, next);
            self.shared.log().close(at, ended, now);
        }
        others
    }

    /// Writes down what the long poll of a thread has cost the others until now, or until
    /// the thread's next poll began. Returns the scheduling delays of all tasks.
    fn sum_up(&mut self, at: usize, until: Option<u64>) -> Option<Before> {
        let post = &self.posts[at];
        let (others, (task, began)) = (post.others.as_ref()?, post.case.poll?);
        let (poll, mut next) = ((began, until), None);
        let cost = self.biller.sum_up(others, at, task, poll, post.charge, &mut next);
        self.shared.log().update(at, |record| record.impact = Some(cost.into()));
        next
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Context};

    use super::*;
    use crate::watch::{WatchStats, Watchdog};

    fn rounds() -> Rounds {
        let options = WatchOptions::default();
        Rounds::new(Registry::leak(), &options, Arc::new(Shared::new(&options)))
    }

    /// Does `work` inside of a poll, on this thread.
    fn in_a_poll(registry: &'static Registry, work: impl FnOnce()) {
        let task = pin!(registry.instrument("hog", async { work() }));
        assert!(task.poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready());
    }

    #[test]
    fn a_poll_is_known_when_it_is_long_and_over_when_it_is_over() {
        let mut rounds = rounds();
        let registry = rounds.registry;
        let shared = rounds.shared.clone();
        in_a_poll(registry, || {
            let due = rounds.look();
            let latest = registry.now() + rounds.slow_ns + SLACK_NS;
            assert!(due <= latest, "looks again within the time that is promised");
            while registry.now() < due {}
            rounds.look();
            let records = shared.log().records();
            assert_eq!(records.len(), 1, "known while it lasts");
            assert_eq!(records[0].ended_ns, None);
            assert!(!records[0].causes.is_empty());
            // The signal goes to this very thread, which answers on the spot; again and
            // again, because other tests use the mailboxes, too.
            while shared.no_stacks().is_none() && shared.log().records()[0].captures() == 0 {
                rounds.look();
            }
        });
        rounds.look();
        let records = shared.log().records();
        assert!(records[0].ended_ns.is_some_and(|ended| ended > records[0].began_ns));
        in_a_poll(registry, || ());
        rounds.look();
        assert_eq!(shared.log().records().len(), 1, "a short one is none of ours");
        let longest = registry.longest_poll(records[0].task);
        assert_eq!(Some(records[0].length_ns()), longest, "however late it is known to be over");
    }

    #[test]
    fn impact_of_two_long_polls_in_turn_is_that_of_each() {
        let mut rounds = rounds();
        let registry = rounds.registry;
        let shared = rounds.shared.clone();
        // Scheduled from its creation on, and never polled.
        let _waiting = registry.instrument_task("waiting", async {});
        for _ in 0..2 {
            in_a_poll(registry, || {
                let known = shared.log().records().iter().filter(|r| r.impact.is_some()).count();
                // Until the end of the previous poll is known.
                rounds.look();
                let due = registry.now() + 3 * (rounds.slow_ns + SLACK_NS);
                if known > 0 {
                    rounds.biller.never_rests();
                }
                // A poll that only lacks a CPU is not kept.
                let slow_ns = rounds.slow_ns;
                let is_long = || {
                    let records = shared.log().records();
                    let mut running = records.iter().filter(|record| record.ended_ns.is_none());
                    running.any(|record| record.net_ns() >= slow_ns)
                };
                while registry.now() < due || !is_long() {
                    rounds.look();
                }
            });
        }
        rounds.look();
        let mut records = shared.log().records();
        records.sort_by_key(|record| record.began_ns);
        assert_eq!(records.len(), 2, "{records:#?}");
        for record in &records {
            let cost = record.impact.as_ref().expect("the delays were read during both polls");
            // `waiting` was delayed from the start to the end of the poll. The previous offender
            // has ended.
            let net_ns = record.length_ns() - record.without_cpu.total_ns();
            if net_ns > MS {
                assert_eq!(cost.tasks, 1, "{record:#?}");
                assert!(cost.total_ns >= net_ns, "{record:#?}");
            }
        }
        let first = records[0].impact.as_ref().map_or(0, |cost| cost.total_ns);
        assert!(first <= records[1].began_ns - records[0].began_ns, "{records:#?}");
    }

    #[test]
    fn long_drop_is_recorded_before_it_ends_with_its_own_length() {
        struct OnDrop<F: FnMut()>(F);
        impl<F: FnMut()> Drop for OnDrop<F> {
            fn drop(&mut self) {
                (self.0)();
            }
        }
        let mut rounds = rounds();
        let registry = rounds.registry;
        let shared = rounds.shared.clone();
        let on_drop = OnDrop(|| {
            let due = rounds.look();
            while registry.now() < due {}
            rounds.look();
            let records = shared.log().records();
            assert_eq!((records.len(), records[0].ended_ns), (1, None), "known while it lasts");
            assert_eq!(records[0].kind, PollKind::Drop);
            while shared.no_stacks().is_none() && shared.log().records()[0].captures() == 0 {
                rounds.look();
            }
        });
        let dropped = registry.instrument("dropped", async move {
            let _on_drop = on_drop;
        });
        let task = dropped.key();
        drop(dropped);
        // However late the end is detected.
        let later = registry.now() + 20 * MS;
        while registry.now() < later {}
        rounds.look();
        let record = shared.log().records().remove(0);
        assert_eq!((record.task, record.kind), (task, PollKind::Drop));
        let ended = rounds.slots[0].uncounted_end(record.began_ns);
        assert!(ended.is_some() && record.ended_ns == ended, "{record:?} {ended:?}");
        assert_eq!(registry.longest_poll(task), Some(0), "it was never polled");
        let evidence = record.long_poll();
        assert_eq!(evidence.kind, PollKind::Drop);
        assert_eq!(evidence.lines()[0], "while its future was dropped");
    }

    #[test]
    fn a_poll_gets_its_stack_also_when_the_names_come_after_its_end() {
        let mut rounds = rounds();
        let registry = rounds.registry;
        let shared = rounds.shared.clone();
        in_a_poll(registry, || {
            // A look does not wait for names: this one returns while they are looked up, or
            // has found none that are there already.
            while shared.no_stacks().is_none() && shared.captured.load(Relaxed) == 0 {
                rounds.look();
            }
        });
        while shared.log().owes_names() {
            rounds.look();
        }
        rounds.look();
        let records = shared.log().records();
        assert!(records[0].ended_ns.is_some());
        assert_eq!(u64::from(records[0].captures()), shared.captured.load(Relaxed));
    }

    #[test]
    fn a_watchdog_stops_when_it_is_dropped() {
        let dog = Watchdog::start(Registry::leak(), WatchOptions::default()).expect("a thread");
        let handle = dog.handle().clone();
        while handle.stats() == WatchStats::default() {
            thread::yield_now();
        }
        drop(dog);
        let looks = handle.stats().looks;
        assert_eq!(handle.stats().looks, looks);
        assert!(handle.records().is_empty());
    }
}
