//! Lifecycle of findings: pending, active, resolved.
//!
//! A finding becomes active after `raise_ns` at or above its threshold, and is resolved after
//! `clear_ns` below it. Until then it states the last value above the threshold.

use std::{
    cmp::{Ordering, Reverse},
    sync::Arc,
};

use super::{Finding, Thresholds};

/// Maximum number of resolved findings.
const MAX_RESOLVED: usize = 100;
/// Maximum number of pending and active findings.
const MAX_UNRESOLVED: usize = 200;
/// A finding may be covered by another one that overlaps it within this tolerance.
const TOLERANCE_NS: u64 = 5_000_000_000;

/// The findings of a target.
#[derive(Clone, Debug, Default)]
pub(super) struct FindingStore {
    entries: Vec<Entry>,
    /// When the previous snapshot was taken.
    previous_ns: u64,
    /// Active findings, worst first, then resolved ones, latest first.
    listed: Vec<Arc<Finding>>,
    /// Findings covered by a listed one, in the same order.
    covered: Vec<Arc<Finding>>,
}

#[derive(Clone, Debug)]
struct Entry {
    stage: Stage,
    finding: Arc<Finding>,
    /// The worst candidate since the finding became pending.
    worst: Finding,
    /// Whether its candidates report events.
    counts_events: bool,
    /// Whether the latest candidate reports events.
    is_event: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Above the threshold, but not for `raise_ns` yet.
    Pending {
        since_ns: u64,
    },
    Active,
    Resolved,
}

impl FindingStore {
    /// Active findings, worst first, then resolved ones, latest first.
    pub(super) fn listed(&self) -> &[Arc<Finding>] {
        &self.listed
    }

    /// Findings covered by a listed one.
    pub(super) fn covered(&self) -> &[Arc<Finding>] {
        &self.covered
    }

    /// Processes the candidates of a snapshot.
    pub(super) fn advance(&mut self, now: u64, thresholds: &Thresholds, candidates: Vec<Finding>) {
        let fires = |candidate: &Finding| {
            thresholds.get(candidate.rule).is_some_and(|threshold| candidate.measure >= threshold)
        };
        for candidate in candidates.into_iter().filter(fires) {
            self.insert_or_update(now, candidate);
        }
        for entry in &mut self.entries {
            entry.update_stage(now);
        }
        self.previous_ns = now;
        self.remove_old();
        self.mark_covered();
        self.list();
    }

    fn insert_or_update(&mut self, now: u64, candidate: Finding) {
        let same = |entry: &&mut Entry| {
            entry.finding.rule == candidate.rule && entry.finding.has_subject_of(&candidate)
        };
        match self.entries.iter_mut().find(same) {
            Some(entry) => entry.update(now, self.previous_ns, candidate),
            None => {
                let unresolved = self.entries.iter().filter(|e| e.stage != Stage::Resolved).count();
                if unresolved < MAX_UNRESOLVED {
                    self.entries.push(Entry::new(now, self.previous_ns, candidate));
                }
            }
        }
    }

    /// Removes findings that never became active, and the oldest resolved ones.
    fn remove_old(&mut self) {
        let is_resolved = |entry: &Entry| entry.stage == Stage::Resolved;
        self.entries.retain(|entry| entry.finding.count > 0 || !is_resolved(entry));
        let resolved = self.entries.iter().filter(|entry| is_resolved(entry));
        let mut seen: Vec<u64> = resolved.map(|entry| entry.finding.last_seen_ns).collect();
        if seen.len() > MAX_RESOLVED {
            seen.sort_unstable_by_key(|seen| Reverse(*seen));
            let oldest = seen[MAX_RESOLVED - 1];
            self.entries.retain(|e| !is_resolved(e) || e.finding.last_seen_ns >= oldest);
        }
    }

    /// Marks findings that are covered by another one: one hog is one finding.
    fn mark_covered(&mut self) {
        for at in 0..self.entries.len() {
            let part = &self.entries[at].finding;
            let covers = |entry: &&Entry| {
                let whole = &entry.finding;
                whole.rule.rule().covers.contains(&part.rule)
                    && whole.count > 0
                    && whole.has_subject_of(part)
                    && whole.last_seen_ns.saturating_add(TOLERANCE_NS) >= part.last_seen_ns
                    && whole.last_seen_ns >= part.first_seen_ns
            };
            let part_of = self.entries.iter().find(covers).map(|entry| entry.finding.rule);
            if part.part_of != part_of {
                Arc::make_mut(&mut self.entries[at].finding).part_of = part_of;
            }
        }
    }

