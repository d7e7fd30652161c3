//! The event loop: wait, handle every pending event, draw once.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    time::{Duration, Instant},
};

use crossterm::event::{self as terminal, MouseButton, MouseEventKind};
use ratatui::{Terminal, backend::Backend, layout::Size};

use crate::{
    app::{App, Effect, Event},
    model::RowQuery,
    screens,
    signals::Notice,
    snapshot::{Command, Subscription, TargetId},
    term::{self, Access},
};

/// The actions of the event loop outside the state. None of them may wait for the watched runtime.
pub(super) trait Control {
    /// Sends a command to a target; returns the number of the request.
    fn send(&mut self, target: TargetId, command: Command) -> Option<u64>;
    /// Sets the interval between snapshots.
    fn set_interval(&mut self, interval: Duration);
    /// Sets the optional parts of snapshots.
    fn subscribe(&mut self, subscription: Subscription);
    /// Sets the rows that come with each refresh.
    fn select_rows(&mut self, query: &RowQuery);
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
pub(super) fn run<B>(
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
    let mut subscription = Subscription::default();
    let mut query = RowQuery::None;
    let mut size = Size::default();
    loop {
        let access = control.access()?;
        if access == Access::Changed {
            term::repaint(screen)?;
        }
        if access != Access::None {
            size = screen.size()?;
            // What is visible depends on the size, and is needed to draw.
            app.set_viewport(screens::viewport(app, size));
            screen.draw(|frame| screens::render(app, frame))?;
        }
        let mut waiting = wait(events, app.message_until(), started);
        while let Some(event) = waiting {
            let now = started.elapsed();
            app.tick(now);
            match take(app, event, size, now) {
                Some(Effect::Send(target, command)) => {
                    if let Some(request) = control.send(target, command.clone()) {
                        app.sent(target, &command, request);
                    }
                }
                Some(Effect::Interval(interval)) => control.set_interval(interval),
                Some(Effect::Redraw) => control.resume(),
                Some(Effect::Suspend) => control.suspend()?,
                Some(Effect::Quit) => return Ok(()),
                None => {}
            }
            if app.subscription() != subscription {
                subscription = app.subscription();
                control.subscribe(subscription.clone());
            }
            if app.row_query() != query {
                query = app.row_query();
                control.select_rows(&query);
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

fn take(app: &mut App, event: Event, size: Size, now: Duration) -> Option<Effect> {
    match event {
        Event::Input(terminal::Event::Key(key)) if key.kind != terminal::KeyEventKind::Release => {
            app.key(key, now)
        }
        Event::Input(terminal::Event::Mouse(mouse)) => match mouse.kind {
            MouseEventKind::ScrollDown => {
                app.wheel(true);
                None
            }
            MouseEventKind::ScrollUp => {
                app.wheel(false);
                None
            }
            MouseEventKind::Down(MouseButton::Left) => {
                app.click(screens::hit_target(app, size, mouse.column, mouse.row)?, now)
            }
            _ => None,
        },
        Event::Input(terminal::Event::Paste(text)) => {
            app.paste(&text);
            None
        }
        Event::Input(_) | Event::Signal(Notice::Resized) => None,
        Event::Refresh(next) => app.advance(*next, now),
        Event::Signal(Notice::Suspend) => Some(Effect::Suspend),
        Event::Signal(Notice::Continued) => Some(Effect::Redraw),
        Event::Signal(Notice::End) | Event::End | Event::Closed => Some(Effect::Quit),
    }
}
