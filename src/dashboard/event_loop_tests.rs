//! Events in, calls of the control and frames out.

use std::{io, sync::mpsc, time::Duration};

use crossterm::event::{Event as Input, KeyCode, KeyEvent};
use ratatui::{Terminal, backend::TestBackend};

use super::event_loop::{Control, run};
use crate::{
    app::{App, Event, Settings},
    fixture::{World, text},
    model::{Model, Refresh, RowQuery},
    signals::Notice,
    snapshot::{Command, Subscription, TargetId},
    term::Access,
};

/// A control that writes down what is asked of it.
#[derive(Default)]
struct Asked(Vec<String>);

impl Control for Asked {
    fn send(&mut self, _: TargetId, command: Command) -> Option<u64> {
        self.0.push(format!("{command:?}"));
        Some(7)
    }

    fn set_interval(&mut self, interval: Duration) {
        self.0.push(format!("{interval:?}"));
    }

    fn subscribe(&mut self, subscription: Subscription) {
        self.0.push(format!("{:?}", subscription.task.map(|task| task.id)));
    }

    fn select_rows(&mut self, _: &RowQuery) {}

    fn suspend(&mut self) -> io::Result<()> {
        self.0.push("suspend".into());
        Ok(())
    }

    fn access(&mut self) -> io::Result<Access> {
        Ok(Access::Unchanged)
    }

    fn resume(&mut self) {
        self.0.push("resume".into());
    }
}

/// Runs the loop over these events and gives the last screen.
fn run_over(events: Vec<Event>, asked: &mut dyn Control) -> String {
    let (sender, receiver) = mpsc::channel();
    events.into_iter().for_each(|event| sender.send(event).expect("the receiver is here"));
    drop(sender);
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("no I/O");
    let mut app = App::new(Settings::default(), Duration::from_millis(250));
    run(&mut terminal, &receiver, &mut app, asked).expect("no I/O");
    text(terminal.backend().buffer())
}

fn refresh(model: &mut Model, world: &mut World) -> Event {
    model.advance(&world.step().into());
    Event::Refresh(Box::new(Refresh::new(model, RowQuery::None)))
}

fn key(c: char) -> Event {
    Event::Input(Input::Key(KeyEvent::from(KeyCode::Char(c))))
}

#[test]
fn the_loop_draws_at_once_and_ends_when_nobody_is_left_to_feed_it() {
    let screen = run_over(Vec::new(), &mut Asked::default());
    assert!(screen.contains("waiting for the first sample"), "{screen}");
}

#[test]
fn the_loop_hands_out_what_the_state_asks_for() {
    let mut world = World::new();
    let mut model = Model::default();
    let snapshots: Vec<_> = (0..8).map(|_| refresh(&mut model, &mut world)).collect();
    let enter = Event::Input(Input::Key(KeyEvent::from(KeyCode::Enter)));
    let (suspend, continued) = (Event::Signal(Notice::Suspend), Event::Signal(Notice::Continued));
    let events =
        [snapshots, vec![key('b'), key('>'), suspend, continued, enter, key('q'), key('b')]];
    let mut asked = Asked::default();
    run_over(events.concat(), &mut asked);
    assert_eq!(
        asked.0,
        ["Lab(ToggleHog)", "100ms", "suspend", "resume", "Some(24)"],
        "and no key after q"
    );
}

/// A control of a program in the background.
struct InBackground;

impl Control for InBackground {
    fn send(&mut self, _: TargetId, _: Command) -> Option<u64> {
        None
    }

    fn set_interval(&mut self, _: Duration) {}

    fn subscribe(&mut self, _: Subscription) {}

    fn select_rows(&mut self, _: &RowQuery) {}

    fn access(&mut self) -> io::Result<Access> {
        Ok(Access::None)
    }

    fn suspend(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn resume(&mut self) {}
}

#[test]
fn background_program_draws_nothing_and_ends_on_request() {
    let mut world = World::new();
    let events = vec![refresh(&mut Model::default(), &mut world), Event::Signal(Notice::End)];
    assert_eq!(run_over(events, &mut InBackground).trim(), "");
}

fn paste(text: &str) -> Event {
    Event::Input(Input::Paste(text.to_owned()))
}

#[test]
fn paste_never_runs_commands() {
    let mut world = World::new();
    let mut asked = Asked::default();
    let step = refresh(&mut Model::default(), &mut world);
    run_over(vec![step, paste("b\nq"), key('>')], &mut asked);
    assert_eq!(asked.0, ["100ms"], "neither the hog nor quit");
}

#[test]
fn a_lost_terminal_ends_the_loop() {
    let mut world = World::new();
    let events = vec![refresh(&mut Model::default(), &mut world), Event::Closed, key('b')];
    let mut asked = Asked::default();
    run_over(events, &mut asked);
    assert!(asked.0.is_empty());
}
