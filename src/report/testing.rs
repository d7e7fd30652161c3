//! A constructed run, for the tests of all formats.

use super::{Phase, Summary};
use crate::{
    model::{
        Model,
        testing::{UNSTABLE, async_op, description, lab, resource, snapshot, task},
    },
    snapshot::{
        Accuracy, CurrentPoll, Description, DistributionKey, Distributions, FieldId, FrameKind,
        LongPoll, MachineStats, MachineTimes, MetricValue, PollImpact, PollKind, ProfileEntry,
        Resources, State, Target, TaskStats, WorkloadMetric, testing::stack,
    },
};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

/// A run of 1.5 s without a hog, then 1.5 s with a hog.
pub(super) fn fixed() -> (Model, Summary) {
    described(|description| description)
}

/// The run of [`fixed`] with a changed description.
pub(super) fn described(change: impl Fn(Description) -> Description) -> (Model, Summary) {
    let at = |now| {
        let mut target = at(now);
        target.description = change((*target.description).clone()).into();
        target
    };
    let mut model = Model::default();
    let mut phases = Vec::new();
    let mut begin = at(0).into();
    model.advance(&begin);
    for step in 1..=12 {
        let next = at(step * 250 * MS).into();
        model.advance(&next);
        if step == 6 {
            phases.extend(Phase::between("without-hog", &begin, &model));
            begin = next;
        }
    }
    phases.extend(Phase::between("with-hog", &begin, &model));
    (model, Summary { phases })
}

fn at(now: u64) -> Target {
    let hog_on = now.checked_sub(1_500 * MS);
    // Time before the hog blocks the worker.
    let calm = now.min(1_500 * MS);
    let mut tasks = vec![
        heartbeat(now, calm),
        tcp(now, calm),
        TaskStats { state: State::Panicked, polls: 2, ..task(3, "a \"b\", c\x1b[2J") },
    ];
    tasks.extend(hog_on.map(|on| hog(now, on)));
    let mut result = snapshot(now, tasks);
    for i in 0..calm / MS {
        result.delays.record(20_000 + i * 10);
    }
    let mut lab = lab([("heartbeats", 1, None, 0), ("tcp", 1, Some("request"), calm / MS)]);
    lab.hog.on_since_ns = hog_on.map(|on| now - on);
    lab.workloads[1].metrics = vec![metric()];
    result.lab = Some(lab);
    let unavailable = UNSTABLE.into_iter().skip(2);
    let description = description("lab:test")
        .with(FieldId::LongPolls, Accuracy::Exact)
        .with(FieldId::Resources, Accuracy::Exact)
        .with(FieldId::MaxDelay, Accuracy::lower_bound("only sums in this test"));
    result.description = description.without(unavailable, "not in this test").into();
    let resources =
        Resources { resources: vec![resource(5, "Mutex")], async_ops: vec![async_op(6, 5, 2)] };
    result.resources = Some(resources.into());
    result.runtime.measured_tasks -= 1;
    result.runtime.alive_tasks = 3;
    result.runtime.injection_queue = 2;
    let worker = &mut result.workers[0];
    worker.current =
        hog_on.map(|on| CurrentPoll { key: 9, since_ns: now - on, kind: PollKind::Poll });
    worker.poll_ns = calm / 10 + hog_on.unwrap_or(0);
    worker.polls = calm / MS;
    worker.run_delay_ns = Some(now / 50);
    let times = MachineTimes {
        cpus: 2,
        load: Some(1.25),
        steal_ns: Some(now / 50),
        throttled_ns: None,
        pressure_ns: Some(now / 8),
    };
    result.machine = Some(MachineStats { times, ..MachineStats::default() });
    let mut distributions = Distributions::default();
    distributions.poll_times.record(90_000);
    distributions.delays.record(30_000);
    result.long_polls = hog_on.map(|on| long_poll(now, on).into()).into_iter().collect();
    result.distributions = vec![(DistributionKey::Group("tcp".into()), distributions)];
    result
}

/// The current poll of the hog.
fn long_poll(now: u64, on: u64) -> LongPoll {
    let mut impact = PollImpact::default();
    impact.add(1, || "heartbeat-1".into(), on);
    impact.add(2, || "tcp-1".into(), on);
    let entry = ProfileEntry {
        function: "hog::spin".into(),
        location: Some("src/x.rs:7".into()),
        callee: None,
        share: 1.0,
        libraries: Vec::new(),
    };
    let frames = [("hog::spin", 7, FrameKind::User), ("poll", 1, FrameKind::Probe)];
    LongPoll {
        is_ended: false,
        revision: now,
        worker: Some(0),
        captures: 1,
        profile: vec![entry],
        stack: Some(stack(&frames).into()),
        impact: Some(impact.into()),
        ..LongPoll::computing(9, now - on, on)
    }
}

fn metric() -> WorkloadMetric {
    let value = MetricValue::Latency {
        p50_ns: Some(MS),
        p99_ns: Some(2 * MS),
        max_ns: Some(3 * MS),
        in_progress: 1,
    };
    WorkloadMetric { name: "wait for a reply".into(), value }
}

fn heartbeat(now: u64, calm: u64) -> TaskStats {
    TaskStats {
        state: if now == calm { State::Idle } else { State::Scheduled },
        since_ns: calm,
        lifetime_ns: now,
        busy_ns: calm / 100,
        scheduled_ns: now - calm,
        idle_ns: calm - calm / 100,
        polls: calm / (10 * MS),
        wakes: calm / (10 * MS) + 1,
        max_poll_ns: 40_000,
        max_delay_ns: now - calm,
        ..task(1, "heartbeat-1")
    }
}

fn tcp(now: u64, calm: u64) -> TaskStats {
    TaskStats {
        state: State::Scheduled,
        since_ns: calm,
        lifetime_ns: now,
        busy_ns: calm / 10,
        scheduled_ns: now - calm / 10,
        idle_ns: 0,
        polls: calm / MS,
        wakes: calm / MS,
        self_wakes: 4,
        max_poll_ns: 250_000,
        max_delay_ns: now - calm,
        live_wakers: None,
        stage: Some("reading, then answering".into()),
        ..task(2, "tcp-1")
    }
}

fn hog(now: u64, on: u64) -> TaskStats {
    TaskStats {
        state: State::Polling,
        since_ns: now - on,
        lifetime_ns: on + S / 1000,
        busy_ns: on,
        scheduled_ns: S / 1000,
        polls: 1,
        wakes: 0,
        max_poll_ns: on,
        stage: Some("spin".into()),
        ..task(9, "hog-1")
    }
}
