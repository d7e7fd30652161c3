//! Reports of the lab.

use std::io::{BufRead, BufReader, Read};

use serde_json::Value;

use crate::support::{only_target, program, run, stdout};

fn report(args: &[&str]) -> Value {
    let text = stdout(&[&["--headless", "--format", "json"], args].concat());
    let report = only_target(&text);
    check(&report);
    report
}

/// Checks the invariants of every report.
fn check(report: &Value) {
    assert_eq!(report["name"], "lab:mixed");
    let tasks = report["tasks"].as_array().unwrap();
    assert!(!tasks.is_empty());
    for task in tasks {
        let ns = |name: &str| task[name].as_u64().unwrap();
        let parts = ns("busy_ns") + ns("scheduled_ns") + ns("idle_ns");
        assert_eq!(ns("lifetime_ns"), parts, "{task}");
        assert!(ns("max_poll_ns") <= ns("busy_ns"), "{task}");
        assert!(ns("self_wakes") <= ns("wakes"), "{task}");
        for name in ["name", "location", "state"] {
            assert!(!task[name].as_str().unwrap().is_empty(), "{task}");
        }
        if task["name"].as_str().unwrap().starts_with("heartbeat") {
            assert!(ns("polls") > 0, "{task}");
        }
    }
    let sum: u64 = report["groups"].as_array().unwrap().iter().map(count_of_tasks).sum();
    assert_eq!(sum, tasks.len() as u64, "every task is in one group");
}

fn count_of_tasks(group: &Value) -> u64 {
    group["tasks"].as_u64().unwrap() + group["ended"].as_u64().unwrap()
}

fn phase<'a>(report: &'a Value, name: &str) -> &'a Value {
    let phases = report["phases"].as_array().unwrap();
    phases.iter().find(|phase| phase["name"] == name).unwrap()
}

fn done(phase: &Value) -> u64 {
    phase["work"].as_array().unwrap().iter().map(|work| work["done"].as_u64().unwrap()).sum()
}

#[test]
fn report_of_each_flavor_shows_work() {
    for (flavor, workers) in [("current-thread", 1), ("multi-thread", 2)] {
        let report = report(&["--for", "1s", "--flavor", flavor, "--workers", "2"]);
        assert_eq!(report["runtime"]["flavor"], flavor);
        assert_eq!(report["workers"].as_array().unwrap().len(), workers);
        let run = phase(&report, "run");
        assert!(run["duration_ns"].as_u64().unwrap() > 0);
        for work in run["work"].as_array().unwrap() {
            assert!(work["done"].as_u64().unwrap() > 0, "{work}");
        }
    }
}

#[test]
fn hog_on_the_only_worker_causes_a_standstill() {
    let report = report(&["--for", "4s", "--hog", "spin", "--flavor", "current-thread"]);
    assert!(done(phase(&report, "without-hog")) > 100);
    let with_hog = phase(&report, "with-hog");
    assert_eq!(with_hog["slowdown"]["standstill"], true, "{with_hog}");
    assert!(with_hog["scheduling_delay"]["p99_ns"].as_u64().unwrap() > 1_000_000_000, "{with_hog}");

    let current = &report["workers"][0]["current"];
    assert_eq!(current["name"], "hog", "{current}");
    let tasks = report["tasks"].as_array().unwrap();
    let hog = tasks.iter().find(|task| task["key"] == current["task"]).unwrap();
    assert_eq!((&hog["state"], &hog["polls"]), (&"polling".into(), &1.into()), "{hog}");
    let finding = &report["findings"][0];
    assert_eq!((&finding["rule"], &finding["task"]), (&"worker-held".into(), &hog["key"]));
}

#[test]
fn gate_fails_a_run_and_names_the_blocking_line() {
    let output = run(&["--for", "9s", "--hog", "spin", "--fail-on", "worker-held"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("failed: worker-held: hog"), "{stderr}");
    assert!(stderr.contains("crates/asynctop-lab/src/workload/hog"), "the line: {stderr}");
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("[worker-held"), "the report is printed as well: {report}");
}