    fn list(&mut self) {
        let entries = self.entries.iter().filter(|entry| entry.finding.count > 0);
        let mut findings: Vec<_> = entries.map(|entry| entry.finding.clone()).collect();
        findings.sort_by(|a, b| order(a, b));
        (self.listed, self.covered) =
            findings.into_iter().partition(|finding| finding.part_of.is_none());
    }
}

/// The order of a list: active findings, worst first, then resolved ones, latest first.
pub(in crate::model) fn order(a: &Finding, b: &Finding) -> Ordering {
    let active_first = b.active.cmp(&a.active);
    active_first
        .then_with(|| match a.active {
            true => b.severity.cmp(&a.severity).then(a.first_seen_ns.cmp(&b.first_seen_ns)),
            false => b.last_seen_ns.cmp(&a.last_seen_ns),
        })
        .then_with(|| a.id().cmp(&b.id()))
}

impl Entry {
    fn new(now: u64, previous_ns: u64, candidate: Finding) -> Self {
        let first_seen_ns = candidate.first_seen_ns.min(now);
        let finding = Finding { first_seen_ns, count: 0, ..candidate.clone() };
        let mut entry = Entry {
            stage: Stage::Resolved,
            finding: Arc::new(finding),
            worst: candidate.clone(),
            counts_events: false,
            is_event: false,
        };
        entry.update(now, previous_ns, candidate);
        entry
    }

    /// Updates the finding from a candidate of this snapshot; of several candidates, from the worst.
    fn update(&mut self, now: u64, previous_ns: u64, candidate: Finding) {
        let finding = Arc::make_mut(&mut self.finding);
        let has_worse = finding.last_seen_ns == now && finding.measure > candidate.measure;
        if self.stage == Stage::Resolved {
            self.stage = Stage::Pending { since_ns: now };
            self.worst = candidate.clone();
            finding.latest_ns = candidate.first_seen_ns.min(now);
        }
        finding.add_span(now, previous_ns, &candidate);
        finding.last_seen_ns = now;
        // A condition that ends in an event was counted when it became active.
        let is_counted = self.stage == Stage::Active && !self.counts_events;
        let counts = self.stage == Stage::Active || finding.rule.rule().raise_ns == 0;
        if counts && !is_counted {
            finding.count += candidate.count;
        }
        self.counts_events |= candidate.count > 0;
        self.is_event = candidate.count > 0;
        if candidate.measure >= self.worst.measure {
            self.worst = candidate.clone();
        }
        if !has_worse {
            finding.update(candidate);
        }
    }

    /// Activates the finding after `raise_ns` above the threshold, and resolves it after `clear_ns`
    /// below.
    fn update_stage(&mut self, now: u64) {
        let (last_seen_ns, rule) = (self.finding.last_seen_ns, self.finding.rule.rule());
        match self.stage {
            Stage::Pending { .. } if last_seen_ns != now => self.stage = Stage::Resolved,
            Stage::Pending { since_ns } if now.saturating_sub(since_ns) >= rule.raise_ns => {
                self.stage = Stage::Active;
                let finding = Arc::make_mut(&mut self.finding);
                finding.active = true;
                // A condition counts its activations. Events of a pending finding are not counted,
                // so the first activation counts one.
                finding.count += u64::from(!self.counts_events || finding.count == 0);
                // An event has ended when it is reported.
                if rule.clear_ns == 0 && self.is_event {
                    self.resolve();
                }
            }
            Stage::Active
                if last_seen_ns != now && now.saturating_sub(last_seen_ns) >= rule.clear_ns =>
            {
                self.resolve();
            }
            Stage::Pending { .. } | Stage::Active | Stage::Resolved => {}
        }
    }

