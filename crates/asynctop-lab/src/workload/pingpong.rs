//! Pairs of tasks that pass a message back and forth over channels, then pause.

use std::{io, time::Duration};

use asynctop_probe::stage;
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    time::sleep,
};

use super::{
    Allows, Kind, Opening, Param, Unit, Workload,
    kind::{millis, secs, two_each},
};
use crate::{counter::Counter, spawner::Spawner};

pub(super) static KIND: Kind = Kind {
    name: "pingpong",
    about: "pairs of tasks that pass a message back and forth",
    unit: Some("round trip"),
    params: &[&PAUSE],
    tasks: two_each,
    open,
};

static PAUSE: Param = Param {
    name: "pause",
    about: "the pause after each round trip; Tokio's timer rounds up to whole milliseconds",
    allows: Allows::Duration { default: millis(1), least: millis(1), most: secs(60) },
};

struct PingPong {
    spawner: Spawner,
    done: Counter,
    pause: Duration,
}

fn open(Opening { spawner, done, params, .. }: Opening) -> io::Result<Box<dyn Workload>> {
    Ok(Box::new(PingPong { spawner, done, pause: params.duration(&PAUSE) }))
}

impl Workload for PingPong {
    fn start(&mut self, number: usize) -> Unit {
        let (to_pong, from_ping) = mpsc::channel(1);
        let (to_ping, from_pong) = mpsc::channel(1);
        self.spawner.spawn(&format!("pong-{number}"), pong(from_ping, to_ping));
        let ping = ping(to_pong, from_pong, self.done.clone(), self.pause);
        self.spawner.spawn(&format!("ping-{number}"), ping).1.into()
    }
}

/// Ends with its pong, which only a cancel of that can end first.
async fn ping(to_pong: Sender<u64>, mut from_pong: Receiver<u64>, done: Counter, pause: Duration) {
    for ball in 0.. {
        stage("serves");
        if to_pong.send(ball).await.is_err() {
            break;
        }
        stage("waits for the return");
        if from_pong.recv().await.is_none() {
            break;
        }
        done.increment();
        stage("rests");
        sleep(pause).await;
    }
    stage("failed: its pong has ended");
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
    stage("its ping has ended");
}
