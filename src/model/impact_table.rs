//! The impact table: the long polls of the last minute, ranked by the scheduling delay that they
//! caused to other tasks.

use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::lines::Lines;
use crate::{
    snapshot::{ImpactAccuracy, LongPoll, PollImpact, PollKind, Target, TargetId, TaskMeta},
    text::{duration, plural, task_seconds},
};

const WINDOW_NS: u64 = 60_000_000_000;
const MAX_ENTRIES: usize = 512;

/// One long poll.
#[derive(Clone, Debug)]
pub struct LongPollEntry {
    /// The task; `None` if it was in no snapshot.
    pub meta: Option<Arc<TaskMeta>>,
    /// The latest revision of the long poll.
    pub evidence: Arc<LongPoll>,
}

impl LongPollEntry {
    fn group(&self) -> Option<&Arc<str>> {
        self.meta.as_ref().map(|meta| &meta.group)
    }

    /// The time that it blocked its worker, in nanoseconds: its length minus the time without a CPU,
    /// as far as that is known.
    pub fn net_ns(&self) -> u64 {
        let deducted_ns = self.evidence.without_cpu.total_ns();
        self.evidence.net_ns.unwrap_or(self.evidence.length_ns.saturating_sub(deducted_ns))
    }

    /// When it ended or was last sampled, on the target's clock.
    pub fn end_ns(&self) -> u64 {
        self.evidence.began_ns.saturating_add(self.evidence.length_ns)
    }
}

/// Identifies a row of the impact table across snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffenderId {
    /// The target.
    pub target: TargetId,
    kind: PollKind,
    group: Option<Arc<str>>,
    function: Option<Arc<str>>,
}

/// A row of the impact table: the long polls of a group of tasks in one function, summed up. Polls
/// without a stack are counted for the function of the group's other polls if there is only one.
#[derive(Clone, Debug, PartialEq)]
pub struct Offender {
    /// Whether these are polls, or drops of futures.
    pub kind: PollKind,
    /// The group; `None` if the tasks were in no snapshot.
    pub group: Option<Arc<str>>,
    /// The task's name, or the group's if the polls are of several tasks.
    pub name: Arc<str>,
    /// Key of the task of the latest poll.
    pub task: u64,
    /// The function that blocked the worker; `None` without a stack.
    pub function: Option<Arc<str>>,
    /// File and line in that function, of most of the polls.
    pub blocked_at: Option<String>,
    /// The number of long polls.
    pub polls: u64,
    /// The number of long polls whose function is unknown, because no stack was captured.
    pub polls_without_function: u64,
    /// The longest of the polls with a stack or, if none has one, of all.
    pub evidence: Arc<LongPoll>,
    /// Total length in nanoseconds, minus the time without a CPU.
    pub blocked_ns: u64,
    /// Impact on other tasks; `None` if it was not measured.
    pub impact: Option<TotalImpact>,
}

impl Offender {
    /// The key of the ranking.
    pub(super) fn rank(&self) -> (u64, u64, u64) {
        (self.impact.map_or(0, |impact| impact.total_ns), self.blocked_ns, self.task)
    }

    /// The identity, which is the same in all snapshots.
    pub fn id(&self, target: TargetId) -> OffenderId {
        let (group, function) = (self.group.clone(), self.function.clone());
        OffenderId { target, kind: self.kind, group, function }
    }

    /// Whether the row includes this poll.
    pub(super) fn contains(&self, entry: &LongPollEntry) -> bool {
        let function = entry.evidence.function();
        let is_in_function = match function {
            None => self.polls_without_function > 0,
            Some(_) => function == self.function.as_deref(),
        };
        self.kind == entry.evidence.kind && self.group.as_ref() == entry.group() && is_in_function
    }

    /// The impact as text.
    pub fn describe(&self) -> String {
        let Offender { kind, name, function, polls, blocked_ns, impact, .. } = self;
        let polls_of_kind = match kind {
            PollKind::Poll => plural(*polls, "long poll"),
            PollKind::Drop => plural(*polls, "long drop"),
        };
        let function = function.as_ref().map(|function| format!(" in {function}"));
        let impact = impact.map(|impact| {
            let qualifier = impact.accuracy.qualifier();
            format!("{qualifier}{} task-seconds, ", task_seconds(impact.total_ns))
        });
        format!(
            "{}{polls_of_kind} of {name}{}, {} in total",
            impact.unwrap_or_default(),
            function.unwrap_or_default(),
            duration(*blocked_ns)
        )
    }
}

