//! The screen of `compare`: measures on another thread and shows the progress.

use std::{
    io::{self, Write},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use asynctop_lab::compare::{self, CompareError, Options, Progress};
use crossterm::event::{Event as Input, KeyEventKind};

use crate::{
    app::{Comparison, ComparisonEffect, Event, Settings},
    screens,
    signals::Notice,
    term::{self, Access},
};

/// Refresh interval of the screen during the measurement.
const REFRESH: Duration = Duration::from_millis(100);

/// Measures and shows the results until the user quits, then writes them to stdout as a table.
///
/// # Errors
/// If the service cannot be started, or the terminal fails.
pub fn run(options: &Options, settings: Settings) -> anyhow::Result<()> {
    let (sender, events) = mpsc::channel();
    term::spawn_readers(&sender)
        .map_err(|error| anyhow!("cannot read from the terminal: {error}; try --format text"))?;
    let warning = compare::busy_machine();
    let progress = measure(options)?;
    term::hook_panics(|| false);
    let mut comparison = Comparison::new(options);
    let (guard, mut screen) = term::Guard::enter(false)
        .map_err(|error| anyhow!("cannot use this terminal: {error}; try --format text"))?;
    let result = show(&mut comparison, settings, &mut screen, &events, &progress);
    drop(guard);
    if term::is_gone() {
        return Ok(());
    }
    // Written even after an error, because the measurements took time.
    if !comparison.rows.is_empty() {
        io::stdout().lock().write_all(compare::text(&comparison.rows).as_bytes())?;
    }
    result?;
    compare::require_measured(&comparison.rows)?;
    if let Some(warning) = warning.filter(|_| !comparison.rows.is_empty()) {
        let _ = writeln!(io::stderr(), "warning: {warning}");
    }
    Ok(())
}

/// Measures on another thread, which runs until the end of the program.
fn measure(options: &Options) -> anyhow::Result<Receiver<Result<Progress, CompareError>>> {
    let (sender, progress) = mpsc::channel();
    let options = options.clone();
    let thread = thread::Builder::new().name("asynctop-compare".into()).spawn(move || {
        // Sending fails when the receiver is gone because the program is exiting.
        let send = |step| drop(sender.send(Ok(step)));
        if let Err(error) = compare::run(&options, send) {
            let _ = sender.send(Err(error));
        }
    });
    thread.map_err(|error| {
        anyhow!("cannot start the measuring thread: {error}; try again with fewer threads")
    })?;
    Ok(progress)
}

fn show(
    comparison: &mut Comparison,
    settings: Settings,
    screen: &mut term::Screen,
    events: &Receiver<Event>,
    progress: &Receiver<Result<Progress, CompareError>>,
) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        for step in progress.try_iter() {
            comparison.advance(step?, started.elapsed());
        }
        let now = started.elapsed();
        let access = term::access()?;
        if access == Access::Changed {
            term::repaint(screen)?;
        }
        if access != Access::None {
            screen.draw(|frame| screens::render_comparison(comparison, settings, now, frame))?;
        }
        // The screen no longer changes when everything is measured.
        let timeout = if comparison.is_done { Duration::from_secs(3600) } else { REFRESH };
        let event = match events.recv_timeout(timeout) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        let effect = match event {
            Event::Input(Input::Key(key)) if key.kind != KeyEventKind::Release => {
                let size = screen.size()?;
                comparison
                    .key(key, screens::comparison_scroll_limit(comparison, size.width, size.height))
            }
            Event::Signal(Notice::End) | Event::End | Event::Closed => Some(ComparisonEffect::Quit),
            Event::Signal(Notice::Suspend) => Some(ComparisonEffect::Suspend),
            Event::Signal(Notice::Continued) => Some(ComparisonEffect::Redraw),
            _ => None,
        };
        match effect {
            Some(ComparisonEffect::Quit) => return Ok(()),
            Some(ComparisonEffect::Suspend) => term::suspend()?,
            Some(ComparisonEffect::Redraw) => term::resume(),
            None => {}
        }
    }
}
