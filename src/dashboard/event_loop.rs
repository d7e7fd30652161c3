//! The event loop: waits, handles every pending event, draws once.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    time::{Duration, Instant},
};

use crossterm::event::{self as terminal, MouseButton, MouseEventKind};
use ratatui::{Terminal, backend::Backend};

use super::cost_meter::CostMeter;
use crate::{
    app::{App, Effect, Event, SourceLine},
    model::RowQuery,
    screens::{self, HitMap},
    signals::Notice,
    snapshot::Subscription,
    term::{self, Access},
};

/// A later answer of the terminal is ignored: colors must not change while someone reads.
const BACKGROUND_WAIT: Duration = Duration::from_millis(100);

/// Performs the effects of events. No method waits for the runtime that is watched.
pub(super) trait Performer {
    /// Performs an effect other than [`Effect::Quit`]. Returns a sentence for the message line, if
    /// there is one.
    ///
    /// # Errors
    /// If the terminal cannot be given back or the program cannot be stopped.
    fn perform(&mut self, effect: Effect, app: &App) -> io::Result<Option<String>>;
    /// Whether the program may draw. Takes the terminal if needed.
    ///
    /// # Errors
    /// If the terminal cannot be taken.
    fn access(&mut self) -> io::Result<Access>;
}

/// Runs the dashboard until the user, a signal or a lost terminal ends it.
///
/// # Errors
/// If the terminal cannot be drawn to, left or entered.
pub(super) fn run<B>(
    screen: &mut Terminal<B>,
    events: &Receiver<Event>,
    app: &mut App,
    performer: &mut dyn Performer,
) -> anyhow::Result<()>
where
    B: Backend,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let started = Instant::now();
    let mut subscription = Subscription::default();
    let mut query = RowQuery::None;
    let mut checked: Option<SourceLine> = None;
    let mut hit_map = HitMap::default();
    // When the terminal was asked for its background.
    let mut asked: Option<Duration> = None;
    let mut meter = CostMeter::default();
    let mut pace = Pace::default();
    let mut due = Due::Now;
    loop {
        let access = performer.access()?;
        if access == Access::Changed {
            term::repaint(screen)?;
            due = Due::Now;
        }
        if access != Access::None && pace.allows(due, started.elapsed()) {
            // The visible rows depend on the size, and drawing depends on them.
            app.set_viewport(screens::viewport(app, screen.size()?));
            let began = started.elapsed();
            screen.draw(|frame| hit_map = screens::render(app, frame))?;
            let now = started.elapsed();
            // It is shown with the next frame.
            app.own_cost = meter.advance(now - began, now).or(app.own_cost);
            pace = Pace { began, ended: now };
            due = Due::Never;
            // After the first frame, which must not wait for the answer.
            if asked.is_none() && app.settings.needs_background() {
                asked = Some(started.elapsed());
                perform(performer, Effect::QueryBackground, app, started.elapsed())?;
            }
        }
        let mut pending = wait(events, app.next_tick(), started);
        if pending.is_none() {
            due = Due::Now;
        }
        while let Some(event) = pending {
            due = due.max(Due::after(&event));
            let now = started.elapsed();
            if let Some(effect) = app.tick(now) {
                perform(performer, effect, app, now)?;
            }
            if let Event::Background(background) = event
                && asked.is_some_and(|asked| now < asked + BACKGROUND_WAIT)
            {
                app.settings.background = Some(background);
            }
            match handle(app, event, &hit_map, now) {
                Some(Effect::Quit) => return Ok(()),
                Some(effect) => perform(performer, effect, app, now)?,
                None => {}
            }
            if app.subscription() != subscription {
                subscription = app.subscription();
                perform(performer, Effect::Subscribe(subscription.clone()), app, now)?;
            }
            if *app.row_query() != query {
                query = app.row_query().clone();
                perform(performer, Effect::SelectRows(query.clone()), app, now)?;
            }
            if let Some(source) = app.shown_source()
                && !checked.as_ref().is_some_and(|checked| checked.is_in_file_of(&source))
            {
                checked = Some(source.clone());
                perform(performer, Effect::CheckSource(source), app, now)?;
            }
            pending = match events.try_recv() {
                Ok(event) => Some(event),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => return Ok(()),
            };
        }
        let now = started.elapsed();
        if let Some(effect) = app.tick(now) {
            perform(performer, effect, app, now)?;
        }
    }
}

