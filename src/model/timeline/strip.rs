//! A worker's time cut into cells, as many as there are columns to show them in.

use super::{Run, Timeline, Track};
use crate::snapshot::TICK_NS;

/// How well a cell is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Knowledge {
    /// Nothing is: nobody asked then, or the polls were too many to be kept.
    #[default]
    Nothing,
    /// From who was found at the ticks.
    Sampled,
    /// Every poll is.
    Exact,
}

/// What a worker did in one part of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cell {
    /// How well it is known.
    pub knowledge: Knowledge,
    /// Share of the time in polls, 0 to 1.
    pub busy: f32,
    /// The group that had most of it.
    pub group: Option<u16>,
    /// The poll that had most of it: task and beginning.
    pub poll: Option<(u64, u64)>,
}

/// What a worker did in a span.
#[derive(Clone, Debug, Default)]
pub struct Strip {
    /// Part by part.
    pub cells: Vec<Cell>,
    /// The time that each group had, in ns, by the group's place.
    pub times: Vec<u64>,
    /// How much of the span is known, in ns.
    pub known_ns: u64,
}

impl Strip {
    /// Whether some of it is an estimate.
    pub fn is_sampled(&self) -> bool {
        self.cells.iter().any(|cell| cell.knowledge == Knowledge::Sampled)
    }

    /// Whether some of it is not known.
    pub fn has_gaps(&self) -> bool {
        self.cells.iter().any(|cell| cell.knowledge == Knowledge::Nothing)
    }
}

/// The groups' shares of the time that is known of all these strips, greatest first, by the
/// groups' places.
pub fn shares(strips: &[Strip]) -> Vec<(u16, f64)> {
    let known: u64 = strips.iter().map(|strip| strip.known_ns).sum();
    let groups = strips.iter().map(|strip| strip.times.len()).max().unwrap_or(0);
    let time =
        |group: usize| -> u64 { strips.iter().filter_map(|strip| strip.times.get(group)).sum() };
    let share = |group| time(group) as f64 / known.max(1) as f64;
    let mut shares: Vec<_> = (0..groups).map(|group| (group as u16, share(group))).collect();
    shares.retain(|(_, share)| *share > 0.0);
    shares.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    shares
}

impl Timeline {
    /// What a worker did from `from` to `to`, in so many parts.
    pub fn strip(&self, worker: usize, from: u64, to: u64, parts: usize) -> Strip {
        let Some(track) = self.tracks.get(worker) else { return Strip::default() };
        let mut sums = Sums::new(self.groups().len());
        let cells = (0..parts).map(|number| {
            let (from, to) = part(from, to, number, parts);
            sums.cell(track, from, to.min(self.now_ns))
        });
        let cells = cells.collect();
        Strip { cells, times: sums.times, known_ns: sums.known_ns }
    }
}

/// Where a part of a span begins and ends, of so many.
pub fn part(from: u64, to: u64, number: usize, parts: usize) -> (u64, u64) {
    let at = |number: usize| {
        let span = u128::from(to.saturating_sub(from));
        from + (span * number as u128 / parts.max(1) as u128) as u64
    };
    (at(number), at(number + 1))
}

/// Adds runs up, cell by cell.
struct Sums {
    times: Vec<u64>,
    known_ns: u64,
    /// Of the cell at hand: by group, and which are not zero.
    cell: Vec<u64>,
    touched: Vec<u16>,
}

impl Sums {
    fn new(groups: usize) -> Self {
        let zeros = || vec![0; groups];
        Sums { times: zeros(), known_ns: 0, cell: zeros(), touched: Vec::new() }
    }

    fn cell(&mut self, track: &Track, from: u64, to: u64) -> Cell {
        if from >= to {
            return Cell::default();
        }
        // A part says enough of a cell: at its ends one knows less.
        let enough = |known: &(u64, u64)| known.1 - known.0 >= (to - from).div_ceil(2);
        if let Some((from, to)) = track.every.known(from, to).filter(enough) {
            let runs = track.every.within(from, to).chain(track.open(from, to));
            return self.add_up(runs, from, to, Knowledge::Exact, overlap);
        }
        let Some((from, to)) = track.ticked.known(from, to).filter(enough) else {
            return Cell::default();
        };
        let runs = track.ticked.within(from, to).chain(track.open(from, to));
        if to / TICK_NS > from / TICK_NS {
            // Each tick stands for as much of the cell as any other.
            return self.add_up(runs, from, to, Knowledge::Sampled, ticks);
        }
        // Shorter than a tick: only a long poll says something.
        let long = runs.clone().any(|run| overlap(run, from, to) >= (to - from).div_ceil(2));
        if long {
            self.add_up(runs, from, to, Knowledge::Sampled, overlap)
        } else {
            Cell::default()
        }
    }

    /// Adds up what `weight` says of each run.
    fn add_up<'a>(
        &mut self,
        runs: impl Iterator<Item = &'a Run>,
        from: u64,
        to: u64,
        knowledge: Knowledge,
        weight: fn(&Run, u64, u64) -> u64,
    ) -> Cell {
        let (mut busy, mut longest) = (0, 0);
        let mut cell = Cell { knowledge, ..Cell::default() };
        for run in runs {
            let weight = weight(run, from, to);
            busy = weight.saturating_add(busy);
            let sum = &mut self.cell[usize::from(run.group)];
            if *sum == 0 {
                self.touched.push(run.group);
            }
            *sum = sum.saturating_add(weight);
            if weight > longest || cell.poll.is_none() {
                (longest, cell.poll) = (weight, Some((run.key, run.began)));
            }
        }
        let whole = match knowledge {
            Knowledge::Sampled if to / TICK_NS > from / TICK_NS => to / TICK_NS - from / TICK_NS,
            _ => to - from,
        };
        cell.busy = (busy as f64 / whole as f64).min(1.0) as f32;
        cell.group =
            self.touched.iter().copied().max_by_key(|group| self.cell[usize::from(*group)]);
        for group in self.touched.drain(..) {
            let sum = std::mem::take(&mut self.cell[usize::from(group)]);
            let time = u128::from(sum) * u128::from(to - from) / u128::from(whole);
            self.times[usize::from(group)] += time as u64;
        }
        self.known_ns += to - from;
        cell
    }
}

impl Track {
    fn open(&self, from: u64, to: u64) -> impl Iterator<Item = &Run> + Clone {
        self.open.iter().filter(move |run| run.began < to && run.ended > from)
    }
}

/// How much of a run lies in a span.
pub(super) fn overlap(run: &Run, from: u64, to: u64) -> u64 {
    run.ended.min(to).saturating_sub(run.began.max(from))
}

/// How many ticks of a span fell into a run.
fn ticks(run: &Run, from: u64, to: u64) -> u64 {
    (run.ended.min(to) / TICK_NS).saturating_sub(run.began.max(from) / TICK_NS)
}
