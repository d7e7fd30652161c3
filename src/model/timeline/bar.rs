//! A worker's time, divided into the columns of a bar.

use super::{Timeline, TimelinePoll, Track};
use crate::{model::PollScope, snapshot::TICK_NS};

/// The source of the polls of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coverage {
    /// The polls are missing: they were not recorded, or dropped because there were too many.
    #[default]
    Missing,
    /// Estimated from the polls that contain a tick.
    Sampled,
    /// Every poll is known.
    Exact,
}

/// The polls of a worker in one column.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BarCell {
    /// The source of the polls.
    pub coverage: Coverage,
    /// Whether the other fields are about polls of the scope; in a column without any, they are about
    /// all polls.
    pub in_scope: bool,
    /// Share of the time in polls, 0 to 1.
    pub busy: f32,
    /// The group with most of the time or, in a limited scope, that of the longest poll.
    pub group: Option<u16>,
    /// Task and start of the poll with most of the time.
    pub poll: Option<(u64, u64)>,
}

/// The polls of a worker in a span, column by column.
#[derive(Clone, Debug, Default)]
pub struct WorkerBar {
    /// One cell per column.
    pub cells: Vec<BarCell>,
    /// The busy time of each group in nanoseconds, by the group's index.
    pub times: Vec<u64>,
    /// The busy time of the scope, in nanoseconds.
    pub scoped_ns: u64,
    /// The time that is covered, in nanoseconds.
    pub covered_ns: u64,
}

impl WorkerBar {
    /// Whether a part of it is an estimate.
    pub fn is_sampled(&self) -> bool {
        self.cells.iter().any(|cell| cell.coverage == Coverage::Sampled)
    }

    /// Whether a part of it is missing.
    pub fn has_gaps(&self) -> bool {
        self.cells.iter().any(|cell| cell.coverage == Coverage::Missing)
    }
}

/// The share of each group in the covered time of all bars, by the group's index, largest first.
pub fn group_shares(bars: &[WorkerBar]) -> Vec<(u16, f64)> {
    let covered: u64 = bars.iter().map(|bar| bar.covered_ns).sum();
    let groups = bars.iter().map(|bar| bar.times.len()).max().unwrap_or(0);
    let time = |group: usize| -> u64 { bars.iter().filter_map(|bar| bar.times.get(group)).sum() };
    let share = |group| time(group) as f64 / covered.max(1) as f64;
    let mut shares: Vec<_> = (0..groups).map(|group| (group as u16, share(group))).collect();
    shares.retain(|(_, share)| *share > 0.0);
    shares.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    shares
}

impl Timeline {
    /// The bar of a worker for the span `from` to `to`.
    pub fn bar(
        &self,
        worker: usize,
        (from, to): (u64, u64),
        columns: usize,
        scope: &PollScope,
    ) -> WorkerBar {
        let Some(track) = self.tracks.get(worker) else { return WorkerBar::default() };
        let mut sums = Sums::new(self.groups().len(), scope);
        let cells = (0..columns).map(|column| {
            let (from, to) = column_bounds(from, to, column, columns);
            sums.cell(track, from, to.min(self.now_ns))
        });
        let cells = cells.collect();
        let Sums { times, scoped_ns, covered_ns, .. } = sums;
        WorkerBar { cells, times, scoped_ns, covered_ns }
    }
}

/// Start and end of a column of the span `from` to `to`.
pub fn column_bounds(from: u64, to: u64, column: usize, columns: usize) -> (u64, u64) {
    let at = |column: usize| {
        let span = u128::from(to.saturating_sub(from));
        from + (span * column as u128 / columns.max(1) as u128) as u64
    };
    (at(column), at(column + 1))
}

/// Adds up polls, cell by cell.
struct Sums<'a> {
    scope: &'a PollScope,
    times: Vec<u64>,
    scoped_ns: u64,
    covered_ns: u64,
    /// The sums of the current cell by group, and the groups whose sum is not zero.
    cell: Vec<u64>,
    touched: Vec<u16>,
}

impl<'a> Sums<'a> {
    fn new(groups: usize, scope: &'a PollScope) -> Self {
        let zeros = || vec![0; groups];
        Sums {
            scope,
            times: zeros(),
            scoped_ns: 0,
            covered_ns: 0,
            cell: zeros(),
            touched: Vec::new(),
        }
    }

