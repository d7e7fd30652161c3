//! Thousands of customers on one thread.

use asynctop::{
    lab::{Lab, LabOptions, Scenario, find},
    model::Snapshot,
    probe::Registry,
};

use crate::bench::Bench;

fn with(count: usize) -> LabOptions {
    let mut scenario: Scenario = find("node").expect("built in");
    scenario.workloads[0].count = count;
    LabOptions { registry: Registry::leak(), ..LabOptions::new(scenario) }
}

fn answered(snapshot: &Snapshot) -> usize {
    let customers = snapshot.tasks.iter().filter(|task| &*task.meta.group == "customer");
    let stages = customers.filter_map(|task| task.stage);
    stages.filter(|stage| stage.starts_with("answered")).count()
}

#[test]
fn one_thread_answers_each_of_thousands_of_customers() {
    // As many as the usual limits on open files allow.
    let mut bench = Bench::start(with(2_000));
    let snapshot = bench.wait("each customer was answered", |s| answered(s) == 2_000);
    assert_eq!(snapshot.workers.len(), 1);
    assert!(snapshot.lab.expect("a lab").workloads[0].done >= 2_000);
}

#[test]
#[cfg(target_os = "linux")]
fn more_than_the_machine_allows_says_which_limit_and_how_to_raise_it() {
    let error = Lab::start(with(90_000)).expect_err("no machine has so many ports").to_string();
    assert!(error.contains("`customers`: it needs 90000 ports"), "{error}");
    assert!(error.contains("ip_local_port_range"), "{error}");
}
