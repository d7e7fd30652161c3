//! A task that waits by spinning: it wakes itself over and over, or calls `yield_now` in a loop.
//!
//! Tokio defers the wake of `yield_now` until the worker has polled timers and sockets, so it is
//! not counted as a self-wake. Such a loop is detected from the rates: very many very short polls,
//! more than the other tasks (a task must be polled to wake another one) and other threads can have
//! caused.

use crate::model::findings::{
    Finding, RuleContext, RuleId, Severity,
    rule::{AffectedGroup, Check, Rule, Unit},
};
use crate::snapshot::{FieldId, Target, TaskStats};
use crate::{
    model::TaskRates,
    snapshot::State,
    text::{count, duration},
};

pub(super) static RULE: Rule = Rule {
    id: RuleId::BusySelfWaker,
    name: "busy-self-waker",
    meaning: "a task wakes itself over and over for very short polls: it waits by spinning",
    severity: Severity::Warning,
    unit: Unit::PerSecond,
    default: 5_000,
    measure: "polls of one task",
    raise_ns: 2_000_000_000,
    clear_ns: 3_000_000_000,
    fix: "Await the event instead of checking for it again: tokio::sync::Notify, a watch channel, \
          a oneshot; or check at a tokio::time::interval.",
    needs: &[FieldId::SelfWakes],
    covers: &[],
    implies: &[],
    check: Check::Tasks { measure, describe },
};

/// Mean length of a poll up to which a self-waking task is considered to spin.
const SHORT_POLL_S: f64 = 20e-6;
/// Mean length of a poll that only checks a condition; a debug build takes up to 10 µs for it where
/// console-subscriber records each poll.
const CHECK_S: f64 = 10e-6;
/// Without visible self-wakes, the rule fires at this multiple of the threshold.
const WITHOUT_SELF_WAKES: f64 = 2.0;

fn measure(ctx: &RuleContext<'_>, task: &TaskStats, rates: TaskRates) -> Option<u64> {
    let threshold = ctx.threshold(RULE.id) as f64;
    if rates.polls < threshold || rates.busy > rates.polls * SHORT_POLL_S || task.state.is_done() {
        return None;
    }
    let wakes_itself = self_wake_share(rates) >= 0.5;
    let yields_in_a_loop = || {
        rates.busy <= rates.polls * CHECK_S
            && rates.polls >= threshold * WITHOUT_SELF_WAKES
            && other_wakers(ctx, rates) < rates.polls / 2.0
    };
    (wakes_itself || yields_in_a_loop()).then_some(rates.polls as u64)
}

/// The share of its wakes that came from inside its own polls, 0 to 1.
fn self_wake_share(rates: TaskRates) -> f64 {
    if rates.wakes > 0.0 { rates.self_wakes / rates.wakes } else { 0.0 }
}

/// Upper bound on the wakes per second by other tasks and threads.
fn other_wakers(ctx: &RuleContext<'_>, rates: TaskRates) -> f64 {
    let polls: f64 = ctx.rates.iter().map(|rates| rates.polls).sum();
    let remote = |target: &Target| target.runtime.remote_schedules;
    let now = remote(ctx.target);
    let remote = ctx.base.map(remote).zip(ctx.span_s());
    let remote = remote.map_or(0.0, |(before, s)| now.saturating_sub(before) as f64 / s);
    polls - rates.polls + remote
}

fn describe(ctx: &RuleContext<'_>, group: &AffectedGroup<'_>) -> Finding {
    let task = group.task;
    let at = ctx.target.tasks.binary_search_by_key(&task.key, |task| task.key);
    let rates = at.ok().and_then(|at| ctx.rates.get(at)).copied().unwrap_or_default();
    let mean = duration((rates.busy / rates.polls.max(1.0) * 1e9) as u64);
    let how = match self_wake_share(rates) >= 0.5 {
        true => "and wakes itself each time",
        false => "and no other task wakes it, as with yield_now in a loop or a used-up budget",
    };
    let polling = if task.state == State::Idle { "" } else { " without a pause" };
    let sentence = format!(
        "{} is polled {} times per second for {mean} each{polling}, {how}",
        ctx.name(task),
        count(group.measure)
    );
    RULE.task_candidate(ctx.now(), task, group.measure, sentence)
}

#[cfg(test)]
mod tests {
    use crate::model::testing::{snapshot, task};
    use crate::{
        model::findings::testing::{S, findings_of},
        snapshot::{Target, TaskStats},
    };

    /// After `n` quarter seconds: a task with `polls` per second of `poll` nanoseconds each, and
    /// another task with `other` polls per second.
    fn at(n: u64, polls: u64, poll: u64, own: bool, other: u64) -> Target {
        let polled = |id, name: &str, polls: u64, poll: u64, own| {
            let polls = polls * n / 4;
            TaskStats {
                polls,
                wakes: polls,
                self_wakes: if own { polls } else { 0 },
                busy_ns: polls * poll,
                ..task(id, name)
            }
        };
        let spinner = polled(1, "spinner", polls, poll, own);
        snapshot(n * S / 4, [spinner, polled(2, "other", other, 1_000, false)])
    }

    fn found(polls: u64, poll: u64, own: bool, other: u64) -> Option<String> {
        let found = findings_of("busy-self-waker", (1..16).map(|n| at(n, polls, poll, own, other)));
        found.first().map(|finding| finding.sentence.clone())
    }

    #[test]
    fn task_that_wakes_itself_is_reported() {
        let sentence = found(8_000, 2_000, true, 0).expect("it spins");
        assert!(sentence.contains("polled 8,000 times per second for 2.00µs each"), "{sentence}");
        assert!(sentence.ends_with("and wakes itself each time"), "{sentence}");
    }

    #[test]
    fn loop_of_yield_now_without_self_wakes_is_reported() {
        let sentence = found(100_000, 300, false, 1_000).expect("it spins");
        assert!(sentence.contains("yield_now"), "{sentence}");
    }

    #[test]
    fn long_polls_mutual_wakes_and_low_rates_are_not_reported() {
        assert_eq!(found(8_000, 100_000, true, 0), None, "slices of work");
        assert_eq!(found(100_000, 300, false, 100_000), None, "another task wakes it");
        assert_eq!(found(1_000, 300, true, 0), None, "few polls");
    }

    #[test]
    fn wakes_by_another_thread_are_not_reported() {
        let snapshots = (1..16).map(|n| {
            let mut now = at(n, 100_000, 300, false, 0);
            now.runtime.remote_schedules = 25_000 * n;
            now
        });
        assert!(findings_of("busy-self-waker", snapshots).is_empty());
    }
}
