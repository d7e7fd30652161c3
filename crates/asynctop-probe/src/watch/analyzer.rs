//! Determines the causes of long polls and captures their stacks.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::{
    Stack, StackSample,
    busy_thread::{BusyThread, PendingSample},
    canary::UNMEASURED,
    cause::{Activity, WINDOW_NS, cause_of},
    platform::{Capture, StackCapturer, Unwound, cpu_time, thread_activity},
    record::StackOwner,
    state::{WatchState, increment},
    watched_poll::{PendingCapture, WatchedPoll},
};
use crate::{
    accounting::{CurrentPolls, Registry, ThreadSlot},
    lock::lock,
};

const MS: u64 = 1_000_000;
/// Time between two checks for a stack that did not arrive immediately.
pub(super) const PENDING_INTERVAL_NS: u64 = 2 * MS;
/// Time after which the record states why a requested stack has not arrived.
const REPORT_AFTER_NS: u64 = 100 * MS;
/// Time after which a stack is requested again: another handler may have consumed the signal.
const RETRY_AFTER_NS: u64 = 1000 * MS;
/// Time between two captures of a poll. It grows with the poll's age.
const MIN_CAPTURE_INTERVAL_NS: u64 = 10 * MS;
const MAX_CAPTURE_INTERVAL_NS: u64 = 1000 * MS;
/// Maximum number of captures per second, over all threads: limits the cost for a program all of
/// whose polls are long.
const MAX_CAPTURES: u64 = 200;

/// Limits the number of captures per second.
#[derive(Default)]
struct CaptureBudget {
    second: u64,
    used: u64,
}

impl CaptureBudget {
    fn try_use(&mut self, now: u64) -> bool {
        let second = now / (1000 * MS);
        if second != self.second {
            *self = CaptureBudget { second, used: 0 };
        }
        self.used += 1;
        self.used <= MAX_CAPTURES
    }
}

/// Samples the causes and the stacks of long polls into the log. Its methods identify a thread by
/// the index of its slot.
pub(super) struct PollAnalyzer {
    state: Arc<WatchState>,
    /// `None` if stacks are unavailable.
    capturer: Option<StackCapturer>,
    budget: CaptureBudget,
}

impl PollAnalyzer {
    pub(super) fn new(signal: i32, state: Arc<WatchState>) -> Self {
        let capturer = StackCapturer::open(signal).map_err(|why| {
            let mut no_stacks = lock(&state.no_stacks);
            *no_stacks = Some(why.into());
        });
        PollAnalyzer { state, capturer: capturer.ok(), budget: CaptureBudget::default() }
    }

    /// Samples the cause of a poll and requests its stack.
    pub(super) fn analyze(
        &mut self,
        at: usize,
        poll: &mut WatchedPoll,
        slot: &'static ThreadSlot,
        now: u64,
    ) {
        let began = poll.key.map_or(now, |(_, began)| began);
        let age = now.saturating_sub(began);
        let interval = (age / 16).clamp(MIN_CAPTURE_INTERVAL_NS, MAX_CAPTURE_INTERVAL_NS);
        poll.capture_due = now + interval;
        let Some(os_id) = slot.os_id() else { return };
        let cpu = cpu_time(os_id);
        let may_capture = self.budget.try_use(now);
        let Some(capturer) = self.capturer.as_mut().filter(|_| may_capture) else {
            self.update_cause(at, poll, (now, cpu), thread_activity(os_id));
            if self.capturer.is_some() {
                self.set_no_stack_reason(at, "too many long polls at once");
            }
            return;
        };
        increment(&self.state.requested);
        // One reading of the activity serves both, so that the cause matches the stack.
        let (activity, capture) = capturer.capture(os_id, slot);
        self.update_cause(at, poll, (now, cpu), activity);
        self.accept_capture(at, poll, os_id, capture, (now, now + REPORT_AFTER_NS));
        self.publish_signals();
    }

    /// Requests one stack of a thread that is busy with short polls.
    pub(super) fn sample(&mut self, thread: &mut BusyThread, slot: &'static ThreadSlot, now: u64) {
        let may_capture = self.budget.try_use(now);
        let Some(capturer) = self.capturer.as_mut().filter(|_| may_capture) else { return };
        let Some(os_id) = slot.os_id() else { return };
        thread.requested();
        increment(&self.state.requested);
        let (activity, capture) = capturer.capture(os_id, slot);
        self.accept_sample(thread, capture, activity, now);
        self.publish_signals();
    }

