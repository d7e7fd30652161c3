//! The watchdog's sampling loop.
//!
//! Samples threads rather than tasks, so the cost does not depend on the number of tasks, and polls
//! that have not ended are seen. One sample reads two words per thread. Each sample yields the
//! earliest time at which a poll can become long; the loop sleeps until then.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

use super::{
    PollRecord, Stop, TimeWithoutCpu,
    analyzer::{PENDING_INTERVAL_NS, PollAnalyzer},
    busy_thread::BusyThread,
    canary::{CanaryWatch, UNMEASURED},
    cpu_account::{self, CpuAccount},
    impact::{Attribution, DelayBaseline, ImpactTracker},
    options::{WatchOptions, long_poll_ns},
    platform::is_runnable,
    state::{WatchState, increment},
    steal::StealTime,
    stops::StopDetector,
    watched_poll::{WatchedPoll, poll_to_watch, stable_polls},
};
use crate::accounting::{CurrentPoll, PollKind, Registry, ThreadSlot};

const MS: u64 = 1_000_000;
/// Minimum time between two samples.
const MIN_INTERVAL_NS: u64 = 5 * MS;
/// How late a long poll may be detected. Wake-ups dominate the watchdog's cost, so a larger value
/// is cheaper.
const MAX_DETECTION_DELAY_NS: u64 = 10 * MS;
/// Maximum number of stops that are kept.
const MAX_STOPS: usize = 64;

pub(super) struct SampleLoop {
    registry: &'static Registry,
    state: Arc<WatchState>,
    long_poll_ns: u64,
    analyzer: PollAnalyzer,
    slots: Vec<&'static ThreadSlot>,
    threads: Vec<WatchedThread>,
    steal: StealTime,
    stop_detector: StopDetector,
    canary: CanaryWatch,
    impact: ImpactTracker,
}

/// A thread that polls tasks, and the poll that it is in.
struct WatchedThread {
    slot: &'static ThreadSlot,
    cpu: CpuAccount,
    busy: BusyThread,
    poll: WatchedPoll,
}

impl WatchedThread {
    fn new(slot: &'static ThreadSlot) -> Self {
        WatchedThread {
            slot,
            cpu: CpuAccount::default(),
            busy: BusyThread::default(),
            poll: WatchedPoll::default(),
        }
    }
}

impl SampleLoop {
    pub(super) fn new(
        registry: &'static Registry,
        options: &WatchOptions,
        state: Arc<WatchState>,
    ) -> Self {
        SampleLoop {
            registry,
            analyzer: PollAnalyzer::new(options.signal, Arc::clone(&state)),
            state,
            long_poll_ns: long_poll_ns(options),
            slots: Vec::new(),
            threads: Vec::new(),
            steal: StealTime::default(),
            stop_detector: StopDetector::default(),
            canary: CanaryWatch::default(),
            impact: ImpactTracker::new(registry),
        }
    }

    /// Samples until a stop is requested.
    pub(super) fn run(&mut self) {
        while !self.state.stop_requested.load(Relaxed) {
            let due = self.sample();
            let sleep_ns = due.saturating_sub(self.registry.now());
            self.state.next_sample_due.store(due, Relaxed);
            thread::park_timeout(Duration::from_nanos(sleep_ns));
            if let Some(stop) = self.stop_detector.woke_up(self.registry.now(), sleep_ns) {
                self.record_stop(stop);
            }
        }
        self.state.next_sample_due.store(u64::MAX, Relaxed);
        let why = "the watchdog has ended";
        self.state.log().fail_pending_stacks(why, self.registry.now());
        self.state.await_points().fail_pending(why);
    }

    fn record_stop(&self, stop: Stop) {
        let mut stops = self.state.stops();
        if stops.len() == MAX_STOPS {
            stops.remove(0);
        }
        stops.push(stop);
    }

