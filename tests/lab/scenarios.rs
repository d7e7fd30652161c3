//! The claims of the scenarios' lessons, checked on headless runs of the program.
//!
//! A claim that something never happens is checked in every run. A claim that something happens gets
//! longer runs until it holds, so that the machine is never too slow.

use std::fs;

use asynctop_lab::BuiltInScenario;
use serde_json::Value;

use crate::support::{self, Folder};

/// Runs a scenario for 2 s, and then for longer, until the claim holds.
fn run_until(scenario: &str, flags: &[&str], claim: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for seconds in ["2s", "4s", "8s", "16s"] {
        last = run(scenario, seconds, flags);
        if claim(&last) {
            return last;
        }
    }
    panic!("{scenario} {flags:?}: the claim does not hold: {last:#}");
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

/// The tasks of a group; all tasks for an empty name.
fn tasks<'a>(report: &'a Value, group: &str) -> Vec<&'a Value> {
    let tasks = report["tasks"].as_array().expect("tasks");
    tasks.iter().filter(|task| group.is_empty() || task["group"] == group).collect()
}

fn metric<'a>(report: &'a Value, workload: &str, name: &str) -> &'a Value {
    let workloads = report["lab"]["workloads"].as_array().expect("a lab");
    let found = workloads.iter().find(|known| known["name"] == workload);
    &found.unwrap_or_else(|| panic!("no workload {workload}: {workloads:?}"))["gauges"][name]
}

fn number(report: &Value, workload: &str, name: &str) -> u64 {
    let value = metric(report, workload, name);
    value.as_u64().unwrap_or_else(|| panic!("{workload}: {name}: {value}"))
}

/// A quantile of a latency in ns; `None` if nothing was measured in the last seconds.
fn latency(report: &Value, workload: &str, name: &str, quantile: &str) -> Option<u64> {
    metric(report, workload, name)[quantile].as_u64()
}

#[test]
fn hello_tasks_run_in_order_and_only_while_main_sleeps() {
    let report = run_until("hello", &[], |r| metric(r, "hello", "last_order") != "–");
    assert_eq!(metric(&report, "hello", "last_order"), "1 2 3 4 5 6 7 8 9 10");
    assert_eq!(number(&report, "hello", "hellos_while_main_still_spawned"), 0);
    let hellos = tasks(&report, "hello");
    assert!(hellos.len() >= 10, "ended tasks are kept: {hellos:?}");
    for hello in &hellos {
        assert_eq!((&hello["state"], &hello["polls"]), (&"completed".into(), &1.into()));
    }
    let third = hellos.iter().find(|task| task["name"] == "hello-3").expect("ended tasks are kept");
    assert_eq!(third["stage"], "said hello 3rd, while main slept");
}

#[test]
fn lazy_future_that_is_never_awaited_is_never_polled() {
    let report = run_until("lazy", &[], |r| {
        number(r, "halfway", "dropped_half_way") > 0
            && number(r, "handles", "finished_with_the_handle_dropped") > 0
            && tasks(r, "aborted").iter().any(|task| task["state"] == "cancelled")
    });
    let never = tasks(&report, "never-awaited");
    assert_eq!(never.len(), 3);
    for future in never {
        assert_eq!((&future["state"], &future["polls"]), (&"created".into(), &0.into()));
        assert_eq!(future["scheduled_ns"], 0, "a future that is not spawned is not runnable");
        assert_eq!(future["lifetime_ns"], future["idle_ns"]);
    }
    // The code after the await at which a future was dropped has not run.
    assert_eq!(number(&report, "halfway", "reached_the_last_line"), 0);
    assert_eq!(number(&report, "handles", "finished_after_the_abort"), 0);
    let downloads = tasks(&report, "download");
    assert!(downloads.iter().any(|task| task["state"] == "cancelled"));
}

#[test]
fn desktop_input_is_delayed_by_a_redraw_at_once_and_not_by_one_in_strips() {
    // More redraws than in the scenario, so that a short run has some.
    let often = BuiltInScenario::find("desktop").expect("built in").text.replace("= 100 ", "= 10 ");
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
    run_until(&often, &[], |at_once| {
        let strips = run(&strips, "2s", &[]);
        p99(at_once).zip(p99(&strips)).is_some_and(|(at_once, strips)| at_once > 2 * strips)
    });
    let report = run(&often, "500ms", &[]);
    assert_eq!(report["name"], "lab:at-once");
    assert_eq!(
        tasks(&report, "painter:program").len(),
        1,
        "its prefix is the name of the workload"
    );
}

#[test]
fn pool_runs_as_many_calls_as_threads_and_blocks_no_worker() {
    let report = run_until("pool", &[], |r| {
        let waiting = metric(r, "blocking", "wait_for_a_thread")["in_progress"].as_u64();
        waiting.is_some_and(|waiting| waiting >= 16) && phase_work(r, "in-place") > 0
    });
    assert!(number(&report, "blocking", "calls_on_a_thread") <= 4);
    let callers = tasks(&report, "caller");
    // The callers await: none blocks its worker for the duration of a call.
    let polls: u64 = callers.iter().map(|task| task["polls"].as_u64().expect("a count")).sum();
    let busy: u64 = callers.iter().map(|task| task["busy_ns"].as_u64().expect("a time")).sum();
    assert!(busy / polls < 50_000_000 / 4, "{busy} ns in {polls} polls");
    assert!(tasks(&report, "heartbeat").iter().all(|beat| beat["polls"].as_u64() > Some(0)));
}

fn phase_work(report: &Value, workload: &str) -> u64 {
    let work = report["phases"][0]["work"].as_array().expect("a phase");
    let found = work.iter().find(|work| work["workload"] == workload);
    found.and_then(|work| work["done"].as_u64()).expect("its work")
}

#[test]
fn lifo_task_woken_last_is_delayed_by_the_waker_and_the_first_is_not() {
    const HOLD_NS: u64 = 80_000_000;
    let median = |r: &Value, which: &str| latency(r, "lifo", which, "p50_ns");
    run_until("lifo", &[], |r| {
        let (first, last) = (median(r, "woken_first_waited"), median(r, "woken_last_waited"));
        first.zip(last).is_some_and(|(first, last)| last > HOLD_NS / 2 && last > 2 * first)
    });
    // On one thread, both are delayed.
    run_until("lifo", &["--flavor", "current-thread"], |r| {
        median(r, "woken_first_waited") > Some(HOLD_NS / 2)
    });
}

#[test]
fn trouble_problems_are_visible_in_the_report() {
    let report = run_until("trouble", &[], |r| {
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
    assert_eq!(busy["idle_ns"], 0, "it is never idle: {busy}");
    let (polls, wakes) = (busy["polls"].as_u64(), busy["self_wakes"].as_u64());
    assert!(polls.zip(wakes).is_some_and(|(polls, wakes)| polls - wakes <= 1), "{busy}");
    let leaked = tasks(&report, "leaked");
    assert!(leaked.iter().all(|task| task["state"] != "completed"), "leaked tasks never end");
}

#[test]
fn scenarios_run_on_the_other_flavor_too() {
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