    /// Accepts a pending sample that has arrived.
    pub(super) fn collect_sample(&mut self, thread: &mut BusyThread, now: u64) {
        let Some(capturer) = &mut self.capturer else { return };
        let Some(PendingSample { ticket, taken_ns, activity }) = thread.pending.take() else {
            return;
        };
        let capture = capturer.collect_pending(ticket);
        if !matches!(capture, Capture::Pending(_)) || now < taken_ns + RETRY_AFTER_NS {
            self.accept_sample(thread, capture, activity, taken_ns);
        }
        self.publish_signals();
    }

    fn accept_sample(
        &mut self,
        thread: &mut BusyThread,
        capture: Capture,
        activity: Activity,
        taken_ns: u64,
    ) {
        match capture {
            Capture::Pending(ticket) => {
                thread.pending = Some(PendingSample { ticket, taken_ns, activity });
            }
            Capture::Stack(stack, CurrentPolls { innermost: Some(poll), .. }) => {
                let (task, poll_began_ns) = (poll.task, poll.since);
                let cause = cause_of(0, None, activity);
                // A handler that runs late may sample a poll that began after the request.
                let taken_ns = taken_ns.max(poll_began_ns);
                let owner = StackOwner::Sample { task, poll_began_ns, taken_ns, cause };
                let capturer = self.capturer.as_mut();
                if capturer.is_some_and(|capturer| capturer.symbolize(owner, stack).is_ok()) {
                    increment(&self.state.captured);
                    thread.sampled();
                }
            }
            Capture::Stack(..) => increment(&self.state.discarded),
            // Other samples follow, so the reason is not reported.
            Capture::Failed(_) => {}
        }
    }

    fn publish_signals(&self) {
        let capturer = self.capturer.as_ref();
        let signals = capturer.map(StackCapturer::signal_counts).unwrap_or_default();
        self.state.signals.store(signals.sent, Relaxed);
        self.state.interrupted_calls.store(signals.interrupting, Relaxed);
    }

    /// Determines how the thread spent the time since the previous sample of the cause.
    fn update_cause(
        &self,
        at: usize,
        poll: &mut WatchedPoll,
        (now, cpu): (u64, Option<u64>),
        activity: Activity,
    ) {
        let (sampled, cpu_then) = std::mem::replace(&mut poll.cause_sampled, (now, cpu));
        let wall = now.saturating_sub(sampled);
        let spent = cpu.zip(cpu_then).map(|(cpu, then)| cpu.saturating_sub(then));
        let spent = spent.filter(|_| wall >= WINDOW_NS);
        let cause = cause_of(wall, spent, activity);
        // The first cause found has probably lasted since the poll began.
        let began = poll.key.map_or(sampled, |(_, began)| began);
        let since = if poll.cause.is_none() { began } else { sampled };
        poll.add_cause(cause.clone(), now.saturating_sub(since));
        self.state.log().update(at, |record| record.add_cause(cause, wall.max(1)));
    }

    /// Accepts the pending stack of a poll if it has arrived.
    pub(super) fn collect_capture(
        &mut self,
        at: usize,
        poll: &mut WatchedPoll,
        slot: &'static ThreadSlot,
        now: u64,
    ) {
        let Some(capturer) = &mut self.capturer else { return };
        let Some(os_id) = slot.os_id() else { return };
        let Some(pending) = poll.pending_capture.take() else { return };
        let mut report_due = pending.report_due;
        let capture = capturer.collect_pending(pending.ticket);
        self.publish_signals();
        if matches!(capture, Capture::Pending(_)) {
            if now >= pending.requested_at + RETRY_AFTER_NS {
                return;
            }
            if now >= report_due {
                if let Some(capturer) = &self.capturer {
                    self.set_no_stack_reason(at, capturer.no_response_reason(os_id));
                }
                report_due = u64::MAX;
            }
        }
        self.accept_capture(at, poll, os_id, capture, (pending.requested_at, report_due));
    }

    /// Handles the result of a request made at `requested_at`.
    fn accept_capture(
        &mut self,
        at: usize,
        poll: &mut WatchedPoll,
        os_id: u32,
        capture: Capture,
        (requested_at, report_due): (u64, u64),
    ) {
        match (capture, poll.key) {
            (Capture::Pending(ticket), _) => {
                poll.pending_capture = Some(PendingCapture { ticket, requested_at, report_due });
            }
            // The thread reports the polls that it was in, so the stack is never another poll's.
            (Capture::Stack(stack, polls), Some(key)) if polls.contains(key) => {
                let (task, began_ns) = key;
                let taken_ns = requested_at;
                self.symbolize(at, StackOwner::Poll { os_id, task, began_ns, taken_ns }, stack);
            }
            // The canary is not polled in between, so the thread was in the same code.
            (Capture::Stack(stack, CurrentPolls::NONE), Some((UNMEASURED, began_ns)))
                if self.state.canary().is_some_and(|canary| canary.waits_since().is_some()) =>
            {
                let (task, taken_ns) = (UNMEASURED, requested_at);
                let owner = StackOwner::Poll { os_id, task, began_ns, taken_ns };
                self.symbolize(at, owner, stack);
            }
            (Capture::Stack(..), _) => increment(&self.state.discarded),
            (Capture::Failed(why), _) => self.set_no_stack_reason(at, why),
        }
    }

