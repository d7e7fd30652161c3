//! The resources for which tasks wait.

use std::collections::{BTreeMap, BTreeSet};

use super::AffectedTask;
use crate::{
    model::resources::{Wait, waits},
    snapshot::{ResourceStats, Target},
};

/// Maximum number of waiting tasks that a finding names.
const MAX_NAMED: usize = 5;

/// A resource, and the operations that wait for it.
#[derive(Debug)]
pub(in crate::model) struct ContendedResource<'a> {
    pub resource: &'a ResourceStats,
    /// At least one. A task may wait in several operations.
    pub waits: Vec<Wait>,
}

/// The resources for which tasks wait, in the order of their keys.
pub(super) fn contended_resources(target: &Target) -> Vec<ContendedResource<'_>> {
    let Some(resources) = target.resources.as_deref() else { return Vec::new() };
    let mut by_resource: BTreeMap<usize, Vec<Wait>> = BTreeMap::new();
    for wait in waits(resources) {
        by_resource.entry(wait.resource).or_default().push(wait);
    }
    let contended = by_resource.into_iter().filter_map(|(index, waits)| {
        Some(ContendedResource { resource: resources.resources.get(index)?, waits })
    });
    contended.collect()
}

impl ContendedResource<'_> {
    /// `the Mutex of src/main.rs:12`.
    pub(super) fn name(&self) -> String {
        let ResourceStats { type_name, location, id, .. } = self.resource;
        match location.is_empty() {
            true => format!("the {type_name} with id {id}"),
            false => format!("the {type_name} of {location}"),
        }
    }

    /// The operation that has waited longest.
    pub(super) fn longest(&self) -> Option<&Wait> {
        self.waits.iter().max_by_key(|wait| wait.age_ns)
    }

    /// The number of waiting tasks.
    pub(super) fn tasks(&self) -> usize {
        self.waits.iter().map(|wait| wait.task).collect::<BTreeSet<_>>().len()
    }

    /// The tasks that have waited longest, longest first.
    pub(super) fn affected(&self, target: &Target) -> Vec<AffectedTask> {
        let mut waits: Vec<_> = self.waits.iter().collect();
        waits.sort_by_key(|wait| (std::cmp::Reverse(wait.age_ns), wait.task));
        let affected = waits.iter().filter_map(|wait| {
            let name = target.task(wait.task)?.meta.name.clone();
            Some(AffectedTask { task: wait.task, name, delay_ns: wait.age_ns })
        });
        affected.take(MAX_NAMED).collect()
    }
}