    /// Samples all threads; returns when the next sample is due.
    fn sample(&mut self) -> u64 {
        self.registry.thread_slots(&mut self.slots);
        let new = self.slots.iter().skip(self.threads.len()).copied().map(WatchedThread::new);
        self.threads.extend(new);
        let began = self.registry.now();
        // A poll that begins right after this sample.
        let mut due = began.saturating_add(self.long_poll_ns + MAX_DETECTION_DELAY_NS);
        for at in 0..self.threads.len() {
            due = due.min(self.sample_thread(at));
        }
        if let Some(canary) = self.state.canary() {
            due = due.min(self.canary.wake(&canary, self.registry.now(), self.long_poll_ns));
        }
        self.analyzer.collect_results(self.registry);
        // After all threads: a poll that the next sample finds has not begun yet.
        self.steal.renew(self.registry.now());
        increment(&self.state.samples_taken);
        if let Some(cpu_ns) = self.analyzer.watchdog_cpu_time() {
            self.state.cpu_ns.store(cpu_ns, Relaxed);
        }
        if self.state.await_points().has_recent_request(began) {
            return began + PENDING_INTERVAL_NS;
        }
        let requested = self.threads.iter().filter_map(|thread| thread.poll.capture_requested_at());
        let is_pending = requested.max().is_some_and(|at| began < at + 10 * PENDING_INTERVAL_NS);
        let earliest = began + if is_pending { PENDING_INTERVAL_NS } else { MIN_INTERVAL_NS };
        if self.analyzer.is_symbolizing() { earliest } else { due.max(earliest) }
    }

    /// Samples one thread; returns when its next sample is due.
    fn sample_thread(&mut self, at: usize) -> u64 {
        let slot = self.threads[at].slot;
        let polls = stable_polls(slot);
        let now = self.registry.now();
        let current = poll_to_watch(polls, now, self.long_poll_ns);
        let current = current.or(self.unmeasured_poll(slot, current.is_some()));
        let seen = current.map(|poll| (poll.task, poll.since));
        let os_id = slot.os_id();
        let cpu_before = self.threads[at].cpu.read(os_id, now);
        self.analyzer.collect_capture(at, &mut self.threads[at].poll, slot, now);
        if seen != self.threads[at].poll.key {
            let baseline = self.poll_ended(at, seen.map(|(_, began)| began), now);
            let baseline = baseline.filter(|_| seen.is_some_and(|key| slot.peek().contains(key)));
            let account = self.threads[at].cpu;
            let cpu_ns = account.latest().map(|reading| reading.times.cpu_ns);
            let mut last = std::mem::take(&mut self.threads[at].poll);
            let is_running = |poll: &WatchedPoll| poll.key.is_some_and(|key| polls.contains(key));
            let mut outer = last.outer.take().filter(|outer| is_running(outer));
            if is_running(&last) {
                last.outer = outer;
                outer = Some(Box::new(last));
            } else if let (Some(outer), Some((_, began))) = (&mut outer, last.key) {
                outer.nested_ns += now.saturating_sub(began);
            }
            self.threads[at].poll = match outer {
                // The times before it began are those read then.
                Some(mut outer) if outer.key == seen => {
                    outer.cause_sampled = (now, cpu_ns);
                    (outer.is_long, outer.baseline) = (false, baseline);
                    *outer
                }
                outer => WatchedPoll {
                    kind: current.map(|poll| poll.kind).unwrap_or_default(),
                    steal_before: self.steal.latest(),
                    baseline,
                    outer,
                    ..WatchedPoll::new(
                        seen,
                        (now, cpu_ns),
                        cpu_before.or_else(|| account.assumed_before(seen?.1)),
                    )
                },
            };
        }
        let busy_thread = &mut self.threads[at].busy;
        self.analyzer.collect_sample(busy_thread, now);
        let is_due = busy_thread.is_due(now, || slot.read(now).busy);
        let Some((task, began)) = seen else { return u64::MAX };
        // Long polls nested in this one have records of their own.
        let nested_ns = self.threads[at].poll.nested_ns;
        let age = now.saturating_sub(began).saturating_sub(nested_ns);
        if age < self.long_poll_ns {
            if is_due {
                self.analyzer.sample(&mut self.threads[at].busy, slot, now);
            }
            // Few polls of a healthy program reach a quarter of the threshold, so these are
            // detected without delay.
            let delay = if age < self.long_poll_ns / 4 { MAX_DETECTION_DELAY_NS } else { 0 };
            return began + nested_ns + self.long_poll_ns + delay;
        }
        if !self.threads[at].poll.is_long {
            self.poll_became_long(at, task, began, now);
        } else if self.threads[at].poll.baseline.is_none() && task != UNMEASURED {
            let runtime = self.registry.runtime_of(task);
            self.read_baseline(at, (task, began), runtime);
        }
        if os_id.is_some_and(|os_id| !is_runnable(os_id)) {
            self.threads[at].cpu.set_blocked();
        }
        let poll = &mut self.threads[at].poll;
        let is_due = poll.is_due(now);
        if is_due {
            self.analyzer.analyze(at, poll, slot, now);
        }
        self.update_length(at, now, None);
        if is_due && self.impact.is_within_budget() {
            self.update_impact(at, None);
        }
        now + MIN_INTERVAL_NS
    }

