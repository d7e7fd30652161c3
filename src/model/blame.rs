//! Who held a worker, for how long, and what it cost the others: the ledger of long polls.

use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use crate::{
    snapshot::{Cost, LongPoll, PollKind, Target, TaskMeta},
    text::{duration, plural, task_seconds},
};

/// How far back the ranking goes: one minute.
const WINDOW_NS: u64 = 60_000_000_000;
/// The most entries that are kept.
const KEPT: usize = 512;

/// One long poll.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its task; `None` if that was never in a snapshot.
    pub meta: Option<Arc<TaskMeta>>,
    /// Where, why and from when on, how long, and what it cost.
    pub evidence: Arc<LongPoll>,
}

impl Entry {
    /// How long it blocked its worker, in nanoseconds, less the time without a CPU, as far as that
    /// is known.
    pub fn own_ns(&self) -> u64 {
        let deducted_ns = self.evidence.without_cpu.total_ns();
        self.evidence.own_ns.unwrap_or(self.evidence.length_ns.saturating_sub(deducted_ns))
    }

    /// When it ended, or was seen last, on the source's clock.
    pub fn end_ns(&self) -> u64 {
        self.evidence.began_ns.saturating_add(self.evidence.length_ns)
    }
}

/// The long polls of a group of tasks in one function, summed up.
#[derive(Clone, Debug, PartialEq)]
pub struct Culprit {
    /// Whether these are polls, or drops of futures.
    pub kind: PollKind,
    /// The task's name, or that of the group if there were several of it.
    pub name: Arc<str>,
    /// Key of the task of the latest of them.
    pub task: u64,
    /// The function that held the worker; `None` if there is no stack.
    pub function: Option<Arc<str>>,
    /// Its file and line.
    pub place: Option<String>,
    /// How many long polls there were.
    pub polls: u64,
    /// Total length, less the time without a CPU.
    pub held_ns: u64,
    /// What they cost the others; `None` if that was never looked at.
    pub cost: Option<Costs>,
}

impl Culprit {
    /// The size of the impact, for comparison.
    pub(super) fn size(&self) -> (u64, u64, u64) {
        (self.cost.map_or(0, |cost| cost.total_ns), self.held_ns, self.task)
    }

    /// The impact as text.
    pub fn describe(&self) -> String {
        let Culprit { kind, name, function, polls, held_ns, cost, .. } = self;
        let what = match kind {
            PollKind::Poll => "long poll",
            PollKind::Drop => "long drop",
        };
        let function = function.as_ref().map(|function| format!(" in {function}"));
        let at_most = |cost: &Costs| if cost.exact { "" } else { "at most " };
        let cost = cost.map(|cost| {
            format!("{}{} task-seconds, ", at_most(&cost), task_seconds(cost.total_ns))
        });
        format!(
            "{}{} of {name}{}, {} in total",
            cost.unwrap_or_default(),
            plural(*polls, what),
            function.unwrap_or_default(),
            duration(*held_ns)
        )
    }
}

/// What several long polls cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// How long others waited beyond what they usually do.
    pub total_ns: u64,
    /// How many tasks waited for one of the polls, at the most.
    pub tasks: usize,
    /// It is certain that they waited for these polls.
    pub exact: bool,
}

/// The ledger of the long polls of the last minute.
#[derive(Clone, Debug, Default)]
pub struct Blame {
    /// Oldest first.
    entries: VecDeque<Entry>,
    culprits: Vec<Culprit>,
    /// Entries that had to go before their time.
    forgotten: u64,
}

impl Blame {
    /// Adds the new long polls of a sample: those of at least `long_ns`, less the time without a
    /// CPU. `last` is the previous sample.
    pub(super) fn advance(
        &mut self,
        snapshot: &Target,
        last: Option<&Target>,
        new: &[Arc<LongPoll>],
        long_ns: u64,
    ) {
        let before = self.entries.len();
        for evidence in new {
            self.take(snapshot, last, evidence);
        }
        self.entries.retain(|entry| entry.own_ns() >= long_ns);
        let oldest_ns = snapshot.taken_ns.saturating_sub(WINDOW_NS);
        self.entries.retain(|entry| !entry.evidence.over || entry.end_ns() >= oldest_ns);
        while self.entries.len() > KEPT {
            self.entries.pop_front();
            self.forgotten += 1;
        }
        if !new.is_empty() || self.entries.len() != before {
            self.culprits = rank(&self.entries);
        }
    }

    fn take(&mut self, now: &Target, last: Option<&Target>, evidence: &Arc<LongPoll>) {
        let same = |entry: &&mut Entry| {
            (entry.evidence.task, entry.evidence.began_ns) == (evidence.task, evidence.began_ns)
        };
        if let Some(known) = self.entries.iter_mut().rev().find(same) {
            known.evidence = evidence.clone();
            return;
        }
        // A task may end, and no longer be listed, before its long poll is reported.
        let meta = [Some(now), last]
            .into_iter()
            .flatten()
            .find_map(|snapshot| Some(Arc::clone(&snapshot.task(evidence.task)?.meta)));
        self.entries.push_back(Entry { meta, evidence: evidence.clone() });
    }

