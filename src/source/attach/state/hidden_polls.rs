//! Long polls among many short ones. An update has only the sum of them, so the histograms of the
//! tasks in which one may hide are requested from the program.
//!
//! A histogram has the lengths of all polls of a task, so what it gained since the previous one are
//! the polls between the two. Those whose start and end were in an update are reported already. The
//! first histogram of a task shows only polls that are longer than any before can have been.

use std::{collections::HashSet, ops::RangeInclusive};

use console_api::tasks::TaskDetails;

use super::{EndedPoll, Program, Table, TableEntry, Task, ended_polls::MAX_START_ERROR_NS};
use crate::source::attach::{
    clock::{ClockOffset, Moment, between, moment},
    histogram::{self, LongDurations},
};

/// Shorter polls do not count as hidden.
const MIN_HIDDEN_NS: u64 = 10_000_000;
/// The number of tasks whose histograms are requested at the same time. The program encodes two
/// histograms of each with every update.
const MAX_WATCHES: usize = 16;
/// The oldest watch makes room for a new one after this many updates: two histograms to compare, and
/// the update that dates the last one.
const MIN_UPDATES: u64 = 4;
/// A watch ends after this many updates without a histogram: the program does not know the task.
const MAX_SILENT_UPDATES: u64 = 2;
/// A watch ends after this many updates in which no long poll can have been hidden.
const MAX_UNNEEDED_UPDATES: u64 = 10;
/// Hidden polls of one task in one histogram; the longest ones are reported.
const MAX_HIDDEN: usize = 8;

/// The polls of a task between two updates, as far as they are known.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentPolls {
    /// Polls with a known start and length.
    pub exact: [Option<EndedPoll>; 2],
    /// A lower bound of the longest other one.
    pub estimate: Option<EndedPoll>,
    /// Total time of at least two other polls.
    pub others_ns: u64,
    /// No poll before took longer.
    pub max_before_ns: u64,
}

/// A task whose histogram is requested.
#[derive(Debug)]
struct Watch {
    /// The task's key, and its id in the protocol.
    task: u64,
    id: u64,
    /// The number of the update with which the watch began.
    began: u64,
    /// The number of the update at the latest histogram; `began` without one.
    answered: u64,
    /// The number of the latest update in which a long poll may have been hidden.
    needed: u64,
    polls: RecentPolls,
    /// The latest histogram, and the time at which the program read it.
    latest: Option<(Moment, LongDurations)>,
    /// The polls that the updates have reported, unless they were found in a histogram.
    known: Vec<EndedPoll>,
    /// The polls that were found in a histogram of that time and not in an update yet.
    found: Vec<(RangeInclusive<u64>, Moment)>,
}

/// The watched tasks.
#[derive(Debug, Default)]
pub(super) struct HiddenPolls {
    watches: Vec<Watch>,
    /// Tasks of this update in which a long poll may be hidden.
    candidates: Vec<Watch>,
}

impl HiddenPolls {
    /// Records the polls of a task in an update. Returns the estimate unless a histogram is to
    /// replace it.
    pub(super) fn record(
        &mut self,
        task: u64,
        id: u64,
        polls: RecentPolls,
        update: u64,
    ) -> Option<EndedPoll> {
        let is_needed = polls.others_ns >= MIN_HIDDEN_NS;
        if let Some(watch) = self.watches.iter_mut().find(|watch| watch.task == task) {
            if is_needed {
                watch.needed = update;
            }
            watch.known.extend(polls.exact.iter().flatten());
            watch.polls.estimate = polls.estimate.or(watch.polls.estimate);
            return None;
        }
        if !is_needed {
            return polls.estimate;
        }
        let known = polls.exact.iter().flatten().copied().collect();
        let (latest, found) = (None, Vec::new());
        let (began, answered, needed) = (update, update, update);
        self.candidates.push(Watch {
            task,
            id,
            began,
            answered,
            needed,
            polls,
            latest,
            known,
            found,
        });
        None
    }

