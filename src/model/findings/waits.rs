//! The resources for which tasks wait.

use std::collections::{BTreeMap, BTreeSet};

use super::AffectedTask;
use crate::{
    model::resources::{Wait, grants, waits},
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
    /// A task with a future that was given the resource, and was probably not polled since.
    pub granted_to: Option<u64>,
}

/// The resources for which tasks wait, in the order of their keys.
pub(super) fn contended_resources(target: &Target) -> Vec<ContendedResource<'_>> {
    let Some(resources) = target.resources.as_deref() else { return Vec::new() };
    let mut granted = by_resource(grants(resources));
    let contended = by_resource(waits(resources)).into_iter().filter_map(|(index, waits)| {
        let waiting: BTreeSet<u64> = waits.iter().map(|wait| wait.task).collect();
        // A future that completed before asynctop connected may still exist while its task goes on.
        let is_unpolled = |grant: &&Wait| grant.is_pending || waiting.contains(&grant.task);
        let granted = granted.remove(&index).unwrap_or_default();
        let granted_to = granted.iter().find(is_unpolled).map(|grant| grant.task);
        Some(ContendedResource { resource: resources.resources.get(index)?, waits, granted_to })
    });
    contended.collect()
}

fn by_resource(operations: impl Iterator<Item = Wait>) -> BTreeMap<usize, Vec<Wait>> {
    let mut by_resource: BTreeMap<usize, Vec<Wait>> = BTreeMap::new();
    for operation in operations {
        by_resource.entry(operation.resource).or_default().push(operation);
    }
    by_resource
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
        // A task may wait in several operations: `Mutex::lock` contains one on a semaphore.
        let mut longest: BTreeMap<u64, u64> = BTreeMap::new();
        for wait in &self.waits {
            let age_ns = longest.entry(wait.task).or_default();
            *age_ns = wait.age_ns.max(*age_ns);
        }
        let mut waits: Vec<_> = longest.into_iter().collect();
        waits.sort_by_key(|(task, age_ns)| (std::cmp::Reverse(*age_ns), *task));
        let affected = waits.into_iter().filter_map(|(task, delay_ns)| {
            let name = target.task(task)?.meta.name.clone();
            Some(AffectedTask { task, name, delay_ns })
        });
        affected.take(MAX_NAMED).collect()
    }
}
