//! The accuracy of fields, and the reasons for unavailable ones.

use std::collections::BTreeMap;

use crate::{
    model::TargetModel,
    snapshot::{Accuracy, FieldId, Target},
};

/// The reason why the slowdown is unavailable.
pub(super) fn no_slowdown(model: &TargetModel) -> &str {
    let reason = model.target().description.reason(FieldId::Slowdown);
    reason.unwrap_or(&model.slowdown().no_factor_reason)
}

/// The path of a field → the reason why it is unavailable. Parts of a field that is unavailable as a
/// whole are left out.
pub(super) fn unavailable(target: &Target) -> BTreeMap<&'static str, &str> {
    let description = &*target.description;
    let whole_has = |field: &FieldId| {
        let is_part_of = |whole: &&FieldId| {
            field.path().strip_prefix(whole.path()).is_some_and(|rest| rest.starts_with('.'))
        };
        field.inputs().iter().find(is_part_of).is_none_or(|whole| description.has(*whole))
    };
    let fields = FieldId::ALL.into_iter().filter(|field| is_in_reports(*field));
    let fields = fields.filter(whole_has);
    let mut reasons: BTreeMap<_, _> =
        fields.filter_map(|field| Some((field.path(), description.reason(field)?))).collect();
    let some_rows_lack = [
        (FieldId::LiveWakers, target.tasks.iter().any(|task| task.live_wakers.is_none())),
        (FieldId::WorkerThread, target.workers.iter().any(|worker| worker.thread.is_none())),
    ];
    for (field, _) in some_rows_lack.into_iter().filter(|(field, lacks)| *lacks && whole_has(field))
    {
        reasons.entry(field.path()).or_insert(description.missing_reason(field));
    }
    if !target.connection.is_live() {
        for field in [FieldId::PollRate, FieldId::BusyShare, FieldId::SchedulingDelay] {
            reasons.insert(field.path(), "the target is not connected");
        }
    }
    reasons
}

/// The path of a field → its accuracy, for fields that are neither exact nor unavailable.
pub(super) fn accuracy(target: &Target) -> BTreeMap<&'static str, String> {
    let is_used = |field: &FieldId| {
        is_in_reports(*field) || matches!(field, FieldId::LongPolls | FieldId::Resources)
    };
    let fields = FieldId::ALL.into_iter().filter(is_used);
    // The impact table is made from the long polls.
    let path = |field: FieldId| {
        if field == FieldId::LongPolls { "impact" } else { field.path() }
    };
    let accuracy = fields.map(|field| (path(field), target.description.accuracy(field)));
    let is_noted = |(_, accuracy): &(_, &Accuracy)| {
        !matches!(accuracy, Accuracy::Exact | Accuracy::Derived | Accuracy::Unavailable { .. })
    };
    accuracy.filter(is_noted).map(|(path, accuracy)| (path, accuracy.to_string())).collect()
}

/// Whether every report contains the field.
fn is_in_reports(field: FieldId) -> bool {
    !matches!(
        field,
        FieldId::Lab
            | FieldId::Timeline
            | FieldId::Resources
            | FieldId::LongPolls
            | FieldId::AwaitPoint
            | FieldId::Panics
            | FieldId::Distributions
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::testing::{snapshot, task, worker},
        snapshot::Description,
    };

    #[test]
    fn unknown_thread_of_a_worker_has_its_reason() {
        let mut target = snapshot(1, [task(1, "t")]);
        let description = Description::new("t").with_missing(FieldId::WorkerThread, "not found");
        target.description = description.into();
        target.workers = vec![worker(0), worker(1)];
        assert_eq!(unavailable(&target).get("workers.thread"), None);
        target.workers[1].thread = None;
        assert_eq!(unavailable(&target).get("workers.thread"), Some(&"not found"));
    }
}
