//! What the watchdog's thread does: look at the probe's threads, again and again.
//!
//! It looks at threads and not at tasks, so it costs the same with ten tasks and with a
//! million, and it sees polls that have not ended. A look reads two words for each
//! thread. From what it sees it knows when the next long poll can be due at the
//! earliest, and sleeps until then.

use std::{
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use super::{
    PollRecord,
    bill::{Before, Biller},
    cause::judge,
    eyes::{Answer, Eyes, Ticket, cpu_time, whereabouts},
    own::{Supply, own, own_at_first},
    watchdog::{Shared, WatchOptions, nanos},
};
use crate::probe::{Registry, ThreadSlot};

const MS: u64 = 1_000_000;
/// A look at all threads is at least so long after the one before.
const STEP_NS: u64 = 5 * MS;
/// How long a poll may be over the threshold before it is known. To come later is to
/// come less often: most of what the watchdog costs is its waking up.
const SLACK_NS: u64 = 10 * MS;
/// A stack that was asked for and did not come at once is looked for again after this.
const LATE_NS: u64 = 2 * MS;
/// When a thread has not answered for so long, the record says why.
const SILENT_NS: u64 = 100 * MS;
/// When a thread has not answered for so long, it is asked again: somebody else may
/// have eaten the signal.
const LOST_NS: u64 = 1000 * MS;
/// At first a poll's stack is captured this often, and then more and more seldom.
const CAPTURE_NS: u64 = 10 * MS;
/// In a poll that never ends it comes to this.
const CAPTURE_MAX_NS: u64 = 1000 * MS;
/// Captures in a second, over all threads: a program all of whose polls are long has
/// other worries than being watched closely.
const CAPTURES: u64 = 200;
/// CPU time over less than this says nothing.
const WINDOW_NS: u64 = MS;

/// The watchdog's thread.
pub(super) struct Rounds {
    registry: &'static Registry,
    shared: Arc<Shared>,
    slow_ns: u64,
    eyes: Option<Eyes>,
    slots: Vec<&'static ThreadSlot>,
    posts: Vec<Post>,
    supplies: Vec<Supply>,
    budget: Budget,
    biller: Biller,
}

/// What the watchdog remembers of one thread.
#[derive(Default)]
struct Post {
    /// The poll that it was in at the last look: task and beginning.
    poll: Option<(u64, u64)>,
    /// The poll is long and has a record.
    is_long: bool,
    /// When the cause was last looked for in this poll, and the thread's CPU time then.
    judged: (u64, Option<u64>),
    /// What the thread had got at the look before this poll.
    before: Supply,
    capture_due: u64,
    /// All tasks at the first look at this poll, once it was long.
    others: Option<Before>,
    asked: Option<Request>,
}

/// A stack that a thread owes.
struct Request {
    ticket: Ticket,
    at: u64,
    /// When to say that it is late.
    excuse_due: u64,
}

/// So many captures a second and no more.
#[derive(Default)]
struct Budget {
    second: u64,
    used: u64,
}

impl Budget {
    fn take(&mut self, now: u64) -> bool {
        let second = now / (1000 * MS);
        if second != self.second {
            *self = Budget { second, used: 0 };
        }
        self.used += 1;
        self.used <= CAPTURES
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// The poll that a thread is in, task and beginning, if it stays in it for two reads.
fn steady(slot: &ThreadSlot) -> Option<(u64, u64)> {
    let seen = slot.glance();
    seen.filter(|_| seen == slot.glance())
}

impl Rounds {
    pub(super) fn new(
        registry: &'static Registry,
        options: &WatchOptions,
        shared: Arc<Shared>,
    ) -> Self {
        let eyes = Eyes::open(options.signal)
            .map_err(|why| {
                let mut no_stacks = shared.no_stacks.lock().unwrap_or_else(PoisonError::into_inner);
                *no_stacks = Some(why.into());
            })
            .ok();
        Rounds {
            registry,
            shared,
            // An hour more or less does not matter, an overflow would.
            slow_ns: nanos(options.slow).clamp(MS, u64::MAX / 4),
            eyes,
            slots: Vec::new(),
            posts: Vec::new(),
            supplies: Vec::new(),
            budget: Budget::default(),
            biller: Biller::new(registry),
        }
    }

    /// Looks until it is told to stop.
    pub(super) fn walk(&mut self) {
        while !self.shared.stop.load(Relaxed) {
            let due = self.look();
            let wait = due.saturating_sub(self.registry.now());
            thread::park_timeout(Duration::from_nanos(wait));
        }
    }

    /// Looks at all threads once; returns when to look again.
    fn look(&mut self) -> u64 {
        self.registry.thread_slots(&mut self.slots);
        self.posts.resize_with(self.slots.len(), Post::default);
        self.supplies.resize_with(self.slots.len(), Supply::default);
        let began = self.registry.now();
        // A poll that begins right after this look.
        let mut due = began.saturating_add(self.slow_ns + SLACK_NS);
        for at in 0..self.slots.len() {
            due = due.min(self.visit(at));
        }
        self.hear();
        count(&self.shared.looks);
        if let Some(cpu) = self.eyes.as_ref().and_then(Eyes::own_cpu_time) {
            self.shared.cpu.store(cpu, Relaxed);
        }
        let owed = self.posts.iter().filter_map(|post| post.asked.as_ref());
        let soon = owed.map(|request| request.at).max().is_some_and(|at| began < at + 10 * LATE_NS);
        if self.shared.awaits().are_owed(began) {
            return began + LATE_NS;
        }
        due.max(began + if soon { LATE_NS } else { STEP_NS })
    }

    /// Takes in what tasks say that were asked where they wait.
    fn hear(&mut self) {
        let Some(eyes) = &mut self.eyes else { return };
        for (task, answer) in eyes.awaits(self.registry) {
            self.shared.awaits().answer(task, answer);
        }
    }

    /// Looks at one thread; returns when it is to be looked at again.
    fn visit(&mut self, at: usize) -> u64 {
        let slot = self.slots[at];
        let seen = steady(slot);
        let now = self.registry.now();
        let os_id = slot.os_id();
        let cpu = os_id.and_then(cpu_time);
        self.collect(at, now);
        let before = self.supplies[at].renew(os_id, cpu, now);
        if seen != self.posts[at].poll {
            self.leave(at, seen.map(|(_, began)| began), now);
            let judged = (now, cpu);
            self.posts[at] = Post { poll: seen, judged, before, ..Post::default() };
        }
        let Some((task, began)) = seen else { return u64::MAX };
        let age = now.saturating_sub(began);
        if age < self.slow_ns {
            // Few polls of a healthy program are this old: look closely at this one.
            let slack = if age < self.slow_ns / 4 { SLACK_NS } else { 0 };
            return began + self.slow_ns + slack;
        }
        if !self.posts[at].is_long {
            self.enter(at, task, began, now);
        }
        self.shared.log().update(at, |record| record.last_seen_ns = now);
        let post = &self.posts[at];
        if now >= post.capture_due && post.asked.is_none() {
            self.inspect(at, began, now);
            if self.biller.is_rested() {
                self.sum_up(at, None);
            }
        }
        now + STEP_NS
    }

    /// A poll has become long.
    fn enter(&mut self, at: usize, task: u64, began: u64, now: u64) {
        self.posts[at].is_long = true;
        count(&self.shared.polls);
        let thread = self.slots[at].read(now);
        let no_stacks = self.shared.no_stacks.lock().unwrap_or_else(PoisonError::into_inner);
        let record = PollRecord {
            task,
            thread: thread.id,
            thread_name: thread.name.into(),
            os_id: thread.os_id,
            began_ns: began,
            last_seen_ns: now,
            ended_ns: None,
            noticed_ns: None,
            stacks: Vec::new(),
            other_stacks: 0,
            causes: Vec::new(),
            cost: None,
            looked_ns: 0,
            own_ns: 0,
            no_stack: no_stacks.clone(),
        };
        self.shared.log().open(at, record);
        self.posts[at].others = self.biller.begin(at);
    }

    /// The poll that a thread was in is over, and the next one has begun, if it has.
    fn leave(&mut self, at: usize, next: Option<u64>, now: u64) {
        if self.posts[at].is_long {
            self.sum_up(at, next);
            // Later than the end, and by much if there was something else to do: no poll of
            // the task has been longer than its longest.
            let ended = self.posts[at].poll.map_or(now, |(task, began)| {
                let longest = self.registry.longest_poll(task).unwrap_or(u64::MAX);
                now.min(began.saturating_add(longest))
            });
            self.shared.log().close(at, ended, now);
        }
    }

    /// Writes down what the long poll of a thread has cost the others until now, or until
    /// the thread's next poll began.
    fn sum_up(&mut self, at: usize, until: Option<u64>) {
        let post = &self.posts[at];
        let (Some(others), Some((task, began))) = (&post.others, post.poll) else { return };
        let cost = self.biller.sum_up(others, at, task, (began, until));
        self.shared.log().update(at, |record| record.cost = Some(cost.into()));
    }

    /// Looks closer at a long poll: why it is long, and where.
    fn inspect(&mut self, at: usize, began: u64, now: u64) {
        let age = now.saturating_sub(began);
        let post = &mut self.posts[at];
        // Seen for the first time, and late: whether it computes will show in a moment.
        if now.saturating_sub(post.judged.0) < WINDOW_NS {
            return;
        }
        post.capture_due = now + (age / 16).clamp(CAPTURE_NS, CAPTURE_MAX_NS);
        let Some(os_id) = self.slots[at].os_id() else {
            // Where nobody can look, the poll has to answer for all of its time.
            let all = |record: &mut PollRecord| {
                (record.looked_ns, record.own_ns) = (record.length_ns(), record.length_ns());
            };
            return self.shared.log().update(at, all);
        };

        // Before the signal, which takes the thread out of where it is.
        let found = whereabouts(os_id);
        let cpu = cpu_time(os_id);
        let (judged, cpu_then) = std::mem::replace(&mut post.judged, (now, cpu));
        let wall = now.saturating_sub(judged);
        let spent = cpu.zip(cpu_then).map(|(cpu, then)| cpu.saturating_sub(then));
        let spent = spent.filter(|_| wall >= WINDOW_NS);
        let cause = judge(wall, spent, found);
        let before = post.before;
        self.shared.log().update(at, |record| {
            if record.causes.is_empty() {
                let (had, lacked) = before.until(os_id, cpu_then);
                let (looked, own) = own_at_first(cause, judged.saturating_sub(began), had, lacked);
                record.looked_ns += looked;
                record.own_ns += own;
            }
            let (looked, own) = own(cause, wall, spent);
            record.looked_ns += looked;
            record.own_ns += own;
            record.add_cause(cause, wall.max(1));
        });

        if !self.budget.take(now) {
            return self.excuse(at, "too many polls are long at this time");
        }
        let Some(eyes) = &mut self.eyes else { return };
        count(&self.shared.asked);
        let answer = eyes.ask(os_id, self.slots[at]);
        self.take(at, answer, now, now + SILENT_NS);
    }

    /// Looks whether a thread has answered that owes a stack.
    fn collect(&mut self, at: usize, now: u64) {
        let Some(eyes) = &mut self.eyes else { return };
        let Some(request) = self.posts[at].asked.take() else { return };
        let mut excuse_due = request.excuse_due;
        let answer = eyes.collect_late(request.ticket);
        if matches!(answer, Answer::Pending(_)) {
            if now >= request.at + LOST_NS {
                return;
            }
            if let (true, Some(os_id)) = (now >= excuse_due, self.slots[at].os_id()) {
                let why = eyes.why_late(os_id);
                self.excuse(at, why);
                excuse_due = u64::MAX;
            }
        }
        self.take(at, answer, request.at, excuse_due);
    }

    /// Does with an answer what is to be done.
    fn take(&mut self, at: usize, answer: Answer, asked: u64, excuse_due: u64) {
        match answer {
            Answer::Pending(ticket) => {
                self.posts[at].asked = Some(Request { ticket, at: asked, excuse_due });
            }
            // The thread itself says which poll it was in: nobody is blamed for another's.
            Answer::Stack(stack, poll) if poll == self.posts[at].poll => {
                count(&self.shared.captured);
                self.shared.log().update(at, |record| record.add_stack(stack));
            }
            Answer::Stack(..) => count(&self.shared.missed),
            Answer::None(why) => self.excuse(at, why),
        }
    }

    /// Writes down why a poll has no stack.
    fn excuse(&self, at: usize, why: &'static str) {
        self.shared.log().update(at, |record| {
            if record.stacks.is_empty() {
                record.no_stack = Some(why.into());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Context};

    use super::*;
    use crate::watch::{Stack, WatchStats, Watchdog};

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
            while rounds.eyes.is_some() && shared.log().records()[0].captures() == 0 {
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
    fn a_stack_of_another_poll_is_thrown_away() {
        let mut rounds = rounds();
        let registry = rounds.registry;
        let shared = rounds.shared.clone();
        in_a_poll(registry, || {
            while rounds.posts.first().is_none_or(|post| !post.is_long) {
                rounds.look();
            }
            let poll = rounds.posts[0].poll;
            let captures = || shared.log().records()[0].captures();
            let before = captures();
            let other = poll.map(|(task, began)| (task, began - 1));
            rounds.take(0, Answer::Stack(Stack::default(), other), 0, 0);
            rounds.take(0, Answer::Stack(Stack::default(), None), 0, 0);
            assert_eq!((captures(), shared.missed.load(Relaxed)), (before, 2));
            rounds.take(0, Answer::Stack(Stack::default(), poll), 0, 0);
            assert_eq!((captures(), shared.missed.load(Relaxed)), (before + 1, 2));
        });
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

    #[test]
    fn the_budget_is_there_again_in_the_next_second() {
        let mut budget = Budget::default();
        let granted = (0..1000).filter(|_| budget.take(5000 * MS)).count() as u64;
        assert_eq!(granted, CAPTURES);
        assert!(budget.take(6000 * MS));
    }
}