    fn cell(&mut self, track: &Track, from: u64, to: u64) -> BarCell {
        if from >= to {
            return BarCell::default();
        }
        // Half of a cell stands for all of it: cells at a gap are covered in part.
        let half_ns = (to - from).div_ceil(2);
        let is_enough = |covered: &(u64, u64)| covered.1 - covered.0 >= half_ns;
        if let Some((from, to)) = track.every.covered(from, to).filter(is_enough) {
            let polls = track.every.within(from, to).chain(track.running(from, to));
            return self.add_up(polls, from, to, Coverage::Exact, overlap);
        }
        let Some((from, to)) = track.ticked.covered(from, to).filter(is_enough) else {
            return BarCell::default();
        };
        let polls = track.ticked.within(from, to).chain(track.running(from, to));
        if to / TICK_NS > from / TICK_NS {
            // Each tick stands for the same share of the cell.
            return self.add_up(polls, from, to, Coverage::Sampled, ticks);
        }
        // The cell contains no tick: it is known only if one poll fills at least half of it.
        let is_long = polls.clone().any(|poll| overlap(poll, from, to) >= (to - from).div_ceil(2));
        if is_long {
            self.add_up(polls, from, to, Coverage::Sampled, overlap)
        } else {
            BarCell::default()
        }
    }

    /// Adds up the `weight` of each poll.
    fn add_up<'p>(
        &mut self,
        polls: impl Iterator<Item = &'p TimelinePoll>,
        from: u64,
        to: u64,
        coverage: Coverage,
        weight: fn(&TimelinePoll, u64, u64) -> u64,
    ) -> BarCell {
        let (mut all, mut scoped) = (Sum::default(), Sum::default());
        for poll in polls {
            let weight = weight(poll, from, to);
            all.add(poll, weight);
            if self.scope.has(poll) {
                scoped.add(poll, weight);
            }
            let sum = &mut self.cell[usize::from(poll.group)];
            if *sum == 0 {
                self.touched.push(poll.group);
            }
            *sum = sum.saturating_add(weight);
        }
        let whole = match coverage {
            Coverage::Sampled if to / TICK_NS > from / TICK_NS => to / TICK_NS - from / TICK_NS,
            _ => to - from,
        };
        let busiest =
            self.touched.iter().copied().max_by_key(|group| self.cell[usize::from(*group)]);
        let time = |sum: u64| {
            let time = u128::from(sum) * u128::from(to - from) / u128::from(whole);
            time as u64
        };
        for group in self.touched.drain(..) {
            let sum = std::mem::take(&mut self.cell[usize::from(group)]);
            self.times[usize::from(group)] += time(sum);
        }
        self.scoped_ns += time(scoped.busy);
        self.covered_ns += to - from;
        let (shown, group) = match scoped.longest {
            Some((poll, _)) if !self.scope.is_all() => (scoped, Some(poll.group)),
            _ => (all, busiest),
        };
        BarCell {
            coverage,
            in_scope: scoped.longest.is_some(),
            busy: (shown.busy as f64 / whole as f64).min(1.0) as f32,
            group,
            poll: shown.longest.map(|(poll, _)| (poll.key, poll.began)),
        }
    }
}

/// The sum of the weights of polls, and the poll with the largest one.
#[derive(Clone, Copy, Default)]
struct Sum<'p> {
    busy: u64,
    longest: Option<(&'p TimelinePoll, u64)>,
}

impl<'p> Sum<'p> {
    fn add(&mut self, poll: &'p TimelinePoll, weight: u64) {
        self.busy = self.busy.saturating_add(weight);
        if self.longest.is_none_or(|(_, longest)| weight > longest) {
            self.longest = Some((poll, weight));
        }
    }
}

impl Track {
    pub(super) fn running(
        &self,
        from: u64,
        to: u64,
    ) -> impl Iterator<Item = &TimelinePoll> + Clone {
        self.running.iter().filter(move |poll| poll.began < to && poll.ended > from)
    }
}

/// The part of a poll that lies in a span.
pub(super) fn overlap(poll: &TimelinePoll, from: u64, to: u64) -> u64 {
    poll.ended.min(to).saturating_sub(poll.began.max(from))
}

/// The number of ticks of a span that a poll contains.
fn ticks(poll: &TimelinePoll, from: u64, to: u64) -> u64 {
    (poll.ended.min(to) / TICK_NS).saturating_sub(poll.began.max(from) / TICK_NS)
}
