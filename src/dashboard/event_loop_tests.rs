//! Events go in, effects and frames come out.

use std::{io, sync::mpsc, time::Duration};

use crossterm::event::{Event as Input, KeyCode, KeyEvent};
use ratatui::{Terminal, backend::TestBackend};

use super::event_loop::{Performer, run};
use crate::{
    app::{App, Effect, Event, Settings},
    fixture::{World, text},
    model::{Model, Refresh, RowQuery},
    screens,
    signals::Notice,
    term::Access,
};

/// Records effects.
#[derive(Default)]
struct Recorder(Vec<String>);

impl Performer for Recorder {
    fn perform(&mut self, effect: Effect, _: &App) -> io::Result<Option<String>> {
        self.0.extend(match effect {
            Effect::Send { command, .. } => Some(format!("{command:?}")),
            Effect::Interval(interval) => Some(format!("{interval:?}")),
            Effect::Subscribe(subscription) => {
                Some(format!("{:?}", subscription.task.map(|key| key.id)))
            }
            Effect::QueryBackground => None,
            Effect::Redraw => Some("redraw".into()),
            Effect::Suspend => Some("suspend".into()),
            Effect::Copy => Some("copy".into()),
            Effect::Edit(line) => Some(line.file),
            Effect::CheckSource(line) => Some(format!("check {}", line.file)),
            Effect::Export => Some("export".into()),
            Effect::SelectRows(_) | Effect::Quit => None,
        });
        Ok(None)
    }

    fn access(&mut self) -> io::Result<Access> {
        Ok(Access::Unchanged)
    }
}

/// Runs the loop over these events and returns the last screen.
fn run_over(events: Vec<Event>, performer: &mut dyn Performer) -> String {
    let (sender, receiver) = mpsc::channel();
    events.into_iter().for_each(|event| sender.send(event).expect("the receiver is here"));
    drop(sender);
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("no I/O");
    let mut app = screens::new_app(Settings::default(), Duration::from_millis(250));
    run(&mut terminal, &receiver, &mut app, performer).expect("no I/O");
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
fn loop_draws_at_once_and_ends_with_its_senders() {
    let screen = run_over(Vec::new(), &mut Recorder::default());
    assert!(screen.contains("waiting for the first sample"), "{screen}");
}

#[test]
fn loop_performs_effects_until_quit() {
    let mut world = World::new();
    let mut model = Model::default();
    let snapshots: Vec<_> = (0..8).map(|_| refresh(&mut model, &mut world)).collect();
    let enter = Event::Input(Input::Key(KeyEvent::from(KeyCode::Enter)));
    let (suspend, continued) = (Event::Signal(Notice::Suspend), Event::Signal(Notice::Continued));
    let events =
        [snapshots, vec![key('b'), key('>'), suspend, continued, enter, key('q'), key('b')]];
    let mut recorder = Recorder::default();
    run_over(events.concat(), &mut recorder);
    assert_eq!(
        recorder.0,
        ["Lab(ToggleHog)", "100ms", "suspend", "redraw", "Some(24)"],
        "no key after q"
    );
}

/// A program in the background, which may not draw.
struct InBackground;

impl Performer for InBackground {
    fn perform(&mut self, _: Effect, _: &App) -> io::Result<Option<String>> {
        Ok(None)
    }

    fn access(&mut self) -> io::Result<Access> {
        Ok(Access::None)
    }
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
    let mut recorder = Recorder::default();
    let step = refresh(&mut Model::default(), &mut world);
    run_over(vec![step, paste("b\nq"), key('>')], &mut recorder);
    assert_eq!(recorder.0, ["100ms"], "neither the hog nor quit");
}

#[test]
fn lost_terminal_ends_the_loop() {
    let mut world = World::new();
    let events = vec![refresh(&mut Model::default(), &mut world), Event::Closed, key('b')];
    let mut recorder = Recorder::default();
    run_over(events, &mut recorder);
    assert!(recorder.0.is_empty());
}