    /// The time that a thread has spent in code that is not measured, as a poll, if it blocks a canary.
    fn unmeasured_poll(&mut self, slot: &ThreadSlot, is_measured: bool) -> Option<CurrentPoll> {
        let canary = self.state.canary()?;
        let since = self.canary.blocked_since(&canary, slot, is_measured, self.registry.now())?;
        Some(CurrentPoll { task: UNMEASURED, since, kind: PollKind::Poll })
    }

    fn poll_became_long(&mut self, at: usize, task: u64, began: u64, now: u64) {
        self.threads[at].poll.is_long = true;
        increment(&self.state.long_polls);
        let runtime = self.registry.runtime_of(task);
        self.threads[at].poll.baseline.take_if(|baseline| baseline.runtime != runtime);
        // The baseline is read before the poll is published.
        if self.threads[at].poll.baseline.is_none() && task != UNMEASURED {
            self.read_baseline(at, (task, began), runtime);
        }
        let thread = self.threads[at].slot.read(now);
        // Limits the length when the poll ends; 0, which is no limit, if it has ended already.
        let is_same = self.threads[at].slot.peek().contains((task, began));
        let busy_before = thread.busy.saturating_sub(now.saturating_sub(began));
        self.threads[at].poll.busy_before = if is_same { busy_before } else { 0 };
        let identity = self
            .registry
            .visit(task, |task| (Arc::from(task.name()), Some(task.location()), task.stage));
        let (task_name, spawned_at, stage) = identity.unwrap_or_default();
        let record = PollRecord {
            kind: self.threads[at].poll.kind,
            task_name,
            spawned_at,
            stage,
            runtime,
            thread: thread.id,
            thread_name: thread.name.into(),
            os_id: thread.os_id,
            last_seen_ns: now,
            no_stack: self.state.no_stacks(),
            ..PollRecord::begun(task, began)
        };
        self.state.log().open(at, record);
    }

    /// Reads the scheduling delays of all tasks, within the budget. If the poll ends during this read
    /// (the watchdog had to wait for a CPU), the delayed tasks may have been polled already, so the
    /// poll gets no impact.
    fn read_baseline(&mut self, at: usize, poll: (u64, u64), runtime: Option<u32>) {
        let baseline = self.impact.baseline(at, runtime);
        self.threads[at].poll.baseline =
            baseline.filter(|_| self.threads[at].slot.peek().contains(poll));
    }