/// The impact of several long polls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TotalImpact {
    /// Scheduling delay of other tasks beyond their usual one, in nanoseconds.
    pub total_ns: u64,
    /// The largest number of tasks that one of the polls delayed.
    pub tasks: usize,
    /// The lowest accuracy of these impacts.
    pub accuracy: ImpactAccuracy,
}

/// The long polls of the last minute.
#[derive(Clone, Debug, Default)]
pub struct ImpactTable {
    /// By their start, the earliest first.
    entries: VecDeque<LongPollEntry>,
    offenders: Vec<Offender>,
}

impl ImpactTable {
    /// Adds the new long polls of a sample: those of at least `long_ns`, not counting the time
    /// without a CPU. `last` is the previous sample.
    pub(super) fn advance(
        &mut self,
        snapshot: &Target,
        last: Option<&Target>,
        new: &[Arc<LongPoll>],
        long_ns: u64,
    ) {
        let before = self.entries.len();
        for evidence in new {
            self.insert_or_update(snapshot, last, evidence);
        }
        self.entries.retain(|entry| entry.net_ns() >= long_ns);
        let oldest_ns = snapshot.taken_ns.saturating_sub(WINDOW_NS);
        self.entries.retain(|entry| !entry.evidence.is_ended || entry.end_ns() >= oldest_ns);
        while self.entries.len() > MAX_ENTRIES {
            self.entries.pop_front();
        }
        if !new.is_empty() || self.entries.len() != before {
            self.offenders = rank(self.entries.iter());
        }
    }

    fn insert_or_update(&mut self, now: &Target, last: Option<&Target>, poll: &Arc<LongPoll>) {
        let same = |entry: &&mut LongPollEntry| {
            (entry.evidence.task, entry.evidence.began_ns) == (poll.task, poll.began_ns)
        };
        if let Some(known) = self.entries.iter_mut().rev().find(same) {
            known.evidence = poll.clone();
            return;
        }
        // A task may end, and no longer be listed, before its long poll is reported.
        let meta = [Some(now), last]
            .into_iter()
            .flatten()
            .find_map(|snapshot| Some(Arc::clone(&snapshot.task(poll.task)?.meta)));
        let later = self.entries.iter().rev().take_while(|it| it.evidence.began_ns > poll.began_ns);
        let at = self.entries.len() - later.count();
        self.entries.insert(at, LongPollEntry { meta, evidence: poll.clone() });
    }

    /// The task of a long poll of the last minute.
    pub(super) fn task(&self, key: u64) -> Option<&Arc<TaskMeta>> {
        self.of_task(key).find_map(|entry| entry.meta.as_ref())
    }

    /// The rows of the table, largest impact first.
    pub fn offenders(&self) -> &[Offender] {
        &self.offenders
    }

    /// The rows of a table of the long polls of some tasks.
    pub fn offenders_among(&self, is_member: impl Fn(&TaskMeta) -> bool) -> Vec<Offender> {
        let is_member = |entry: &&LongPollEntry| entry.meta.as_deref().is_some_and(&is_member);
        rank(self.entries.iter().filter(is_member))
    }

    /// The long polls of the last minute, latest first.
    pub fn entries(&self) -> impl Iterator<Item = &LongPollEntry> {
        self.entries.iter().rev()
    }

    /// The long polls of this group of tasks in the last minute, latest first.
    pub(super) fn of_group(&self, group: &str) -> impl Iterator<Item = &LongPoll> {
        let is_of_group =
            move |entry: &&LongPollEntry| entry.group().is_some_and(|name| **name == *group);
        self.entries().filter(is_of_group).map(|entry| &*entry.evidence)
    }

    /// The long polls of this task in the last minute, latest first.
    pub fn of_task(&self, key: u64) -> impl Iterator<Item = &LongPollEntry> {
        self.entries().filter(move |entry| entry.evidence.task == key)
    }

