//! `ps` and `dump` on a running lab, as an example of a program that is not instrumented.

#![cfg(all(feature = "inspect", target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Output},
};

use support::{Folder, error_of, run};

/// A directory for a running program and the output of its inspection.
struct Case {
    folder: Folder,
}

impl Case {
    fn new(name: &str) -> Case {
        Case { folder: Folder::new(name) }
    }

    /// Inspects a running lab.
    fn lab(&self, args: &str) -> (String, Output) {
        let lab =
            "\"$0\" lab mixed --headless --for 10m --format jsonl --interval 100ms > log 2> errors";
        self.inspect(lab, "[ \"$(wc -l < log)\" -gt 2 ]", args)
    }

    /// Starts `program` in a shell, which then executes `asynctop ARGS` with the process ID of the
    /// program as `$PID`. With Yama, a process may read only its own children.
    fn inspect(&self, program: &str, is_ready: &str, args: &str) -> (String, Output) {
        let script = format!(
            ": > log; {program} & PID=$!; echo $PID > pid; until {is_ready}; do sleep 0.05; done
             exec \"$0\" {args}"
        );
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", &script]).arg(support::program().get_program());
        let output = shell.current_dir(&*self.folder).output().unwrap();
        let pid = self.read("pid").trim().to_owned();
        assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        (pid, output)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap()
    }

    /// The number of live tasks according to the lab's own report.
    fn alive(&self) -> usize {
        let log = self.read("log");
        let last = support::only_target(log.lines().nth(2).unwrap());
        let tasks = last["tasks"].as_array().unwrap().iter();
        let ended = ["completed", "cancelled", "panicked", "ended"];
        tasks.filter(|task| !ended.contains(&task["state"].as_str().unwrap())).count()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn dump_all_lists_every_task_separately() {
    let case = Case::new("dump");
    let (pid, output) = case.lab("dump $PID --all");
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
    // Before its `exec` it is a copy of the shell.
    let is_ready = "tr '\\n' ' ' < /proc/$PID/status | grep -q '^Name:.sleep .*State:.S'";
    let (_, output) = case.inspect("sleep 600 > log 2> errors", is_ready, "dump $PID");
    let error = error_of(&output);
    assert!(error.contains("is not a Tokio program that can be read"), "{error}");
    for bad in ["0", "-1", "pid", "99999999999"] {
        assert_eq!(run(&["dump", bad]).status.code(), Some(2), "{bad}");
    }
    let before = run(&["--headless", "dump", "1"]);
    assert!(error_of(&before).contains("belong to `lab`"), "{}", error_of(&before));
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
}
