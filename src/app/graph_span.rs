//! The time that graphs show.

use super::App;

/// The time that graphs show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GraphSpan {
    /// One minute.
    #[default]
    OneMinute,
    /// Five minutes.
    FiveMinutes,
    /// A quarter of an hour.
    FifteenMinutes,
}

impl GraphSpan {
    /// The time in nanoseconds.
    pub fn nanos(self) -> u64 {
        let minutes = match self {
            GraphSpan::OneMinute => 1,
            GraphSpan::FiveMinutes => 5,
            GraphSpan::FifteenMinutes => 15,
        };
        minutes * 60_000_000_000
    }

    /// The time on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            GraphSpan::OneMinute => "1 min",
            GraphSpan::FiveMinutes => "5 min",
            GraphSpan::FifteenMinutes => "15 min",
        }
    }
}

impl App {
    /// The time that graphs show.
    pub fn graph_span(&self) -> GraphSpan {
        self.graph_span
    }

    /// Shows the next longer time in graphs, or the shortest one again.
    pub(super) fn change_graph_span(&mut self) {
        self.graph_span = match self.graph_span {
            GraphSpan::OneMinute => GraphSpan::FiveMinutes,
            GraphSpan::FiveMinutes => GraphSpan::FifteenMinutes,
            GraphSpan::FifteenMinutes => GraphSpan::OneMinute,
        };
    }

    /// Shows a shorter time in graphs, or a longer one, down to the shortest and up to the longest.
    pub(super) fn zoom_graphs(&mut self, closer: bool) {
        self.graph_span = match (self.graph_span, closer) {
            (GraphSpan::FifteenMinutes, true) => GraphSpan::FiveMinutes,
            (_, true) => GraphSpan::OneMinute,
            (GraphSpan::OneMinute, false) => GraphSpan::FiveMinutes,
            (_, false) => GraphSpan::FifteenMinutes,
        };
    }
}
