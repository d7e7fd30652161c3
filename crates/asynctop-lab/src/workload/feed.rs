//! Events from outside the runtime: a thread sends messages to tasks, as a device, a file watcher
//! or a blocking library does.
//!
//! Workers drive timers and sockets themselves, so a task that waits for one is not even woken
//! while a hog blocks the only worker. A task that waits for a channel is woken: these tasks show
//! the scheduling delay.

use std::{
    io,
    sync::{Arc, Mutex, Weak},
    thread,
    time::Duration,
};

use asynctop_probe::stage;
use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};

use super::{
    Context, Instance, Param, ParamType, Workload, WorkloadKind,
    kind::{millis, one_each, secs},
};
use crate::{lock::lock, spawner::Spawner};

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "feed",
    about: "tasks that receive messages from a thread outside the runtime",
    unit: None,
    params: &[&PERIOD],
    max_tasks: one_each,
    open,
};

static PERIOD: Param = Param {
    name: "period",
    about: "the time between two messages",
    param_type: ParamType::Duration { default: millis(10), min: millis(1), max: secs(60) },
};

/// The channels of all tasks. Only the sending thread and the supervisor hold this lock.
type Channels = Mutex<Vec<Sender<u64>>>;

struct Feed {
    spawner: Spawner,
    channels: Arc<Channels>,
}

fn open(context: Context) -> io::Result<Box<dyn Workload>> {
    let channels = Arc::new(Channels::default());
    let (weak, period) = (Arc::downgrade(&channels), context.params.duration(&PERIOD));
    thread::Builder::new().name("asynctop-feed".into()).spawn(move || send(&weak, period))?;
    Ok(Box::new(Feed { spawner: context.spawner, channels }))
}

impl Workload for Feed {
    fn start(&mut self, number: usize) -> Instance {
        let (sender, messages) = mpsc::channel(1);
        lock(&self.channels).push(sender);
        self.spawner.spawn(&format!("feed-{number}"), receive(messages)).into()
    }
}

/// Sends until the workload is dropped. A task that has not received the previous message misses
/// the next.
fn send(channels: &Weak<Channels>, period: Duration) {
    for message in 0.. {
        thread::sleep(period);
        let Some(channels) = channels.upgrade() else { return };
        let mut channels = lock(&channels);
        channels
            .retain(|channel| !matches!(channel.try_send(message), Err(TrySendError::Closed(_))));
    }
}

async fn receive(mut messages: Receiver<u64>) {
    stage("waits for a message");
    while messages.recv().await.is_some() {}
    stage("its sender has ended");
}
