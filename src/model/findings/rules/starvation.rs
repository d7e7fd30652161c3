//! A task stays runnable although not all workers are blocked.

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

/// The fix if a worker is in a long poll.
const BLOCKED: &str = "Shorten the poll that blocks its worker: a task in the LIFO slot of a \
                       blocked worker cannot be stolen by another one.";
/// The fix if no task of the runtime is polled.
const NOT_DRIVEN: &str = "Keep a thread in a block_on of this runtime for as long as its tasks have \
                          to run: a current-thread runtime polls its tasks only inside of block_on, \
                          and none during a blocking call of the future that block_on polls.";
/// The fix if all workers are busy with short polls.
const OVERLOADED: &str = "The runtime has more work than CPU: limit what is spawned, for example \
                          with a tokio::sync::Semaphore, or use more workers if there are idle \
                          CPUs.";

fn measure(ctx: &RuleContext<'_>, task: &TaskStats, _: TaskRates) -> Option<u64> {
    if !task.is_runnable() || ctx.all_workers_blocked() {
        return None;
    }
    // Workers without a CPU poll nothing. Behind a long poll, tasks starve on any machine.
    if ctx.is_machine_overloaded() && ctx.blocked_worker().is_none() {
        return None;
    }
    // While all workers were blocked, the long polls were the cause.
    let since_blocked_ns = ctx.now().saturating_sub(ctx.all_blocked_until_ns());
    Some(task.time_in_state_ns(ctx.now()).min(since_blocked_ns))
}

