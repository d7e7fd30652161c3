//! Pairs of tasks that pass a message back and forth over channels, then pause.

use std::{io, time::Duration};

use asynctop_probe::stage;
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    time::sleep,
};

use super::{
    Context, Instance, Param, ParamType, Workload, WorkloadKind,
    kind::{millis, secs, two_each},
};
use crate::{counter::Counter, spawner::Spawner};

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "pingpong",
    about: "pairs of tasks that pass a message back and forth",
    unit: Some("round trip"),
    params: &[&PAUSE],
    max_tasks: two_each,
    open,
};

static PAUSE: Param = Param {
    name: "pause",
    about: "the pause after each round trip; Tokio's timer rounds up to whole milliseconds",
    param_type: ParamType::Duration { default: millis(1), min: millis(1), max: secs(60) },
};

struct PingPong {
    spawner: Spawner,
    done: Counter,
    pause: Duration,
}

fn open(Context { spawner, done, params, .. }: Context) -> io::Result<Box<dyn Workload>> {
    Ok(Box::new(PingPong { spawner, done, pause: params.duration(&PAUSE) }))
}

impl Workload for PingPong {
    fn start(&mut self, number: usize) -> Instance {
        let (to_pong, from_ping) = mpsc::channel(1);
        let (to_ping, from_pong) = mpsc::channel(1);
        self.spawner.spawn(&format!("pong-{number}"), pong(from_ping, to_ping));
        let ping = ping(to_pong, from_pong, self.done.clone(), self.pause);
        self.spawner.spawn(&format!("ping-{number}"), ping).into()
    }
}

/// Ends when its pong does, which only a cancellation of that task can cause.
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

/// Ends when its ping does.
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
