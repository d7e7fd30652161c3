//! Polls that are long, but do not hold their worker for long enough to be felt by themselves.

use std::{collections::HashMap, sync::Arc};

use crate::model::findings::{
    Finding, RuleContext, RuleId, Severity,
    fix::fix_for,
    polls::{CountedPolls, Poll, polls},
    rule::{Check, Rule, RuleState, Unit},
};

use crate::snapshot::PollKind;

pub(super) static RULE: Rule = Rule {
    id: RuleId::LongPoll,
    name: "long-poll",
    meaning: "long polls delay the other tasks",
    severity: Severity::Warning,
    unit: Unit::Time,
    default: 10_000_000,
    measure: "two polls within ten seconds, or one that is twice as long",
    raise_ns: 0,
    clear_ns: 5_000_000_000,
    fix: "Split the work and yield with tokio::task::yield_now().await between the pieces, or \
           move it to tokio::task::spawn_blocking.",
    needs: &[],
    covers: &[],
    implies: &[],
    check: Check::Stateful(|| Box::new(LongPoll::default())),
};

/// A single poll slightly over the threshold may be caused by the machine: some hypervisors do not
/// report steal time. So the rule needs two polls within this time, or one that is twice as long as
/// the threshold.
const AGAIN_NS: u64 = 10_000_000_000;

/// The polls that have been seen.
#[derive(Clone, Debug, Default)]
struct LongPoll {
    /// When the latest poll of each group began.
    latest: HashMap<Arc<str>, u64>,
    counted: CountedPolls,
}

impl RuleState for LongPoll {
    fn check(&mut self, ctx: &RuleContext<'_>) -> Vec<Finding> {
        let now = ctx.now();
        self.counted.forget_ended_tasks(ctx);
        self.latest.retain(|_, began| now.saturating_sub(*began) < AGAIN_NS);
        // Longer polls are reported by worker-held.
        let held = ctx.thresholds.get(RuleId::WorkerHeld).unwrap_or(u64::MAX);
        let lengths = ctx.threshold(RULE.id)..held;
        let polls = polls(ctx);
        let mut candidates = Vec::new();
        for poll in polls.iter().filter(|poll| lengths.contains(&poll.net_ns(ctx))) {
            if self.is_second_or_twice_as_long(ctx, poll) {
                candidates.push(Finding {
                    first_seen_ns: poll.began_ns,
                    count: u64::from(self.counted.insert(poll)),
                    evidence: poll.evidence.cloned(),
                    fix: fix_for(poll.evidence, &RULE),
                    ..RULE.task_candidate(
                        ctx.now(),
                        poll.task,
                        poll.net_ns(ctx),
                        sentence(ctx, poll),
                    )
                });
            }
        }
        candidates
    }
}

impl LongPoll {
    fn is_second_or_twice_as_long(&mut self, ctx: &RuleContext<'_>, poll: &Poll<'_>) -> bool {
        let twice = 2 * ctx.thresholds.get(RULE.id).unwrap_or_default();
        let before = self.latest.insert(poll.task.meta.group.clone(), poll.began_ns);
        // A running poll is in several snapshots.
        poll.net_ns(ctx) >= twice || before.is_some_and(|began| began != poll.began_ns)
    }
}

fn sentence(ctx: &RuleContext<'_>, poll: &Poll<'_>) -> String {
    let length = poll.length();
    let what = match poll.kind {
        PollKind::Poll => "a poll",
        PollKind::Drop => "the drop of the future",
    };
    format!("{what} of {} took {length}{}", ctx.name(poll.task), poll.cause())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::model::findings::testing::{S, evidence, of};
    use crate::{
        model::testing::{snapshot, task},
        snapshot::{Cause, LongPoll, Target},
    };

    const MS: u64 = 1_000_000;

    /// A poll that is over when the snapshot is taken.
    fn over(at: u64, length_ns: u64, cause: Cause) -> Target {
        let mut poll = LongPoll::clone(&evidence(1, at - 2 * length_ns, cause));
        (poll.over, poll.length_ns) = (true, length_ns);
        poll.net_ns = poll.net_ns.map(|net_ns| net_ns.min(length_ns));
        let mut now = snapshot(at, [task(1, "conn-1")]);
        (now.description, now.long_polls) =
            (crate::model::testing::with_watchdog(), vec![Arc::new(poll)]);
        now
    }

    #[test]
    fn each_long_poll_is_counted_once() {
        let found = of("long-poll", (1..=4).map(|n| over(n * S, 20 * MS, Cause::Computing)));
        assert_eq!((found.len(), found[0].count), (1, 4));
        assert_eq!(found[0].sentence, "a poll of conn-1 took 20.0ms");
    }

    #[test]
    fn several_between_two_looks_are_all_counted() {
        let mut now = over(2 * S, 20 * MS, Cause::Computing);
        let mut before = LongPoll::clone(&now.long_polls[0]);
        before.began_ns -= 100 * MS;
        // The latest first, as the watchdog has them.
        now.long_polls.push(Arc::new(before));
        assert_eq!(of("long-poll", [now])[0].count, 2);
    }

    #[test]
    fn a_single_one_that_is_a_little_too_long_is_let_pass() {
        let found = |moments: &[Target]| of("long-poll", moments.to_vec()).len();
        let little = |at| over(at * S, 12 * MS, Cause::Computing);
        assert_eq!(found(&[little(1)]), 0);
        assert_eq!(found(&[little(1), little(1)]), 0, "the same one");
        assert_eq!(found(&[little(1), little(12)]), 0, "long ago");
        assert_eq!(found(&[little(1), little(3)]), 1);
        assert_eq!(found(&[over(S, 21 * MS, Cause::Computing)]), 1);
    }

    #[test]
    fn short_polls_those_that_hold_their_worker_and_a_busy_machine_are_not_told() {
        for (length, cause) in
            [(7 * MS, Cause::Computing), (120 * MS, Cause::Computing), (20 * MS, Cause::NoCpu)]
        {
            let moments = (1..=4).map(|n| over(n * S, length, cause.clone()));
            let found = of("long-poll", moments);
            // The other rule is off here, so that a poll of any length is this one's.
            assert_eq!(found.is_empty(), length != 120 * MS, "{length} {cause}");
        }
    }
}