#[test]
fn gate_passes_a_healthy_run_and_one_below_the_threshold() {
    for args in [
        &["--fail-on", "lost-waker", "--fail-on", "task-panicked"][..],
        &["--hog", "spin", "--hog-hold", "20ms", "--fail-on", "worker-held=1h"],
    ] {
        let output = run(&[&["--for", "3s"], args].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn rules_that_are_off_find_nothing() {
    let off = ["worker-held", "worker-saturated", "long-poll", "never-yielded"];
    let settings: Vec<_> = off.iter().map(|rule| format!("{rule}=off")).collect();
    let settings = settings.iter().flat_map(|text| ["--threshold", text]);
    let args: Vec<_> = ["--for", "3s", "--hog", "spin"].into_iter().chain(settings).collect();
    let report = report(&args);
    // Other rules may fire, for example on a busy machine.
    let found = report["findings"].as_array().unwrap();
    let found = found.iter().find(|finding| off.contains(&finding["rule"].as_str().unwrap()));
    assert_eq!(found, None);
}

#[test]
fn report_is_complete_with_a_hog_on_every_worker() {
    let report = report(&["--for", "3s", "--hog", "block:2", "--workers", "2"]);
    for worker in report["workers"].as_array().unwrap() {
        assert!(worker["current"]["name"].as_str().unwrap().starts_with("hog"), "{worker}");
    }
    assert_eq!(report["slowdown"]["standstill"], true);
}

#[test]
fn hog_that_yields_delays_tasks_without_a_standstill() {
    let args = ["--for", "4s", "--hog", "spin", "--hog-hold", "20ms", "--flavor", "current-thread"];
    let report = report(&args);
    let phase = phase(&report, "with-hog");
    assert_eq!(phase["slowdown"]["standstill"], false);
    // On a machine whose load decreases, more work may be done than in the baseline.
    assert!(phase["slowdown"]["factor"].as_f64().unwrap() > 0.0, "{phase}");
    assert!(phase["scheduling_delay"]["p99_ns"].as_u64().unwrap() >= 10_000_000, "{phase}");
    assert_eq!(report["lab"]["hog"]["hold_ns"], 20_000_000);
}

#[test]
fn report_in_a_locale_that_is_not_utf8_is_ascii() {
    let output = program().env("LC_ALL", "C").args(["--for", "300ms"]).output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout.is_ascii(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn text_csv_and_jsonl_contain_the_tasks() {
    let text = stdout(&["--for", "500ms"]);
    assert!(text.starts_with("asynctop  lab:mixed  current-thread ×1"), "{text}");
    assert!(text.contains("heartbeat") && text.contains("requests/s"), "{text}");

    let table = stdout(&["--for", "500ms", "--format", "csv"]);
    assert!(table.starts_with("id,key,state,name,"), "{table}");
    assert!(table.lines().filter(|line| line.contains(",heartbeat,")).count() >= 8, "{table}");

    let lines = stdout(&["--for", "1s", "--format", "jsonl", "--interval", "100ms"]);
    let taken: Vec<u64> = lines
        .lines()
        .map(|line| {
            let document = only_target(line);
            assert!(!document["tasks"].as_array().unwrap().is_empty());
            document["taken_ns"].as_u64().unwrap()
        })
        .collect();
    assert!(taken.len() > 2 && taken.is_sorted(), "{taken:?}");
}

#[test]
fn closed_stdout_ends_the_program_without_an_error() {
    let endless = ["--format", "jsonl", "--interval", "100ms"];
    for args in [&endless[..], &["--for", "300ms"], &["man"], &["--help"]] {
        let mut child = program().args(args).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", output.status);
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{args:?}");
    }
}

#[test]
fn termination_signal_ends_the_run_with_a_report() {
    use rustix::process::{Pid, Signal, kill_process};
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        // The first line shows that it is running.
        let args = ["--for", "1h", "--format", "jsonl", "--interval", "100ms"];
        let mut child = program().args(args).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        let last = only_target(rest.lines().last().unwrap());
        assert_eq!(last["phases"][0]["name"], "run");
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn compare_measures_both_styles() {
    let args = ["compare", "--connections", "4", "--for", "200ms", "--format", "json"];
    // On a busy machine, stderr has a warning.
    let output = run(&args);
    assert!(output.status.success(), "{output:?}");
    let table: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = table["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| &row["style"]).collect::<Vec<_>>(), ["threads", "async"]);
    for row in rows {
        assert!(row["requests_per_second"].as_f64().unwrap() > 0.0, "{row}");
    }
}
