//! Which values are unavailable, and how accurate the others are.

use std::collections::BTreeMap;

use crate::model::{Accuracy, FieldId, Target};

/// Why there is no slowdown.
pub(super) fn no_slowdown(target: &Target) -> &str {
    let reason = target.description.reason(FieldId::Slowdown);
    reason.unwrap_or("no closed-loop workload, or no baseline without a hog yet")
}

/// The path of a field → why it is unavailable.
pub(super) fn unavailable(target: &Target) -> BTreeMap<&'static str, &str> {
    let description = &target.description;
    let stated = description.stated().filter(|(field, _)| is_in_reports(*field));
    let mut reasons: BTreeMap<_, _> =
        stated.filter_map(|(field, _)| Some((field.path(), description.reason(field)?))).collect();
    if target.tasks.iter().any(|task| task.live_wakers.is_none()) {
        let field = FieldId::LiveWakers;
        reasons.entry(field.path()).or_insert(description.missing(field));
    }
    if !target.connection.is_live() {
        for field in [FieldId::PollRate, FieldId::BusyShare] {
            reasons.insert(field.path(), "the target is not connected");
        }
    }
    reasons
}

/// The path of a field → how accurate it is, where it is neither exact nor unavailable.
pub(super) fn accuracy(target: &Target) -> BTreeMap<&'static str, String> {
    let is_noted = |accuracy: &Accuracy| {
        !matches!(accuracy, Accuracy::Exact | Accuracy::Derived | Accuracy::Unavailable { .. })
    };
    let stated = target.description.stated().filter(|(_, accuracy)| is_noted(accuracy));
    stated.map(|(field, accuracy)| (field.path(), accuracy.to_string())).collect()
}

/// Whether reports have a place for the value.
fn is_in_reports(field: FieldId) -> bool {
    !matches!(
        field,
        FieldId::Lab
            | FieldId::Timeline
            | FieldId::Resources
            | FieldId::CpuSupply
            | FieldId::LongPolls
            | FieldId::AwaitPoint
            | FieldId::Panics
    )
}
