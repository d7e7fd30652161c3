//! A stop of the whole process, as by SIGSTOP or a debugger, does not count for any task.
#![cfg(target_os = "linux")]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use crate::support::{only_target, program};
use rustix::process::{Pid, Signal, kill_process};

const STOP: Duration = Duration::from_secs(3);

/// Stops a program for [`STOP`], as `kill -STOP` and `kill -CONT` do.
fn stop_and_continue(child: &Child) {
    let pid = Pid::from_child(child);
    kill_process(pid, Signal::STOP).unwrap();
    thread::sleep(STOP);
    kill_process(pid, Signal::CONT).unwrap();
}

#[test]
fn stop_is_reported_and_does_not_count_for_any_task() {
    let args = ["lab", "mixed", "--headless", "--format", "jsonl", "--for", "8s"];
    let interval = ["--interval", "250ms"];
    let mut child = program().args(args).args(interval).stdout(Stdio::piped()).spawn().unwrap();
    let mut documents = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(|line| only_target(&line.unwrap()));
    // The program and its watchdog are running.
    documents.by_ref().take(4).for_each(drop);
    stop_and_continue(&child);
    let last = documents.last().unwrap();
    assert!(child.wait().unwrap().success());
    let findings = last["findings"].as_array().unwrap();
    let finding_of = |rule: &str| findings.iter().find(|finding| finding["rule"] == rule);
    let stopped =
        finding_of("process-stopped").unwrap_or_else(|| panic!("no stop in {findings:?}"));
    assert_eq!(stopped["severity"], "info");
    let stop_ns = stopped["measure"].as_u64().unwrap();
    // Threads that are waiting for a CPU stop somewhat later than the others.
    assert!(stop_ns >= STOP.as_nanos() as u64 / 2, "{stopped}");
    let limit_ns = stop_ns / 10 * 9;
    for rule in ["worker-held", "never-yielded", "starvation"] {
        assert_eq!(finding_of(rule), None);
    }
    for offender in last["impact"].as_array().unwrap() {
        assert!(offender["blocked_ns"].as_u64().unwrap() < limit_ns, "{offender}");
    }
    for task in last["tasks"].as_array().unwrap() {
        let ns = |name: &str| task[name].as_u64().unwrap();
        assert_eq!(ns("lifetime_ns"), ns("busy_ns") + ns("scheduled_ns") + ns("idle_ns"));
        assert!(ns("max_poll_ns") < limit_ns, "{task}");
        assert!(ns("max_delay_ns") < limit_ns, "{task}");
    }
}
