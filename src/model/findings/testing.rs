//! Applies one rule to hand-made snapshots.

use std::sync::Arc;

use super::{Finding, RULES, RuleId, Thresholds};
use crate::{
    model::{Model, testing::snapshot},
    snapshot::{CallKind, Cause, LongPoll, SystemCall, Target},
};

pub(super) const S: u64 = 1_000_000_000;

/// The active and resolved findings of a rule after these snapshots; all other rules are off.
pub(super) fn findings_of(
    rule: &str,
    snapshots: impl IntoIterator<Item = Target>,
) -> Vec<Arc<Finding>> {
    let mut thresholds = Thresholds::default();
    let rule: RuleId = rule.parse().expect("a rule");
    for other in RULES.iter().filter(|other| other.id != rule) {
        thresholds.set(other.id, None);
    }
    let mut model = Model::with_thresholds(thresholds);
    for snapshot in snapshots {
        model.advance(&snapshot.into());
    }
    model.all_findings().to_vec()
}

/// A snapshot without tasks.
pub(super) fn empty(taken_ns: u64) -> Target {
    snapshot(taken_ns, [])
}

/// A running long poll of one second, from a watchdog, without a stack.
pub(super) fn running_poll(task: u64, began_ns: u64, cause: Cause) -> Arc<LongPoll> {
    Arc::new(LongPoll {
        is_ended: false,
        net_ns: Some(if cause == Cause::NoCpu { 5_000_000 } else { S }),
        cause,
        ..LongPoll::computing(task, began_ns, S)
    })
}

/// The cause of a poll that waits for a lock.
pub(super) fn lock_wait() -> Cause {
    Cause::Call(SystemCall { number: 202, name: Some("futex".into()), kind: CallKind::Lock })
}
