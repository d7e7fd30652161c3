//! The life of findings: raised after it holds, lowered after it is gone, then remembered.

use std::{cmp::Reverse, sync::Arc};

use super::{
    Finding, Suspect, Thresholds,
    rule::{Claim, Rule},
};

/// Findings that are over and still remembered.
const OVER: usize = 100;
/// A finding that is seen for the last time within this time of another one may be about the same
/// polls.
const SAME_NS: u64 = 5_000_000_000;
/// Findings at a time, and those that may become some.
const OPEN: usize = 200;

/// Follows claims from look to look.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    entries: Vec<Entry>,
    /// Those that people see: of now first, worst first, then those that are over.
    shown: Vec<Arc<Finding>>,
    /// Those of which others tell more, in the same order.
    parts: Vec<Arc<Finding>>,
}

#[derive(Clone, Debug)]
struct Entry {
    rule: &'static Rule,
    stage: Stage,
    finding: Arc<Finding>,
    /// The claim of the worst moment since it was raised.
    worst: Option<Claim>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Claimed, but not for long enough yet.
    Pending {
        since_ns: u64,
    },
    Active,
    Over,
}

impl Book {
    /// What people see: of now first, worst first; then what is over, latest first.
    pub(super) fn all(&self) -> &[Arc<Finding>] {
        &self.shown
    }

    /// What is a part of something that people see.
    pub(super) fn parts(&self) -> &[Arc<Finding>] {
        &self.parts
    }

    /// Takes in what the rules say of a moment.
    pub(super) fn enter(
        &mut self,
        now: u64,
        thresholds: &Thresholds,
        claims: Vec<(&'static Rule, Claim)>,
    ) {
        for (rule, claim) in claims {
            let reached = thresholds.get(rule.id).is_some_and(|least| claim.measure >= least);
            self.claim(now, rule, claim, reached);
        }
        for entry in &mut self.entries {
            entry.settle(now);
        }
        self.forget();
        self.show();
    }

    fn claim(&mut self, now: u64, rule: &'static Rule, claim: Claim, reached: bool) {
        let found = self.position(rule, &claim.suspect);
        let Some(at) = found else {
            let open = self.entries.iter().filter(|entry| entry.stage != Stage::Over).count();
            if reached && open < OPEN {
                self.entries.push(Entry::new(now, rule, claim));
            }
            return;
        };
        let entry = &mut self.entries[at];
        match entry.stage {
            Stage::Active => entry.take(now, claim),
            Stage::Pending { .. } if reached => entry.take(now, claim),
            Stage::Pending { .. } => {}
            Stage::Over if reached => {
                entry.stage = Stage::Pending { since_ns: now };
                entry.worst = None;
                entry.take(now, claim);
            }
            Stage::Over => {}
        }
    }

    fn position(&self, rule: &Rule, suspect: &Suspect) -> Option<usize> {
        self.entries
            .iter()
            .position(|entry| entry.finding.rule == rule.id && entry.finding.suspect == *suspect)
    }

    /// Lets go of what never came to be, and of the oldest of what is over.
    fn forget(&mut self) {
        self.entries.retain(|entry| entry.finding.count > 0 || entry.stage != Stage::Over);
        let mut over: Vec<u64> = self
            .entries
            .iter()
            .filter(|entry| entry.stage == Stage::Over)
            .map(|entry| entry.finding.last_seen_ns)
            .collect();
        if over.len() > OVER {
            over.sort_unstable_by_key(|seen| Reverse(*seen));
            let oldest = over[OVER - 1];
            let old = |entry: &Entry| entry.finding.last_seen_ns < oldest;
            self.entries.retain(|entry| entry.stage != Stage::Over || !old(entry));
        }
    }

    fn show(&mut self) {
        self.mark_parts();
        let came = self.entries.iter().filter(|entry| entry.finding.count > 0);
        let mut came: Vec<_> = came.map(|entry| entry.finding.clone()).collect();
        came.sort_by(|a, b| {
            let of_now = b.active.cmp(&a.active);
            of_now
                .then_with(|| match a.active {
                    true => b.severity.cmp(&a.severity).then(a.first_seen_ns.cmp(&b.first_seen_ns)),
                    false => b.last_seen_ns.cmp(&a.last_seen_ns),
                })
                .then_with(|| a.id().cmp(&b.id()))
        });
        (self.shown, self.parts) = came.into_iter().partition(|finding| finding.part_of.is_none());
    }

    /// Marks findings that are part of another one: one hog is one finding.
    fn mark_parts(&mut self) {
        for at in 0..self.entries.len() {
            let part = &self.entries[at].finding;
            let covers = |entry: &&Entry| {
                let whole = &entry.finding;
                entry.rule.covers.contains(&part.rule)
                    && whole.count > 0
                    && whole.suspect == part.suspect
                    && whole.last_seen_ns.saturating_add(SAME_NS) >= part.last_seen_ns
                    && whole.last_seen_ns >= part.first_seen_ns
            };
            let part_of = self.entries.iter().find(covers).map(|entry| entry.rule.id);
            if part.part_of != part_of {
                Arc::make_mut(&mut self.entries[at].finding).part_of = part_of;
            }
        }
    }
}

impl Entry {
    fn new(now: u64, rule: &'static Rule, claim: Claim) -> Self {
        let finding = Finding {
            rule: rule.id,
            severity: rule.severity,
            suspect: claim.suspect.clone(),
            task: None,
            task_id: None,
            target: claim.target.clone(),
            sentence: String::new(),
            measure: 0,
            location: None,
            evidence: None,
            waiters: Vec::new(),
            waiting: 0,
            cure: rule.cure,
            first_seen_ns: claim.since_ns.unwrap_or(now).min(now),
            last_seen_ns: now,
            count: 0,
            active: false,
            part_of: None,
        };
        let stage = Stage::Pending { since_ns: now };
        let mut entry = Entry { rule, stage, finding: Arc::new(finding), worst: None };
        entry.take(now, claim);
        entry
    }

