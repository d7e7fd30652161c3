//! What each scenario teaches holds when it runs: by the real program, without a screen.
//!
//! A claim about what never happens is checked of every run. One about what happens at
//! some time gets longer runs, until it holds: no machine is too slow for that.

use std::fs;

use asynctop_lab::builtin;
use serde_json::Value;

use crate::support::{self, Folder};

/// Runs a scenario for 2 s, and again for longer, until the claim holds.
fn learn(scenario: &str, flags: &[&str], claim: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for seconds in ["2s", "4s", "8s", "16s"] {
        last = run(scenario, seconds, flags);
        if claim(&last) {
            return last;
        }
    }
    panic!("{scenario} {flags:?}: it does not hold: {last:#}");
}

fn run(scenario: &str, seconds: &str, flags: &[&str]) -> Value {
    let args = ["lab", scenario, "--headless", "--for", seconds, "--format", "json"];
    let text = support::stdout(&[&args, flags].concat());
    let report = support::only_target(&text);
    for task in tasks(&report, "") {
        assert_ne!(task["state"], "panicked", "{task}");
    }
    report
}

/// The tasks of a group; all of them for an empty name.
fn tasks<'a>(report: &'a Value, group: &str) -> Vec<&'a Value> {
    let tasks = report["tasks"].as_array().expect("tasks");
    tasks.iter().filter(|task| group.is_empty() || task["group"] == group).collect()
}

fn gauge<'a>(report: &'a Value, workload: &str, gauge: &str) -> &'a Value {
    let workloads = report["lab"]["workloads"].as_array().expect("a lab");
    let found = workloads.iter().find(|found| found["name"] == workload);
    &found.unwrap_or_else(|| panic!("no workload {workload}: {workloads:?}"))["gauges"][gauge]
}

fn number(report: &Value, workload: &str, name: &str) -> u64 {
    let value = gauge(report, workload, name);
    value.as_u64().unwrap_or_else(|| panic!("{workload}: {name}: {value}"))
}

/// A quantile of a latency, in ns; `None` if nothing was measured in the last seconds.
fn latency(report: &Value, workload: &str, name: &str, quantile: &str) -> Option<u64> {
    gauge(report, workload, name)[quantile].as_u64()
}

#[test]
fn hello_all_ten_run_in_order_and_only_while_main_sleeps() {
    let report = learn("hello", &[], |r| gauge(r, "hello", "last_order") != "–");
    assert_eq!(gauge(&report, "hello", "last_order"), "1 2 3 4 5 6 7 8 9 10");
    assert_eq!(number(&report, "hello", "hellos_while_main_still_spawned"), 0);
    let hellos = tasks(&report, "hello");
    assert!(hellos.len() >= 10, "they stay to be read: {hellos:?}");
    for hello in &hellos {
        assert_eq!((&hello["state"], &hello["polls"]), (&"completed".into(), &1.into()));
    }
    let third = hellos.iter().find(|task| task["name"] == "hello-3").expect("it stays");
    assert_eq!(third["stage"], "said hello 3rd, while main slept");
}

#[test]
fn lazy_a_future_that_nobody_awaits_has_no_poll_for_ever() {
    let report = learn("lazy", &[], |r| {
        number(r, "halfway", "dropped_half_way") > 0
            && number(r, "handles", "finished_with_the_handle_dropped") > 0
            && tasks(r, "aborted").iter().any(|task| task["state"] == "cancelled")
    });
    let never = tasks(&report, "never-awaited");
    assert_eq!(never.len(), 3);
    for future in never {
        assert_eq!((&future["state"], &future["polls"]), (&"created".into(), &0.into()));
        assert_eq!(future["scheduled_ns"], 0, "nobody has spawned it: it waits for no worker");
        assert_eq!(future["lifetime_ns"], future["idle_ns"]);
    }
    // What comes after the place where it was dropped never ran.
    assert_eq!(number(&report, "halfway", "reached_the_last_line"), 0);
    assert_eq!(number(&report, "handles", "finished_after_the_abort"), 0);
    let downloads = tasks(&report, "download");
    let over = downloads.iter().filter(|task| task["state"] == "cancelled");
    assert!(over.clone().count() > 0 && over.clone().all(|task| task["stage"] != "step 4 of 4"));
}

