//! The loop: wait, take in everything that is there, draw once.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    time::{Duration, Instant},
};

use crossterm::event as terminal;
use ratatui::{Terminal, backend::Backend};

use super::{App, Effect, Event};
use crate::{lab::Command, model::Interest, signals::Notice, view};

/// Whether the program may draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Yes; the terminal still shows the last frame.
    Kept,
    /// Yes; the terminal was just taken and does not show the last frame.
    Taken,
    /// No: the program is in the background.
    None,
}

/// What the loop can ask of the world around it. None of it may wait for the runtime that
/// is watched.
pub trait Control {
    /// Asks something of the lab; the answer is shown.
    fn lab(&mut self, command: Command) -> String;
    /// Snapshots come at this interval from now on.
    fn set_interval(&mut self, interval: Duration);
    /// Snapshots hold this from now on.
    fn set_interest(&mut self, interest: Interest);
    /// Whether the program may draw. Takes the terminal if needed.
    ///
    /// # Errors
    /// If the terminal cannot be taken.
    fn access(&mut self) -> std::io::Result<Access>;
    /// Gives the terminal back and stops the program until it is continued.
    ///
    /// # Errors
    /// If a system call fails.
    fn suspend(&mut self) -> std::io::Result<()>;
    /// The program was stopped and continued, or a full redraw was requested: the terminal has to
    /// be taken again.
    fn resume(&mut self);
}

/// Runs the dashboard until the user, a signal or a lost terminal ends it.
///
/// # Errors
/// If the terminal cannot be drawn to, left or entered.
pub fn run<B>(
    screen: &mut Terminal<B>,
    events: &Receiver<Event>,
    app: &mut App,
    control: &mut dyn Control,
) -> anyhow::Result<()>
where
    B: Backend,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let started = Instant::now();
    let mut interest = Interest::default();
    loop {
        let access = control.access()?;
        if access == Access::Taken {
            repaint(screen)?;
        }
        if access != Access::None {
            fit(screen, app)?;
            screen.draw(|frame| view::render(app, frame))?;
        }
        let mut waiting = wait(events, app.message_until(), started);
        while let Some(event) = waiting {
            let now = started.elapsed();
            app.tick(now);
            match take(app, event, now) {
                Some(Effect::Lab(command)) => {
                    let sentence = control.lab(command);
                    app.answer(sentence, now);
                }
                Some(Effect::Interval(interval)) => control.set_interval(interval),
                Some(Effect::Redraw) => control.resume(),
                Some(Effect::Suspend) => control.suspend()?,
                Some(Effect::Quit) => return Ok(()),
                None => {}
            }
            if app.interest() != interest {
                interest = app.interest();
                control.set_interest(interest.clone());
            }
            waiting = match events.try_recv() {
                Ok(event) => Some(event),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => return Ok(()),
            };
        }
        app.tick(started.elapsed());
    }
}

/// The next event; `None` when a message has to fade.
fn wait(events: &Receiver<Event>, until: Option<Duration>, started: Instant) -> Option<Event> {
    let Some(until) = until else { return Some(events.recv().unwrap_or(Event::End)) };
    match events.recv_timeout(until.saturating_sub(started.elapsed())) {
        Ok(event) => Some(event),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some(Event::End),
    }
}

fn take(app: &mut App, event: Event, now: Duration) -> Option<Effect> {
    match event {
        Event::Input(terminal::Event::Key(key)) if key.kind != terminal::KeyEventKind::Release => {
            app.key(key, now)
        }
        Event::Input(terminal::Event::Mouse(mouse)) => app.mouse(mouse, now),
        Event::Input(terminal::Event::Paste(text)) => {
            app.paste(&text);
            None
        }
        Event::Input(_) | Event::Signal(Notice::Resized) => None,
        Event::Snapshot(snapshot) => app.advance(snapshot, now),
        Event::Signal(Notice::Suspend) => Some(Effect::Suspend),
        Event::Signal(Notice::Continued) => Some(Effect::Redraw),
        Event::Signal(Notice::End) | Event::End | Event::Closed => Some(Effect::Quit),
    }
}

/// Tells the state how many rows there is room for, before anything is drawn: what is
/// visible follows from it.
fn fit<B: Backend>(screen: &mut Terminal<B>, app: &mut App) -> Result<(), B::Error> {
    let size = screen.size()?;
    app.size = (size.width, size.height);
    app.resize(view::rows(app, size.width, size.height));
    app.scroll_at_most(view::scroll_limit(app, size.width, size.height));
    Ok(())
}

/// Makes the next frame a full redraw.
pub(crate) fn repaint<B: Backend>(screen: &mut Terminal<B>) -> Result<(), B::Error> {
    // `Terminal::clear` would ask the terminal where its cursor is, and wait for ever for
    // one that does not answer; a new size, even the same, clears without asking.
    let area = ratatui::layout::Rect::from((ratatui::layout::Position::ORIGIN, screen.size()?));
    screen.resize(area)
}
