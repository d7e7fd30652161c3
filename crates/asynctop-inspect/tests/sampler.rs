//! Compares samples of a program with what its tasks have measured of themselves.

mod support;

use std::{collections::BTreeMap, process::Command, thread, time::Duration};

use asynctop_inspect::{
    Check, InspectError,
    sampler::{Continuity, LongPoll, Observations, Sample, SampledTask, Sampler, SamplerOptions},
};
use support::{Build, Fixture};

const MS: Duration = Duration::from_millis(1);

fn options() -> SamplerOptions {
    SamplerOptions::default()
}

fn attach(fixture: &Fixture) -> Sampler {
    Sampler::attach(fixture.child.id(), options()).expect("own child")
}

fn id(fixture: &Fixture, name: &str) -> u64 {
    fixture.truth.tasks(name).first().expect("announced").0
}

fn task<'a>(fixture: &Fixture, sample: &'a Sample, name: &str) -> &'a SampledTask {
    let id = id(fixture, name);
    let mut tasks = sample.tasks.iter();
    tasks.find(|sampled| sampled.task.id == id).unwrap_or_else(|| panic!("{name}: {sample:#?}"))
}

/// The first sample for which `is_ready` holds; all checks passed.
fn wait(sampler: &Sampler, is_ready: impl Fn(&Sample) -> bool) -> Sample {
    loop {
        let sample = sampler.sample().expect("it runs");
        if is_ready(&sample) {
            let failed: Vec<_> = sample.checks.iter().filter(|check| !check.passed).collect();
            assert!(failed.is_empty(), "{failed:#?}");
            return sample;
        }
        thread::sleep(5 * MS);
    }
}

/// A sample, and the total busy time of each task shortly before and shortly after it.
struct Measured {
    before: BTreeMap<String, u64>,
    sample: Sample,
    after: BTreeMap<String, u64>,
}

/// The first sample for which `is_ready` holds, with the tasks' own measurements.
fn measure(
    fixture: &mut Fixture,
    sampler: &Sampler,
    is_ready: impl Fn(&Sample) -> bool,
) -> Measured {
    let before = fixture.ask("now");
    let sample = wait(sampler, is_ready);
    Measured { before, sample, after: fixture.ask("now") }
}

/// The smallest and the largest possible busy share of a task between two samples.
fn true_share(first: &Measured, last: &Measured, name: &str) -> [f64; 2] {
    let length = (last.sample.taken - first.sample.taken).as_nanos() as f64;
    let least = last.before[name] - first.after[name];
    let most = last.after[name] - first.before[name];
    [least, most].map(|busy_ns| busy_ns as f64 / length)
}

/// Asserts that the share is in the range, apart from the error that the sample itself states.
fn assert_share(name: &str, observations: Observations, range: [f64; 2], sample: &Sample) {
    let share = observations.share().expect("samples");
    let tolerance = 5.0 * share.standard_error + sample.doubtful();
    let [least, most] = range;
    assert!(
        (least - tolerance..=most + tolerance).contains(&share.value),
        "{name}: {share:?} of {observations:?}, truth {range:?}, doubtful {}",
        sample.doubtful()
    );
}

#[test]
fn busy_shares_agree_with_the_tasks_own_measurements() {
    for build in [Build::Release, Build::Small] {
        let mut fixture = build.start("shares", &[]);
        let sampler = attach(&fixture);
        let first = measure(&mut fixture, &sampler, |sample| sample.samples > 0);
        thread::sleep(Duration::from_secs(2));
        wait(&sampler, |sample| sample.samples >= first.sample.samples + 400);
        let is_compared = |check: &Check| check.capability.contains("workers' busy time");
        wait(&sampler, |sample| sample.checks.iter().any(is_compared));
        let last = measure(&mut fixture, &sampler, |_| true);
        for name in ["hog", "spinner"] {
            let truth = true_share(&first, &last, name);
            let [before, after] =
                [&first, &last].map(|measured| task(&fixture, &measured.sample, name));
            let busy = after.busy.since(&before.busy);
            assert!(busy.hits > 0, "{build:?} {name}");
            assert_share(name, busy, truth, &last.sample);
        }
        let last = last.sample;
        for (id, _) in fixture.truth.tasks("idle") {
            let sampled = last.tasks.iter().find(|sampled| sampled.task.id == id);
            let sampled = sampled.expect("it is alive");
            assert_eq!(sampled.busy.hits, 0, "{build:?}");
            assert!(sampled.idle.samples > 0);
            assert_eq!(sampled.idle.hits, sampled.idle.samples, "{build:?}");
        }
        let hits: u64 = last.threads.iter().map(|thread| thread.hits).sum();
        let task_hits: u64 = last.tasks.iter().map(|sampled| sampled.busy.hits).sum();
        assert!(hits >= task_hits, "{hits} {task_hits}");
    }
}

fn long_polls_of(sample: &Sample, id: u64) -> Vec<&LongPoll> {
    sample.long_polls.iter().filter(|poll| poll.task.id == id).collect()
}