    fn symbolize(&mut self, at: usize, owner: StackOwner, stack: Unwound) {
        let Some(capturer) = &mut self.capturer else { return };
        increment(&self.state.captured);
        match capturer.symbolize(owner, stack) {
            Ok(()) => self.state.log().update(at, |record| record.unsymbolized += 1),
            Err(why) => self.set_no_stack_reason(at, why),
        }
    }

    /// Stores the stacks that have been symbolized and the answers to await-point queries.
    pub(super) fn collect_results(&mut self, registry: &'static Registry) {
        let Some(capturer) = &mut self.capturer else { return };
        for (task, answer) in capturer.await_points(registry) {
            self.state.await_points().answer(task, answer);
        }
        loop {
            match capturer.next_symbolized() {
                Ok(None) => break,
                Ok(Some((owner, stacks))) => store(&self.state, registry, owner, stacks),
                Err(why) => {
                    self.state.log().fail_pending_stacks(why, registry.now());
                    self.state.await_points().fail_pending(why);
                }
            }
        }
    }

    pub(super) fn is_symbolizing(&self) -> bool {
        self.capturer.as_ref().is_some_and(StackCapturer::is_symbolizing)
    }

    /// Nanoseconds that the watchdog has spent on the CPU, where it is known.
    pub(super) fn watchdog_cpu_time(&self) -> Option<u64> {
        self.capturer.as_ref().and_then(StackCapturer::watchdog_cpu_time)
    }

    fn set_no_stack_reason(&self, at: usize, why: &'static str) {
        self.state.log().update(at, |record| record.set_no_stack_reason(why));
    }
}

/// Stores symbolized stacks with their owner.
fn store(state: &WatchState, registry: &Registry, owner: StackOwner, stacks: Vec<Stack>) {
    match owner {
        StackOwner::Poll { os_id, task, began_ns, taken_ns } => {
            let poll = (os_id, task, began_ns);
            state.log().add_stacks(poll, stacks, (taken_ns, registry.now()));
        }
        StackOwner::Sample { task, poll_began_ns, taken_ns, cause } => {
            let sample = |stack: Stack| {
                let stack = Arc::new(stack);
                Arc::new(StackSample { task, poll_began_ns, taken_ns, cause: cause.clone(), stack })
            };
            state.add_samples(stacks.into_iter().map(sample), registry.now());
        }
        StackOwner::Idle { task } => {
            let stacks = stacks.into_iter().map(Arc::new).collect();
            state.await_points().answer(task, super::AwaitState::At(stacks));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::{
        accounting::{CurrentPoll, PollKind},
        watch::WatchOptions,
    };

    #[test]
    fn stack_of_another_poll_is_discarded() {
        let options = WatchOptions::default();
        let state = Arc::new(WatchState::new(&options));
        let mut analyzer = PollAnalyzer::new(options.signal, Arc::clone(&state));
        let mut poll = WatchedPoll::new(Some((7, 100)), (100, None), None);
        let mut accept = |captured: Option<(u64, u64)>| {
            let kind = PollKind::Poll;
            let current = captured.map(|(task, since)| CurrentPoll { task, since, kind });
            let polls = CurrentPolls { innermost: current, outermost: current };
            let capture = Capture::Stack(Unwound::default(), polls);
            analyzer.accept_capture(0, &mut poll, 1, capture, (0, 0));
            (state.captured.load(Relaxed), state.discarded.load(Relaxed))
        };
        assert_eq!(accept(Some((7, 99))), (0, 1), "an earlier poll of the same task");
        assert_eq!(accept(None), (0, 2), "between two polls");
        if state.no_stacks().is_none() {
            assert_eq!(accept(Some((7, 100))), (1, 2));
        }
    }

    #[test]
    fn capture_budget_is_per_second() {
        let mut budget = CaptureBudget::default();
        let granted = (0..1000).filter(|_| budget.try_use(5000 * MS)).count() as u64;
        assert_eq!(granted, MAX_CAPTURES);
        assert!(budget.try_use(6000 * MS));
    }
}
