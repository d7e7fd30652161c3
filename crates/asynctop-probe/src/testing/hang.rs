//! Detects a test that does not end.

use std::{
    io::Write,
    process,
    sync::{
        Arc, Mutex,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    task::Waker,
    thread::{self, ThreadId},
    time::Duration,
};

use super::report;
use crate::{
    accounting::Registry,
    lock::lock,
    watch::{WatchHandle, thread_times},
};

/// Time for the test to fail by itself, and for its runtime to be dropped, before the process is ended.
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
    /// The thread that has failed the test with the report.
    failing: Option<ThreadId>,
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
            let is_running = hangs(GRACE_PERIOD);
            let State { report, failing, .. } = std::mem::take(&mut *lock(&shared));
            let is_blocked = match failing {
                // The report was not taken: the thread that polls the test is blocked.
                None => is_running,
                Some(thread) => does_nothing(registry, thread, GRACE_PERIOD),
            };
            if let Some(report) = report.filter(|_| is_blocked) {
                // Not captured by the test harness, which shows its messages when all tests have ended.
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
        let report = state.report.clone()?;
        state.failing = Some(thread::current().id());
        Some(report)
    }
}

/// Waits until a thread ends or polls again, which is `false`, or does nothing for this time: a test that
/// has failed waits for another thread of its runtime, which is blocked.
fn does_nothing(registry: &'static Registry, thread: ThreadId, time: Duration) -> bool {
    let mut slots = Vec::new();
    registry.thread_slots(&mut slots);
    let Some(slot) = slots.into_iter().find(|slot| slot.belongs_to(thread)) else { return false };
    let polls = slot.activity();
    let mut last = None;
    loop {
        let times = slot.os_id().and_then(thread_times);
        if times.is_none() || !slot.belongs_to(thread) || slot.activity() != polls {
            return false;
        }
        if times == last {
            return true;
        }
        // Printing the stack of a panic can take longer.
        last = times;
        thread::sleep(time);
    }
}
