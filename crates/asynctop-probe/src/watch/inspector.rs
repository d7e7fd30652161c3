//! Looks closely at a long poll: why it is long, and where.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::{
    Stack, StackSample,
    busy_thread::{BusyThread, PendingSample},
    case::{Case, Request},
    eyes::{Answer, Eyes, Unwound, cpu_time, whereabouts},
    judge::{WINDOW_NS, Whereabouts, judge},
    record::Owner,
    shared::{Shared, count},
};
use crate::{
    accounting::{Registry, ThreadSlot},
    lock::lock,
};

const MS: u64 = 1_000_000;
/// A stack that was asked for and did not come at once is looked for again after this.
pub(super) const LATE_NS: u64 = 2 * MS;
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

/// Finds out why polls are long and writes it into the log. A thread and its poll are given
/// as the number of the thread's slot and its case.
pub(super) struct Inspector {
    shared: Arc<Shared>,
    /// `None` if stacks are unavailable.
    eyes: Option<Eyes>,
    budget: Budget,
}

impl Inspector {
    pub(super) fn new(signal: i32, shared: Arc<Shared>) -> Self {
        let eyes = Eyes::open(signal).map_err(|why| {
            let mut no_stacks = lock(&shared.no_stacks);
            *no_stacks = Some(why.into());
        });
        Inspector { shared, eyes: eyes.ok(), budget: Budget::default() }
    }

    /// Looks at a poll from outside: what its thread does, and in which functions.
    pub(super) fn inspect(
        &mut self,
        at: usize,
        case: &mut Case,
        slot: &'static ThreadSlot,
        now: u64,
    ) {
        let began = case.poll.map_or(now, |(_, began)| began);
        let age = now.saturating_sub(began);
        case.capture_due = now + (age / 16).clamp(CAPTURE_NS, CAPTURE_MAX_NS);
        let Some(os_id) = slot.os_id() else { return };
        let cpu = cpu_time(os_id);
        let may_capture = self.budget.take(now);
        let Some(eyes) = self.eyes.as_mut().filter(|_| may_capture) else {
            self.judge(at, case, (now, cpu), whereabouts(os_id));
            if self.eyes.is_some() {
                self.excuse(at, "too many long polls at once");
            }
            return;
        };
        count(&self.shared.asked);
        // One reading for both, so that the cause is that of the stack.
        let (found, answer) = eyes.ask(os_id, slot);
        self.judge(at, case, (now, cpu), found);
        self.take(at, case, os_id, answer, (now, now + SILENT_NS));
        self.publish_signals();
    }

    /// Requests one stack of a thread that is busy with short polls.
    pub(super) fn sample(&mut self, thread: &mut BusyThread, slot: &'static ThreadSlot, now: u64) {
        let may_capture = self.budget.take(now);
        let Some(eyes) = self.eyes.as_mut().filter(|_| may_capture) else { return };
        let Some(os_id) = slot.os_id() else { return };
        thread.requested();
        count(&self.shared.asked);
        let (whereabouts, answer) = eyes.ask(os_id, slot);
        self.take_sample(thread, answer, whereabouts, now);
        self.publish_signals();
    }

    /// Takes a sample that has arrived late.
    pub(super) fn collect_sample(&mut self, thread: &mut BusyThread, now: u64) {
        let Some(eyes) = &mut self.eyes else { return };
        let Some(PendingSample { ticket, taken_ns, whereabouts }) = thread.pending.take() else {
            return;
        };
        let answer = eyes.collect_late(ticket);
        if !matches!(answer, Answer::Pending(_)) || now < taken_ns + LOST_NS {
            self.take_sample(thread, answer, whereabouts, taken_ns);
        }
        self.publish_signals();
    }

    fn take_sample(
        &mut self,
        thread: &mut BusyThread,
        answer: Answer,
        whereabouts: Whereabouts,
        taken_ns: u64,
    ) {
        match answer {
            Answer::Pending(ticket) => {
                thread.pending = Some(PendingSample { ticket, taken_ns, whereabouts });
            }
            Answer::Stack(stack, Some((task, poll_began_ns))) => {
                let cause = judge(0, None, whereabouts);
                // A handler that runs late may sample a poll that began after the request.
                let taken_ns = taken_ns.max(poll_began_ns);
                let owner = Owner::Sample { task, poll_began_ns, taken_ns, cause };
                let eyes = self.eyes.as_mut();
                if eyes.is_some_and(|eyes| eyes.name(owner, stack).is_ok()) {
                    count(&self.shared.captured);
                    thread.sampled();
                }
            }
            Answer::Stack(_, None) => count(&self.shared.missed),
            // A sample is one of many; the rule goes without it.
            Answer::None(_) => {}
        }
    }

    fn publish_signals(&self) {
        let signals = self.eyes.as_ref().map(Eyes::signals).unwrap_or_default();
        self.shared.signals.store(signals.sent, Relaxed);
        self.shared.interrupting.store(signals.interrupting, Relaxed);
    }

    /// The thread's activity since its previous sample.
    fn judge(
        &self,
        at: usize,
        case: &mut Case,
        (now, cpu): (u64, Option<u64>),
        found: Whereabouts,
    ) {
        let (judged, cpu_then) = std::mem::replace(&mut case.judged, (now, cpu));
        let wall = now.saturating_sub(judged);
        let spent = cpu.zip(cpu_then).map(|(cpu, then)| cpu.saturating_sub(then));
        let spent = spent.filter(|_| wall >= WINDOW_NS);
        let cause = judge(wall, spent, found);
        // The first cause found has probably lasted since the poll began.
        let began = case.poll.map_or(judged, |(_, began)| began);
        let since = if case.cause.is_none() { began } else { judged };
        case.add_cause(cause.clone(), now.saturating_sub(since));
        self.shared.log().update(at, |record| record.add_cause(cause, wall.max(1)));
    }

