//! One poll blocks its worker: no other task is polled on it.

use crate::model::findings::{
    AffectedTask, Finding, FindingSubject, RuleContext, RuleId, Severity,
    fix::fix_for,
    names::display_name,
    polls::{CountedPolls, Poll, cause, polls, with_deduction},
    rule::{Check, Rule, RuleState, Unit},
    rule_set::has_lines_of_futures,
};
use crate::{
    model::{ImpactTable, LongPollEntry},
    snapshot::{FieldId, ImpactAccuracy, PollKind, State, Target},
    text::{duration, plural},
};

pub(super) static RULE: Rule = Rule {
    id: RuleId::WorkerHeld,
    name: "worker-held",
    meaning: "one poll has blocked its worker: no other task is polled on it",
    severity: Severity::Critical,
    unit: Unit::Time,
    default: 100_000_000,
    measure: "length of one poll",
    raise_ns: 0,
    clear_ns: 1_000_000_000,
    fix: "Split the work and call yield_now().await between the pieces, or move it to \
          spawn_blocking. Both are in tokio::task; work without an end needs a thread of its own.",
    needs: &[],
    covers: &[RuleId::LongPoll, RuleId::NeverYielded, RuleId::WorkerSaturated],
    implies: &[RuleId::LongPoll],
    check: Check::Stateful(|| Box::new(WorkerHeld::default())),
};

/// The polls that have been counted.
#[derive(Clone, Debug, Default)]
struct WorkerHeld {
    counted: CountedPolls,
}

impl RuleState for WorkerHeld {
    fn check(&mut self, ctx: &RuleContext<'_>) -> Vec<Finding> {
        self.counted.forget_ended_tasks(ctx);
        let threshold = ctx.threshold(RULE.id);
        let polls = polls(ctx);
        let blocking: Vec<_> = polls.iter().filter(|poll| poll.net_ns(ctx) >= threshold).collect();
        if blocking.is_empty() {
            return Vec::new();
        }
        let (affected, affected_tasks) = ctx.affected_tasks();
        let mut candidate = |poll: &&Poll<'_>| Finding {
            first_seen_ns: poll.began_ns,
            count: u64::from(self.counted.insert(poll)),
            severity: severity(ctx, poll, &affected),
            evidence: poll.evidence(ctx),
            affected: if poll.has_ended() { Vec::new() } else { affected.clone() },
            affected_tasks: if poll.has_ended() { 0 } else { affected_tasks },
            fix: ctx.fix_for(poll.evidence, &poll.task.meta.group, &RULE),
            sentence_when_resolved: Some(past_sentence(ctx, poll)),
            ..RULE.task_candidate(
                ctx.now(),
                poll.task,
                poll.net_ns(ctx),
                sentence(ctx, poll, &blocking, affected_tasks),
            )
        };
        blocking.iter().map(&mut candidate).collect()
    }
}

/// The finding for a long poll of `table` that blocked its worker for at least `threshold_ns`. The
/// poll may have ended before a snapshot could report it. `None` if it was shorter or the task may
/// block.
pub(in crate::model) fn of_long_poll(
    entry: &LongPollEntry,
    threshold_ns: u64,
    target: &Target,
    table: &ImpactTable,
) -> Option<Finding> {
    let meta = entry.meta.as_ref().filter(|meta| !meta.kind.may_block())?;
    let (evidence, net_ns) = (&entry.evidence, entry.net_ns());
    if net_ns < threshold_ns {
        return None;
    }
    let length = with_deduction(duration(net_ns), Some(evidence));
    let blocked = blocked_for(evidence.kind, evidence.worker, &length, &cause(evidence));
    let sentence = format!("{} {blocked}", display_name(evidence.task, meta, &target.tasks, &[]));
    let subject = FindingSubject::Group(meta.group.clone());
    Some(Finding {
        task: Some(evidence.task),
        task_id: Some(meta.id),
        target: target.id,
        epoch: target.epoch,
        location: Some(meta.location.clone()),
        is_of_future: has_lines_of_futures(&target.description),
        evidence: Some(evidence.clone()),
        fix: fix_for(Some(evidence), table.of_group(&meta.group), &RULE),
        last_seen_ns: entry.end_ns(),
        count: 1,
        active: !evidence.is_ended,
        ..RULE.candidate(evidence.began_ns, subject, net_ns, sentence)
    })
}

/// A delay that is not usual under load.
const LONG_DELAY_NS: u64 = 10_000_000;

