//! Thousands of customers on one thread.

use asynctop::{
    lab::{Command, HogOptions, Lab, LabOptions, Scenario, find},
    model::{GaugeValue, Snapshot},
    probe::Registry,
};
use rustix::process::{Resource, getrlimit};

use crate::bench::{Bench, alive, current_hog};

fn with(count: usize) -> LabOptions {
    let mut scenario: Scenario = find("node").expect("built in");
    scenario.workloads[0].count = count;
    LabOptions { registry: Registry::leak(), ..LabOptions::new(scenario) }
}

/// All that the scenario asks for, or as many as the limit on open files allows with both
/// ends here and some room for the other tests of this process.
fn as_many_as_allowed() -> usize {
    let wanted = find("node").expect("built in").workloads[0].count;
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    usize::try_from(files.saturating_sub(1_000) / 2).map_or(wanted, |most| most.min(wanted))
}

/// As the Lab screen shows it.
fn answered(snapshot: &Snapshot) -> u64 {
    let gauges = &snapshot.lab.as_ref().expect("a lab").workloads[0].gauges;
    let gauge = gauges.iter().find(|gauge| gauge.name == "customers answered");
    match gauge.expect("the customers' gauge").value {
        GaugeValue::Count(count) => count,
        ref other => panic!("no count: {other:?}"),
    }
}

fn replies(snapshot: &Snapshot) -> u64 {
    snapshot.lab.as_ref().expect("a lab").workloads[0].done
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
        current_hog(s).is_some_and(|(_, held)| held > 100_000_000)
    });
    assert_eq!(replies(&first), replies(&second), "nobody was answered meanwhile");
    bench.lab.execute(Command::ToggleHog);
    let after = bench.wait("answers come again", |s| replies(s) > replies(&second));
    assert_eq!(alive(&after, "conn"), customers, "no connection was lost");
}

#[test]
#[cfg(target_os = "linux")]
fn more_than_the_machine_allows_says_which_limit_and_how_to_raise_it() {
    let error = Lab::start(with(90_000)).expect_err("no machine has so many ports").to_string();
    assert!(error.contains("`customers`: it needs 90000 ports"), "{error}");
    assert!(error.contains("ip_local_port_range"), "{error}");
}