    /// Takes over what a claim says.
    fn take(&mut self, now: u64, claim: Claim) {
        let finding = Arc::make_mut(&mut self.finding);
        let again = finding.last_seen_ns == now && finding.measure > claim.measure;
        finding.last_seen_ns = now;
        if self.stage == Stage::Active || self.rule.raise_ns == 0 {
            finding.count += claim.events.unwrap_or(0);
        }
        let worst = self.worst.as_ref().is_none_or(|worst| worst.measure <= claim.measure);
        if worst {
            self.worst = Some(claim.clone());
        }
        // Of several claims of one look the worst is told.
        if !again {
            finding.tell(claim, self.rule);
        }
    }

    /// Raises what has held for long enough, lowers what has been gone for long enough.
    fn settle(&mut self, now: u64) {
        let seen = self.finding.last_seen_ns == now;
        match self.stage {
            Stage::Pending { .. } if !seen => self.stage = Stage::Over,
            Stage::Pending { since_ns } if now.saturating_sub(since_ns) >= self.rule.raise_ns => {
                self.stage = Stage::Active;
                let finding = Arc::make_mut(&mut self.finding);
                finding.active = true;
                let counts_events = self.worst.as_ref().is_some_and(|claim| claim.events.is_some());
                finding.count += u64::from(!counts_events || finding.count == 0);
                // An event that is over when it is reported.
                if self.rule.clear_ns == 0 {
                    self.resolve();
                }
            }
            Stage::Active
                if now.saturating_sub(self.finding.last_seen_ns) >= self.rule.clear_ns =>
            {
                self.resolve();
            }
            _ => {}
        }
    }

    fn resolve(&mut self) {
        self.stage = Stage::Over;
        let finding = Arc::make_mut(&mut self.finding);
        finding.active = false;
        if let Some(mut worst) = self.worst.take() {
            worst.sentence = worst.past.take().unwrap_or(worst.sentence);
            finding.tell(worst, self.rule);
        }
    }
}

impl Finding {
    fn tell(&mut self, claim: Claim, rule: &Rule) {
        self.task = claim.task;
        self.task_id = claim.task_id;
        self.target = claim.target;
        self.sentence = claim.sentence;
        self.measure = claim.measure;
        self.location = claim.location;
        self.evidence = claim.evidence;
        self.waiters = claim.waiters;
        self.waiting = claim.waiting;
        self.cure = claim.cure.unwrap_or(rule.cure);
    }
}
