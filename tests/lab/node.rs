//! Thousands of clients on one thread.

use std::fs;
#[cfg(target_os = "linux")]
use std::fs::DirEntry;

use asynctop::{
    probe::Registry,
    snapshot::{MetricValue, Target},
};
use asynctop_lab::{HogOptions, Lab, LabCommand, LabOptions, Scenario};
#[cfg(target_os = "linux")]
use rustix::process::{Pid, Signal, kill_process};
use rustix::process::{Resource, getrlimit};

#[cfg(target_os = "linux")]
use crate::support::wait_until;
use crate::{
    bench::{Bench, alive, current_hog},
    support::Folder,
};

fn options(count: usize) -> LabOptions {
    let mut scenario: Scenario = Scenario::built_in("node").expect("built in");
    scenario.workloads[0].count = count;
    let program = Some(env!("CARGO_BIN_EXE_asynctop").into());
    LabOptions { registry: Registry::leak(), program, ..LabOptions::new(scenario) }
}

/// The count of the scenario, or what the limit on open files allows with one file per connection
/// and some spare ones for the other tests of this process.
fn max_customers() -> usize {
    let count = Scenario::built_in("node").expect("built in").workloads[0].count;
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    usize::try_from(files.saturating_sub(1_000)).map_or(count, |max| max.min(count))
}

/// The number of customers that were answered, as the Lab screen shows it.
fn answered(snapshot: &Target) -> u64 {
    let metrics = &snapshot.lab.as_ref().expect("a lab").workloads[0].metrics;
    let metric = metrics.iter().find(|metric| &*metric.name == "customers answered");
    match metric.expect("the customers' metric").value {
        MetricValue::Count(count) => count,
        ref other => panic!("not a count: {other:?}"),
    }
}

fn replies(snapshot: &Target) -> u64 {
    snapshot.lab.as_ref().expect("a lab").workloads[0].done
}

fn failure(snapshot: &Target) -> Option<&str> {
    snapshot.lab.as_ref().expect("a lab").workloads[0].failure.as_deref()
}

#[test]
fn one_thread_answers_thousands_of_customers_and_none_during_a_hog() {
    let customers = max_customers();
    let hog = HogOptions::default();
    let mut bench = Bench::start(LabOptions { hog, ..options(customers) });
    let snapshot = bench.wait("each customer was answered", |s| answered(s) == customers as u64);
    assert_eq!(snapshot.workers.len(), 1);
    assert!(replies(&snapshot) >= customers as u64);

    bench.lab.execute(LabCommand::ToggleHog);
    bench.wait_for_hog();
    let first = bench.sample();
    let second = bench.wait("the hog has blocked the only worker for 100 ms", |s| {
        current_hog(s).is_some_and(|poll| poll.blocked_ns > 100_000_000)
    });
    assert_eq!(replies(&first), replies(&second), "no request was answered during the hog");
    bench.lab.execute(LabCommand::ToggleHog);
    let after = bench.wait("requests are answered again", |s| replies(s) > replies(&second));
    assert_eq!(alive(&after, "conn"), customers, "no connection was lost");
}

/// Three customers with this average pause.
fn three_customers(every: &str) -> LabOptions {
    let text = format!(
        "[runtime]\nflavor = 'current-thread'\n[[workload]]\nkind = 'customers'\ncount = 3\n\
         every = '{every}'"
    );
    let scenario = Scenario::parse("node", "node.toml", &text).expect("a scenario");
    LabOptions { scenario, ..options(3) }
}

/// The processes with this argument.
#[cfg(target_os = "linux")]
fn processes_with(argument: &str) -> Vec<Pid> {
    let pid = |entry: DirEntry| entry.file_name().to_str()?.parse().ok();
    let has_argument = |pid: &i32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.split(|byte| *byte == 0).any(|known| known == argument.as_bytes())
    };
    let all = fs::read_dir("/proc").expect("Linux").flatten().filter_map(pid);
    all.filter(has_argument).filter_map(Pid::from_raw).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn customers_follow_the_count_and_restart_after_their_process_was_killed() {
    let mut bench = Bench::start(three_customers("2222ms"));
    let connected = |s: &Target, n| answered(s) == n && alive(s, "conn") == n as usize;
    bench.wait("three customers are answered", |s| connected(s, 3));
    bench.lab.execute(LabCommand::AddInstance(0));
    let raised = bench.wait("a customer was added", |s| answered(s) > 3);
    bench.lab.execute(LabCommand::RemoveInstance(0));
    bench.wait("a customer was removed", |s| answered(s) < answered(&raised));
    bench.lab.execute(LabCommand::Pause(0));
    bench.wait("all customers have stopped", |s| connected(s, 0));
    bench.lab.execute(LabCommand::Pause(0));
    let again = bench.wait("customers have started again", |s| answered(s) > 0);
    assert_eq!(failure(&again), None, "a changed count is not a failure");

    // No other test uses this pause.
    let customers = || processes_with("2222000000ns");
    let first = customers();
    assert_eq!(first.len(), 1, "one process for all customers: {first:?}");
    kill_process(first[0], Signal::KILL).expect("it runs");
    let killed = bench.wait("all customers are gone", |s| connected(s, 0) && failure(s).is_some());
    let reason = failure(&killed).expect("a failure");
    assert!(reason.starts_with("its customers' process has ended (signal: 9"), "{reason}");
    bench.lab.execute(LabCommand::Restart(0));
    let restarted = bench.wait("new customers have started", |s| answered(s) > 0);
    assert_eq!(failure(&restarted), None, "a restart clears the failure");
    bench.lab.execute(LabCommand::SwitchFlavor);
    let switched = bench.wait("customers have started on the next runtime", |s| {
        s.epoch > restarted.epoch && answered(s) > 0 && customers().len() == 1
    });
    assert_eq!(failure(&switched), None, "the lab itself has ended the process");
    assert_eq!(customers().len(), 1);
    drop(bench);
    // The supervisor's thread ends the process asynchronously.
    wait_until("the process has ended", || customers().is_empty());
}

#[test]
fn lab_that_cannot_be_restarted_goes_on_with_its_metrics() {
    let folder = Folder::new("restart");
    let program = folder.join("asynctop");
    fs::copy(env!("CARGO_BIN_EXE_asynctop"), &program).expect("it can be copied");
    let mut bench =
        Bench::start(LabOptions { program: Some(program.clone()), ..three_customers("10ms") });
    let before = bench.wait("customers were answered", |s| answered(s) > 0);
    fs::remove_file(&program).expect("it exists");
    let message = bench.lab.execute(LabCommand::SwitchFlavor);
    assert!(message.starts_with("the runtime is unchanged: "), "{message}");
    let after = bench.wait("requests are answered", |s| replies(s) > replies(&before));
    assert!(answered(&after) >= answered(&before));
}

#[test]
fn customers_without_the_program_asynctop_are_refused() {
    let options = LabOptions { program: None, ..options(3) };
    let error = Lab::start(options).expect_err("no program").to_string();
    assert!(error.contains("`customers`: its customers run in another process"), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn more_customers_than_ports_are_refused() {
    let error = Lab::start(options(90_000)).expect_err("too few ports").to_string();
    assert!(error.contains("`customers`: it needs 90000 ports"), "{error}");
    assert!(error.contains("ip_local_port_range"), "{error}");
}