#[test]
fn desktop_input_waits_for_a_redraw_at_once_and_not_for_one_in_strips() {
    // More often than the scenario, so that a short run has some.
    let often = builtin("desktop").expect("built in").text.replace("= 100 ", "= 10 ");
    let strips = often.replace("strip = \"0s\"", "strip = \"1ms\"");
    assert_ne!(often, strips);
    let folder = Folder::new("desktop");
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).expect("a file");
        path.to_str().expect("text").to_owned()
    };
    let (often, strips) = (file("at-once.toml", &often), file("strips.toml", &strips));
    let p99 = |report: &Value| latency(report, "programs", "input_latency", "p99_ns");
    learn(&often, &[], |at_once| {
        let strips = run(&strips, "2s", &[]);
        p99(at_once).zip(p99(&strips)).is_some_and(|(at_once, strips)| at_once > 2 * strips)
    });
    let report = run(&often, "500ms", &[]);
    assert_eq!(report["name"], "lab:at-once");
    assert_eq!(tasks(&report, "painter:program").len(), 1, "named as its workload is");
}

#[test]
fn pool_no_more_calls_run_than_there_are_threads_and_the_workers_go_on() {
    let report = learn("pool", &[], |r| {
        let waiting = gauge(r, "blocking", "wait_for_a_thread")["in_progress"].as_u64();
        waiting.is_some_and(|waiting| waiting >= 16) && phase_work(r, "in-place") > 0
    });
    assert!(number(&report, "blocking", "calls_on_a_thread") <= 4);
    let callers = tasks(&report, "caller");
    // They await, they do not block: none holds a worker for as long as a call takes.
    let polls: u64 = callers.iter().map(|task| task["polls"].as_u64().expect("a count")).sum();
    let busy: u64 = callers.iter().map(|task| task["busy_ns"].as_u64().expect("a time")).sum();
    assert!(busy / polls < 50_000_000 / 4, "{busy} ns in {polls} polls");
    assert!(tasks(&report, "heartbeat").iter().all(|beat| beat["polls"].as_u64() > Some(0)));
}

fn phase_work(report: &Value, workload: &str) -> u64 {
    let work = report["phases"][0]["work"].as_array().expect("a phase");
    let of = work.iter().find(|work| work["workload"] == workload);
    of.and_then(|work| work["done"].as_u64()).expect("its work")
}

#[test]
fn lifo_who_is_woken_last_waits_for_the_waker_and_the_other_does_not() {
    const HOLD_NS: u64 = 80_000_000;
    let median = |r: &Value, which: &str| latency(r, "lifo", which, "p50_ns");
    learn("lifo", &[], |r| {
        let (first, last) = (median(r, "woken_first_waited"), median(r, "woken_last_waited"));
        first.zip(last).is_some_and(|(first, last)| last > HOLD_NS / 2 && last > 2 * first)
    });
    // On one thread nobody can help either of them.
    learn("lifo", &["--flavor", "current-thread"], |r| {
        median(r, "woken_first_waited") > Some(HOLD_NS / 2)
    });
}

#[test]
fn trouble_each_one_leaves_its_trace() {
    let report = learn("trouble", &[], |r| {
        let found = r["findings"].as_array().expect("findings");
        found.iter().any(|f| f["rule"] == "lost-waker")
            && number(r, "leak", "leaked") > 1
            && number(r, "slow-consumer", "queue") > 100
            && number(r, "storm", "spawned") >= 500
            && latency(r, "mutex-held", "wait_for_the_mutex", "max_ns") > Some(1_000_000)
    });
    let [lost] = tasks(&report, "lost")[..] else { panic!("{report:#}") };
    assert_eq!((&lost["state"], &lost["live_wakers"]), (&"idle".into(), &0.into()));
    assert_eq!(lost["polls"], 1);
    let [busy] = tasks(&report, "self-waker")[..] else { panic!("{report:#}") };
    assert_eq!(busy["idle_ns"], 0, "it never waits: {busy}");
    let (polls, wakes) = (busy["polls"].as_u64(), busy["self_wakes"].as_u64());
    assert!(polls.zip(wakes).is_some_and(|(polls, wakes)| polls - wakes <= 1), "{busy}");
    let leaked = tasks(&report, "leaked");
    assert!(leaked.iter().all(|task| task["state"] != "completed"), "none of them ever ends");
}

#[test]
fn every_scenario_runs_on_the_other_flavour_too() {
    for (name, other) in [
        ("hello", "multi-thread"),
        ("lazy", "multi-thread"),
        ("desktop", "multi-thread"),
        ("pool", "current-thread"),
        ("lifo", "current-thread"),
        ("trouble", "current-thread"),
    ] {
        let report = run(name, "500ms", &["--flavor", other]);
        assert_eq!(report["runtime"]["flavor"], other);
        assert!(!tasks(&report, "").is_empty(), "{name}");
    }
}