    fn resolve(&mut self) {
        self.stage = Stage::Resolved;
        let mut worst = self.worst.clone();
        worst.sentence = worst.sentence_when_resolved.take().unwrap_or(worst.sentence);
        let finding = Arc::make_mut(&mut self.finding);
        finding.active = false;
        finding.update(worst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FindingSubject, RuleId};

    const MS: u64 = 1_000_000;

    /// The listed findings with their measures after candidates of a rule with these times and
    /// measures.
    fn after(rule: RuleId, candidates: &[(u64, u64)]) -> Vec<(bool, u64)> {
        let mut store = FindingStore::default();
        for (now, measure) in candidates {
            let sentence = measure.to_string();
            let candidate =
                rule.rule().candidate(*now, FindingSubject::Runtime, *measure, sentence);
            store.advance(*now, &Thresholds::default(), vec![candidate]);
        }
        let finding = |finding: &Arc<Finding>| {
            assert_eq!(finding.sentence, finding.measure.to_string());
            (finding.active, finding.measure)
        };
        store.listed().iter().map(finding).collect()
    }

    #[test]
    fn finding_is_active_at_the_threshold_and_resolved_after_the_clear_time() {
        let polls = [85, 100, 150, 85, 90, 99, 85].map(|length| length * MS);
        let times = [0, 250, 500, 750, 1_000, 1_250, 1_500].map(|at| at * MS);
        let candidates: Vec<_> = times.into_iter().zip(polls).collect();
        let worker_held = |n: usize| after(RuleId::WorkerHeld, &candidates[..n]);
        assert_eq!(worker_held(1), [], "85 of 100 ms");
        assert_eq!(worker_held(2), [(true, 100 * MS)]);
        for n in 3..=6 {
            assert_eq!(worker_held(n), [(true, 150 * MS)], "{n}: below for less than a second");
        }
        assert_eq!(worker_held(7), [(false, 150 * MS)]);
    }

    /// The spans of a finding in milliseconds, after candidates at these times in quarter seconds,
    /// each with its beginning and the number of its events.
    fn spans(candidates: &[(u64, Option<(u64, u64)>)]) -> (u64, Vec<(u64, u64)>) {
        let mut store = FindingStore::default();
        for (quarter, candidate) in candidates {
            let now = quarter * 250 * MS;
            let candidate = candidate.map(|(began_ms, count)| Finding {
                first_seen_ns: began_ms * MS,
                count,
                ..RuleId::WorkerHeld.rule().candidate(
                    now,
                    FindingSubject::Runtime,
                    150 * MS,
                    String::new(),
                )
            });
            store.advance(now, &Thresholds::default(), candidate.into_iter().collect());
        }
        let finding = &store.listed()[0];
        let spans = finding.spans.iter().map(|span| (span.from_ns / MS, span.to_ns / MS));
        (finding.latest_ns / MS, spans.collect())
    }

    #[test]
    fn spans_are_the_times_above_the_threshold() {
        let running = [(4, Some((800, 1))), (5, Some((800, 0))), (6, None), (12, None)];
        assert_eq!(spans(&running), (800, vec![(800, 1_250)]));
        let again = [(4, Some((800, 1))), (8, None), (9, None), (20, Some((4_700, 1)))];
        assert_eq!(spans(&again), (4_700, vec![(800, 1_000), (4_700, 5_000)]));
    }

    #[test]
    fn condition_lasts_from_snapshot_to_snapshot() {
        let at = |quarter| (quarter, Some((quarter * 250, 0)));
        assert_eq!(spans(&[at(4), at(5), at(6), at(8)]).1, [(1_000, 2_000)]);
        assert_eq!(spans(&[at(4), (5, None), at(9)]).1, [(1_000, 1_000), (2_250, 2_250)]);
    }

    #[test]
    fn raise_time_starts_over_below_the_threshold() {
        let spawn_storm = |rates: &[u64]| {
            let candidates = (0..).zip(rates).map(|(n, rate)| (n * 1_000 * MS, *rate));
            after(RuleId::SpawnStorm, &candidates.collect::<Vec<_>>())
        };
        assert_eq!(spawn_storm(&[6_000, 4_900, 6_000, 6_000]), [], "less than two seconds");
        assert_eq!(spawn_storm(&[6_000, 6_000, 6_000, 4_900]), [(true, 6_000)]);
    }
}
