//! Ready, and not polled: there are workers, but none comes to this task.

use crate::model::findings::{
    Finding, RuleContext, RuleId, Severity,
    rule::{AffectedGroup, Check, Rule, Unit},
};
use crate::{
    model::TaskRates,
    snapshot::{FieldId, State, TaskStats},
    text::{duration, whole_percent},
};

pub(super) static RULE: Rule = Rule {
    id: RuleId::Starvation,
    name: "starvation",
    meaning: "a task stays runnable and no worker polls it, although not all workers are blocked",
    severity: Severity::Warning,
    unit: Unit::Time,
    default: 1_000_000_000,
    measure: "runnable without being polled",
    raise_ns: 0,
    clear_ns: 2_000_000_000,
    fix: "Find the task that blocks its worker: a task in the LIFO slot of a blocked worker \
           cannot be stolen. If all workers are busy with short polls, the runtime has more work \
           than CPU: limit what is spawned, for example with a tokio::sync::Semaphore.",
    needs: &[FieldId::Scheduled],
    covers: &[],
    implies: &[],
    check: Check::Tasks { measure, describe },
};

/// The fix beside a worker that is in a long poll.
const BLOCKED: &str = "Shorten the poll that blocks its worker: a task in the LIFO slot of a \
                       blocked worker cannot be stolen by another one.";
/// The fix if all workers are busy with short polls.
const OVERLOADED: &str = "The runtime has more work than CPU: limit what is spawned, for example \
                          with a tokio::sync::Semaphore, or use more workers if there are idle \
                          CPUs.";

fn measure(ctx: &RuleContext<'_>, task: &TaskStats, _: TaskRates) -> Option<u64> {
    if task.state != State::Scheduled || ctx.all_held() {
        return None;
    }
    // Workers without a CPU poll nothing. Behind a long poll, tasks starve on any machine.
    if ctx.is_machine_overloaded() && ctx.held().is_none() {
        return None;
    }
    // Until then the long polls were the reason.
    let since_held_ns = ctx.now().saturating_sub(ctx.all_held_until_ns());
    Some(task.lasts_ns(ctx.now()).min(since_held_ns))
}

