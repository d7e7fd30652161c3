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
    app::{Board, Event, Settings, Wish},
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
    let progress = measure(options)?;
    term::hook_panics(|| false);
    let mut board = Board::new(options);
    let (guard, mut screen) = term::Guard::enter(false)
        .map_err(|error| anyhow!("cannot use this terminal: {error}; try --format text"))?;
    let result = show(&mut board, settings, &mut screen, &events, &progress);
    drop(guard);
    if term::is_gone() {
        return Ok(());
    }
    // Written even after an error, because the measurements took time.
    if !board.rows.is_empty() {
        io::stdout().lock().write_all(compare::text(&board.rows).as_bytes())?;
    }
    result?;
    Ok(compare::require_measured(&board.rows)?)
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
    board: &mut Board,
    settings: Settings,
    screen: &mut term::Screen,
    events: &Receiver<Event>,
    progress: &Receiver<Result<Progress, CompareError>>,
) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        for step in progress.try_iter() {
            board.advance(step?, started.elapsed());
        }
        let now = started.elapsed();
        let access = term::access()?;
        if access == Access::Changed {
            term::repaint(screen)?;
        }
        if access != Access::None {
            screen.draw(|frame| screens::render_board(board, settings, now, frame))?;
        }
        // The screen no longer changes when everything is measured.
        let timeout = if board.done { Duration::from_secs(3600) } else { REFRESH };
        let event = match events.recv_timeout(timeout) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        let wish = match event {
            Event::Input(Input::Key(key)) if key.kind != KeyEventKind::Release => {
                let size = screen.size()?;
                board.key(key, screens::board_scroll_limit(board, size.width, size.height))
            }
            Event::Signal(Notice::End) | Event::End | Event::Closed => Some(Wish::Quit),
            Event::Signal(Notice::Suspend) => Some(Wish::Suspend),
            Event::Signal(Notice::Continued) => Some(Wish::Redraw),
            _ => None,
        };
        match wish {
            Some(Wish::Quit) => return Ok(()),
            Some(Wish::Suspend) => term::suspend()?,
            Some(Wish::Redraw) => term::resume(),
            None => {}
        }
    }
}
