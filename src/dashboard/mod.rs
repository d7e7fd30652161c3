//! The dashboard: the collector with the model, and the event loop. Everything that can fail is done before the
//! terminal is changed.

mod event_loop;
#[cfg(test)]
mod event_loop_tests;
mod follower;

use std::{
    io,
    sync::mpsc::{self, Sender},
    thread,
    time::Duration,
};

use anyhow::anyhow;

use crate::{
    app::{App, Event, Settings},
    model::{Model, RowQuery, Thresholds},
    snapshot::{Command, Subscription, TargetId},
    source::{Collector, CollectorHandle, Source},
    term::{self, Access},
};

use event_loop::Control;
use follower::{Follower, SharedQuery};

/// How to show it.
#[derive(Clone, Debug)]
pub struct Options {
    /// How things look.
    pub settings: Settings,
    /// Whether the mouse is asked for.
    pub mouse: bool,
    /// Time between snapshots.
    pub interval: Duration,
    /// Ends by itself after this time.
    pub run_time: Option<Duration>,
    /// From where on rules speak.
    pub thresholds: Thresholds,
    /// The hog comes on by itself, as soon as there is a baseline to compare with.
    pub hog: bool,
}

/// The effects of the event loop.
struct World {
    collector: CollectorHandle,
    query: SharedQuery,
}

impl Control for World {
    fn send(&mut self, target: TargetId, command: Command) -> Option<u64> {
        self.collector.send(target, command)
    }

    fn set_interval(&mut self, interval: Duration) {
        self.collector.set_interval(interval);
    }

    fn subscribe(&mut self, subscription: Subscription) {
        self.collector.subscribe(subscription);
    }

    fn select_rows(&mut self, query: &RowQuery) {
        self.query.set(query);
    }

    fn access(&mut self) -> io::Result<Access> {
        term::access()
    }

    fn suspend(&mut self) -> io::Result<()> {
        term::suspend()
    }

    fn resume(&mut self) {
        term::resume();
    }
}

/// Shows the targets of these sources until the user quits.
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
        end_after(time, sender)?;
    }
    term::hook_panics(asynctop_lab::is_lab_thread);
    let mut app =
        App::new(options.settings, options.interval).with_thresholds(options.thresholds.clone());
    app.release_hog = options.hog;
    let mut world = World { collector: collector.handle(), query };
    let (guard, mut screen) = term::Guard::enter(options.mouse)
        .map_err(|error| anyhow!("cannot use this terminal: {error}; try --headless"))?;
    let result = event_loop::run(&mut screen, &events, &mut app, &mut world);
    drop(guard);
    // A terminal that is gone ends the program without an error.
    result.or_else(|error| if term::is_gone() { Ok(()) } else { Err(error) })
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
