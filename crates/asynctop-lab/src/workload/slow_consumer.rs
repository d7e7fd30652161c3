//! An unbounded queue whose consumer is slower than its producer.

use std::{
    io,
    time::{Duration, Instant},
};

use asynctop_probe::stage;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    time::sleep,
};

use super::{
    Allows, Kind, Opening, Param, Unit, Workload,
    kind::{millis, secs, two_each},
};
use crate::{
    gauge::{Count, Latency},
    spawner::Spawner,
};

pub(super) static KIND: Kind = Kind {
    name: "slow-consumer",
    about: "pairs of tasks with an unbounded queue between them, which keeps growing",
    unit: None,
    params: &[&BATCH, &PERIOD, &WORK, &LIMIT],
    tasks: two_each,
    open,
};

static BATCH: Param = Param {
    name: "batch",
    about: "how many the producer sends at a time",
    allows: Allows::Count { default: 20, least: 1, most: 10_000 },
};

static PERIOD: Param = Param {
    name: "period",
    about: "the time between two batches",
    allows: Allows::Duration { default: millis(10), least: millis(1), most: secs(60) },
};

static WORK: Param = Param {
    name: "work",
    about: "how long the consumer waits per item, as for a database",
    allows: Allows::Duration { default: millis(2), least: millis(1), most: secs(60) },
};

static LIMIT: Param = Param {
    name: "limit",
    about: "the queue length at which the producer pauses, to bound the lab's memory",
    allows: Allows::Count { default: 100_000, least: 1, most: 10_000_000 },
};

struct SlowConsumer {
    spawner: Spawner,
    batch: u64,
    period: Duration,
    work: Duration,
    limit: u64,
    queue: Count,
    age: Latency,
}

fn open(Opening { spawner, gauges, params, .. }: Opening) -> io::Result<Box<dyn Workload>> {
    Ok(Box::new(SlowConsumer {
        spawner,
        batch: params.number(&BATCH),
        period: params.duration(&PERIOD),
        work: params.duration(&WORK),
        limit: params.number(&LIMIT),
        queue: gauges.count("queue"),
        age: gauges.latency("age when consumed"),
    }))
}

impl Workload for SlowConsumer {
    fn start(&mut self, number: usize) -> Unit {
        let (sender, receiver) = mpsc::unbounded_channel();
        let consumer = consume(receiver, self.queue.clone(), self.age.clone(), self.work);
        self.spawner.spawn(&format!("consumer-{number}"), consumer);
        let (batch, period, limit) = (self.batch, self.period, self.limit);
        let producer = produce(sender, self.queue.clone(), batch, limit, period);
        self.spawner.spawn(&format!("producer-{number}"), producer).1.into()
    }
}

async fn produce(
    sender: UnboundedSender<Instant>,
    queue: Count,
    batch: u64,
    limit: u64,
    period: Duration,
) {
    loop {
        if queue.get() + batch > limit {
            stage("the queue is at the lab's limit: pauses");
        } else {
            stage("sends without waiting");
            for _ in 0..batch {
                queue.add(1);
                if sender.send(Instant::now()).is_err() {
                    queue.sub(1);
                    stage("failed: its consumer has ended");
                    return;
                }
            }
        }
        sleep(period).await;
    }
}

/// Ends when the producer does: what is left in the queue goes with it.
async fn consume(
    mut receiver: UnboundedReceiver<Instant>,
    queue: Count,
    age: Latency,
    work: Duration,
) {
    while !receiver.is_closed() {
        stage("waits for the queue");
        let Some(sent) = receiver.recv().await else { break };
        queue.sub(1);
        age.took(sent.elapsed());
        stage("handles an item");
        sleep(work).await;
    }
    receiver.close();
    while receiver.try_recv().is_ok() {
        queue.sub(1);
    }
    stage("its producer has ended");
}
