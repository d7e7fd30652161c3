//! The dashboard: the collector with the model, and the event loop, which alone draws. Everything that
//! can fail is done before the terminal is changed.

mod cost_meter;
mod editor;
mod event_loop;
#[cfg(test)]
mod event_loop_tests;
mod export;
mod follower;

use std::{
    io::{self, BufWriter, Write},
    sync::mpsc::{self, Sender},
    thread,
    time::{Duration, SystemTime},
};

use anyhow::anyhow;

use crate::{
    app::{App, ChosenColumns, Effect, Event, Settings, SourceLine},
    model::{Model, Thresholds},
    report::{Summary, text},
    screens,
    signals::Notice,
    source::{Collector, CollectorHandle, Source},
    term::{self, Access},
};

use event_loop::Performer;
use follower::{Follower, SharedQuery};

/// The options of the dashboard.
#[derive(Clone, Debug)]
pub struct Options {
    /// The settings of the display.
    pub settings: Settings,
    /// Whether to capture the mouse.
    pub mouse: bool,
    /// Whether to print the text report of the last snapshot when the dashboard ends.
    pub summary: bool,
    /// Time between snapshots.
    pub interval: Duration,
    /// The time after which the dashboard ends.
    pub run_time: Option<Duration>,
    /// The thresholds at which rules fire.
    pub thresholds: Thresholds,
    /// The columns of the tables.
    pub columns: ChosenColumns,
    /// Turn the hog on as soon as there is a baseline to compare with.
    pub hog: bool,
    /// A sentence to show at first.
    pub message: Option<String>,
}

/// The collector, the rows and the terminal.
struct Outside {
    collector: CollectorHandle,
    query: SharedQuery,
    events: Sender<Event>,
}

impl Performer for Outside {
    fn perform(&mut self, effect: Effect, app: &App) -> io::Result<Option<String>> {
        match effect {
            Effect::Send { request, target, command } => {
                self.collector.send(request, target, command);
            }
            Effect::Interval(interval) => self.collector.set_interval(interval),
            Effect::Subscribe(subscription) => self.collector.subscribe(subscription),
            Effect::SelectRows(query) => self.query.set(&query),
            Effect::QueryBackground => term::query_background()?,
            Effect::Copy => return copy(app).map(Some),
            Effect::Edit(line) => return Ok(self.edit(&line, app).err()),
            Effect::CheckSource(line) => self.check_source(line, app),
            Effect::Export => {
                let folder = std::env::current_dir()?;
                let written = export::write(app, &folder, SystemTime::now());
                return Ok(Some(written.unwrap_or_else(|error| {
                    format!("cannot write to {}: {error}", folder.display())
                })));
            }
            Effect::Redraw => term::resume(),
            Effect::Suspend => term::suspend()?,
            Effect::Quit => {}
        }
        Ok(None)
    }

    fn access(&mut self) -> io::Result<Access> {
        term::access()
    }
}

impl Outside {
    /// Sends an event if the file of a line is newer than the program. A thread of its own, because a
    /// file system may take its time.
    fn check_source(&self, line: SourceLine, app: &App) {
        let pid = self.pid(&line, app);
        let events = self.events.clone();
        let check = move || {
            if editor::is_source_newer(&line, pid) {
                // If the receiver is gone, the program is exiting.
                let _ = events.send(Event::NewerSource(line));
            }
        };
        // Without a thread there is no mark, as for a file that is not found.
        let _ = thread::Builder::new().name("asynctop-source".into()).spawn(check);
    }

    /// The process of the program that a line belongs to, unless it is this one.
    fn pid(&self, line: &SourceLine, app: &App) -> Option<u32> {
        app.model().target(line.target)?.target().description.process_id
    }

    /// Opens a source line in an editor, which gets the terminal until it ends.
    fn edit(&self, line: &SourceLine, app: &App) -> Result<(), String> {
        let pid = self.pid(line, app);
        let events = self.events.clone();
        editor::open(line, pid, move |message| {
            // If the receiver is gone, the program is exiting.
            let _ = events.send(Event::Signal(Notice::Continued));
            if let Some(message) = message {
                let _ = events.send(Event::Message(message));
            }
        })
    }
}

/// Copies the details that are shown, or the selected row. Returns a sentence.
fn copy(app: &App) -> io::Result<String> {
    let size = crossterm::terminal::size()?;
    let Some(text) = screens::copied_text(app, size.into()) else {
        return Ok("no row to copy".to_owned());
    };
    term::copy(&text)?;
    let first = text.lines().next().unwrap_or_default();
    Ok(match text.lines().count() {
        0 | 1 => format!("sent to the terminal's clipboard: {first}"),
        lines => format!("sent to the terminal's clipboard: {lines} lines, {first}"),
    })
}

/// Shows the targets of these sources until the user quits, then prints the report if it is requested.
///
/// # Errors
/// If the terminal fails, or a thread cannot be started.
pub fn run(sources: Vec<Box<dyn Source>>, options: &Options) -> anyhow::Result<()> {
    let (sender, events) = mpsc::channel();
    let snapshots = sender.clone();
    let query = SharedQuery::default();
    let model = Model::with_thresholds(options.thresholds.clone());
    let mut follower = Follower::new(model, query.clone());
    let collector = Collector::start(sources, options.interval, move |snapshot| {
        snapshots.send(Event::Refresh(Box::new(follower.advance(&snapshot)))).is_ok()
    })
    .map_err(|error| anyhow!("cannot start the sampler thread: {error}; try fewer workers"))?;
    term::spawn_readers(&sender)
        .map_err(|error| anyhow!("cannot read from the terminal: {error}; try --headless"))?;
    if let Some(time) = options.run_time {
        end_after(time, sender.clone())?;
    }
    term::hook_panics(asynctop_lab::is_lab_thread);
    let mut app = screens::new_app(options.settings, options.interval)
        .with_thresholds(options.thresholds.clone());
    app.turn_on_hog = options.hog;
    app.reports_groups = options.summary;
    app.chosen_columns = options.columns.clone();
    if let Some(message) = &options.message {
        app.notify(message.as_str(), Duration::ZERO);
    }
    let mut outside = Outside { collector: collector.handle(), query, events: sender };
    let (guard, mut screen) = term::Guard::enter(options.mouse)
        .map_err(|error| anyhow!("cannot use this terminal: {error}; try --headless"))?;
    let result = event_loop::run(&mut screen, &events, &mut app, &mut outside);
    drop(guard);
    let result = result.and_then(|()| if options.summary { print_report(&app) } else { Ok(()) });
    // A terminal that is gone ends the program without an error.
    result.or_else(|error| if term::is_gone() { Ok(()) } else { Err(error) })
}

/// Prints the text report of the last snapshot.
fn print_report(app: &App) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    text::write(app.live_model(), &Summary::default(), app.settings.ascii, &mut out)?;
    Ok(out.flush()?)
}

fn end_after(time: Duration, events: Sender<Event>) -> anyhow::Result<()> {
    let timer = thread::Builder::new().name("asynctop-timer".into()).spawn(move || {
        thread::sleep(time);
        // The receiver is gone because the program is exiting.
        let _ = events.send(Event::End);
    });
    timer
        .map(drop)
        .map_err(|error| anyhow!("cannot start the timer of --for: {error}; try without it"))
}
