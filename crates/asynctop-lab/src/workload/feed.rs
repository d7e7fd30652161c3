//! Events from outside: a thread that does not belong to the runtime sends to its tasks, as a
//! device, a file watcher or a blocking library does.
//!
//! Workers drive timers and sockets themselves, so a task that waits for one is not even woken
//! while a hog blocks the only worker. A task that waits for a channel is woken: these tasks show
//! the scheduling delay.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::Duration,
};

use asynctop_probe::stage;
use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};

use super::{
    Allows, Kind, Opening, Param, Unit, Workload,
    kind::{millis, one_each, secs},
};
use crate::spawner::Spawner;

pub(super) static KIND: Kind = Kind {
    name: "feed",
    about: "tasks that receive messages from a thread outside the runtime",
    unit: None,
    params: &[&PERIOD],
    tasks: one_each,
    open,
};

static PERIOD: Param = Param {
    name: "period",
    about: "the time between two messages",
    allows: Allows::Duration { default: millis(10), least: millis(1), most: secs(60) },
};

/// Those who listen. Only the thread outside and the lab's control hold this lock.
type Listeners = Mutex<Vec<Sender<u64>>>;

struct Feed {
    spawner: Spawner,
    listeners: Arc<Listeners>,
}

fn open(opening: Opening) -> io::Result<Box<dyn Workload>> {
    let listeners = Arc::new(Listeners::default());
    let (theirs, period) = (Arc::downgrade(&listeners), opening.params.duration(&PERIOD));
    thread::Builder::new().name("asynctop-feed".into()).spawn(move || send(&theirs, period))?;
    Ok(Box::new(Feed { spawner: opening.spawner, listeners }))
}

impl Workload for Feed {
    fn start(&mut self, number: usize) -> Unit {
        let (sender, news) = mpsc::channel(1);
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        self.spawner.spawn(&format!("feed-{number}"), listen(news)).1.into()
    }
}

/// Sends until the workload is gone. Who has not taken the last piece of news misses this one.
fn send(listeners: &Weak<Listeners>, period: Duration) {
    for news in 0.. {
        thread::sleep(period);
        let Some(listeners) = listeners.upgrade() else { return };
        let mut listeners = listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners
            .retain(|listener| !matches!(listener.try_send(news), Err(TrySendError::Closed(_))));
    }
}

async fn listen(mut news: Receiver<u64>) {
    stage("waits for news");
    while news.recv().await.is_some() {}
    stage("no more news");
}
