//! News from outside: a thread that is not the runtime's sends to tasks of it, as a device,
//! a file watcher or a blocking library does.
//!
//! Timers and sockets are served by the workers themselves, so nothing that waits for them
//! is even woken while a hog holds the only worker. Who waits for a channel is: these
//! tasks show how long a woken task waits.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::Duration,
};

use tokio::{
    sync::mpsc::{self, Receiver, Sender, error::TrySendError},
    task::AbortHandle,
};

use super::Workload;
use crate::{lab::spawner::Spawner, stage};

const PERIOD: Duration = Duration::from_millis(10);

/// Those who listen. Only the thread outside and the lab's control hold this lock.
type Listeners = Mutex<Vec<Sender<u64>>>;

pub(super) struct Feed {
    spawner: Spawner,
    listeners: Arc<Listeners>,
}

impl Feed {
    pub(super) fn open(spawner: Spawner) -> io::Result<Self> {
        let listeners = Arc::new(Listeners::default());
        let theirs = Arc::downgrade(&listeners);
        thread::Builder::new().name("asynctop-feed".into()).spawn(move || send(&theirs))?;
        Ok(Feed { spawner, listeners })
    }
}

impl Workload for Feed {
    fn start(&mut self, number: usize) -> AbortHandle {
        let (sender, news) = mpsc::channel(1);
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        self.spawner.spawn(&format!("feed-{number}"), listen(news)).1
    }
}

/// Sends until the workload is gone. Who has not taken the last piece of news misses this one.
fn send(listeners: &Weak<Listeners>) {
    for news in 0.. {
        thread::sleep(PERIOD);
        let Some(listeners) = listeners.upgrade() else { return };
        let mut listeners = listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners
            .retain(|listener| !matches!(listener.try_send(news), Err(TrySendError::Closed(_))));
    }
}

async fn listen(mut news: Receiver<u64>) {
    stage("waits for news");
    while news.recv().await.is_some() {}
    stage("there will be no more news");
}
