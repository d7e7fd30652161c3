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
    Context, Instance, Param, ParamType, Workload, WorkloadKind,
    kind::{millis, secs, two_each},
};
use crate::{
    metrics::{Count, Latency},
    spawner::Spawner,
};

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "slow-consumer",
    about: "pairs of tasks with an unbounded queue between them, which keeps growing",
    unit: None,
    params: &[&BATCH, &PERIOD, &WORK, &LIMIT],
    max_tasks: two_each,
    open,
};

static BATCH: Param = Param {
    name: "batch",
    about: "how many items the producer sends at a time",
    param_type: ParamType::Count { default: 20, min: 1, max: 10_000 },
};

static PERIOD: Param = Param {
    name: "period",
    about: "the time between two batches",
    param_type: ParamType::Duration { default: millis(10), min: millis(1), max: secs(60) },
};

static WORK: Param = Param {
    name: "work",
    about: "how long the consumer waits per item, as for a database",
    param_type: ParamType::Duration { default: millis(2), min: millis(1), max: secs(60) },
};

static LIMIT: Param = Param {
    name: "limit",
    about: "the queue length at which the producer pauses, to bound the lab's memory",
    param_type: ParamType::Count { default: 100_000, min: 1, max: 10_000_000 },
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

fn open(Context { spawner, metrics, params, .. }: Context) -> io::Result<Box<dyn Workload>> {
    Ok(Box::new(SlowConsumer {
        spawner,
        batch: params.number(&BATCH),
        period: params.duration(&PERIOD),
        work: params.duration(&WORK),
        limit: params.number(&LIMIT),
        queue: metrics.count("queue"),
        age: metrics.latency("age when consumed"),
    }))
}

impl Workload for SlowConsumer {
    fn start(&mut self, number: usize) -> Instance {
        let (sender, receiver) = mpsc::unbounded_channel();
        let consumer = consume(receiver, self.queue.clone(), self.age.clone(), self.work);
        self.spawner.spawn(&format!("consumer-{number}"), consumer);
        let (batch, period, limit) = (self.batch, self.period, self.limit);
        let producer = produce(sender, self.queue.clone(), batch, limit, period);
        self.spawner.spawn(&format!("producer-{number}"), producer).into()
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

/// Ends when the producer does. Items that are left in the queue are dropped.
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
        age.record(sent.elapsed());
        stage("handles an item");
        sleep(work).await;
    }
    receiver.close();
    while receiver.try_recv().is_ok() {
        queue.sub(1);
    }
    stage("its producer has ended");
}
