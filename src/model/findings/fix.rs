//! What to do about a long poll, by the reason why it is long.

use std::sync::Arc;

use super::rule::Rule;
use crate::snapshot::{CallKind, Cause, Evidence, PollKind};

/// The fix for long polls with this evidence, or else that of the rule.
pub(super) fn fix(evidence: Option<&Arc<Evidence>>, rule: &Rule) -> &'static str {
    evidence.and_then(|evidence| of_cause(evidence)).unwrap_or(rule.cure)
}

fn of_cause(evidence: &Evidence) -> Option<&'static str> {
    if evidence.kind == PollKind::Drop {
        return Some(
            "Do no slow work in a destructor: when a task ends or is aborted, its destructors run \
             on the worker. Clean up in an async function before that, or move the value to \
             tokio::task::spawn_blocking(move || drop(value)).",
        );
    }
    let Cause::Call(call) = &evidence.cause else { return None };
    Some(match call.kind {
        CallKind::Sleep => "Use tokio::time::sleep(…).await: std::thread::sleep blocks the worker.",
        CallKind::Lock => {
            "Hold the lock only briefly: drop its guard before slow work and before an .await. If \
             it must be held for longer, use tokio::sync::Mutex, whose waiters yield."
        }
        CallKind::Read | CallKind::Write | CallKind::Wait => {
            "Use the async version of this call (tokio::net, tokio::fs, tokio::process), or move \
             it to tokio::task::spawn_blocking."
        }
        CallKind::Other => "Move this call to tokio::task::spawn_blocking.",
    })
}