    /// Records how long the poll on a thread has lasted, and how much of that the thread was
    /// without a CPU.
    fn update_length(&mut self, at: usize, now: u64, ended: Option<u64>) {
        let WatchedThread { slot, cpu, poll, .. } = &mut self.threads[at];
        let Some((_, began)) = poll.key else { return };
        let until = ended.unwrap_or(now);
        let (clock, os_id) = (|| self.registry.now(), slot.os_id());
        if let (true, Some(os_id)) = (poll.waits_for_lock(), os_id) {
            if ended.is_some() {
                let tail = until.saturating_sub(poll.cause_sampled.0);
                poll.lock_ns += tail;
            }
            let others = poll.other_threads.get_or_insert_default();
            others.read(os_id, clock, ended.is_some());
        }
        let run_delay = poll.cpu_before.zip(cpu.latest());
        let run_delay =
            run_delay.map(|(before, latest)| cpu_account::run_delay(before, latest, began, ended));
        let others = poll.other_threads.as_ref();
        let without_cpu = TimeWithoutCpu {
            run_delay_ns: run_delay.unwrap_or(0),
            lock_holder_ns: others.map_or(0, |others| others.largest_delay(ended.is_some())),
            steal_ns: self.steal.since(&poll.steal_before, now),
            stopped_ns: Stop::overlap_ns(&self.state.stops(), began, until),
        };
        let length_ns = until.saturating_sub(began);
        let without_cpu = without_cpu.limited_to(length_ns, poll.blocked_ns, poll.lock_ns);
        self.state.log().update(at, |record| {
            record.last_seen_ns = until;
            record.without_cpu = without_cpu;
        });
        poll.attribution = Attribution { length_ns, without_cpu };
    }

    /// Closes the record of the poll that a thread was in. `next` is when the thread's next poll
    /// began, if it has one. Returns the scheduling delays of all tasks, if they were read.
    fn poll_ended(&mut self, at: usize, next: Option<u64>, now: u64) -> Option<DelayBaseline> {
        if !self.threads[at].poll.is_long {
            return None;
        }
        let ended = self.threads[at].poll.key.map_or(now, |(task, began)| {
            if task == UNMEASURED {
                let free = self.state.canary().map_or(now, |canary| canary.polled_ns());
                return now.min(next.unwrap_or(now)).min(free.max(began));
            }
            // The sample comes later than the end, and much later on a busy machine.
            let uncounted = self.threads[at].slot.uncounted_end(began);
            let end = uncounted.unwrap_or_else(|| match self.threads[at].poll.kind {
                PollKind::Poll => {
                    // The thread has spent no more time in polls since then.
                    let thread = self.threads[at].slot.read(now);
                    let busy = thread.busy.saturating_sub(self.threads[at].poll.busy_before);
                    let end = self.registry.end_of_poll(task, began).unwrap_or(now);
                    end.min(began.saturating_add(busy))
                }
                PollKind::Drop => self.registry.end_of_drop(task, began).unwrap_or(now),
            });
            now.min(end).min(next.unwrap_or(now)).max(began)
        });
        self.update_length(at, now, Some(ended));
        let baseline = self.update_impact(at, next);
        self.state.log().close(at, ended, now);
        baseline
    }

    /// Records the impact of a thread's long poll until now, or until the thread's next poll began.
    /// Returns the scheduling delays of all tasks.
    fn update_impact(&mut self, at: usize, until: Option<u64>) -> Option<DelayBaseline> {
        let poll = &self.threads[at].poll;
        let (baseline, (task, began)) = (poll.baseline.as_ref()?, poll.key?);
        let (impact, next) =
            self.impact.measure(baseline, at, task, (began, until), poll.attribution);
        self.state.log().update(at, |record| record.impact = Some(impact.into()));
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Context};

    use super::*;
    use crate::accounting::on_drop::OnDrop;

    fn sample_loop() -> SampleLoop {
        let options = WatchOptions::default();
        SampleLoop::new(Registry::leak(), &options, Arc::new(WatchState::new(&options)))
    }

    /// Runs `work` inside a poll on this thread.
    fn in_a_poll(registry: &'static Registry, work: impl FnOnce()) {
        let task = pin!(registry.instrument("hog", async { work() }));
        assert!(task.poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready());
    }

