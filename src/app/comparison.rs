//! The state of the screen of `asynctop compare`. Pure; time is an argument.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use asynctop_lab::compare::{Options, Progress, Row, ServiceStyle};

/// The progress of a comparison, and the visible part of its screen.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Number of connections and style of each row.
    pub plan: Vec<(usize, ServiceStyle)>,
    /// The rows that have been measured.
    pub rows: Vec<Row>,
    /// When the measurement of the next row began, if it has.
    pub began: Option<Duration>,
    /// Duration of the measurement of a row.
    pub row_duration: Duration,
    /// The first visible line.
    pub top: usize,
    /// All rows have been measured.
    pub is_done: bool,
}

/// An effect of a key outside of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonEffect {
    /// End the program and print the rows measured so far.
    Quit,
    /// Suspend the program.
    Suspend,
    /// Redraw the screen.
    Redraw,
}

impl Comparison {
    /// A comparison that has not started.
    pub fn new(options: &Options) -> Self {
        Comparison {
            plan: options.plan().collect(),
            rows: Vec::new(),
            began: None,
            row_duration: options.row_duration(),
            top: 0,
            is_done: false,
        }
    }

    /// Applies a step of the measurement.
    pub fn advance(&mut self, progress: Progress, now: Duration) {
        match progress {
            Progress::Started => self.began = Some(now),
            Progress::Row(row) => {
                self.rows.push(row);
                self.began = None;
                self.is_done = self.rows.len() == self.plan.len();
            }
        }
    }

    /// The progress of the row that is being measured, from 0 to 1.
    pub fn row_progress(&self, now: Duration) -> f64 {
        let began = self.began.unwrap_or(now);
        let duration = self.row_duration.as_secs_f64().max(f64::MIN_POSITIVE);
        (now.saturating_sub(began).as_secs_f64() / duration).min(1.0)
    }

    /// Handles a key. The lines can be scrolled by up to `scroll_limit`.
    pub fn key(&mut self, key: KeyEvent, scroll_limit: usize) -> Option<ComparisonEffect> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Some(ComparisonEffect::Quit),
            KeyCode::Char('z') if control => return Some(ComparisonEffect::Suspend),
            KeyCode::Char('l') if control => return Some(ComparisonEffect::Redraw),
            KeyCode::Char('q') | KeyCode::Esc => return Some(ComparisonEffect::Quit),
            KeyCode::Char('j') | KeyCode::Down => self.top += 1,
            KeyCode::Char('k') | KeyCode::Up => self.top = self.top.saturating_sub(1),
            KeyCode::Char('g') | KeyCode::Home => self.top = 0,
            KeyCode::Char('G') | KeyCode::End => self.top = scroll_limit,
            _ => {}
        }
        self.top = self.top.min(scroll_limit);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_follows_the_steps_of_the_measurement() {
        let options = Options { connections: vec![1, 2], duration: Duration::from_secs(4) };
        let mut comparison = Comparison::new(&options);
        let at = Duration::from_secs;
        assert_eq!((comparison.plan.len(), comparison.row_progress(at(1))), (4, 0.0));
        comparison.advance(Progress::Started, at(10));
        assert_eq!((comparison.row_progress(at(10)), comparison.row_progress(at(99))), (0.0, 1.0));
        assert!((comparison.row_progress(at(11)) - 0.2).abs() < 1e-9, "one second of five");
        for (connections, style) in comparison.plan.clone() {
            let refused = asynctop_lab::compare::MeasureError::Broken("gone".into());
            let row = Row { connections, style, outcome: Err(refused) };
            assert!(!comparison.is_done);
            comparison.advance(Progress::Row(row), at(20));
        }
        assert!(comparison.is_done);
    }

    #[test]
    fn comparison_scrolls_to_its_first_and_last_line() {
        let mut comparison =
            Comparison::new(&Options { connections: vec![], duration: Duration::ZERO });
        let mut press = |code| {
            let effect = comparison.key(KeyEvent::from(code), 2);
            (effect, comparison.top)
        };
        assert_eq!(press(KeyCode::Up), (None, 0));
        for top in [1, 2, 2] {
            assert_eq!(press(KeyCode::Char('j')), (None, top));
        }
        assert_eq!(press(KeyCode::Esc), (Some(ComparisonEffect::Quit), 2));
    }
}
