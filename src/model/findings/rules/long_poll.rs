//! Polls that are long, but do not hold their worker for long enough to be felt by themselves.

use crate::snapshot::PollKind;

use crate::model::findings::{
    Look, RuleId, Severity,
    rule::{Check, Claim, Memory, Rule, Unit},
};

use super::worker_held::{self, Poll};

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
    cure: "Split the work and yield with tokio::task::yield_now().await between the pieces, or \
           move it to tokio::task::spawn_blocking.",
    on_the_wire: true,
    check: Check::Moment(check),
};

/// A single poll slightly over the threshold may be caused by the machine: some hypervisors do not
/// report steal time. So the rule needs two polls within this time, or one that is twice as long as
/// the threshold.
const AGAIN_NS: u64 = 10_000_000_000;

fn check(look: &Look<'_>, memory: &mut Memory) -> Vec<Claim> {
    let floor = look.floor(RULE.id);
    let now = look.now();
    let Memory { long: lately, slow, .. } = memory;
    slow.retain(|key, _| look.task(*key).is_some());
    lately.retain(|_, last| now.saturating_sub(*last) < AGAIN_NS);
    // Longer ones are that rule's.
    let held = look.thresholds.get(RuleId::WorkerHeld).unwrap_or(u64::MAX);
    let polls = worker_held::polls(look);
    let long = polls.iter().filter(|poll| (floor..held).contains(&poll.own_ns(look)));
    let mut claim = |poll: &Poll<'_>| Claim {
        since_ns: Some(poll.began_ns),
        events: Some(u64::from(poll.is_news(slow))),
        evidence: poll.evidence.cloned(),
        cure: poll.evidence.and_then(|evidence| worker_held::cure(evidence)),
        ..Claim::of(poll.task, poll.own_ns(look), sentence(poll))
    };
    let mut counts = |poll: &&Poll<'_>| {
        let twice = 2 * look.thresholds.get(RULE.id).unwrap_or_default();
        let before = lately.insert(poll.task.meta.group.clone(), poll.began_ns);
        // The same poll is there again as long as it lasts.
        poll.own_ns(look) >= twice || before.is_some_and(|began| began != poll.began_ns)
    };
    long.filter(|poll| counts(poll)).map(&mut claim).collect()
}

fn sentence(poll: &Poll<'_>) -> String {
    let why = poll.evidence.and_then(|e| Some(format!(", {} in {}", e.cause, e.function()?)));
    let length = poll.length();
    let what = match poll.kind {
        PollKind::Poll => "a poll",
        PollKind::Drop => "the drop of the future",
    };
    format!("{what} of {} took {length}{}", poll.task.meta.name, why.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::model::findings::testing::{S, evidence, of};
    use crate::{
        model::{
            Target,
            testing::{snapshot, task},
        },
        snapshot::{Cause, Evidence},
    };

    const MS: u64 = 1_000_000;

    /// A poll that is over when the snapshot is taken.
    fn over(at: u64, length_ns: u64, cause: Cause) -> Target {
        let mut poll = Evidence::clone(&evidence(1, at - 2 * length_ns, cause));
        (poll.over, poll.length_ns) = (true, length_ns);
        poll.own_ns = poll.own_ns.map(|own_ns| own_ns.min(length_ns));
        let mut now = snapshot(at, [task(1, "conn-1")]);
        (now.watched, now.evidence) = (true, vec![Arc::new(poll)]);
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
        let mut before = Evidence::clone(&now.evidence[0]);
        before.began_ns -= 100 * MS;
        // The latest first, as the watchdog has them.
        now.evidence.push(Arc::new(before));
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
