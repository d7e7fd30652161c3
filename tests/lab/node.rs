//! Thousands of customers on one thread.

#[cfg(target_os = "linux")]
use std::fs::{self, DirEntry};

use asynctop::{
    probe::Registry,
    snapshot::{MetricValue, Target},
};
use asynctop_lab::{Command, HogOptions, Lab, LabOptions, Scenario, find};
#[cfg(target_os = "linux")]
use rustix::process::{Pid, Signal, kill_process};
use rustix::process::{Resource, getrlimit};

use crate::bench::{Bench, alive, current_hog};
#[cfg(target_os = "linux")]
use crate::support::wait_until;

fn with(count: usize) -> LabOptions {
    let mut scenario: Scenario = find("node").expect("built in");
    scenario.workloads[0].count = count;
    let program = Some(env!("CARGO_BIN_EXE_asynctop").into());
    LabOptions { registry: Registry::leak(), program, ..LabOptions::new(scenario) }
}

/// All that the scenario asks for, or as many as the limit on open files allows with one
/// end here and some room for the other tests of this process.
fn as_many_as_allowed() -> usize {
    let wanted = find("node").expect("built in").workloads[0].count;
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    usize::try_from(files.saturating_sub(1_000)).map_or(wanted, |most| most.min(wanted))
}

/// As the Lab screen shows it.
fn answered(snapshot: &Target) -> u64 {
    let gauges = &snapshot.lab.as_ref().expect("a lab").workloads[0].metrics;
    let gauge = gauges.iter().find(|gauge| &*gauge.name == "customers answered");
    match gauge.expect("the customers' gauge").value {
        MetricValue::Count(count) => count,
        ref other => panic!("no count: {other:?}"),
    }
}

fn replies(snapshot: &Target) -> u64 {
    snapshot.lab.as_ref().expect("a lab").workloads[0].done
}

fn failure(snapshot: &Target) -> Option<&str> {
    snapshot.lab.as_ref().expect("a lab").workloads[0].failure.as_deref()
}

#[test]
fn one_thread_answers_each_of_thousands_of_customers_and_none_behind_a_hog() {
    let customers = as_many_as_allowed();
    let hog = HogOptions::default();
    let mut bench = Bench::start(LabOptions { hog, ..with(customers) });
    let snapshot = bench.wait("each customer was answered", |s| answered(s) == customers as u64);
    assert_eq!(snapshot.workers.len(), 1);
    assert!(replies(&snapshot) >= customers as u64);

    bench.lab.execute(Command::ToggleHog);
    bench.wait_for_hog();
    let first = bench.look();
    let second = bench.wait("the hog has held the only worker for a while", |s| {
        current_hog(s).is_some_and(|hold| hold.blocked_ns > 100_000_000)
    });
    assert_eq!(replies(&first), replies(&second), "nobody was answered meanwhile");
    bench.lab.execute(Command::ToggleHog);
    let after = bench.wait("answers come again", |s| replies(s) > replies(&second));
    assert_eq!(alive(&after, "conn"), customers, "no connection was lost");
}

/// Three customers who ask so often.
fn asking_every(every: &str) -> LabOptions {
    let text = format!(
        "[runtime]\nflavor = 'current-thread'\n[[workload]]\nkind = 'customers'\ncount = 3\n\
         every = '{every}'"
    );
    let scenario = Scenario::parse("node", "node.toml", &text).expect("a scenario");
    LabOptions { scenario, ..with(3) }
}

/// The processes that have this among their arguments.
#[cfg(target_os = "linux")]
fn processes_with(argument: &str) -> Vec<Pid> {
    let pid = |entry: DirEntry| entry.file_name().to_str()?.parse().ok();
    let has = |pid: &i32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.split(|byte| *byte == 0).any(|given| given == argument.as_bytes())
    };
    let all = fs::read_dir("/proc").expect("Linux").flatten().filter_map(pid);
    all.filter(has).filter_map(Pid::from_raw).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn customers_come_and_go_as_wanted_and_come_back_when_they_were_killed() {
    let mut bench = Bench::start(asking_every("2222ms"));
    let connected = |s: &Target, n| answered(s) == n && alive(s, "conn") == n as usize;
    bench.wait("three were answered", |s| connected(s, 3));
    bench.lab.execute(Command::AddInstance(0));
    let raised = bench.wait("more came", |s| answered(s) > 3);
    bench.lab.execute(Command::RemoveInstance(0));
    bench.wait("some went", |s| answered(s) < answered(&raised));
    bench.lab.execute(Command::Pause(0));
    bench.wait("all went", |s| connected(s, 0));
    bench.lab.execute(Command::Pause(0));
    let again = bench.wait("they came again", |s| answered(s) > 0);
    assert_eq!(failure(&again), None, "a count that changes is no failure");

    // As the customers of no other test do.
    let customers = || processes_with("2222000000ns");
    let first = customers();
    assert_eq!(first.len(), 1, "one process is all of them: {first:?}");
    kill_process(first[0], Signal::KILL).expect("it lives");
    let gone = bench.wait("all are gone", |s| connected(s, 0) && failure(s).is_some());
    let why = failure(&gone).expect("a failure");
    assert!(why.starts_with("its customers' process has ended (signal: 9"), "{why}");
    bench.lab.execute(Command::Restart(0));
    let others = bench.wait("others came", |s| answered(s) > 0);
    assert_eq!(failure(&others), None, "the failure is of the time before");
    bench.lab.execute(Command::SwitchFlavor);
    let switched = bench.wait("others came on the next runtime", |s| {
        s.epoch > others.epoch && answered(s) > 0 && customers().len() == 1
    });
    assert_eq!(failure(&switched), None, "the lab has ended the process itself");
    assert_eq!(customers().len(), 1);
    drop(bench);
    // The crews' thread ends the process, in its own time.
    wait_until("the process has ended", || customers().is_empty());
}

#[test]
fn a_program_that_is_not_asynctop_has_no_customers() {
    let options = LabOptions { program: None, ..with(3) };
    let error = Lab::start(options).expect_err("nobody could be the customers").to_string();
    assert!(error.contains("`customers`: its customers run in another process"), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn more_than_the_machine_allows_says_which_limit_and_how_to_raise_it() {
    let error = Lab::start(with(90_000)).expect_err("no machine has so many ports").to_string();
    assert!(error.contains("`customers`: it needs 90000 ports"), "{error}");
    assert!(error.contains("ip_local_port_range"), "{error}");
}
