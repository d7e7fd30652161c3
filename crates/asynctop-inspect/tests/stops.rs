//! Stacks of running threads, which are stopped for them.

mod support;

use std::{
    env, fs,
    io::{self, BufRead, BufReader},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use asynctop_inspect::{
    Inspection, Options, Process, ThreadInfo,
    report::{self, TextOptions},
    sampler::{Sampler, SamplerOptions},
};
use rustix::process::{Pid, Signal, kill_process};
use support::{ALL, Build, Fixture};

fn options() -> Options {
    let mut options = Options::lists_only();
    options.stacks = true;
    options.stop_running = true;
    options
}

fn spinning<'a>(fixture: &Fixture, inspection: &'a Inspection) -> &'a ThreadInfo {
    let (ingest, _) = *fixture.truth.tasks("ingest").first().expect("announced");
    let mut threads = inspection.threads.iter();
    threads.find(|thread| thread.task == Some(ingest)).expect("it spins")
}

/// CPU time of a thread in nanoseconds, and its state.
fn progress(pid: u32, tid: u32) -> (u64, char) {
    let read = |name| fs::read_to_string(format!("/proc/{pid}/task/{tid}/{name}"));
    let time = read("schedstat").expect("it runs");
    let time = time.split_whitespace().next().and_then(|text| text.parse().ok());
    let stat = read("stat").expect("it runs");
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    (time.expect("a number"), state.expect("a letter"))
}

/// Waits until the thread runs and is not traced: forever if it was left stopped.
fn wait_until_it_runs(pid: u32, tid: u32) {
    let (before, _) = progress(pid, tid);
    loop {
        let status = fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).expect("it runs");
        let (time, state) = progress(pid, tid);
        if status.contains("TracerPid:\t0\n") && time > before && state != 't' {
            return;
        }
        thread::yield_now();
    }
}

#[test]
fn spinning_thread_has_a_stack_and_is_resumed() {
    for build in ALL {
        let fixture = build.start("two", &[]);
        let mut process = fixture.open();
        let unstopped = process.inspect(&Options::default()).expect("it runs");
        let thread = spinning(&fixture, &unstopped);
        assert!(thread.stack.is_empty() && thread.stopped.is_none(), "{build:?}: {thread:#?}");
        assert!(thread.no_stack.as_deref().is_some_and(|reason| reason.contains("not stopped")));

        let inspection = process.inspect(&options()).expect("it runs");
        let thread = spinning(&fixture, &inspection);
        assert!(thread.stopped.is_some(), "{build:?}: {thread:#?}");
        assert_eq!(thread.no_stack, None, "{build:?}: {thread:#?}");
        assert!(thread.stack.len() > 5, "{build:?}: {thread:#?}");
        if build != Build::Small {
            let mut frames = thread.stack.iter();
            let parse = frames.position(|frame| frame.function.ends_with("parse_json"));
            assert!(parse.is_some(), "{build:?}: {thread:#?}");
        }
        let others = inspection.threads.iter().filter(|other| other.tid != thread.tid);
        assert_eq!(others.filter(|other| other.stopped.is_some()).count(), 0, "they are blocked");
        wait_until_it_runs(fixture.child.id(), thread.tid);
    }
}

