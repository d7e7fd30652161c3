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
use crate::hog::Orders;

/// A hog's side of the lock.
#[derive(Clone)]
pub(super) struct Visitor {
    lock: Arc<Mutex<()>>,
    /// Counts how often the thread has taken the lock.
    taken: watch::Receiver<u64>,
    passed: mpsc::Sender<()>,
}

/// Starts the thread, which ends when the hogs are told to stop or are gone.
pub(super) fn begin(orders: Orders) -> io::Result<Visitor> {
    let lock = Arc::new(Mutex::new(()));
    let (taken, seen) = watch::channel(0);
    let (passed, passings) = mpsc::channel();
    let its = Arc::clone(&lock);
    thread::Builder::new()
        .name("asynctop-lock".into())
        .spawn(move || keep(&its, &orders, &taken, &passings))?;
    Ok(Visitor { lock, taken: seen, passed })
}

/// Takes the lock again and again, for a hold each time, and lets somebody pass in between.
fn keep(
    lock: &Mutex<()>,
    orders: &Orders,
    taken: &watch::Sender<u64>,
    passings: &mpsc::Receiver<()>,
) {
    while !orders.stop.asked() {
        let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        taken.send_modify(|times| *times += 1);
        block(orders);
        drop(guard);
        if passings.recv().is_err() {
            return;
        }
        passings.try_iter().for_each(drop);
    }
}

impl Visitor {
    /// Waits for the lock at a time when it is taken.
    pub(super) async fn round(&mut self) {
        stage("waits until a thread has the lock");
        if self.taken.changed().await.is_err() {
            // The thread has ended: so will this.
            return;
        }
        stage("waits for the lock");
        wait_for_lock(&self.lock);
        // Nobody there to be told: as above.
        let _ = self.passed.send(());
    }
}