#[test]
fn long_poll_has_its_stack_and_its_length() {
    let mut fixture = Build::Release.start("shares", &[]);
    let sampler = attach(&fixture);
    let holder = id(&fixture, "holder");
    let before = wait(&sampler, |sample| sample.samples > 0);
    assert_eq!(long_polls_of(&before, holder).len(), 0);
    fixture.ask("hold");
    let sample = wait(&sampler, |sample| {
        long_polls_of(sample, holder)
            .first()
            .is_some_and(|poll| !poll.stack.is_empty() && poll.continuity == Continuity::Proven)
    });
    let [poll] = long_polls_of(&sample, holder)[..] else { panic!("{:#?}", sample.long_polls) };
    assert!(poll.is_running && poll.at_most.is_none());
    assert!(poll.at_least >= options().long_poll && poll.began >= before.taken);
    assert!(matches!(poll.syscall.as_deref(), Some("recvfrom" | "read")), "{poll:#?}");
    assert_eq!(poll.no_stack, None, "{poll:#?}");
    let is_reading = |name: &str| name.ends_with("read_until_released");
    assert!(poll.stack.iter().any(|frame| is_reading(&frame.function)), "{poll:#?}");

    let held = Duration::from_nanos(fixture.ask("release")["held"]);
    let sample = wait(&sampler, |sample| !long_polls_of(sample, holder)[0].is_running);
    let [poll] = long_polls_of(&sample, holder)[..] else { panic!("{:#?}", sample.long_polls) };
    assert!(poll.at_most.is_some_and(|most| most >= held), "{held:?}: {poll:#?}");
    assert!(poll.began + poll.at_least <= sample.taken);
}

/// A task that yields after each poll and is alone on its thread is current in every sample.
#[test]
fn consecutive_polls_of_one_task_are_not_one_long_poll() {
    let mut fixture = Build::Release.start("shares", &[]);
    let sampler = attach(&fixture);
    let sample = wait(&sampler, |sample| {
        sample.samples > 0 && task(&fixture, sample, "yielder").busy.hits >= 150
    });
    let longest = Duration::from_nanos(fixture.ask("now")["longest"]);
    for poll in long_polls_of(&sample, id(&fixture, "yielder")) {
        assert!(poll.at_least <= longest, "{longest:?}: {poll:#?}");
    }
}

/// All workers are blocked from the beginning, so nothing but the long polls delays the scheduled tasks.
#[test]
fn long_polls_of_all_workers_delay_the_scheduled_tasks() {
    let fixture = Build::Release.start("queues", &["current-thread"]);
    let sampler = attach(&fixture);
    let blocker = id(&fixture, "blocker");
    let has_delays =
        |poll: &&LongPoll| poll.delays.as_ref().is_some_and(|delays| delays.total >= 6 * 200 * MS);
    let sample = wait(&sampler, |sample| sample.long_polls.iter().any(|it| has_delays(&it)));
    let [poll] = long_polls_of(&sample, blocker)[..] else { panic!("{:#?}", sample.long_polls) };
    let delays = poll.delays.as_ref().expect("checked");
    let mut delayed: Vec<u64> = delays.longest.iter().map(|it| it.task.id).collect();
    delayed.sort_unstable();
    let names = ["first", "second", "third", "lifo", "injected", "last"];
    let mut spawned = names.map(|name| fixture.truth.fact(name));
    spawned.sort_unstable();
    assert_eq!((delays.tasks, &delayed[..]), (6, &spawned[..]), "{poll:#?}");
    assert!(delays.longest.iter().all(|it| it.delay <= poll.at_least), "{poll:#?}");
}

#[test]
fn delays_are_not_known_while_another_worker_can_poll() {
    let mut fixture = Build::Release.start("shares", &[]);
    let sampler = attach(&fixture);
    let holder = id(&fixture, "holder");
    wait(&sampler, |sample| sample.samples > 0);
    fixture.ask("hold");
    let is_long = |poll: &&LongPoll| poll.is_certain() && poll.at_least >= 500 * MS;
    let sample =
        wait(&sampler, |sample| long_polls_of(sample, holder).first().is_some_and(is_long));
    let [poll] = long_polls_of(&sample, holder)[..] else { panic!("{:#?}", sample.long_polls) };
    assert!(poll.delays.is_none(), "{poll:#?}");
}

#[test]
fn stop_of_the_process_is_found() {
    let fixture = Build::Release.start("sleepers", &["10"]);
    let sampler = attach(&fixture);
    wait(&sampler, |sample| sample.samples > 0);
    let signal = |name: &str| {
        let pid = fixture.child.id().to_string();
        let status = Command::new("kill").args([name, &pid]).status().expect("kill runs");
        assert!(status.success());
    };
    signal("-STOP");
    let sample = wait(&sampler, |sample| !sample.stops.is_empty());
    assert!(sample.stops[0].is_ongoing && sample.stops[0].from < sample.stops[0].to);
    signal("-CONT");
    let sample = wait(&sampler, |sample| !sample.stops[0].is_ongoing);
    assert_eq!(sample.stops.len(), 1, "{:?}", sample.stops);
}

#[test]
fn sweeps_read_the_states_of_all_tasks() {
    let fixture = Build::Release.start("sleepers", &["3000"]);
    let sampler = attach(&fixture);
    let sample = wait(&sampler, |sample| sample.sweeps >= 5);
    assert_eq!(sample.tasks.len() as u64, fixture.truth.fact("alive"));
    for sampled in &sample.tasks {
        assert_eq!((sampled.idle.samples, sampled.idle.hits), (sample.sweeps, sample.sweeps));
        assert_eq!((sampled.running.hits, sampled.scheduled.hits), (0, 0));
    }
}

#[test]
fn program_may_end_while_it_is_sampled() {
    let mut fixture = Build::Release.start("sleepers", &["10"]);
    let sampler = attach(&fixture);
    wait(&sampler, |sample| sample.samples > 0);
    fixture.child.kill().expect("own child");
    fixture.child.wait().expect("own child");
    let error = loop {
        match sampler.sample() {
            Ok(_) => thread::sleep(MS),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, InspectError::Ended { .. }), "{error}");
}
