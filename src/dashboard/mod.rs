//! The dashboard: sources, the collector, the event loop and, if it is the target, a lab.
//! Everything that can fail is done before the terminal is changed.

mod event_loop;
#[cfg(test)]
mod event_loop_tests;

use std::{
    io,
    sync::mpsc::{self, Sender},
    thread,
    time::Duration,
};

use anyhow::anyhow;
use asynctop_lab::{Command, Lab, LabOptions, LabSampler};

use crate::{
    app::{App, Event, Settings},
    model::{Subscription, Thresholds},
    source::{Collector, CollectorHandle, Source},
    term::{self, Access},
    watch::Watchdog,
};

use event_loop::Control;

#[cfg(feature = "attach")]
use crate::source::{Address, Connections};

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

/// What the loop can ask of the world.
struct World<'a> {
    lab: Option<&'a Lab>,
    collector: CollectorHandle,
}

impl Control for World<'_> {
    fn lab(&mut self, command: Command) -> String {
        match self.lab {
            Some(lab) => lab.execute(command),
            None => "not available: this target is not the lab".to_owned(),
        }
    }

    fn set_interval(&mut self, interval: Duration) {
        self.collector.set_interval(interval);
    }

    fn subscribe(&mut self, subscription: Subscription) {
        self.collector.subscribe(subscription);
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

/// Runs a lab and shows it until the user has seen enough.
///
/// # Errors
/// If the lab does not start, or the terminal fails.
pub fn run(lab: LabOptions, options: &Options) -> anyhow::Result<()> {
    let registry = lab.registry;
    let lab = Lab::start(lab)?;
    let watchdog = Watchdog::start(registry, options.thresholds.watch())
        .map_err(|error| anyhow!("cannot start the watchdog: {error}; try fewer workers"))?;
    let source = LabSampler::new(&lab).with_watchdog(watchdog.handle().clone());
    let result = show(vec![Box::new(source)], Some(&lab), options, |_| ());
    lab.shutdown();
    result
}

/// Watches programs with console-subscriber until the user has seen enough.
///
/// # Errors
/// If the terminal fails. A target that does not answer is shown, and is no error.
#[cfg(feature = "attach")]
pub fn attach(addresses: &[Address], options: &Options) -> anyhow::Result<()> {
    let connections = Connections::open(addresses)
        .map_err(|error| anyhow!("cannot start the client: {error}; try a higher `ulimit -n`"))?;
    let Connections { sources, on_change } = connections;
    let sources = sources.into_iter().map(|source| Box::new(source) as Box<dyn Source>);
    // A change of a connection is shown at once, not at the end of the interval.
    let request = |collector: CollectorHandle| on_change.set(move |id| collector.request(id));
    show(sources.collect(), None, options, request)
}

/// Shows the targets of sources. `started` gets a handle to the collector before anything is shown.
fn show(
    sources: Vec<Box<dyn Source>>,
    lab: Option<&Lab>,
    options: &Options,
    started: impl FnOnce(CollectorHandle),
) -> anyhow::Result<()> {
    let (sender, events) = mpsc::channel();
    let snapshots = sender.clone();
    let collector = Collector::start(sources, options.interval, move |snapshot| {
        snapshots.send(Event::Snapshot(snapshot)).is_ok()
    })
    .map_err(|error| anyhow!("cannot start the sampler thread: {error}; try fewer workers"))?;
    started(collector.handle());
    term::spawn_readers(&sender)
        .map_err(|error| anyhow!("cannot read from the terminal: {error}; try --headless"))?;
    if let Some(time) = options.run_time {
        end_after(time, sender)?;
    }
    term::hook_panics(asynctop_lab::is_lab_thread);
    let mut app =
        App::new(options.settings, options.interval).with_thresholds(options.thresholds.clone());
    app.release_hog = options.hog;
    let mut world = World { lab, collector: collector.handle() };
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
