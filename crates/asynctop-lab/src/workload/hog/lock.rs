//! The lock that a hog waits for, and the thread that holds it during slow work: a program that
//! shares a `std::sync::Mutex` between threads and tasks.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use asynctop_probe::stage;
use tokio::sync::watch;

use super::{block, wait_for_lock};
use crate::hog::HogControl;

/// The lock as a hog uses it.
#[derive(Clone)]
pub(super) struct ContendedLock {
    lock: Arc<Mutex<()>>,
    /// Changes each time the thread locks the mutex.
    locked: watch::Receiver<u64>,
    acquired: mpsc::Sender<()>,
}

/// Starts the thread, which ends when the hogs are stopped or have ended.
pub(super) fn start(control: HogControl) -> io::Result<ContendedLock> {
    let lock = Arc::new(Mutex::new(()));
    let (sender, locked) = watch::channel(0);
    let (acquired, receiver) = mpsc::channel();
    let thread_lock = Arc::clone(&lock);
    thread::Builder::new()
        .name("asynctop-lock".into())
        .spawn(move || hold_repeatedly(&thread_lock, &control, &sender, &receiver))?;
    Ok(ContendedLock { lock, locked, acquired })
}

/// Holds the lock for the hold time, waits until a hog has acquired it, and repeats.
fn hold_repeatedly(
    lock: &Mutex<()>,
    control: &HogControl,
    locked: &watch::Sender<u64>,
    acquired: &mpsc::Receiver<()>,
) {
    while !control.stop.is_requested() {
        let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        locked.send_modify(|times| *times += 1);
        block(control);
        drop(guard);
        if acquired.recv().is_err() {
            return;
        }
        acquired.try_iter().for_each(drop);
    }
}

impl ContendedLock {
    /// Waits for the lock while the thread holds it.
    pub(super) async fn burst(&mut self) {
        stage("waits until a thread has the lock");
        if self.locked.changed().await.is_err() {
            // The thread has ended because the hogs are stopped.
            return;
        }
        stage("waits for the lock");
        wait_for_lock(&self.lock);
        // An error means that the thread has ended.
        let _ = self.acquired.send(());
    }
}