    #[test]
    fn record_is_opened_while_a_long_poll_lasts_and_closed_at_its_end() {
        let mut sample_loop = sample_loop();
        let registry = sample_loop.registry;
        let state = sample_loop.state.clone();
        in_a_poll(registry, || {
            let due = sample_loop.sample();
            let latest = registry.now() + sample_loop.long_poll_ns + MAX_DETECTION_DELAY_NS;
            assert!(due <= latest, "the next sample is due in time");
            while registry.now() < due {}
            sample_loop.sample();
            let records = state.log().records();
            assert_eq!(records.len(), 1, "recorded while it lasts");
            assert_eq!(records[0].ended_ns, None);
            assert!(!records[0].causes.is_empty());
            // The signal goes to this thread, which answers immediately. Repeated because other
            // tests use the mailboxes, too.
            while state.no_stacks().is_none() && state.log().records()[0].captures() == 0 {
                sample_loop.sample();
            }
        });
        sample_loop.sample();
        let records = state.log().records();
        assert!(records[0].ended_ns.is_some_and(|ended| ended > records[0].began_ns));
        in_a_poll(registry, || ());
        sample_loop.sample();
        assert_eq!(state.log().records().len(), 1, "a short poll is not recorded");
        let longest = registry.longest_poll(records[0].task);
        assert_eq!(
            Some(records[0].length_ns()),
            longest,
            "the length does not depend on when the end is detected"
        );
    }

    #[test]
    fn long_poll_that_consists_of_short_ones_is_recorded() {
        let mut sample_loop = sample_loop();
        let registry = sample_loop.registry;
        let state = sample_loop.state.clone();
        let mut outer = None;
        in_a_poll(registry, || {
            registry.thread_slots(&mut sample_loop.slots);
            outer = sample_loop.slots[0].peek().innermost;
            let due = sample_loop.sample();
            while registry.now() < due {
                in_a_poll(registry, || ());
            }
            while state.log().records().is_empty() {
                // Each sample finds the thread in a short poll.
                in_a_poll(registry, || {
                    in_a_poll(registry, || assert!(sample_loop.sample() > 0));
                });
            }
        });
        let records = state.log().records();
        let recorded = records.iter().any(|poll| {
            outer.is_some_and(|outer| (outer.task, outer.since) == (poll.task, poll.began_ns))
        });
        assert!(recorded, "{records:#?}");
    }

    #[test]
    fn poll_around_a_long_one_keeps_its_times() {
        let mut sample_loop = sample_loop();
        let registry = sample_loop.registry;
        in_a_poll(registry, || {
            sample_loop.sample();
            let (outer, before) =
                (sample_loop.threads[0].poll.key, sample_loop.threads[0].poll.cpu_before);
            in_a_poll(registry, || {
                let began = registry.now();
                while sample_loop.threads[0].poll.key == outer {
                    sample_loop.sample();
                }
                assert!(sample_loop.threads[0].poll.key.is_some());
                assert!(registry.now() - began >= sample_loop.long_poll_ns);
            });
            sample_loop.sample();
            let poll = &sample_loop.threads[0].poll;
            assert_eq!(poll.key, outer);
            assert_eq!(poll.cpu_before, before, "read before it began");
            assert!(poll.nested_ns >= sample_loop.long_poll_ns, "{}", poll.nested_ns);
        });
    }

    #[test]
    fn impact_of_consecutive_long_polls_is_not_counted_twice() {
        let mut sample_loop = sample_loop();
        let registry = sample_loop.registry;
        let state = sample_loop.state.clone();
        // Scheduled since its creation, and never polled.
        let _waiting = registry.instrument_task("waiting", async {});
        for _ in 0..2 {
            in_a_poll(registry, || {
                let measured = state.log().records().iter().any(|record| record.impact.is_some());
                // Detects the end of the previous poll.
                sample_loop.sample();
                let due = registry.now() + 3 * (sample_loop.long_poll_ns + MAX_DETECTION_DELAY_NS);
                if measured {
                    sample_loop.impact.exhaust_budget();
                }
                // A poll that only lacks a CPU is not kept.
                let long_poll_ns = sample_loop.long_poll_ns;
                let is_long = || {
                    let records = state.log().records();
                    let mut running = records.iter().filter(|record| record.ended_ns.is_none());
                    running.any(|record| record.net_ns() >= long_poll_ns)
                };
                while registry.now() < due || !is_long() {
                    sample_loop.sample();
                }
            });
        }
        sample_loop.sample();
        let mut records = state.log().records();
        records.sort_by_key(|record| record.began_ns);
        assert_eq!(records.len(), 2, "{records:#?}");
        for record in &records {
            let impact = record.impact.as_ref().expect("the delays were read during both polls");
            // `waiting` was delayed from the start to the end of the poll. The previous offender
            // has ended.
            let net_ns = record.length_ns() - record.without_cpu.total_ns();
            if net_ns > MS {
                assert_eq!(impact.tasks, 1, "{record:#?}");
                assert!(impact.total_ns >= net_ns, "{record:#?}");
            }
        }
        let first = records[0].impact.as_ref().map_or(0, |impact| impact.total_ns);
        assert!(first <= records[1].began_ns - records[0].began_ns, "{records:#?}");
    }

