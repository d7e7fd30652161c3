//! The last 20 seconds of a task, in eight bytes: there may be a million tasks.

/// The time of one cell.
const CELL_NS: u64 = 1_250_000_000;
const CELLS: u32 = 16;
const BITS: u32 = u64::BITS / CELLS;

/// The states of a task in the last 20 seconds, in 16 cells of four bits; the latest cell
/// is in the lowest bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskHistory(u64);

/// The state of a task in one and a quarter seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryCell {
    /// It was not sampled.
    Unknown,
    /// It was in polls for this many eighths of the time, in the busiest sample.
    Busy(usize),
    /// It was scheduled for more than half of a sample, and in polls for at most half of each
    /// sample.
    Scheduled,
}

/// The samples of a cell are combined by their largest code: scheduled hides a busy share up to a
/// half.
const SCHEDULED: u64 = 6;

/// How many cells lie between two times.
pub(super) fn cells_between(earlier_ns: u64, now_ns: u64) -> u32 {
    let cells = (now_ns / CELL_NS).saturating_sub(earlier_ns / CELL_NS);
    u32::try_from(cells).unwrap_or(u32::MAX)
}

impl TaskHistory {
    /// The number of cells.
    pub const CELLS: usize = CELLS as usize;
    /// The time that they cover, in nanoseconds.
    pub const SPAN_NS: u64 = CELLS as u64 * CELL_NS;

    /// Adds a sample, `cells` cells after the previous one. Shares are 0 to 1.
    pub(super) fn push(self, cells: u32, busy: f64, scheduled: f64) -> Self {
        let code = match (busy * 8.0).round() as u64 {
            0..5 if scheduled > 0.5 => SCHEDULED,
            eighths @ 0..5 => 1 + eighths,
            eighths => 2 + eighths.min(8),
        };
        let past = if cells < CELLS { self.0 << (cells * BITS) } else { 0 };
        let latest = (past & 0xf).max(code);
        TaskHistory(past & !0xf | latest)
    }

    /// The cells, oldest first.
    pub fn cells(self) -> impl Iterator<Item = HistoryCell> {
        (0..CELLS).rev().map(move |at| match self.0 >> (at * BITS) & 0xf {
            0 => HistoryCell::Unknown,
            SCHEDULED => HistoryCell::Scheduled,
            code @ ..SCHEDULED => HistoryCell::Busy(code as usize - 1),
            code => HistoryCell::Busy(code as usize - 2),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{HistoryCell::*, *};

    fn last(history: TaskHistory, count: usize) -> Vec<HistoryCell> {
        history.cells().skip(CELLS as usize - count).collect()
    }

    #[test]
    fn cells_have_the_largest_share_of_their_samples() {
        let history = TaskHistory::default().push(0, 0.25, 0.0).push(0, 1.0, 0.0).push(0, 0.0, 0.0);
        assert_eq!(last(history, 2), [Unknown, Busy(8)]);
        assert_eq!(last(history.push(2, 0.5, 0.5), 4), [Unknown, Busy(8), Unknown, Busy(4)]);
    }

    #[test]
    fn scheduled_task_is_shown_as_such_unless_it_was_busy() {
        let history = TaskHistory::default().push(0, 0.0, 0.0).push(0, 0.0, 1.0).push(1, 0.0, 0.9);
        assert_eq!(last(history, 2), [Scheduled; 2]);
        assert_eq!(last(history.push(0, 0.9, 0.1), 2), [Scheduled, Busy(7)]);
    }

    #[test]
    fn all_levels_are_kept_and_old_cells_disappear() {
        for eighths in 0..=8 {
            let history = TaskHistory::default().push(0, eighths as f64 / 8.0, 0.0);
            assert_eq!(last(history, 1), [Busy(eighths)]);
            assert_eq!(last(history.push(15, 0.0, 0.0), 16)[0], Busy(eighths));
            assert_eq!(history.push(16, 0.0, 0.0), TaskHistory::default().push(0, 0.0, 0.0));
            assert_eq!(history.push(u32::MAX, 0.0, 0.0).0, 1);
        }
        assert_eq!(cells_between(1_200_000_000, 2_600_000_000), 2);
    }
}
