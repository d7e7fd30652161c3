//! Reports on a running program: `asynctop -p PID --headless`.

use std::fs;

use serde_json::Value;

use crate::{
    case::{Case, LAB, Reports, text},
    support::{error_of, only_target, pty::Terminal, wait_until},
};

#[test]
fn report_has_the_tasks_of_the_program_and_no_value_that_cannot_be_known() {
    let case = Case::new("report");
    let (pid, output) = case.lab("-p $PID --headless --for 2s --format json");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let target = only_target(text(&output.stdout));
    assert_eq!(target["name"], format!("asynctop:{pid}"));
    assert_eq!(target["process_id"].to_string(), pid);
    assert_eq!(target["connection"], "connected");
    assert_eq!(target["runtime"]["flavor"], "current-thread");
    assert_eq!(target["runtime"]["alive_tasks"], case.alive());
    let tasks = target["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), case.alive());
    for task in tasks {
        let ns = |name: &str| task[name].as_u64().unwrap();
        assert_eq!(ns("lifetime_ns"), ns("busy_ns") + ns("scheduled_ns") + ns("idle_ns"));
        assert!((0.0..=1.0).contains(&task["busy_share"].as_f64().unwrap()), "{task}");
        assert_eq!((&task["polls"], &task["wakes"]), (&Value::Null, &Value::Null));
    }
    for path in ["tasks.polls", "tasks.wakes", "scheduling_delay", "workers.steals"] {
        assert!(target["unavailable"][path].is_string(), "{path}: {}", target["unavailable"]);
    }
    let beats = |task: &&Value| task["name"] == "heartbeats::heartbeat";
    let beat = tasks.iter().find(beats).unwrap();
    assert_eq!(tasks.iter().filter(beats).count(), 8);
    assert!(beat["location"].as_str().unwrap().contains("heartbeats.rs:"), "{beat}");
    let workers = target["workers"].as_array().unwrap();
    assert_eq!((workers.len(), &workers[0]["thread"]), (1, &"asynctop-w0".into()));
    assert!(workers[0]["parks"].as_u64().unwrap() > 0);
}

#[test]
fn program_without_tasks_passes_no_gate() {
    let case = Case::new("no-tasks");
    let scenario = "title = 'idle'\n[[workload]]\nkind = 'heartbeats'\ncount = 0\n";
    fs::write(case.folder.join("idle.toml"), scenario).unwrap();
    let lab = LAB.replace("mixed", "idle.toml");
    let is_ready = "[ \"$(wc -l < log)\" -gt 2 ]";
    let (_, output) = case.inspect(&lab, is_ready, "-p $PID --for 1s --fail-on any");
    let error = error_of(&output);
    assert!(error.contains("no task was listed: the program has spawned none so far"), "{error}");
    assert!(error.ends_with("--fail-on has checked nothing\n"), "{error}");
}

/// A report on a lab whose worker is blocked by a hog of this kind: the first one with a worker-held
/// finding that `is_complete`.
fn report_on_hog(
    name: &str,
    kind: &str,
    flags: &str,
    is_complete: impl Fn(&Value) -> bool,
) -> Value {
    let case = Case::new(name);
    let file = |name: &str| case.folder.join(name);
    // On a screen the hog comes on by itself, and stays. The shell becomes the observer, because a
    // process may read those that it has started, whatever Yama allows otherwise.
    let script = format!(
        "cd {} && {{ \"$ASYNCTOP\" lab mixed --hog {kind} < /dev/tty & PID=$!; }}
         until [ -e go ]; do sleep 0.05; done
         exec \"$ASYNCTOP\" -p $PID --for 24h --format jsonl --fail-on worker-held {flags} \
            > seen 2> errors",
        case.folder.display()
    );
    let mut lab = Terminal::shell(&script);
    lab.wait_for_text("has blocked worker 0");
    fs::write(file("go"), "").unwrap();
    let (mut complete, mut reports) = (None, Reports::of(file("seen")));
    wait_until("a report has the finding", || {
        let mut targets = reports.new_targets().into_iter();
        complete = targets.find(|target| worker_held(target).is_some_and(&is_complete));
        complete.is_some()
    });
    // The lab ends, and so does its observer.
    lab.keys("q");
    assert_eq!(lab.wait_for_end().exit_code(), 1, "{}", case.read("errors"));
    complete.unwrap()
}

fn worker_held(target: &Value) -> Option<&Value> {
    let mut findings = target["findings"].as_array().unwrap().iter();
    findings.find(|finding| finding["rule"] == "worker-held")
}

#[test]
fn a_task_that_computes_is_stopped_once_for_its_line_unless_that_is_forbidden() {
    let target = report_on_hog("computes", "spin", "", |finding| finding["blocked_at"].is_string());
    let finding = worker_held(&target).unwrap();
    assert_eq!(finding["subject"], "hog::run", "{finding}");
    let causes = ["computing", "runnable, but waiting for a CPU"];
    assert!(causes.contains(&finding["cause"].as_str().unwrap()), "{finding}");
    assert!(finding["blocked_at"].as_str().unwrap().contains("hog/"), "{finding}");
    let accuracy = target["accuracy"]["impact"].as_str().unwrap();
    assert!(accuracy.contains("is stopped once"), "{accuracy}");

    let target = report_on_hog("computes-on", "spin", "--no-stop", |_| true);
    let finding = worker_held(&target).unwrap();
    assert_eq!((&finding["subject"], &finding["blocked_at"]), (&"hog::run".into(), &Value::Null));
    let accuracy = target["accuracy"]["impact"].as_str().unwrap();
    assert!(accuracy.contains("nothing is stopped (--no-stop)"), "{accuracy}");
}

#[test]
fn a_task_that_blocks_the_worker_is_found_with_the_line_and_fails_a_gate() {
    let target = report_on_hog("blocked", "block", "", |finding| {
        finding["blocked_at"].is_string() && finding["affected_tasks"].as_u64() > Some(0)
    });
    let finding = worker_held(&target).unwrap();
    assert_eq!(finding["subject"], "hog::run", "{finding}");
    assert_eq!(finding["cause"], "sleeping in clock_nanosleep", "{finding}");
    assert!(finding["blocked_at"].as_str().unwrap().contains("hog/mod.rs:"), "{finding}");
    assert!(finding["affected_tasks"].as_u64().unwrap() > 0, "{finding}");
    let hog = target["tasks"].as_array().unwrap().iter().find(|task| task["name"] == "hog::run");
    let worker = &target["workers"][0];
    assert_eq!(worker["current"]["task"], hog.unwrap()["key"], "{worker}");
}

#[test]
fn program_that_ends_is_lost_and_ends_the_run_with_its_last_state() {
    let case = Case::new("ends");
    // The program is killed when the first document has been written.
    let is_ready = "[ \"$(wc -l < log)\" -gt 2 ] && \
                    { (until [ -s seen ]; do sleep 0.05; done; kill -KILL $PID) & }";
    let args = "-p $PID --for 24h --format jsonl --interval 100ms --fail-on any > seen";
    let (pid, output) = case.inspect(LAB, is_ready, args);
    let error = error_of(&output);
    let expected = format!("asynctop:{pid} is disconnected for ");
    assert!(error.contains(&expected), "{error}");
    assert!(error.contains(&format!("process {pid} has ended, so --fail-on has not")), "{error}");
    let target = only_target(case.read("seen").lines().last().unwrap());
    assert_eq!(target["connection"], "lost");
    assert!(target["tasks"].as_array().unwrap().len() > 50, "{target}");
}

/// The thread in `block_in_place` has no worker: another thread has taken it over, and no task waits.
#[test]
fn block_in_place_is_not_reported_without_a_stack() {
    let case = Case::new("in-place");
    let script = format!(
        "cd {} && {{ \"$ASYNCTOP\" lab mixed --flavor multi-thread --workers 2 \
             --hog block-in-place --hog-hold 2s < /dev/tty & PID=$!; }}
         until [ -e go ]; do sleep 0.05; done
         exec \"$ASYNCTOP\" -p $PID --no-stop --for 24h --format jsonl > seen 2> errors",
        case.folder.display()
    );
    let mut lab = Terminal::shell(&script);
    lab.wait_for_text("block-in-place");
    fs::write(case.folder.join("go"), "").unwrap();
    let is_in_place = |target: &Value| {
        let mut tasks = target["tasks"].as_array().unwrap().iter();
        let hog = tasks.find(|task| task["name"] == "hog::run");
        let poll = hog.filter(|hog| hog["state"] == "polling");
        poll.is_some_and(|poll| poll["state_ns"].as_u64() > Some(1_000_000_000))
    };
    let (mut in_place, mut reports) = (0, Reports::of(case.folder.join("seen")));
    wait_until("three reports have the poll", || {
        in_place += reports.new_targets().iter().filter(|target| is_in_place(target)).count();
        in_place >= 3
    });
    lab.keys("q");
    assert_eq!(lab.wait_for_end().exit_code(), 0, "{}", case.read("errors"));
    let found = case.read("seen").lines().map(only_target).find_map(|it| worker_held(&it).cloned());
    assert_eq!(found, None);
}