    /// Looks whether a thread has answered that owes a stack.
    pub(super) fn collect(
        &mut self,
        at: usize,
        case: &mut Case,
        slot: &'static ThreadSlot,
        now: u64,
    ) {
        let Some(eyes) = &mut self.eyes else { return };
        let Some(os_id) = slot.os_id() else { return };
        let Some(request) = case.asked.take() else { return };
        let mut excuse_due = request.excuse_due;
        let answer = eyes.collect_late(request.ticket);
        self.publish_signals();
        if matches!(answer, Answer::Pending(_)) {
            if now >= request.at + LOST_NS {
                return;
            }
            if now >= excuse_due {
                if let Some(eyes) = &self.eyes {
                    self.excuse(at, eyes.why_late(os_id));
                }
                excuse_due = u64::MAX;
            }
        }
        self.take(at, case, os_id, answer, (request.at, excuse_due));
    }

    /// Does with an answer what is to be done. The times are when it was asked for, and when
    /// to say that it is late.
    fn take(
        &mut self,
        at: usize,
        case: &mut Case,
        os_id: u32,
        answer: Answer,
        (asked, excuse_due): (u64, u64),
    ) {
        match (answer, case.poll) {
            (Answer::Pending(ticket), _) => {
                case.asked = Some(Request { ticket, at: asked, excuse_due });
            }
            // The thread itself says which poll it was in: nobody is blamed for another's.
            (Answer::Stack(stack, Some(theirs)), Some(poll)) if theirs == poll => {
                let (task, began_ns) = poll;
                self.name(at, Owner::Poll { os_id, task, began_ns }, stack);
            }
            (Answer::Stack(..), _) => count(&self.shared.missed),
            (Answer::None(why), _) => self.excuse(at, why),
        }
    }

    /// Has names looked up for a stack of the poll on a thread.
    fn name(&mut self, at: usize, owner: Owner, stack: Unwound) {
        let Some(eyes) = &mut self.eyes else { return };
        count(&self.shared.captured);
        match eyes.name(owner, stack) {
            Ok(()) => self.shared.log().update(at, |record| record.unsymbolized += 1),
            Err(why) => self.excuse(at, why),
        }
    }

    /// Takes in the names that were looked up, and what tasks say that were asked where they
    /// wait.
    pub(super) fn hear(&mut self, registry: &'static Registry) {
        let Some(eyes) = &mut self.eyes else { return };
        for (task, answer) in eyes.awaits(registry) {
            self.shared.awaits().answer(task, answer);
        }
        loop {
            match eyes.named() {
                Ok(None) => break,
                Ok(Some((owner, stacks))) => hand_over(&self.shared, registry, owner, stacks),
                Err(why) => {
                    self.shared.log().give_up(why, registry.now());
                    self.shared.awaits().give_up(why);
                }
            }
        }
    }

    /// Whether names are being looked up.
    pub(super) fn owes_names(&self) -> bool {
        self.eyes.as_ref().is_some_and(Eyes::owes_names)
    }

    /// Nanoseconds that the watchdog has spent on the CPU, where it is known.
    pub(super) fn own_cpu_time(&self) -> Option<u64> {
        self.eyes.as_ref().and_then(Eyes::own_cpu_time)
    }

    /// Writes down why a poll has no stack.
    fn excuse(&self, at: usize, why: &'static str) {
        self.shared.log().update(at, |record| record.excuse(why));
    }
}

/// Stacks have their names now.
fn hand_over(shared: &Shared, registry: &Registry, owner: Owner, stacks: Vec<Stack>) {
    match owner {
        Owner::Poll { .. } => {
            shared.log().add_stacks(&owner, stacks, registry.now());
        }
        Owner::Sample { task, poll_began_ns, taken_ns, cause } => {
            let sample = |stack: Stack| {
                let stack = Arc::new(stack);
                Arc::new(StackSample { task, poll_began_ns, taken_ns, cause: cause.clone(), stack })
            };
            shared.add_samples(stacks.into_iter().map(sample), registry.now());
        }
        Owner::Idle { task } => {
            let stacks = stacks.into_iter().map(Arc::new).collect();
            shared.awaits().answer(task, super::AwaitState::At(stacks));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::watch::WatchOptions;

    #[test]
    fn a_stack_of_another_poll_is_thrown_away() {
        let options = WatchOptions::default();
        let shared = Arc::new(Shared::new(&options));
        let mut inspector = Inspector::new(options.signal, Arc::clone(&shared));
        let mut case = Case::new(Some((7, 100)), (100, None), None);
        let mut take = |theirs| {
            let answer = Answer::Stack(Unwound::default(), theirs);
            inspector.take(0, &mut case, 1, answer, (0, 0));
            (shared.captured.load(Relaxed), shared.missed.load(Relaxed))
        };
        assert_eq!(take(Some((7, 99))), (0, 1), "an earlier poll of the same task");
        assert_eq!(take(None), (0, 2), "between two polls");
        if shared.no_stacks().is_none() {
            assert_eq!(take(Some((7, 100))), (1, 2));
        }
    }

    #[test]
    fn the_budget_is_there_again_in_the_next_second() {
        let mut budget = Budget::default();
        let granted = (0..1000).filter(|_| budget.take(5000 * MS)).count() as u64;
        assert_eq!(granted, CAPTURES);
        assert!(budget.take(6000 * MS));
    }
}