    /// Who cost the others most in the last minute, worst first.
    pub fn culprits(&self) -> &[Culprit] {
        &self.culprits
    }

    /// The long polls of the last minute, latest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev()
    }

    /// The long polls of this task in the last minute, latest first.
    pub fn of_task(&self, key: u64) -> impl Iterator<Item = &Entry> {
        self.entries().filter(move |entry| entry.evidence.task == key)
    }

    /// The long polls of others that this task waited for longest, latest first, and how
    /// many nanoseconds it waited beyond what it usually does.
    pub fn waited_for(&self, key: u64) -> impl Iterator<Item = (&Entry, u64)> {
        self.entries().filter_map(move |entry| {
            let worst = &entry.evidence.cost.as_ref()?.worst;
            let waited = worst.iter().find(|waited| waited.task == key)?;
            Some((entry, waited.nanos))
        })
    }

    /// Long polls of the last minute that are not kept: there were too many.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

fn rank(entries: &VecDeque<Entry>) -> Vec<Culprit> {
    type Subject<'a> = (PollKind, Option<Arc<str>>, Option<&'a str>);
    let mut found: HashMap<Subject<'_>, Culprit> = HashMap::new();
    for entry in entries {
        let Entry { meta, evidence } = entry;
        let group = meta.as_ref().map(|meta| meta.group.clone());
        let name = meta.as_ref().map_or_else(|| "?".into(), |meta| meta.name.clone());
        let kind = evidence.kind;
        let subject = (kind, group.clone(), evidence.function());
        let culprit = found.entry(subject).or_insert_with(|| {
            let function = evidence.function().map(Into::into);
            let (name, task) = (name.clone(), evidence.task);
            let place = None;
            Culprit { kind, name, task, function, place, polls: 0, held_ns: 0, cost: None }
        });
        if let (true, Some(group)) = (culprit.task != evidence.task, group) {
            culprit.name = group;
        }
        culprit.task = evidence.task;
        culprit.place = evidence.place().map(str::to_owned).or(culprit.place.take());
        culprit.polls += 1;
        culprit.held_ns = culprit.held_ns.saturating_add(entry.own_ns());
        if let Some(cost) = &evidence.cost {
            culprit.cost = Some(add(culprit.cost, cost));
        }
    }
    let mut culprits: Vec<_> = found.into_values().collect();
    culprits.sort_unstable_by_key(|culprit| Reverse(culprit.size()));
    culprits
}