    /// Ends and begins watches after the update with this number, which was written at `at`. Tasks
    /// that were not watched for the longest time are first. Returns the polls to report.
    fn advance(
        &mut self,
        update: u64,
        at: Moment,
        tasks: &mut Table<Task>,
        offset: &ClockOffset,
    ) -> Vec<EndedPoll> {
        let mut polls = Vec::new();
        self.watches.retain_mut(|watch| {
            let task = tasks.by_key(watch.task);
            polls.extend(task.into_iter().flat_map(|task| watch.resolve(at, task, offset)));
            let is_kept = task.is_some_and(|task| !watch.is_over(update, task));
            if !is_kept {
                polls.extend(watch.polls.estimate);
            }
            is_kept
        });
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.sort_unstable_by_key(|watch| {
            let watched = tasks.by_key(watch.task).map(|task| task.watched);
            (watched, std::cmp::Reverse(watch.polls.others_ns))
        });
        for candidate in candidates {
            // In the order in which they began.
            let is_old = |oldest: &Watch| oldest.began + MIN_UPDATES <= update;
            if self.watches.len() >= MAX_WATCHES && self.watches.first().is_some_and(is_old) {
                polls.extend(self.watches.remove(0).polls.estimate);
            }
            if self.watches.len() >= MAX_WATCHES {
                polls.extend(candidate.polls.estimate);
                continue;
            }
            if let Some(task) = tasks.get_mut(candidate.id) {
                task.watched = update;
            }
            self.watches.push(candidate);
        }
        polls
    }
}

impl Watch {
    /// Adds the polls of a histogram that the program read at `at`.
    fn add(&mut self, histogram: LongDurations, at: Moment, update: u64) {
        self.answered = update;
        self.polls.estimate = None;
        let is_new = |range: &RangeInclusive<u64>| *range.start() > self.polls.max_before_ns;
        let found = match &self.latest {
            None => {
                let mut all = histogram.since(&LongDurations::default(), MAX_HIDDEN);
                all.retain(is_new);
                all
            }
            Some((then, past)) if between(*then, at) <= MAX_START_ERROR_NS => {
                histogram.since(past, MAX_HIDDEN)
            }
            Some(_) => Vec::new(),
        };
        self.found.extend(found.into_iter().map(|range| (range, at)));
        self.found.truncate(4 * MAX_HIDDEN);
        self.latest = Some((at, histogram));
    }

    /// The hidden polls that ended before `at`: all polls with a known start are known by then.
    fn resolve(&mut self, at: Moment, task: &Task, offset: &ClockOffset) -> Vec<EndedPoll> {
        let mut hidden = Vec::new();
        // The latest possible end of a poll that is followed by another one.
        let mut end_ns = task.began_ns();
        let known = &mut self.known;
        self.found.retain(|(range, found_at)| {
            if *found_at > at {
                return true;
            }
            match known.iter().position(|poll| range.contains(&poll.length_ns)) {
                Some(index) => drop(known.swap_remove(index)),
                None => {
                    let length_ns = *range.start();
                    end_ns = end_ns.saturating_sub(length_ns);
                    let (task, began_ns) = (self.task, end_ns);
                    hidden.push(EndedPoll {
                        task,
                        began_ns,
                        length_ns,
                        is_lower_bound: true,
                        ends_task: false,
                    });
                }
            }
            false
        });
        if let Some((latest, _)) = self.latest.as_ref().filter(|_| self.found.is_empty()) {
            let latest_ns = offset.to_local(*latest).unsigned_abs();
            self.known.retain(|poll| poll.began_ns.saturating_add(poll.length_ns) > latest_ns);
        }
        hidden
    }

    fn is_over(&self, update: u64, task: &Task) -> bool {
        let ended = task.ended();
        let is_complete = self.latest.as_ref().is_some_and(|(at, _)| ended > 0 && *at >= ended);
        self.answered + MAX_SILENT_UPDATES < update
            || self.needed + MAX_UNNEEDED_UPDATES < update
            || (is_complete && self.found.is_empty())
    }
}

impl Program {
    /// The ids in the protocol of the tasks whose histograms are needed.
    pub fn watched_tasks(&self) -> HashSet<u64> {
        self.hidden_polls.watches.iter().map(|watch| watch.id).collect()
    }

    /// Applies the details of a task, of which only the histogram of its poll times is used.
    pub fn apply_details(&mut self, details: &TaskDetails) {
        let histogram = histogram::poll_times(details);
        let long = histogram.and_then(|all| LongDurations::decode(&all, MIN_HIDDEN_NS));
        let task = details.task_id.and_then(|id| self.tasks.get_mut(id.id));
        let (Some(task), Some(long)) = (task, long) else { return };
        task.raise_max_poll(long.max());
        let key = task.key();
        let watch = self.hidden_polls.watches.iter_mut().find(|watch| watch.task == key);
        if let Some(watch) = watch {
            watch.add(long, moment(details.now), self.updates);
        }
    }

    /// Adds the long polls that the histograms have shown to those of this update.
    pub(super) fn find_hidden_polls(&mut self) {
        let (update, at) = (self.updates, self.latest.at);
        let found = self.hidden_polls.advance(update, at, &mut self.tasks, &self.offset);
        self.add_long_polls(found);
    }
}
