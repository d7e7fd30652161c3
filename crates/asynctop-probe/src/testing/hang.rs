//! A thread that waits for the end of a test that may not come.

use std::{
    io::Write,
    process,
    sync::{
        Arc, Mutex,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    task::Waker,
    thread,
    time::Duration,
};

use super::report;
use crate::{accounting::Registry, lock::lock, watch::WatchHandle};

/// How long the test has to fail by itself.
const LAST_CHANCE: Duration = Duration::from_secs(2);

/// Waits for the test's end; dropped, the test has ended.
pub(super) struct Hang {
    state: Arc<Mutex<State>>,
    _ended: Sender<()>,
}

#[derive(Default)]
struct State {
    /// Of the test's own future.
    waker: Option<Waker>,
    report: Option<String>,
}

impl Hang {
    pub(super) fn start(
        after: Duration,
        registry: &'static Registry,
        watchdog: WatchHandle,
    ) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (ended, end) = mpsc::channel::<()>();
        let its = state.clone();
        let hangs = move |time| end.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
        let wait = move || {
            if !hangs(after) {
                return;
            }
            let report = report::hang(registry, &watchdog, after);
            let waker = {
                let mut state = lock(&its);
                state.report = Some(report);
                state.waker.take()
            };
            waker.into_iter().for_each(Waker::wake);
            if !hangs(LAST_CHANCE) {
                return;
            }
            // Nobody has taken it: the thread that would is held.
            if let Some(report) = lock(&its).report.take() {
                let _ = writeln!(std::io::stderr(), "{report}");
                process::exit(101);
            }
        };
        let thread = thread::Builder::new().name("asynctop-hang".into()).spawn(wait);
        if let Err(error) = thread {
            panic!("cannot start a thread: {error}; try with fewer threads");
        }
        Hang { state, _ended: ended }
    }

    /// What to fail with, once the test hangs; else the waker is called when it does.
    pub(super) fn hear(&self, waker: &Waker) -> Option<String> {
        let mut state = lock(&self.state);
        match &mut state.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        state.report.take()
    }
}