fn describe(ctx: &RuleContext<'_>, group: &AffectedGroup<'_>) -> Finding {
    let (name, wait) = (ctx.name(group.task), duration(group.measure));
    let runnable = match group.tasks {
        1 => format!("{name} has been runnable for {wait}"),
        n => {
            let others = format!("{} more of {}", n - 1, group.task.meta.group);
            format!("{name} and {others} have been runnable for up to {wait}")
        }
    };
    let least_busy = ctx.busy_shares().min_by(|(_, a), (_, b)| a.total_cmp(b));
    let free = least_busy.filter(|(_, busy)| *busy < 0.5).map(|(worker, busy)| {
        format!(", although worker {} is only {} busy", worker.index, whole_percent(busy))
    });
    let held = ctx.held();
    let fix = match (&held, &free) {
        (Some(_), _) => BLOCKED,
        (None, None) if least_busy.is_some() => OVERLOADED,
        (None, _) => RULE.fix,
    };
    let held = held.map(|(index, task)| format!("; {} blocks worker {index}", ctx.name(task)));
    let sentence = format!(
        "{runnable} without being polled{}{}",
        free.unwrap_or_default(),
        held.unwrap_or_default()
    );
    let (affected, affected_tasks) = ctx.affected_tasks();
    Finding {
        first_seen_ns: group.task.since_ns,
        affected,
        affected_tasks,
        fix,
        ..RULE.task_candidate(ctx.now(), group.task, group.measure, sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::findings::testing::{S, evidence, of};
    use crate::model::testing::{snapshot, task, worker};
    use crate::snapshot::{Cause, CurrentPoll, LongPoll, MachineStats, PollKind, Target};

    /// Two workers, so many of them held, and a task that is ready since a second and a half.
    fn waits(held: usize) -> Target {
        let ready = TaskStats { state: State::Scheduled, since_ns: S, ..task(1, "conn-1") };
        let mut hogs = [task(2, "hog-1"), task(3, "hog-2")];
        hogs.iter_mut().for_each(|hog| hog.state = State::Polling);
        let mut now = snapshot(2 * S + S / 2, [ready].into_iter().chain(hogs));
        now.workers = vec![worker(0), worker(1)];
        for (worker, key) in now.workers.iter_mut().zip(2..).take(held) {
            worker.current = Some(CurrentPoll { key, since_ns: 0, kind: PollKind::Poll });
        }
        now
    }

    #[test]
    fn a_task_that_no_free_worker_polls_starves() {
        let found = of("starvation", [waits(1)]);
        assert_eq!(
            found[0].sentence,
            "conn-1 has been runnable for 1.50s without being polled, although worker 0 is only 0% \
             busy; hog-1 blocks worker 0"
        );
        assert_eq!(found[0].fix, BLOCKED);
        assert_eq!(of("starvation", [waits(0)])[0].fix, RULE.fix);
    }

    #[test]
    fn delay_behind_a_long_poll_that_has_just_ended_is_no_starvation() {
        let after_polls_of = |workers: usize| {
            let mut now = waits(0);
            let long_poll = |worker: usize| {
                let key = 2 + worker as u64;
                let poll = LongPoll::clone(&evidence(key, S + S / 4, Cause::Computing));
                LongPoll { worker: Some(worker), over: true, ..poll }.into()
            };
            now.long_polls = (0..workers).map(long_poll).collect();
            of("starvation", [now])
        };
        assert!(after_polls_of(2).is_empty(), "both workers, until a quarter of a second ago");
        assert_eq!(after_polls_of(1).len(), 1, "the other worker was free");
    }

    #[test]
    fn delay_behind_earlier_polls_of_all_workers_is_no_starvation() {
        // At 2.5 s. The latest polls of the two workers have no moment in common; all workers were
        // last held when the first poll of worker 1 ended.
        let found_after = |first_end_of_worker_1: u64| {
            let mut now = waits(0);
            let polls = [
                (0, 500, 2_000),
                (0, 2_300, 2_450),
                (1, 400, first_end_of_worker_1),
                (1, 2_100, 2_250),
            ];
            let long_poll = |(worker, began_ms, end_ms): (usize, u64, u64)| {
                let (began_ns, end_ns) = (began_ms * 1_000_000, end_ms * 1_000_000);
                let poll = evidence(2 + worker as u64, began_ns, Cause::Computing);
                let length_ns = end_ns - began_ns;
                let net_ns = Some(length_ns);
                let poll = LongPoll::clone(&poll);
                LongPoll { worker: Some(worker), over: true, length_ns, net_ns, ..poll }.into()
            };
            now.long_polls = polls.into_iter().map(long_poll).collect();
            of("starvation", [now])
        };
        assert!(found_after(1_900).is_empty(), "all workers were held until 0.6 s ago");
        assert_eq!(found_after(1_100).len(), 1, "one of two workers has been free for 1.4 s");
    }

    #[test]
    fn workers_without_a_cpu_are_no_starvation_but_a_long_poll_is() {
        let overloaded = |held| {
            let moment = move |quarter: u64| {
                let mut now = waits(held);
                (now.taken_ns, now.runtime.uptime_ns) = (S + quarter * S / 4, S + quarter * S / 4);
                now.workers[1].run_delay_ns = Some(quarter * S / 5);
                now.machine = Some(MachineStats::default());
                now
            };
            (0..=16).map(moment)
        };
        assert!(of("starvation", overloaded(0)).is_empty());
        assert_eq!(of("machine-overloaded", overloaded(0)).len(), 1);
        assert_eq!(of("starvation", overloaded(1)).len(), 1);
    }

    #[test]
    fn behind_a_hog_on_each_worker_it_is_the_hogs_finding() {
        assert!(of("starvation", [waits(2)]).is_empty());
        let mut short = waits(0);
        short.taken_ns = S + S / 2;
        assert!(of("starvation", [short]).is_empty());
    }
}
