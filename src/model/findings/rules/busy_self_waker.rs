//! A task that is polled again and again for next to nothing: it wakes itself, or it calls
//! `yield_now` in a loop.
//!
//! Tokio puts off the wake of `yield_now` until the worker has looked for timers and
//! sockets, so it is no wake from inside the task's own poll, and nobody counts it as one.
//! What shows it are the figures: very many very short polls, and nobody who could have
//! woken it as often, neither the other tasks (each of them would have been polled for it) nor
//! another thread.

use crate::model::findings::{
    Finding, RuleContext, RuleId, Severity,
    rule::{AffectedGroup, Check, Rule, Unit},
};
use crate::snapshot::{FieldId, Target, TaskStats};
use crate::{model::TaskRates, snapshot::State, text::duration};

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

/// Longer polls do something.
const SHORT_S: f64 = 20e-6;
/// A poll that only finds out that there is nothing to do.
const VAIN_S: f64 = 5e-6;
/// Where no wake is seen to be its own, it takes so many times as many polls.
const UNSEEN: f64 = 4.0;

fn measure(ctx: &RuleContext<'_>, task: &TaskStats, rates: TaskRates) -> Option<u64> {
    let threshold = ctx.threshold(RULE.id) as f64;
    if rates.polls < threshold || rates.busy > rates.polls * SHORT_S || task.state.is_done() {
        return None;
    }
    let spins = match own_wakes(rates) >= 0.5 {
        true => true,
        false => {
            let vain = rates.busy <= rates.polls * VAIN_S;
            vain && rates.polls >= threshold * UNSEEN
                && wakers_elsewhere(ctx, rates) < rates.polls / 2.0
        }
    };
    spins.then_some(rates.polls as u64)
}

/// How many of its wakes came from inside its own polls, 0 to 1.
fn own_wakes(rates: TaskRates) -> f64 {
    if rates.wakes > 0.0 { rates.self_wakes / rates.wakes } else { 0.0 }
}

/// How often in a second somebody else could have woken it.
fn wakers_elsewhere(ctx: &RuleContext<'_>, rates: TaskRates) -> f64 {
    let polls: f64 = ctx.rates.iter().map(|rates| rates.polls).sum();
    let remote = |snapshot: &Target| snapshot.runtime.remote_schedules;
    let now = remote(ctx.target);
    let remote = ctx.base.map(remote).zip(ctx.span());
    let remote = remote.map_or(0.0, |(before, s)| now.saturating_sub(before) as f64 / s);
    polls - rates.polls + remote
}

fn describe(ctx: &RuleContext<'_>, group: &AffectedGroup<'_>) -> Finding {
    let task = group.task;
    let at = ctx.target.tasks.binary_search_by_key(&task.key, |task| task.key);
    let rates = at.ok().and_then(|at| ctx.rates.get(at)).copied().unwrap_or_default();
    let mean = duration((rates.busy / rates.polls.max(1.0) * 1e9) as u64);
    let how = match own_wakes(rates) >= 0.5 {
        true => "and wakes itself each time",
        false => "and no other task wakes it, as with yield_now in a loop",
    };
    let polling = if task.state == State::Idle { "" } else { " without a pause" };
    let sentence = format!(
        "{} is polled {} times per second for {mean} each{polling}, {how}",
        ctx.name(task),
        group.measure
    );
    RULE.task_candidate(ctx.now(), task, group.measure, sentence)
}

#[cfg(test)]
mod tests {
    use crate::model::testing::{snapshot, task};
    use crate::{
        model::findings::testing::{S, of},
        snapshot::{Target, TaskStats},
    };

    /// A task with so many polls a second of `poll` ns, and a neighbour with as many as said.
    fn at(n: u64, polls: u64, poll: u64, own: bool, neighbour: u64) -> Target {
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
        let spins = polled(1, "spinner", polls, poll, own);
        snapshot(n * S / 4, [spins, polled(2, "other", neighbour, 1_000, false)])
    }

    fn found(polls: u64, poll: u64, own: bool, neighbour: u64) -> Option<String> {
        let found = of("busy-self-waker", (1..16).map(|n| at(n, polls, poll, own, neighbour)));
        found.first().map(|finding| finding.sentence.clone())
    }

    #[test]
    fn waking_itself_for_nothing_is_told() {
        let sentence = found(8_000, 2_000, true, 0).expect("it spins");
        assert!(sentence.contains("polled 8000 times per second for 2.00µs each"), "{sentence}");
        assert!(sentence.ends_with("and wakes itself each time"), "{sentence}");
    }

    #[test]
    fn a_loop_of_yield_now_is_told_though_no_wake_is_its_own() {
        let sentence = found(100_000, 300, false, 1_000).expect("it spins");
        assert!(sentence.contains("yield_now"), "{sentence}");
    }

    #[test]
    fn work_in_slices_and_tasks_that_wake_each_other_are_fine() {
        assert_eq!(found(8_000, 100_000, true, 0), None, "slices of work");
        assert_eq!(found(100_000, 300, false, 100_000), None, "a partner wakes it");
        assert_eq!(found(1_000, 300, true, 0), None, "seldom");
    }

    #[test]
    fn what_another_thread_sends_is_no_spinning() {
        let moments = (1..16).map(|n| {
            let mut now = at(n, 100_000, 300, false, 0);
            now.runtime.remote_schedules = 25_000 * n;
            now
        });
        assert!(of("busy-self-waker", moments).is_empty());
    }
}