    #[test]
    fn long_drop_is_recorded_while_it_lasts_with_its_exact_length() {
        let mut sample_loop = sample_loop();
        let registry = sample_loop.registry;
        let state = sample_loop.state.clone();
        let on_drop = OnDrop(|| {
            let due = sample_loop.sample();
            while registry.now() < due {}
            sample_loop.sample();
            let records = state.log().records();
            assert_eq!((records.len(), records[0].ended_ns), (1, None), "recorded while it lasts");
            assert_eq!(records[0].kind, PollKind::Drop);
            while state.no_stacks().is_none() && state.log().records()[0].captures() == 0 {
                sample_loop.sample();
            }
        });
        let dropped = registry.instrument("dropped", async move {
            let _on_drop = on_drop;
        });
        let task = dropped.key();
        drop(dropped);
        // The end is detected late.
        let later = registry.now() + 20 * MS;
        while registry.now() < later {}
        sample_loop.sample();
        let record = state.log().records().remove(0);
        assert_eq!((record.task, record.kind), (task, PollKind::Drop));
        let ended = sample_loop.slots[0].uncounted_end(record.began_ns);
        assert!(ended.is_some() && record.ended_ns == ended, "{record:?} {ended:?}");
        assert_eq!(registry.longest_poll(task), Some(0), "it was never polled");
        let evidence = record.long_poll();
        assert_eq!(evidence.kind, PollKind::Drop);
        assert_eq!(evidence.lines()[0], "while its future was dropped");
    }

    #[test]
    fn end_of_a_drop_is_known_after_another_long_drop() {
        let mut sample_loop = sample_loop();
        let registry = sample_loop.registry;
        let state = sample_loop.state.clone();
        let compute_until = |until: u64| while registry.now() < until {};
        let on_drop = OnDrop(|| {
            let due = sample_loop.sample();
            compute_until(due);
            // One that only lacks a CPU is not kept.
            let long_poll_ns = sample_loop.long_poll_ns;
            let is_long = || state.log().records().iter().any(|it| it.net_ns() >= long_poll_ns);
            while !is_long() {
                sample_loop.sample();
            }
        });
        drop(registry.instrument("dropped", async move { drop(on_drop) }));
        let latest_end = registry.now();
        let next = OnDrop(|| compute_until(registry.now() + 2 * MS));
        drop(registry.instrument("next", async move { drop(next) }));
        compute_until(registry.now() + 20 * MS);
        sample_loop.sample();
        let ended = state.log().records()[0].ended_ns;
        assert!(ended.is_some_and(|ended| ended <= latest_end), "{ended:?} {latest_end}");
    }

    #[test]
    fn stack_symbolized_after_the_end_of_its_poll_is_recorded() {
        let mut sample_loop = sample_loop();
        let registry = sample_loop.registry;
        let state = sample_loop.state.clone();
        in_a_poll(registry, || {
            // A sample does not wait for the symbolizer, so the stack is symbolized later.
            while state.no_stacks().is_none() && state.captured.load(Relaxed) == 0 {
                sample_loop.sample();
            }
        });
        while state.log().has_pending_stacks() {
            sample_loop.sample();
        }
        sample_loop.sample();
        let records = state.log().records();
        assert!(records[0].ended_ns.is_some());
        assert_eq!(u64::from(records[0].captures()), state.captured.load(Relaxed));
    }
}
