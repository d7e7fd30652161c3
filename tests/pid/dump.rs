//! `ps` and `dump` on a running lab.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use serde_json::Value;

use crate::{
    case::{Case, text},
    support::{error_of, only_target, run},
};

#[test]
fn dump_all_lists_every_task_separately() {
    let case = Case::new("dump");
    let (pid, output) = case.lab("dump $PID --all -o -");
    let dump = text(&output.stdout);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{dump}");
    assert!(dump.starts_with(&format!("process {pid} (asynctop): 1 runtime, ")), "{dump}");
    let tasks: Vec<_> = dump.lines().filter(|line| line.starts_with("task ")).collect();
    assert_eq!(tasks.len(), case.alive(), "{dump}");
    let beats = tasks.iter().filter(|line| line.contains("heartbeats.rs")).count();
    assert_eq!(beats, 8, "{dump}");
    assert!(dump.contains("asynctop-w0: "), "the worker's thread: {dump}");
}

#[test]
fn dump_creates_a_file_that_only_its_owner_can_read() {
    let case = Case::new("file");
    let (_, output) = case.lab("dump $PID -o tasks.txt");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    assert!(output.stdout.is_empty());
    let dump = case.read("tasks.txt");
    assert!(dump.contains("heartbeats.rs") && dump.contains(", and 7 more like it"), "{dump}");
    let mode = fs::metadata(case.folder.join("tasks.txt")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn dump_does_not_overwrite_existing_files_and_links() {
    let case = Case::new("existing");
    fs::write(case.folder.join("tasks.txt"), "mine").unwrap();
    symlink(Path::new("elsewhere.txt"), case.folder.join("link.txt")).unwrap();
    for file in ["tasks.txt", "link.txt"] {
        let (_, output) = case.lab(&format!("dump $PID -o {file}"));
        let expected = format!("cannot create {file}: File exists (os error 17); name a file ");
        assert!(error_of(&output).contains(&expected), "{}", error_of(&output));
    }
    assert_eq!(case.read("tasks.txt"), "mine");
    assert!(!case.folder.join("elsewhere.txt").exists());
}

#[test]
fn dump_of_another_program_is_an_error_of_one_line() {
    let none = run(&["dump", "4194999"]);
    assert_eq!(error_of(&none), "error: no process has the id 4194999\n");

    let case = Case::new("sleep");
    // Until it calls `exec`, the process is a copy of the shell.
    let is_ready = "tr '\\n' ' ' < /proc/$PID/status | grep -q '^Name:.sleep .*State:.S'";
    let (_, output) = case.inspect("sleep 600 > log 2> errors", is_ready, "dump $PID");
    let error = error_of(&output);
    assert!(error.contains("is not a Tokio program that can be read"), "{error}");
    for bad in ["0", "-1", "99999999999"] {
        assert_eq!(run(&["dump", bad]).status.code(), Some(2), "{bad}");
    }
    let before = run(&["--headless", "dump", "1"]);
    assert!(error_of(&before).contains("apply only to `lab`"), "{}", error_of(&before));
}

#[test]
fn ps_lists_the_tokio_programs_with_their_tasks() {
    let case = Case::new("ps");
    let (pid, output) = case.lab("ps");
    let table = text(&output.stdout);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{table}");
    assert!(table.trim_start().starts_with("PID  COMMAND "), "{table}");
    let row = |line: &&str| line.split_whitespace().next() == Some(&*pid);
    let row: Vec<_> = table.lines().find(row).unwrap().split_whitespace().collect();
    let alive = case.alive().to_string();
    assert_eq!(row[1..], ["asynctop", "1.54.1", "1", "1", &*alive], "{table}");

    let (pid, output) = case.lab("ps --format json");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["schema"], "asynctop/2");
    let programs = document["programs"].as_array().unwrap();
    let pid: u32 = pid.parse().unwrap();
    let lab = programs.iter().find(|program| program["process_id"] == pid).unwrap();
    assert_eq!(lab["tasks"], case.alive(), "{lab}");
    assert_eq!(lab["tokio"][0], "1.54.1", "{lab}");
}

#[test]
fn ps_of_a_program_lists_its_tasks_one_a_row() {
    let case = Case::new("tasks");
    let (_, output) = case.lab("ps $PID");
    let table = text(&output.stdout);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{table}");
    assert_eq!(table.lines().count(), 1 + case.alive(), "{table}");
    let beats = table.lines().filter(|line| line.contains("heartbeats::heartbeat")).count();
    assert_eq!(beats, 8, "{table}");
}

#[test]
fn dump_as_json_has_the_envelope_of_all_reports() {
    let case = Case::new("json");
    let (pid, output) = case.lab("dump -p $PID --format json");
    let target = only_target(text(&output.stdout));
    assert_eq!(target["process_id"].to_string(), pid);
    assert_eq!(target["tasks"].as_array().unwrap().len(), case.alive());
    let threads = target["threads"].as_array().unwrap();
    assert!(threads.iter().any(|thread| thread["name"] == "asynctop-w0"), "{threads:?}");
}