    /// The long polls that list this task among those they delayed most, latest first, each with
    /// the delay beyond the task's usual one, in nanoseconds.
    pub fn polls_that_delayed(&self, key: u64) -> impl Iterator<Item = (&LongPollEntry, u64)> {
        self.entries().filter_map(move |entry| {
            let most_delayed = &entry.evidence.impact.as_ref()?.most_delayed;
            let delayed = most_delayed.iter().find(|delayed| delayed.task == key)?;
            Some((entry, delayed.delay_ns))
        })
    }
}

fn rank<'a>(entries: impl Iterator<Item = &'a LongPollEntry> + Clone) -> Vec<Offender> {
    type Key<'a> = (PollKind, Option<&'a Arc<str>>, Option<&'a str>);
    // The only function of each group, or `None` if there are several.
    let mut functions: HashMap<(PollKind, Option<&Arc<str>>), Option<&str>> = HashMap::new();
    for entry in entries.clone() {
        if let Some(function) = entry.evidence.function() {
            let only = functions.entry((entry.evidence.kind, entry.group()));
            let only = only.or_insert(Some(function));
            *only = only.filter(|known| *known == function);
        }
    }
    let mut found: HashMap<Key<'_>, (Offender, Lines)> = HashMap::new();
    for entry in entries {
        let LongPollEntry { meta, evidence } = entry;
        let (kind, group, own) = (evidence.kind, entry.group(), evidence.function());
        let function = own.or_else(|| *functions.get(&(kind, group))?);
        let new = || Offender {
            kind,
            group: group.cloned(),
            name: meta.as_ref().map_or_else(|| "?".into(), |meta| meta.name.clone()),
            task: evidence.task,
            function: function.map(Into::into),
            blocked_at: None,
            polls: 0,
            polls_without_function: 0,
            evidence: Arc::clone(evidence),
            blocked_ns: 0,
            impact: None,
        };
        let row = found.entry((kind, group, function));
        let (offender, lines) = row.or_insert_with(|| (new(), Lines::default()));
        if let (true, Some(group)) = (offender.task != evidence.task, group) {
            offender.name = Arc::clone(group);
        }
        offender.task = evidence.task;
        lines.add(evidence);
        offender.polls += 1;
        offender.polls_without_function += u64::from(own.is_none());
        let rank = |poll: &LongPoll| (poll.stack.is_some(), poll.length_ns);
        if rank(evidence) > rank(&offender.evidence) {
            offender.evidence = Arc::clone(evidence);
        }
        offender.blocked_ns = offender.blocked_ns.saturating_add(entry.net_ns());
        if let Some(impact) = &evidence.impact {
            offender.impact = Some(add(offender.impact, impact));
        }
    }
    let with_line = |(offender, lines): (Offender, Lines)| Offender {
        blocked_at: lines.most_frequent(None).map(str::to_owned),
        ..offender
    };
    let mut offenders: Vec<_> = found.into_values().map(with_line).collect();
    offenders.sort_unstable_by_key(|offender| Reverse(offender.rank()));
    offenders
}