fn perform(
    performer: &mut dyn Performer,
    effect: Effect,
    app: &mut App,
    now: Duration,
) -> io::Result<()> {
    if let Some(message) = performer.perform(effect, app)? {
        app.notify(message, now);
    }
    Ok(())
}

/// When to draw the next frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// Nothing has changed.
    Never,
    /// When the terminal has had time for the last frame: there is a new snapshot.
    Soon,
    /// At once: the user waits for it.
    Now,
}

impl Due {
    /// When to draw after an event. Some reports of the mouse have no effect, and may be frequent.
    fn after(event: &Event) -> Due {
        match event {
            Event::Refresh(_) => Due::Soon,
            Event::Input(terminal::Event::Mouse(mouse)) => match mouse.kind {
                MouseEventKind::Moved
                | MouseEventKind::ScrollLeft
                | MouseEventKind::ScrollRight => Due::Never,
                _ => Due::Now,
            },
            Event::Input(terminal::Event::FocusGained | terminal::Event::FocusLost) => Due::Never,
            _ => Due::Now,
        }
    }
}

/// The time that the last frame took. On a slow line, a frame takes as long as its bytes: then frames
/// are skipped, so that the line has room for the answers to keys.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    began: Duration,
    ended: Duration,
}

impl Pace {
    /// A frame that takes longer than this was slowed down by the terminal.
    const SLOW: Duration = Duration::from_millis(100);

    fn allows(self, due: Due, now: Duration) -> bool {
        let cost = self.ended.saturating_sub(self.began);
        match due {
            Due::Never => false,
            Due::Soon => cost < Self::SLOW || now >= self.ended + 2 * cost,
            Due::Now => true,
        }
    }
}

/// Waits for the next event; `None` when it is time for the next tick.
fn wait(events: &Receiver<Event>, until: Option<Duration>, started: Instant) -> Option<Event> {
    let Some(until) = until else { return Some(events.recv().unwrap_or(Event::End)) };
    match events.recv_timeout(until.saturating_sub(started.elapsed())) {
        Ok(event) => Some(event),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some(Event::End),
    }
}

fn handle(app: &mut App, event: Event, hit_map: &HitMap, now: Duration) -> Option<Effect> {
    match event {
        Event::Input(terminal::Event::Key(key)) if key.kind != terminal::KeyEventKind::Release => {
            app.key(key, now)
        }
        Event::Input(terminal::Event::Mouse(mouse)) => match mouse.kind {
            MouseEventKind::ScrollDown | MouseEventKind::ScrollUp => {
                let is_down = mouse.kind == MouseEventKind::ScrollDown;
                app.wheel(is_down, hit_map.at(mouse.column, mouse.row), now);
                None
            }
            MouseEventKind::Drag(MouseButton::Left) => {
                app.drag(hit_map.at(mouse.column, mouse.row));
                None
            }
            MouseEventKind::Up(MouseButton::Left) => {
                app.release(now);
                None
            }
            MouseEventKind::Down(MouseButton::Left) => {
                app.click(hit_map.at(mouse.column, mouse.row)?, now)
            }
            _ => None,
        },
        Event::Input(terminal::Event::Paste(text)) => {
            app.paste(&text);
            None
        }
        Event::Input(_) | Event::Background(_) | Event::Signal(Notice::Resized) => None,
        Event::Refresh(next) => app.advance(*next, now),
        Event::Message(text) => {
            app.notify(text, now);
            None
        }
        Event::NewerSource(source) => {
            app.mark_newer(source);
            None
        }
        Event::Signal(Notice::Suspend) => Some(Effect::Suspend),
        Event::Signal(Notice::Continued) => Some(Effect::Redraw),
        Event::Signal(Notice::End) | Event::End | Event::Closed => Some(Effect::Quit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_skipped_on_a_slow_line_but_not_after_a_key() {
        let ms = Duration::from_millis;
        let (fast, slow) =
            (Pace { began: ms(0), ended: ms(5) }, Pace { began: ms(0), ended: ms(300) });
        assert!(fast.allows(Due::Soon, ms(6)));
        assert!(!slow.allows(Due::Soon, ms(800)) && slow.allows(Due::Soon, ms(900)));
        assert!(slow.allows(Due::Now, ms(301)));
        assert!(!fast.allows(Due::Never, ms(900)));
    }
}
