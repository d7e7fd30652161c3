//! The heights of the parts.

use ratatui::layout::Size;

use crate::app::App;

/// The heights of the parts. As the height shrinks, tracks become lower first; then the longest polls,
/// the lane of runnable tasks, the legend, the description of the cursor and the axis are dropped.
pub(super) struct Plan {
    /// The width of the labels to the left of the tracks.
    pub label: u16,
    /// Lines of a track.
    pub track: u16,
    /// Tracks that fit.
    pub workers: u16,
    /// Lines of the lane of runnable tasks.
    pub lane: u16,
    pub axis: bool,
    /// Lines that describe the cursor.
    pub cursor: u16,
    /// Maximum lines of the legend.
    pub legend: u16,
    /// Lines of the list of the longest polls, with its title.
    pub polls: u16,
}

impl Plan {
    pub(super) fn new(app: &App, Size { width, height }: Size) -> Plan {
        let label = if width < 60 { 5 } else { 10 };
        let axis = height >= 3;
        let (cursor, legend) = match height {
            ..5 => (0, 0),
            5 => (1, 0),
            6..12 => (1, 1),
            12..16 => (2, 1),
            _ => (2, 2),
        };
        let lane = match height {
            ..12 => 0,
            12..24 => 1,
            _ => 2,
        };
        let left = height - u16::from(axis) - cursor - legend - lane;
        let workers = u16::try_from(app.polls().workers().max(1)).unwrap_or(u16::MAX);
        // The list of polls takes what one line per worker leaves, up to a quarter.
        let polls = match height {
            ..14 => 0,
            _ => left.saturating_sub(workers).clamp(3, (height / 4).max(4)).min(12),
        };
        let left = left - polls;
        let track = (left / workers).max(1);
        Plan { label, track, workers: (left / track).max(1), lane, axis, cursor, legend, polls }
    }

    /// The number of columns of a track.
    pub(super) fn columns(&self, width: u16) -> usize {
        usize::from(width.saturating_sub(self.label).max(1))
    }
}