/// Its polls are too short to be seen twice, and its worker never parks.
#[test]
fn a_saturated_worker_has_counters_and_a_stack_of_the_poll_at_that_moment() {
    let fixture = Build::Release.start("saturated", &[]);
    let mut process = fixture.open();
    let digests: Vec<u64> = fixture.truth.tasks("digest").iter().map(|(id, _)| *id).collect();
    // Its worker is recognized once it has been busy for some time, and a poll may end in the moment
    // between reading the current task and stopping its thread.
    let (worker, thread) = loop {
        let inspection = process.inspect(&options()).expect("it runs");
        let worker =
            inspection.runtimes.iter().find_map(|runtime| runtime.workers.first().cloned());
        let thread = inspection.threads.into_iter().find(|thread| thread.stopped.is_some());
        if let (Some(worker), Some(thread)) = (worker, thread) {
            break (worker, thread);
        }
        thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(worker.tid, Some(thread.tid), "{thread:#?}");
    assert!(worker.parks < 2 && !worker.is_parked, "{worker:?}");
    assert!(thread.task.is_some_and(|task| digests.contains(&task)), "{thread:#?}");
    let digest = thread.stack.iter().any(|frame| frame.function.contains("digest"));
    assert!(digest, "{thread:#?}");
    wait_until_it_runs(fixture.child.id(), thread.tid);
}

#[test]
fn long_poll_that_never_blocks_has_a_stack() {
    let fixture = Build::Release.start("two", &[]);
    let mut options = SamplerOptions::default();
    options.stop_running = true;
    let sampler = Sampler::attach(fixture.child.id(), options).expect("own child");
    let (ingest, _) = *fixture.truth.tasks("ingest").first().expect("announced");
    let poll = loop {
        let sample = sampler.sample().expect("it runs");
        let mut polls = sample.long_polls.into_iter();
        match polls.find(|poll| poll.task.id == ingest && !poll.stack.is_empty()) {
            Some(poll) => break poll,
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    assert!(poll.stack.iter().any(|frame| frame.function.ends_with("parse_json")), "{poll:#?}");
    assert!(poll.stopped.is_some() && poll.syscall.is_none(), "{poll:#?}");
    drop(sampler);
    wait_until_it_runs(fixture.child.id(), poll.tid);
}

const TARGET: &str = "ASYNCTOP_TEST_TARGET";

/// Reads stacks until it is killed.
#[test]
#[ignore = "runs in a separate process, which the next test starts"]
fn read_stacks_until_killed() {
    let pid = env::var(TARGET).ok().and_then(|pid| pid.parse().ok()).expect("a process id");
    let mut process = Process::open(pid).expect("the same user");
    println!("started");
    while let Ok(inspection) = process.inspect(&options()) {
        drop(inspection);
    }
}

/// Starts a reader and waits until it reads.
fn start_reader(fixture: &Fixture) -> Child {
    let program = env::current_exe().expect("this program");
    let mut reader = Command::new(program)
        .args(["--ignored", "--exact", "read_stacks_until_killed", "--nocapture"])
        .env(TARGET, fixture.child.id().to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program starts");
    let mut lines = BufReader::new(reader.stdout.take().expect("it is a pipe")).lines();
    let is_started = |line: io::Result<String>| line.expect("text").contains("started");
    assert!(lines.any(is_started), "it cannot read the target");
    reader
}

fn spinning_thread(fixture: &Fixture) -> u32 {
    spinning(fixture, &fixture.open().inspect(&Options::lists_only()).expect("it runs")).tid
}

#[test]
fn suspended_or_killed_reader_leaves_no_thread_stopped() {
    let fixture = Build::Release.start("two", &[]);
    let (pid, tid) = (fixture.child.id(), spinning_thread(&fixture));
    let mut delay = 1;
    for _ in 0..200 {
        let mut reader = start_reader(&fixture);
        // Any moment of one reading, which takes some ms.
        delay = delay * 7919 % 8009;
        thread::sleep(Duration::from_micros(delay));
        if delay % 2 == 0 {
            let reader = Pid::from_raw(reader.id().cast_signed()).expect("a process id");
            kill_process(reader, Signal::STOP).expect("own child");
            wait_until_it_runs(pid, tid);
        }
        reader.kill().expect("own child");
        reader.wait().expect("own child");
        wait_until_it_runs(pid, tid);
    }
}

#[test]
fn stopped_process_is_the_first_likely_problem() {
    let fixture = Build::Release.start("two", &[]);
    let mut process = fixture.open();
    let mut inspect_until = |is_stopped| {
        loop {
            let inspection = process.inspect(&Options::lists_only()).expect("it runs");
            if inspection.is_stopped == is_stopped {
                return inspection;
            }
            thread::sleep(Duration::from_millis(5));
        }
    };
    let pid = Pid::from_raw(fixture.child.id().cast_signed()).expect("a process id");
    kill_process(pid, Signal::STOP).expect("own child");
    let mut text = Vec::new();
    report::text(&inspect_until(true), TextOptions::default(), &mut text).expect("a Vec");
    let text = String::from_utf8(text).expect("UTF-8");
    let problem = text.lines().find(|line| line.starts_with("likely problem"));
    assert!(problem.is_some_and(|it| it.contains("the process is stopped")), "{text}");
    kill_process(pid, Signal::CONT).expect("own child");
    inspect_until(false);
}
