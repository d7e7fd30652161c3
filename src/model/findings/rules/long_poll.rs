//! Long polls, below the threshold of `worker-held`.

use std::{collections::HashMap, sync::Arc};

use crate::model::findings::{
    Finding, RuleContext, RuleId, Severity,
    polls::{CountedPolls, Poll, polls},
    rule::{Check, Rule, RuleState, Unit},
};

use crate::snapshot::{FieldId, PollKind};

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
    fix: "Split the work and call yield_now().await between the pieces, or move it to \
          spawn_blocking. Both are in tokio::task.",
    // A target that does not time its polls misses polls of this length.
    needs: &[FieldId::MaxPoll],
    covers: &[],
    implies: &[],
    check: Check::Stateful(|| Box::new(LongPoll::default())),
};

/// A single poll slightly over the threshold may be caused by the machine: some hypervisors do not
/// report steal time. So the rule needs two polls within this time, or one that is twice as long as
/// the threshold.
const REPEAT_NS: u64 = 10_000_000_000;

/// The polls so far.
#[derive(Clone, Debug, Default)]
struct LongPoll {
    /// Start of the latest poll of each group.
    latest: HashMap<Arc<str>, u64>,
    counted: CountedPolls,
}

impl RuleState for LongPoll {
    fn check(&mut self, ctx: &RuleContext<'_>) -> Vec<Finding> {
        let now = ctx.now();
        self.counted.forget_ended_tasks(ctx);
        self.latest.retain(|_, began| now.saturating_sub(*began) < REPEAT_NS);
        // Longer polls are reported by worker-held.
        let max = ctx.thresholds.get(RuleId::WorkerHeld).unwrap_or(u64::MAX);
        let lengths = ctx.threshold(RULE.id)..max;
        let polls = polls(ctx);
        let mut candidates = Vec::new();
        for poll in polls.iter().filter(|poll| lengths.contains(&poll.net_ns(ctx))) {
            if self.is_second_or_twice_as_long(ctx, poll) {
                candidates.push(Finding {
                    first_seen_ns: poll.began_ns,
                    count: u64::from(self.counted.insert(poll)),
                    evidence: poll.evidence(ctx),
                    fix: ctx.fix_for(poll.evidence, &poll.task.meta.group, &RULE),
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
    /// Records the poll. Returns whether it is the second one of its group within [`REPEAT_NS`], or
    /// at least twice as long as the threshold.
    fn is_second_or_twice_as_long(&mut self, ctx: &RuleContext<'_>, poll: &Poll<'_>) -> bool {
        let twice = 2 * ctx.thresholds.get(RULE.id).unwrap_or_default();
        let before = self.latest.insert(poll.task.meta.group.clone(), poll.began_ns);
        // A running poll is in several snapshots.
        poll.net_ns(ctx) >= twice || before.is_some_and(|began| began != poll.began_ns)
    }
}

fn sentence(ctx: &RuleContext<'_>, poll: &Poll<'_>) -> String {
    let length = poll.length();
    let subject = match poll.kind {
        PollKind::Poll => "a poll",
        PollKind::Drop => "the drop of the future",
    };
    format!("{subject} of {} took {length}{}", ctx.name(poll.task), poll.cause())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::model::findings::testing::{S, findings_of, running_poll};
    use crate::{
        model::testing::{snapshot, task},
        snapshot::{Cause, LongPoll, ProfileEntry, Target},
    };

    const MS: u64 = 1_000_000;

    /// A snapshot with a poll that has ended.
    fn ended_poll(at: u64, length_ns: u64, cause: Cause) -> Target {
        let mut poll = LongPoll::clone(&running_poll(1, at - 2 * length_ns, cause));
        (poll.is_ended, poll.length_ns) = (true, length_ns);
        poll.net_ns = poll.net_ns.map(|net_ns| net_ns.min(length_ns));
        let mut now = snapshot(at, [task(1, "conn-1")]);
        (now.description, now.long_polls) =
            (crate::model::testing::with_watchdog(), vec![Arc::new(poll)]);
        now
    }

    #[test]
    fn each_long_poll_is_counted_once() {
        let found =
            findings_of("long-poll", (1..=4).map(|n| ended_poll(n * S, 20 * MS, Cause::Computing)));
        assert_eq!((found.len(), found[0].count), (1, 4));
        assert_eq!(found[0].sentence, "a poll of conn-1 took 20.0ms");
    }

    #[test]
    fn finding_names_the_function_in_which_most_polls_block() {
        let polls = ["scan", "scan", "get", "scan", "get"];
        let snapshots = (1..).zip(polls).map(|(n, function)| {
            let mut now = ended_poll(n * S, (20 + n) * MS, Cause::Computing);
            let entry = ProfileEntry {
                function: function.into(),
                location: Some(format!("{function}.rs:1")),
                callee: None,
                share: 1.0,
                libraries: Vec::new(),
            };
            Arc::make_mut(&mut now.long_polls[0]).profile = vec![entry];
            now
        });
        let found = findings_of("long-poll", snapshots);
        assert_eq!((found[0].count, found[0].blocked_at()), (5, Some("scan.rs:1")));
        assert_eq!(found[0].sentence, "a poll of conn-1 took 24.0ms, computing in scan");
    }

    #[test]
    fn several_polls_of_one_snapshot_are_all_counted() {
        let mut now = ended_poll(2 * S, 20 * MS, Cause::Computing);
        let mut before = LongPoll::clone(&now.long_polls[0]);
        before.began_ns -= 100 * MS;
        // Latest first, as in the watchdog's log.
        now.long_polls.push(Arc::new(before));
        assert_eq!(findings_of("long-poll", [now])[0].count, 2);
    }

    #[test]
    fn single_poll_below_twice_the_threshold_is_not_reported() {
        let found = |snapshots: &[Target]| findings_of("long-poll", snapshots.to_vec()).len();
        let short = |at| ended_poll(at * S, 12 * MS, Cause::Computing);
        assert_eq!(found(&[short(1)]), 0);
        assert_eq!(found(&[short(1), short(1)]), 0, "the same poll");
        assert_eq!(found(&[short(1), short(12)]), 0, "more than ten seconds ago");
        assert_eq!(found(&[short(1), short(3)]), 1);
        assert_eq!(found(&[ended_poll(S, 21 * MS, Cause::Computing)]), 1);
    }

    #[test]
    fn short_polls_and_time_without_a_cpu_are_not_reported() {
        for (length, cause) in
            [(7 * MS, Cause::Computing), (120 * MS, Cause::Computing), (20 * MS, Cause::NoCpu)]
        {
            let snapshots = (1..=4).map(|n| ended_poll(n * S, length, cause.clone()));
            let found = findings_of("long-poll", snapshots);
            // worker-held is off in this test, so the length has no upper limit.
            assert_eq!(found.is_empty(), length != 120 * MS, "{length} {cause}");
        }
    }
}