fn describe(ctx: &RuleContext<'_>, group: &AffectedGroup<'_>) -> Finding {
    let (name, delay) = (ctx.name(group.task), duration(group.measure));
    let runnable = match group.tasks {
        1 => format!("{name} has been runnable for {delay}"),
        n => {
            let others = format!("{} more of {}", n - 1, group.task.meta.group);
            format!("{name} and {others} have been runnable for up to {delay}")
        }
    };
    let least_busy = ctx.busy_shares().min_by(|(_, a), (_, b)| a.total_cmp(b));
    let idle = least_busy.filter(|(_, busy)| *busy < 0.5).map(|(worker, busy)| {
        format!(", although worker {} is only {} busy", worker.index, whole_percent(busy))
    });
    let blocked = ctx.blocked_worker();
    let is_driven = is_driven(ctx);
    let fix = match (&blocked, &idle) {
        _ if !is_driven => NOT_DRIVEN,
        (Some(_), _) => BLOCKED,
        (None, None) if least_busy.is_some() => OVERLOADED,
        (None, _) => RULE.fix,
    };
    let blocked =
        blocked.map(|(index, task)| format!("; {} blocks worker {index}", ctx.name(task)));
    let not_driven = if is_driven { "" } else { "; no thread polls tasks of this runtime" };
    let sentence = format!(
        "{runnable} without being polled{}{}{not_driven}",
        idle.unwrap_or_default(),
        blocked.unwrap_or_default()
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

/// Whether a task is in a poll, or was polled since the base of the rates.
fn is_driven(ctx: &RuleContext<'_>) -> bool {
    let is_in_poll = |task: &TaskStats| matches!(task.state, State::Polling | State::Dropping);
    let was_polled = |rates: &TaskRates| rates.polls > 0.0;
    ctx.base.is_none()
        || ctx.target.tasks.iter().any(is_in_poll)
        || ctx.rates.iter().any(was_polled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::findings::testing::{S, findings_of, running_poll};
    use crate::model::testing::{snapshot, task, worker};
    use crate::snapshot::{Cause, CurrentPoll, LongPoll, MachineStats, PollKind, Target};

    /// Two workers, of which `blocked` are blocked, and a task that has been runnable for 1.5 s.
    fn runnable_task(blocked: usize) -> Target {
        let runnable = TaskStats { state: State::Scheduled, since_ns: S, ..task(1, "conn-1") };
        let mut hogs = [task(2, "hog-1"), task(3, "hog-2")];
        hogs.iter_mut().for_each(|hog| hog.state = State::Polling);
        let mut now = snapshot(2 * S + S / 2, [runnable].into_iter().chain(hogs));
        now.workers = vec![worker(0), worker(1)];
        for (worker, key) in now.workers.iter_mut().zip(2..).take(blocked) {
            worker.current = Some(CurrentPoll { key, since_ns: 0, kind: PollKind::Poll });
        }
        now
    }

    #[test]
    fn task_that_no_idle_worker_polls_is_reported() {
        let found = findings_of("starvation", [runnable_task(1)]);
        assert_eq!(
            found[0].sentence,
            "conn-1 has been runnable for 1.50s without being polled, although worker 0 is only 0% \
             busy; hog-1 blocks worker 0"
        );
        assert_eq!(found[0].fix, BLOCKED);
        assert_eq!(findings_of("starvation", [runnable_task(0)])[0].fix, RULE.fix);
    }

    #[test]
    fn runtime_that_no_thread_drives_has_its_own_fix() {
        let at = |n: u64, other_polls: u64| {
            let runnable = TaskStats { state: State::Scheduled, since_ns: S, ..task(1, "conn-1") };
            let other = TaskStats { state: State::Idle, polls: other_polls, ..task(2, "other") };
            snapshot(2 * S + n * S, [runnable, other])
        };
        let found = findings_of("starvation", (0..3).map(|n| at(n, 7)));
        assert!(found[0].sentence.ends_with("no thread polls tasks of this runtime"), "{found:?}");
        assert_eq!(found[0].fix, NOT_DRIVEN);
        let found = findings_of("starvation", (0..3).map(|n| at(n, 7 + n)));
        assert_eq!(found[0].fix, RULE.fix);
    }

    #[test]
    fn delay_by_long_polls_that_have_just_ended_is_not_reported() {
        let after_polls_of = |workers: usize| {
            let mut now = runnable_task(0);
            let long_poll = |worker: usize| {
                let key = 2 + worker as u64;
                let poll = LongPoll::clone(&running_poll(key, S + S / 4, Cause::Computing));
                LongPoll { worker: Some(worker), is_ended: true, ..poll }.into()
            };
            now.long_polls = (0..workers).map(long_poll).collect();
            findings_of("starvation", [now])
        };
        assert!(after_polls_of(2).is_empty(), "both workers, until a quarter of a second ago");
        assert_eq!(after_polls_of(1).len(), 1, "the other worker was idle");
    }

    #[test]
    fn delay_by_earlier_polls_of_all_workers_is_not_reported() {
        // At 2.5 s. The latest polls of the two workers have no moment in common; all workers were
        // last blocked when the first poll of worker 1 ended.
        let found_after = |first_end_of_worker_1: u64| {
            let mut now = runnable_task(0);
            let polls = [
                (0, 500, 2_000),
                (0, 2_300, 2_450),
                (1, 400, first_end_of_worker_1),
                (1, 2_100, 2_250),
            ];
            let long_poll = |(worker, began_ms, end_ms): (usize, u64, u64)| {
                let (began_ns, end_ns) = (began_ms * 1_000_000, end_ms * 1_000_000);
                let poll = running_poll(2 + worker as u64, began_ns, Cause::Computing);
                let length_ns = end_ns - began_ns;
                let net_ns = Some(length_ns);
                let poll = LongPoll::clone(&poll);
                LongPoll { worker: Some(worker), is_ended: true, length_ns, net_ns, ..poll }.into()
            };
            now.long_polls = polls.into_iter().map(long_poll).collect();
            findings_of("starvation", [now])
        };
        assert!(found_after(1_900).is_empty(), "all workers were blocked until 0.6 s ago");
        assert_eq!(found_after(1_100).len(), 1, "one of two workers has been idle for 1.4 s");
    }

    #[test]
    fn overloaded_machine_is_not_starvation_without_a_long_poll() {
        let overloaded = |blocked| {
            let snapshot = move |quarter: u64| {
                let mut now = runnable_task(blocked);
                (now.taken_ns, now.runtime.uptime_ns) = (S + quarter * S / 4, S + quarter * S / 4);
                now.workers[1].run_delay_ns = Some(quarter * S / 5);
                now.machine = Some(MachineStats::default());
                now
            };
            (0..=16).map(snapshot)
        };
        assert!(findings_of("starvation", overloaded(0)).is_empty());
        assert_eq!(findings_of("machine-overloaded", overloaded(0)).len(), 1);
        assert_eq!(findings_of("starvation", overloaded(1)).len(), 1);
    }

    #[test]
    fn delay_by_a_hog_on_each_worker_and_short_delay_are_not_reported() {
        assert!(findings_of("starvation", [runnable_task(2)]).is_empty());
        let mut short = runnable_task(0);
        short.taken_ns = S + S / 2;
        assert!(findings_of("starvation", [short]).is_empty());
    }
}
