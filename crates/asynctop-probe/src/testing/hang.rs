//! Detects a test that does not end.

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

/// Time for the test to fail by itself before the process is ended.
const GRACE_PERIOD: Duration = Duration::from_secs(2);

/// Makes the test fail, from a thread of its own, unless it is dropped in time.
pub(super) struct HangDetector {
    state: Arc<Mutex<State>>,
    _ended: Sender<()>,
}

#[derive(Default)]
struct State {
    /// The waker of the test's own future.
    waker: Option<Waker>,
    report: Option<String>,
}

impl HangDetector {
    pub(super) fn start(
        after: Duration,
        registry: &'static Registry,
        watchdog: WatchHandle,
    ) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (ended, end) = mpsc::channel::<()>();
        let shared = state.clone();
        let hangs = move |time| end.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
        let wait = move || {
            if !hangs(after) {
                return;
            }
            let report = report::hang(registry, &watchdog, after);
            let waker = {
                let mut state = lock(&shared);
                state.report = Some(report);
                state.waker.take()
            };
            waker.into_iter().for_each(Waker::wake);
            if !hangs(GRACE_PERIOD) {
                return;
            }
            // The report was not taken: the thread that polls the test is blocked.
            if let Some(report) = lock(&shared).report.take() {
                let _ = writeln!(std::io::stderr(), "{report}");
                process::exit(101);
            }
        };
        let thread = thread::Builder::new().name("asynctop-hang".into()).spawn(wait);
        if let Err(error) = thread {
            panic!("cannot start a thread: {error}; try with fewer threads");
        }
        HangDetector { state, _ended: ended }
    }

    /// Takes the report if the test hangs. Otherwise, `waker` is woken when it does.
    pub(super) fn poll_report(&self, waker: &Waker) -> Option<String> {
        let mut state = lock(&self.state);
        match &mut state.waker {
            Some(registered) => registered.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        state.report.take()
    }
}
