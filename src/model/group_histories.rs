//! The busy shares and scheduling delays of groups over the last 15 minutes, for each grouping.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    BusyPoint, Grouping, Ring,
    findings::{GroupLoad, GroupPart},
    smoothing::steady_share,
};
use crate::snapshot::{FieldId, Target};

/// The histories of groups, by grouping and name: of at most 64 groups each, so that memory is
/// bounded.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupHistories([Histories; GROUPINGS.len()]);

const GROUPINGS: [Grouping; 4] =
    [Grouping::Name, Grouping::Location, Grouping::Kind, Grouping::Target];

impl GroupHistories {
    /// Adds a span, with the load of all parts of all groups.
    pub(super) fn push(
        &mut self,
        target: &Target,
        parts: &[GroupPart<'_>],
        (from_ns, to_ns): (u64, u64),
    ) {
        let has_delay = target.description.has(FieldId::Scheduled);
        for (grouping, histories) in GROUPINGS.into_iter().zip(&mut self.0) {
            // Ordered, so that it is not up to chance which groups have a history.
            let mut groups: BTreeMap<&str, GroupLoad> = BTreeMap::new();
            for part in parts {
                let name = grouping.group_of(&target.description.name, part.meta);
                groups.entry(name).or_default().add(part.load);
            }
            for (name, load) in groups {
                let delay_ns = has_delay.then(|| load.delay_ns());
                let point = BusyPoint { from_ns, to_ns, busy: load.busy, delay_ns, queued: None };
                histories.push(name, point, load.mean_busy);
            }
        }
    }

    /// The history of a group.
    pub(super) fn get(&self, grouping: Grouping, group: &str) -> Option<&Ring<BusyPoint>> {
        Some(&self.history(grouping, group)?.ring)
    }

    /// The busy share of a group for the screen. The sum of those of its tasks may be off by an eighth.
    pub(super) fn shown_busy(&self, grouping: Grouping, group: &str) -> Option<f64> {
        Some(self.history(grouping, group)?.shown_busy)
    }

    fn history(&self, grouping: Grouping, group: &str) -> Option<&GroupHistory> {
        let at = GROUPINGS.iter().position(|one| *one == grouping)?;
        self.0[at].0.get(group)
    }
}

#[derive(Clone, Debug, Default)]
struct Histories(HashMap<Arc<str>, GroupHistory>);

#[derive(Clone, Debug)]
struct GroupHistory {
    ring: Ring<BusyPoint>,
    shown_busy: f64,
}

impl Histories {
    const MAX_GROUPS: usize = 64;
    const RESOLUTION_NS: u64 = 500_000_000;

    /// Adds a span of a group, if there is room for the group.
    fn push(&mut self, group: &str, point: BusyPoint, mean_busy: f64) {
        if let Some(GroupHistory { ring, shown_busy }) = self.0.get_mut(group) {
            ring.push(point);
            *shown_busy = steady_share(*shown_busy, mean_busy);
            return;
        }
        if self.0.len() >= Self::MAX_GROUPS {
            // The group that has been gone for longest makes room.
            let latest = |group: &GroupHistory| group.ring.latest().map_or(0, |point| point.to_ns);
            let oldest = self.0.iter().min_by_key(|(_, group)| latest(group));
            let gone = oldest.filter(|(_, group)| latest(group) < point.from_ns);
            let Some(gone) = gone.map(|(name, _)| Arc::clone(name)) else { return };
            self.0.remove(&gone);
        }
        let mut ring = Ring::new(Self::RESOLUTION_NS);
        ring.push(point);
        self.0.insert(group.into(), GroupHistory { ring, shown_busy: mean_busy });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            Model,
            testing::{snapshot, task},
        },
        snapshot::TaskKind,
    };

    const S: u64 = 1_000_000_000;

    #[test]
    fn group_that_is_gone_makes_room_for_another_one() {
        let mut histories = Histories::default();
        let at = |from_ns| BusyPoint { from_ns, to_ns: from_ns + S, ..BusyPoint::default() };
        for n in 0..Histories::MAX_GROUPS as u64 {
            histories.push(&format!("g{n}"), at(n * S), 0.0);
        }
        histories.push("early", at(0), 0.0);
        assert!(!histories.0.contains_key("early"));
        histories.push("late", at(100 * S), 0.0);
        assert!(histories.0.contains_key("late") && !histories.0.contains_key("g0"));
        assert_eq!(histories.0.len(), Histories::MAX_GROUPS);
    }

    /// Tasks `a-1` and `b-1` are busy half of the time at one location; `a-2`, a quarter of it, is
    /// at another one and a closure of the blocking pool. Shares are those of the group table.
    #[test]
    fn each_grouping_has_the_busy_shares_of_its_groups() {
        let sample = |now_s: u64| {
            let mut tasks = [task(1, "a-1"), task(2, "b-1"), task(3, "a-2")];
            for (task, quarters) in tasks.iter_mut().zip([2, 2, 1]) {
                (task.busy_ns, task.lifetime_ns) = (now_s * S / 4 * quarters, now_s * S);
            }
            Arc::make_mut(&mut tasks[0].meta).location = "src/main.rs:7".into();
            let other = Arc::make_mut(&mut tasks[2].meta);
            (other.location, other.kind) = ("src/other.rs:1".into(), TaskKind::Blocking);
            snapshot(now_s * S, tasks)
        };
        let mut model = Model::default();
        (1..=8).for_each(|now_s| model.advance(&sample(now_s).into()));
        let model = model.only();
        let busy = |grouping, name: &str| {
            let ring = model.group_history(grouping, name)?;
            ring.latest().map(|point| (point.busy * 100.0).round())
        };
        let name = model.name().to_string();
        let expected = [
            (Grouping::Name, "a", Some(75.0)),
            (Grouping::Name, "b", Some(50.0)),
            (Grouping::Location, "src/main.rs:7", Some(100.0)),
            (Grouping::Location, "src/other.rs:1", Some(25.0)),
            (Grouping::Kind, "task", Some(100.0)),
            (Grouping::Kind, "blocking", Some(25.0)),
            (Grouping::Target, &name, Some(125.0)),
            (Grouping::Kind, "local", None),
        ];
        for (grouping, group, expected) in expected {
            assert_eq!(busy(grouping, group), expected, "{grouping:?} {group}");
        }
    }
}