fn add(sum: Option<Costs>, cost: &Cost) -> Costs {
    let sum = sum.unwrap_or(Costs { exact: true, ..Costs::default() });
    Costs {
        total_ns: sum.total_ns.saturating_add(cost.total_ns),
        tasks: sum.tasks.max(cost.tasks),
        exact: sum.exact && cost.exact,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::testing::{snapshot, task},
        snapshot::Share,
    };

    const S: u64 = 1_000_000_000;
    const MS: u64 = 1_000_000;

    fn evidence(task: u64, began_ns: u64, length_ns: u64, function: &str) -> LongPoll {
        let share = Share {
            function: function.into(),
            place: Some(format!("src/{function}.rs:7")),
            callee: None,
            part: 1.0,
        };
        LongPoll {
            captures: 1,
            shares: vec![share],
            ..LongPoll::computing(task, began_ns, length_ns)
        }
    }

    fn costs(mut evidence: LongPoll, tasks: usize, total_ns: u64, exact: bool) -> LongPoll {
        evidence.cost = Some(Cost { exact, tasks, total_ns, worst: Vec::new() }.into());
        evidence
    }

    fn advance(blame: &mut Blame, taken_ns: u64, polls: impl IntoIterator<Item = LongPoll>) {
        let names = ["hog-1", "hog-2", "parser"];
        let tasks = names.iter().zip(1..).map(|(name, id)| task(id, name));
        let mut now = snapshot(taken_ns, tasks);
        now.long_polls = polls.into_iter().map(Arc::new).collect();
        let new = now.long_polls.clone();
        blame.advance(&now, None, &new, MS);
    }

    #[test]
    fn entry_keeps_the_name_of_a_task_that_is_no_longer_listed() {
        let mut blame = Blame::default();
        let before = snapshot(S, [task(7, "import")]);
        let new = [evidence(7, S / 2, S, "parse").into()];
        blame.advance(&snapshot(2 * S, []), Some(&before), &new, MS);
        assert_eq!(&*blame.culprits()[0].name, "import");
        blame.advance(&snapshot(3 * S, []), Some(&snapshot(2 * S, [])), &new, MS);
        assert_eq!((&*blame.culprits()[0].name, blame.entries().count()), ("import", 1));
    }

    #[test]
    fn who_cost_the_others_most_comes_first() {
        let mut blame = Blame::default();
        let polls = [
            costs(evidence(3, S, 900 * MS, "parse"), 2, 100 * MS, true),
            costs(evidence(1, 2 * S, 50 * MS, "spin"), 16, 700 * MS, true),
            costs(evidence(2, 2 * S + 60 * MS, 50 * MS, "spin"), 9, 400 * MS, true),
        ];
        advance(&mut blame, 3 * S, polls);
        let [first, second] = blame.culprits() else { panic!("{:?}", blame.culprits()) };
        assert_eq!((&*first.name, first.polls, first.held_ns), ("hog", 2, 100 * MS));
        let cost = Costs { total_ns: 1100 * MS, tasks: 16, exact: true };
        assert_eq!((first.cost, first.place.as_deref()), (Some(cost), Some("src/spin.rs:7")));
        assert_eq!((&*second.name, second.task), ("parser", 3));
    }

    #[test]
    fn drops_and_polls_have_separate_entries() {
        let mut blame = Blame::default();
        let drop = LongPoll { kind: PollKind::Drop, ..evidence(1, 2 * S, 400 * MS, "flush") };
        advance(&mut blame, 3 * S, [evidence(1, S, 50 * MS, "flush"), drop]);
        let ranked: Vec<_> = blame.culprits().iter().map(|c| (c.kind, c.held_ns)).collect();
        assert_eq!(ranked, [(PollKind::Drop, 400 * MS), (PollKind::Poll, 50 * MS)]);
    }

    #[test]
    fn a_poll_that_goes_on_is_one_entry() {
        let mut blame = Blame::default();
        for length in 1..5 {
            let mut poll = costs(evidence(1, S, length * S, "spin"), 3, length * S, true);
            poll.over = length == 4;
            advance(&mut blame, (1 + length) * S, [poll]);
        }
        assert_eq!(blame.entries().count(), 1);
        let culprit = &blame.culprits()[0];
        assert_eq!((culprit.polls, culprit.held_ns), (1, 4 * S));
        assert_eq!(culprit.cost.map(|cost| cost.total_ns), Some(4 * S));
    }

    #[test]
    fn largest_impact_as_text() {
        let mut blame = Blame::default();
        assert!(blame.culprits().is_empty());
        advance(&mut blame, 2 * S, [evidence(3, S, 20 * MS, "parse")]);
        assert_eq!(
            blame.culprits()[0].describe(),
            "1 long poll of parser in parse, 20.0ms in total"
        );
        let polls = [S, 2 * S].map(|began| costs(evidence(1, began, S / 2, "spin"), 4, S, false));
        advance(&mut blame, 3 * S, polls);
        let largest = "at most 2.00 task-seconds, 2 long polls of hog-1 in spin, 1.00s in total";
        assert_eq!(blame.culprits()[0].describe(), largest);
    }

    #[test]
    fn what_is_not_exact_for_one_is_not_exact_for_all() {
        let mut blame = Blame::default();
        let polls = [(S, true), (2 * S, false)]
            .map(|(began, exact)| costs(evidence(1, began, S, "spin"), 1, S, exact));
        advance(&mut blame, 3 * S, polls);
        assert_eq!(blame.culprits()[0].cost.map(|cost| cost.exact), Some(false));
    }

    #[test]
    fn a_cost_that_is_not_known_is_not_nothing() {
        let mut blame = Blame::default();
        advance(&mut blame, 2 * S, [evidence(1, S, S, "spin")]);
        assert_eq!(blame.culprits()[0].cost, None);
    }

    #[test]
    fn impact_excludes_time_without_a_cpu() {
        let mut blame = Blame::default();
        let lacks = |task, began_ns, run_delay_ns| {
            let mut poll = evidence(task, began_ns, 300 * MS, "spin");
            poll.without_cpu.run_delay_ns = run_delay_ns;
            poll.own_ns = Some(300 * MS - run_delay_ns);
            poll
        };
        advance(&mut blame, 2 * S, [lacks(1, S, 200 * MS), lacks(3, S, 300 * MS)]);
        let [only] = blame.culprits() else { panic!("{:?}", blame.culprits()) };
        assert_eq!((&*only.name, only.held_ns), ("hog-1", 100 * MS));
        // A delay that was not known before.
        advance(&mut blame, 3 * S, [lacks(1, S, 300 * MS)]);
        assert_eq!((blame.entries().count(), blame.culprits().len()), (0, 0));
    }

    #[test]
    fn a_minute_is_kept_and_never_too_much() {
        let mut blame = Blame::default();
        advance(&mut blame, 2 * S, [evidence(1, S, MS, "spin")]);
        let many = (0..600).map(|n| evidence(1, 90 * S + n, MS, "spin"));
        advance(&mut blame, 91 * S, many);
        assert_eq!((blame.entries().count(), blame.forgotten()), (KEPT, 600 - KEPT as u64));
        assert!(blame.entries().all(|entry| entry.evidence.began_ns >= 90 * S));
        advance(&mut blame, 200 * S, []);
        assert!(blame.culprits().is_empty());
    }
}
