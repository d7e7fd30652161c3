//! Chatter: pairs of tasks that pass a message to and fro over channels, then pause.

use std::time::Duration;

use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    task::AbortHandle,
    time::sleep,
};

use super::Workload;
use crate::{
    lab::{shared::Done, spawner::Spawner},
    stage,
};

/// Tokio's timer rounds up to whole milliseconds, so this is 1 to 2 ms.
const PAUSE: Duration = Duration::from_millis(1);

pub(super) struct PingPong {
    spawner: Spawner,
    done: Done,
}

impl PingPong {
    pub(super) fn new(spawner: Spawner, done: Done) -> Self {
        PingPong { spawner, done }
    }
}

impl Workload for PingPong {
    fn start(&mut self, number: usize) -> AbortHandle {
        let (to_pong, from_ping) = mpsc::channel(1);
        let (to_ping, from_pong) = mpsc::channel(1);
        self.spawner.spawn(&format!("pong-{number}"), pong(from_ping, to_ping));
        let ping = ping(to_pong, from_pong, self.done.clone());
        self.spawner.spawn(&format!("ping-{number}"), ping).1
    }
}

/// Ends with its pong, which only a cancel of that can end first.
async fn ping(to_pong: Sender<u64>, mut from_pong: Receiver<u64>, done: Done) {
    for ball in 0.. {
        stage("serves");
        if to_pong.send(ball).await.is_err() {
            break;
        }
        stage("waits for the return");
        if from_pong.recv().await.is_none() {
            break;
        }
        done.one();
        stage("rests");
        sleep(PAUSE).await;
    }
    stage("failed: its pong has gone");
}

/// Ends with its ping.
async fn pong(mut from_ping: Receiver<u64>, to_ping: Sender<u64>) {
    loop {
        stage("waits for the ball");
        let Some(ball) = from_ping.recv().await else { break };
        stage("returns it");
        if to_ping.send(ball).await.is_err() {
            break;
        }
    }
    stage("its ping has gone");
}
