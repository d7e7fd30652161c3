//! The state of the comparison's screen: what is measured, what is to come, what is in
//! sight. Pure; time is an argument.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use asynctop_lab::compare::{Options, Progress, Row, Style};

/// The comparison as it goes on.
#[derive(Clone, Debug)]
pub struct Board {
    /// What the rows are or will be.
    pub plan: Vec<(usize, Style)>,
    /// Those that are done.
    pub rows: Vec<Row>,
    /// When the row that is being measured began.
    pub began: Option<Duration>,
    /// How long a row takes once its connections stand.
    pub row_takes: Duration,
    /// The first line in sight.
    pub top: usize,
    /// All rows are done.
    pub done: bool,
}

/// What a key asks of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The end, with what is measured so far.
    Quit,
    /// The shell.
    Suspend,
    /// All of the screen again.
    Redraw,
}

impl Board {
    /// A comparison that has yet to begin.
    pub fn new(options: &Options) -> Self {
        Board {
            plan: options.plan().collect(),
            rows: Vec::new(),
            began: None,
            row_takes: options.row_takes(),
            top: 0,
            done: false,
        }
    }

    /// Takes in how far it is.
    pub fn advance(&mut self, progress: Progress, now: Duration) {
        match progress {
            Progress::Begins => self.began = Some(now),
            Progress::Row(row) => {
                self.rows.push(row);
                self.began = None;
                self.done = self.rows.len() == self.plan.len();
            }
        }
    }

    /// How much of the row that is being measured is over, from 0 to 1.
    pub fn share(&self, now: Duration) -> f64 {
        let began = self.began.unwrap_or(now);
        let takes = self.row_takes.as_secs_f64().max(f64::MIN_POSITIVE);
        (now.saturating_sub(began).as_secs_f64() / takes).min(1.0)
    }

    /// Does what a key says; `most` is how far one can scroll.
    pub fn key(&mut self, key: KeyEvent, most: usize) -> Option<Wish> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Some(Wish::Quit),
            KeyCode::Char('z') if control => return Some(Wish::Suspend),
            KeyCode::Char('l') if control => return Some(Wish::Redraw),
            KeyCode::Char('q') | KeyCode::Esc => return Some(Wish::Quit),
            KeyCode::Char('j') | KeyCode::Down => self.top += 1,
            KeyCode::Char('k') | KeyCode::Up => self.top = self.top.saturating_sub(1),
            KeyCode::Char('g') | KeyCode::Home => self.top = 0,
            KeyCode::Char('G') | KeyCode::End => self.top = most,
            _ => {}
        }
        self.top = self.top.min(most);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_how_far_it_is() {
        let options = Options { connections: vec![1, 2], duration: Duration::from_secs(4) };
        let mut board = Board::new(&options);
        let at = Duration::from_secs;
        assert_eq!((board.plan.len(), board.share(at(1))), (4, 0.0));
        board.advance(Progress::Begins, at(10));
        assert_eq!((board.share(at(10)), board.share(at(99))), (0.0, 1.0));
        assert!((board.share(at(11)) - 0.2).abs() < 1e-9, "a fifth of four seconds and one");
        for (connections, style) in board.plan.clone() {
            let refused = asynctop_lab::compare::Refusal::Broken("gone".into());
            let row = Row { connections, style, outcome: Err(refused) };
            assert!(!board.done);
            board.advance(Progress::Row(row), at(20));
        }
        assert!(board.done);
    }

    #[test]
    fn scrolling_ends_at_both_ends() {
        let mut board = Board::new(&Options { connections: vec![], duration: Duration::ZERO });
        let mut press = |code| {
            let wish = board.key(KeyEvent::from(code), 2);
            (wish, board.top)
        };
        assert_eq!(press(KeyCode::Up), (None, 0));
        for top in [1, 2, 2] {
            assert_eq!(press(KeyCode::Char('j')), (None, top));
        }
        assert_eq!(press(KeyCode::Esc), (Some(Wish::Quit), 2));
    }
}