/// A warning if other workers poll the tasks: then no task waits for long now, and how long tasks
/// have waited because of this poll is an upper bound.
fn severity(ctx: &RuleContext<'_>, poll: &Poll<'_>, affected: &[AffectedTask]) -> Severity {
    let impact = poll.evidence.and_then(|evidence| evidence.impact.as_ref());
    let has_delayed =
        impact.is_some_and(|it| it.tasks > 0 && it.accuracy != ImpactAccuracy::UpperBound);
    let is_harmless = ctx.target.workers.len() > 1
        && ctx.target.description.has(FieldId::Scheduled)
        && (poll.has_ended() || affected.iter().all(|task| task.delay_ns < LONG_DELAY_NS))
        && !has_delayed;
    if is_harmless { Severity::Warning } else { RULE.severity }
}

fn sentence(
    ctx: &RuleContext<'_>,
    poll: &Poll<'_>,
    blocking: &[&Poll<'_>],
    delayed: usize,
) -> String {
    if poll.has_ended() {
        return past_sentence(ctx, poll);
    }
    let group = &poll.task.meta.group;
    let is_of_group = |other: &&&Poll<'_>| !other.has_ended() && other.task.meta.group == *group;
    let blocked = match blocking.iter().filter(is_of_group).count() {
        0 | 1 => format!("{} has {}", ctx.name(poll.task), blocked(poll)),
        n => {
            let thread = if poll.worker.is_some() { "worker" } else { "thread" };
            let (length, cause) = (duration(poll.net_ns(ctx)), poll.cause());
            format!("{n} tasks of {group} have blocked a {thread} each, for up to {length}{cause}")
        }
    };
    let impact = poll.evidence.and_then(|evidence| evidence.impact.as_ref());
    let delayed = match (delayed, impact.map_or(0, |impact| impact.tasks)) {
        _ if !ctx.target.description.has(FieldId::Scheduled) => String::new(),
        (0, 0) => "; no task delayed".to_owned(),
        (0, n) => format!("; {} delayed so far", plural(n as u64, "task")),
        (n, _) => format!("; {} delayed", plural(n as u64, "task")),
    };
    // The only worker also polls timers and sockets: tasks that wait for these are not even woken.
    let consequence = match ctx.target.workers.len() {
        1 => "; timers and I/O stalled",
        _ if ctx.slowdown.standstill_since_ns.is_some() => "; no work done",
        _ => "",
    };
    let idle = ctx.target.tasks.iter().filter(|task| task.state == State::Idle).count();
    let stalled = match ctx.target.workers.len() {
        1 if idle > 0 => format!(", which {} may wait for", plural(idle as u64, "idle task")),
        _ => String::new(),
    };
    format!("{blocked}{delayed}{consequence}{stalled}")
}

/// The sentence after the end of the poll, when it delays no task.
fn past_sentence(ctx: &RuleContext<'_>, poll: &Poll<'_>) -> String {
    format!("{} {}", ctx.name(poll.task), blocked(poll))
}

fn blocked(poll: &Poll<'_>) -> String {
    blocked_for(poll.kind, poll.worker, &poll.length(), &poll.cause())
}

fn blocked_for(kind: PollKind, worker: Option<usize>, length: &str, cause: &str) -> String {
    let place = worker.map_or("its thread".to_owned(), |index| format!("worker {index}"));
    match kind {
        PollKind::Poll => format!("blocked {place} for {length}{cause}"),
        PollKind::Drop => {
            format!("blocked {place} for {length} while its future was dropped{cause}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::findings::testing::{S, empty, findings_of, running_poll};
    use std::sync::Arc;

    use crate::{
        model::testing::{snapshot, task},
        snapshot::{
            CallKind, Cause, CurrentPoll, LongPoll, PollImpact, State, SystemCall, Target,
            TaskKind, TaskMeta, TaskStats, WorkerStats,
        },
    };

    /// Worker 0 is in a poll that began at `since_ns`, while another task is runnable.
    fn blocked_worker(since_ns: u64) -> Target {
        let mut hog = task(7, "hog");
        (hog.state, hog.since_ns) = (State::Polling, since_ns);
        let mut runnable = task(8, "conn");
        runnable.state = State::Scheduled;
        let mut now = snapshot(2 * S, [hog, runnable, task(9, "timer")]);
        now.workers[0].current = Some(CurrentPoll { key: 7, since_ns, kind: PollKind::Poll });
        now
    }

    #[test]
    fn long_poll_is_reported_and_short_poll_is_not() {
        let found = findings_of("worker-held", [blocked_worker(S / 2)]);
        assert_eq!(
            found[0].sentence,
            "hog has blocked worker 0 for 1.50s; 1 task delayed; timers and I/O stalled, which 1 \
             idle task may wait for"
        );
        assert_eq!((found[0].task, found[0].count), (Some(7), 1));
        assert_eq!(found[0].affected[0].name, "conn".into());
        assert!(findings_of("worker-held", [blocked_worker(2 * S - 50_000_000)]).is_empty());
    }

    #[test]
    fn tasks_of_one_group_that_block_at_the_same_time_are_counted() {
        let mut now = blocked_worker(S / 2);
        let mut second = now.tasks[0].clone();
        second.meta = task(10, "hog").meta;
        (second.key, second.since_ns) = (10, S);
        now.tasks.push(second);
        now.workers.push(WorkerStats { index: 1, ..now.workers[0].clone() });
        now.workers[1].current = Some(CurrentPoll { key: 10, since_ns: S, kind: PollKind::Poll });
        let found = findings_of("worker-held", [now]);
        let sentence = "2 tasks of hog have blocked a worker each, for up to 1.50s; 1 task";
        assert!(found[0].sentence.starts_with(sentence), "{}", found[0].sentence);
        assert_eq!((found.len(), found[0].task), (1, Some(7)));
    }

    #[test]
    fn poll_is_a_warning_while_other_workers_poll_all_tasks() {
        let severity = |delayed_ns: u64, impact: Option<ImpactAccuracy>| {
            let mut now = blocked_worker(S / 2);
            now.tasks[1].since_ns = 2 * S - delayed_ns;
            now.workers.push(WorkerStats { index: 1, ..now.workers[0].clone() });
            now.workers[1].current = None;
            let mut poll = LongPoll::clone(&running_poll(7, S / 2, Cause::Computing));
            poll.impact = impact
                .map(|accuracy| PollImpact { accuracy, tasks: 3, ..PollImpact::default() }.into());
            (now.description, now.long_polls) =
                (crate::model::testing::with_watchdog(), vec![Arc::new(poll)]);
            findings_of("worker-held", [now])[0].severity
        };
        assert_eq!(severity(LONG_DELAY_NS - 1, None), Severity::Warning);
        assert_eq!(severity(0, Some(ImpactAccuracy::UpperBound)), Severity::Warning);
        assert_eq!(severity(0, Some(ImpactAccuracy::Exact)), Severity::Critical);
        assert_eq!(severity(LONG_DELAY_NS, None), Severity::Critical, "in its LIFO slot");
    }

    #[test]
    fn poll_is_reported_once_the_watchdog_has_sampled_it() {
        let mut now = blocked_worker(2 * S - 150_000_000);
        now.description = crate::model::testing::with_watchdog();
        assert!(findings_of("worker-held", [now.clone()]).is_empty(), "not sampled yet");
        now.long_polls = vec![running_poll(7, 2 * S - 150_000_000, Cause::Computing)];
        assert_eq!(findings_of("worker-held", [now.clone()]).len(), 1);
        now.long_polls = vec![running_poll(7, 2 * S - 150_000_000, Cause::NoCpu)];
        assert!(findings_of("worker-held", [now]).is_empty(), "the machine is the cause");
    }

    #[test]
    fn sentence_states_the_time_without_a_cpu_that_it_deducts() {
        let mut now = blocked_worker(S / 2);
        let mut poll = LongPoll::clone(&running_poll(7, S / 2, Cause::Computing));
        poll.length_ns = 3 * S / 2;
        poll.without_cpu.run_delay_ns = S / 2;
        poll.net_ns = Some(S);
        (now.description, now.long_polls) =
            (crate::model::testing::with_watchdog(), vec![Arc::new(poll)]);
        let found = findings_of("worker-held", [now]);
        let held = "hog has blocked worker 0 for 1.00s (and 500ms without a CPU)";
        assert!(found[0].sentence.starts_with(held), "{}", found[0].sentence);
    }

    #[test]
    fn sentence_has_the_id_if_another_task_has_that_name() {
        let mut now = blocked_worker(S / 2);
        now.tasks.push(task(9, "hog"));
        let finding = &findings_of("worker-held", [now])[0];
        let sentence = "hog (task 7) has blocked worker 0 for 1.50s";
        assert!(finding.sentence.starts_with(sentence), "{}", finding.sentence);
        assert_eq!(finding.task_id, Some(7));
    }

    #[test]
    fn fix_matches_the_evidence_when_causes_alternate() {
        let sleep = Cause::Call(SystemCall { number: 230, name: None, kind: CallKind::Sleep });
        let causes = [sleep.clone(), Cause::Computing, sleep, Cause::Computing];
        let snapshots = (1..).zip(causes).map(|(n, cause)| {
            let mut poll = LongPoll::clone(&running_poll(7, n * S, cause));
            (poll.is_ended, poll.length_ns) = (true, n * S / 5);
            let mut now = snapshot(n * S + S / 2, [task(7, "hog")]);
            now.long_polls = vec![Arc::new(poll)];
            now
        });
        let snapshots: Vec<_> = snapshots.collect();
        for n in 1..=snapshots.len() {
            let finding = &findings_of("worker-held", snapshots[..n].iter().cloned())[0];
            assert_eq!(finding.fix, fix_for(finding.evidence.as_deref(), [].into_iter(), &RULE));
            assert_eq!(finding.fix.contains("sleep"), n % 2 == 1, "{n}: {}", finding.fix);
        }
    }

    #[test]
    fn long_drop_is_reported_as_a_drop() {
        let mut now = snapshot(2 * S, [TaskStats { state: State::Cancelled, ..task(7, "writer") }]);
        let mut drop = LongPoll::clone(&running_poll(7, S, Cause::Computing));
        (drop.kind, drop.is_ended, drop.length_ns) = (PollKind::Drop, true, 400_000_000);
        (now.description, now.long_polls) =
            (crate::model::testing::with_watchdog(), vec![Arc::new(drop)]);
        let found = &findings_of("worker-held", [now])[0];
        assert_eq!(
            found.sentence,
            "writer blocked its thread for 400ms while its future was dropped"
        );
        assert!(found.fix.starts_with("Do no slow work in a destructor"), "{}", found.fix);
    }

    #[test]
    fn running_drop_is_reported_without_a_watchdog() {
        let mut writer = task(7, "writer");
        (writer.state, writer.since_ns) = (State::Dropping, S);
        let mut now = snapshot(2 * S, [writer]);
        now.workers[0].current = Some(CurrentPoll { key: 7, since_ns: S, kind: PollKind::Drop });
        let found = &findings_of("worker-held", [now])[0];
        assert!(
            found.sentence.starts_with("writer has blocked worker 0 for 1.00s while"),
            "{}",
            found.sentence
        );
    }

    #[test]
    fn poll_between_two_snapshots_is_reported_after_its_end() {
        let mut poll = LongPoll::clone(&running_poll(7, S, Cause::Computing));
        (poll.is_ended, poll.length_ns) = (true, 150_000_000);
        let mut now = snapshot(2 * S, [task(7, "hog")]);
        (now.description, now.long_polls) =
            (crate::model::testing::with_watchdog(), vec![Arc::new(poll)]);
        let found = findings_of("worker-held", [now]);
        assert_eq!(found[0].sentence, "hog blocked its thread for 150ms");
    }

    #[test]
    fn finding_stays_active_over_short_gaps_and_counts_polls() {
        let mut snapshots = Vec::new();
        for turn in 0..4 {
            let mut now = blocked_worker(turn * S);
            now.taken_ns = turn * S + S / 2;
            snapshots.push(now);
            snapshots.push(empty(turn * S + S - 1));
        }
        let found = findings_of("worker-held", snapshots.clone());
        assert_eq!((found.len(), found[0].count, found[0].active), (1, 4, true));
        snapshots.push(empty(6 * S));
        let found = findings_of("worker-held", snapshots);
        assert_eq!((found.len(), found[0].count, found[0].active), (1, 4, false));
    }

    #[test]
    fn task_that_may_block_is_not_reported() {
        let mut now = blocked_worker(S / 2);
        let meta = TaskMeta { kind: TaskKind::Blocking, ..TaskMeta::default() };
        now.tasks[0].meta = meta.into();
        assert!(findings_of("worker-held", [now]).is_empty());
    }

    #[test]
    fn length_of_a_poll_with_unknown_end_is_a_lower_bound() {
        let mut poll = LongPoll::clone(&running_poll(7, S, Cause::Unknown("unavailable".into())));
        (poll.is_ended, poll.is_lower_bound, poll.length_ns) = (true, true, S / 4);
        let mut now = snapshot(2 * S, [task(7, "request")]);
        now.long_polls = vec![Arc::new(poll)];
        let found = findings_of("worker-held", [now]);
        assert_eq!(found[0].sentence, "request blocked its thread for at least 250ms");
    }
}