fn add(sum: Option<TotalImpact>, impact: &PollImpact) -> TotalImpact {
    let sum = sum.unwrap_or_default();
    TotalImpact {
        total_ns: sum.total_ns.saturating_add(impact.total_ns),
        tasks: sum.tasks.max(impact.tasks),
        accuracy: sum.accuracy.max(impact.accuracy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::testing::{snapshot, task},
        snapshot::ProfileEntry,
    };

    const S: u64 = 1_000_000_000;
    const MS: u64 = 1_000_000;

    fn long_poll(task: u64, began_ns: u64, length_ns: u64, function: &str) -> LongPoll {
        let entry = ProfileEntry {
            function: function.into(),
            location: Some(format!("src/{function}.rs:7")),
            callee: None,
            share: 1.0,
            libraries: Vec::new(),
        };
        LongPoll {
            captures: 1,
            profile: vec![entry],
            ..LongPoll::computing(task, began_ns, length_ns)
        }
    }

    fn with_impact(mut poll: LongPoll, tasks: usize, total_ns: u64, exact: bool) -> LongPoll {
        let accuracy = if exact { ImpactAccuracy::Exact } else { ImpactAccuracy::UpperBound };
        let most_delayed = Vec::new();
        poll.impact = Some(PollImpact { accuracy, tasks, total_ns, most_delayed }.into());
        poll
    }

    fn advance(table: &mut ImpactTable, taken_ns: u64, polls: impl IntoIterator<Item = LongPoll>) {
        let names = ["hog-1", "hog-2", "parser"];
        let tasks = names.iter().zip(1..).map(|(name, id)| task(id, name));
        let mut now = snapshot(taken_ns, tasks);
        now.long_polls = polls.into_iter().map(Arc::new).collect();
        let new = now.long_polls.clone();
        table.advance(&now, None, &new, MS);
    }

    #[test]
    fn entry_keeps_the_name_of_a_task_that_is_no_longer_listed() {
        let mut table = ImpactTable::default();
        let before = snapshot(S, [task(7, "import")]);
        let new = [long_poll(7, S / 2, S, "parse").into()];
        table.advance(&snapshot(2 * S, []), Some(&before), &new, MS);
        assert_eq!(&*table.offenders()[0].name, "import");
        table.advance(&snapshot(3 * S, []), Some(&snapshot(2 * S, [])), &new, MS);
        assert_eq!((&*table.offenders()[0].name, table.entries().count()), ("import", 1));
    }

    #[test]
    fn offenders_are_ranked_by_impact() {
        let mut table = ImpactTable::default();
        let polls = [
            with_impact(long_poll(3, S, 900 * MS, "parse"), 2, 100 * MS, true),
            with_impact(long_poll(1, 2 * S, 50 * MS, "spin"), 16, 700 * MS, true),
            with_impact(long_poll(2, 2 * S + 60 * MS, 50 * MS, "spin"), 9, 400 * MS, true),
        ];
        advance(&mut table, 3 * S, polls);
        let [first, second] = table.offenders() else { panic!("{:?}", table.offenders()) };
        assert_eq!((&*first.name, first.polls, first.blocked_ns), ("hog", 2, 100 * MS));
        let impact =
            TotalImpact { total_ns: 1100 * MS, tasks: 16, accuracy: ImpactAccuracy::Exact };
        assert_eq!(
            (first.impact, first.blocked_at.as_deref()),
            (Some(impact), Some("src/spin.rs:7"))
        );
        assert_eq!((&*second.name, second.task), ("parser", 3));
    }

    #[test]
    fn polls_without_a_stack_count_for_the_only_function_of_their_group() {
        let mut table = ImpactTable::default();
        let without = |began_ns| LongPoll::computing(1, began_ns, 50 * MS);
        advance(&mut table, 2 * S, [without(S), long_poll(2, S + MS, 20 * MS, "spin")]);
        let [only] = table.offenders() else { panic!("{:?}", table.offenders()) };
        assert_eq!((only.function.as_deref(), only.polls), (Some("spin"), 2));
        assert_eq!((&*only.name, only.blocked_ns), ("hog", 70 * MS));
        assert_eq!(only.blocked_at.as_deref(), Some("src/spin.rs:7"));
        advance(&mut table, 3 * S, [long_poll(2, 2 * S, 20 * MS, "sum")]);
        let functions = table.offenders().iter().map(|row| (row.function.as_deref(), row.polls));
        let mut functions: Vec<_> = functions.collect();
        functions.sort_unstable();
        assert_eq!(functions, [(None, 1), (Some("spin"), 1), (Some("sum"), 1)]);
    }

    #[test]
    fn line_of_a_row_is_that_of_most_polls() {
        let mut table = ImpactTable::default();
        let polls = [7, 9, 9, 8].into_iter().zip(1..).map(|(line, began)| {
            let mut poll = long_poll(1, began * S, 20 * MS, "scan");
            poll.profile[0].location = Some(format!("src/db.rs:{line}"));
            poll
        });
        advance(&mut table, 5 * S, polls);
        assert_eq!(table.offenders()[0].blocked_at.as_deref(), Some("src/db.rs:9"));
    }

    #[test]
    fn drops_and_polls_have_separate_rows() {
        let mut table = ImpactTable::default();
        let drop = LongPoll { kind: PollKind::Drop, ..long_poll(1, 2 * S, 400 * MS, "flush") };
        advance(&mut table, 3 * S, [long_poll(1, S, 50 * MS, "flush"), drop]);
        let ranked: Vec<_> = table.offenders().iter().map(|c| (c.kind, c.blocked_ns)).collect();
        assert_eq!(ranked, [(PollKind::Drop, 400 * MS), (PollKind::Poll, 50 * MS)]);
    }

    #[test]
    fn running_poll_stays_one_entry() {
        let mut table = ImpactTable::default();
        for length in 1..5 {
            let mut poll = with_impact(long_poll(1, S, length * S, "spin"), 3, length * S, true);
            poll.is_ended = length == 4;
            advance(&mut table, (1 + length) * S, [poll]);
        }
        assert_eq!(table.entries().count(), 1);
        let offender = &table.offenders()[0];
        assert_eq!((offender.polls, offender.blocked_ns), (1, 4 * S));
        assert_eq!(offender.impact.map(|impact| impact.total_ns), Some(4 * S));
    }

    #[test]
    fn offender_as_text() {
        let mut table = ImpactTable::default();
        assert!(table.offenders().is_empty());
        advance(&mut table, 2 * S, [long_poll(3, S, 20 * MS, "parse")]);
        assert_eq!(
            table.offenders()[0].describe(),
            "1 long poll of parser in parse, 20.0ms in total"
        );
        let polls =
            [S, 2 * S].map(|began| with_impact(long_poll(1, began, S / 2, "spin"), 4, S, false));
        advance(&mut table, 3 * S, polls);
        let largest = "at most 2.00 task-seconds, 2 long polls of hog-1 in spin, 1.00s in total";
        assert_eq!(table.offenders()[0].describe(), largest);
    }

    #[test]
    fn total_impact_is_exact_only_if_all_parts_are() {
        let mut table = ImpactTable::default();
        let polls = [(S, true), (2 * S, false)]
            .map(|(began, exact)| with_impact(long_poll(1, began, S, "spin"), 1, S, exact));
        advance(&mut table, 3 * S, polls);
        assert_eq!(
            table.offenders()[0].impact.map(|impact| impact.accuracy),
            Some(ImpactAccuracy::UpperBound)
        );
    }

    #[test]
    fn unknown_impact_is_none_and_not_zero() {
        let mut table = ImpactTable::default();
        advance(&mut table, 2 * S, [long_poll(1, S, S, "spin")]);
        assert_eq!(table.offenders()[0].impact, None);
    }

    #[test]
    fn impact_excludes_time_without_a_cpu() {
        let mut table = ImpactTable::default();
        let poll_without_cpu = |task, began_ns, run_delay_ns| {
            let mut poll = long_poll(task, began_ns, 300 * MS, "spin");
            poll.without_cpu.run_delay_ns = run_delay_ns;
            poll.net_ns = Some(300 * MS - run_delay_ns);
            poll
        };
        advance(
            &mut table,
            2 * S,
            [poll_without_cpu(1, S, 200 * MS), poll_without_cpu(3, S, 300 * MS)],
        );
        let [only] = table.offenders() else { panic!("{:?}", table.offenders()) };
        assert_eq!((&*only.name, only.blocked_ns), ("hog-1", 100 * MS));
        // More run-queue delay becomes known.
        advance(&mut table, 3 * S, [poll_without_cpu(1, S, 300 * MS)]);
        assert_eq!((table.entries().count(), table.offenders().len()), (0, 0));
    }

    #[test]
    fn entries_are_bounded_in_age_and_number() {
        let mut table = ImpactTable::default();
        advance(&mut table, 2 * S, [long_poll(1, S, MS, "spin")]);
        let many = (0..600).map(|n| long_poll(1, 90 * S + n, MS, "spin"));
        advance(&mut table, 91 * S, many);
        assert_eq!(table.entries().count(), MAX_ENTRIES);
        assert!(table.entries().all(|entry| entry.evidence.began_ns >= 90 * S));
        advance(&mut table, 200 * S, []);
        assert!(table.offenders().is_empty());
    }
}
