//! `run`: a command that asynctop starts and watches. The command is a lab.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    case::text,
    support::{self, Folder, only_target, pty::Terminal, wait_until},
};

/// A lab that would run for minutes.
const LAB: &str = "exec \"$ASYNCTOP\" lab mixed --headless --for 10m";

/// `asynctop run ARGS -- sh -c SCRIPT`, with its temporary files in `folder`.
fn run(folder: &Folder, args: &[&str], script: &str) -> Command {
    let mut command = support::program();
    command.arg("run").args(args).args(["--", "sh", "-c", script]);
    command.env("ASYNCTOP", support::program().get_program());
    command.env("TMPDIR", &**folder).current_dir(&**folder);
    command
}

fn output(folder: &Folder, args: &[&str], script: &str) -> Output {
    run(folder, args, script).output().unwrap()
}

/// The files with the output of commands.
fn logs(folder: &Folder) -> Vec<PathBuf> {
    let files = fs::read_dir(&**folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect()
}

fn has_ended(pid: u64) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn a_run_ends_with_its_command_and_has_its_exit_code() {
    let folder = Folder::new("run");
    // The lab ends when a line with one of its tasks has been written.
    let script = "\"$ASYNCTOP\" lab mixed --headless --for 10m & \
                  until grep -q heartbeats.rs lines; do sleep 0.05; done; kill -INT $!; wait; exit 7";
    let (mut child, id) = watched(&folder, script);
    assert_eq!(child.wait().unwrap().code(), Some(7));
    let last = only_target(&last_line(&folder));
    assert_eq!(last["connection"], "lost");
    assert_eq!(last["name"], format!("asynctop:{id}"));
    let [log] = &logs(&folder)[..] else { panic!("one file with the output") };
    let report = fs::read_to_string(log).unwrap();
    assert!(report.contains("heartbeat"), "{report}");
}

#[test]
fn a_run_that_ends_first_ends_its_command() {
    let folder = Folder::new("run-for");
    let args = ["--for", "1s", "--format", "json", "-o", "lab.txt"];
    let output = output(&folder, &args, LAB);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let target = only_target(text(&output.stdout));
    assert_eq!(target["connection"], "connected");
    assert!(has_ended(target["process_id"].as_u64().unwrap()), "{target}");
    // The lab writes its report after SIGTERM.
    let report = fs::read_to_string(folder.join("lab.txt")).unwrap();
    assert!(report.contains("heartbeat"), "{report}");
    let again = self::output(&folder, &args, LAB);
    let error = text(&again.stderr);
    assert!(error.contains("cannot create lab.txt: File exists"), "{error}");
    assert_eq!(again.status.code(), Some(2));
}

#[test]
fn a_rule_that_fires_is_more_important_than_the_exit_code_of_the_command() {
    let folder = Folder::new("run-gate");
    let args = ["--for", "1s", "--fail-on", "large-future=256B"];
    let output = output(&folder, &args, LAB);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("large-future"), "{error}");

    let output = self::output(&folder, &["--fail-on", "task-panicked"], LAB);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("task-panicked can never fire here"), "{error}");
}

#[test]
fn a_command_without_tokio_is_an_error() {
    let folder = Folder::new("run-none");
    for (script, ending) in
        [("exit 3", "ended with exit code 3"), ("kill -9 $$", "was ended by SIGKILL")]
    {
        let output = output(&folder, &["--headless"], script);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let error = text(&output.stderr);
        let expected = format!(
            ": it {ending} before a Tokio runtime was found in it; the output of sh is in "
        );
        assert!(error.contains(&expected), "{error}");
    }
    let missing = support::run(&["run", "--headless", "--", "/nonexistent/program"]);
    let error = support::error_of(&missing);
    assert!(error.contains("cannot start /nonexistent/program: No such file"), "{error}");
    for (args, sentence) in [
        (&["run", "--headless"][..], "required arguments were not provided: <COMMAND>"),
        (&["-p", "1", "run", "true"], "-p watches a running program, and `run` starts one"),
        (&["--hog", "spin", "run", "true"], "--hog applies only to the lab"),
    ] {
        let error = support::error_of(&support::run(args));
        assert!(error.contains(sentence), "{args:?}: {error}");
    }
}

/// Watches a lab until the first line of JSON, in the file `lines`, and returns the lab's process ID.
fn watched(folder: &Folder, script: &str) -> (Child, u64) {
    let args = ["--format", "jsonl", "--interval", "100ms"];
    let lines = fs::File::create(folder.join("lines")).unwrap();
    let child = run(folder, &args, script).stdout(lines).stderr(Stdio::null()).spawn().unwrap();
    let mut id = None;
    wait_until("a line is complete", || {
        let lines = fs::read_to_string(folder.join("lines")).unwrap();
        let line = lines.split_once('\n').map(|(line, _)| line.to_owned());
        let line: Option<Value> = line.map(|line| serde_json::from_str(&line).unwrap());
        id = line.map(|line| line["targets"][0]["process_id"].as_u64().unwrap());
        id.is_some()
    });
    (child, id.unwrap())
}

fn last_line(folder: &Folder) -> String {
    fs::read_to_string(folder.join("lines")).unwrap().lines().last().unwrap().to_owned()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn an_interrupt_ends_the_command_after_the_report() {
    let folder = Folder::new("run-interrupt");
    let (mut child, id) = watched(&folder, LAB);
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(has_ended(id));
    let last = only_target(&last_line(&folder));
    assert!(last["phases"][0].is_object(), "{last}");
    assert_eq!(logs(&folder).len(), 1);
}

#[test]
fn the_dashboard_shows_the_command_until_a_key_ends_both() {
    let folder = Folder::new("run-screen");
    let script = format!(
        "cd {} && TMPDIR=. exec \"$ASYNCTOP\" run -- \"$ASYNCTOP\" lab mixed --headless --for 10m",
        folder.display()
    );
    let mut terminal = Terminal::shell(&script);
    terminal.wait_for_line(&["asynctop:", "connected", "90 tasks"]);
    let pid = terminal.pid();
    let children = format!("/proc/{pid}/task/{pid}/children");
    let child = fs::read_to_string(children).unwrap();
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
    assert!(has_ended(child.trim().parse().unwrap()));
    let [log] = &logs(&folder)[..] else { panic!("one file with the output") };
    assert!(terminal.raw().contains(log.file_name().unwrap().to_str().unwrap()));
}

#[test]
fn the_dashboard_keeps_what_is_known_of_a_command_that_has_ended() {
    let folder = Folder::new("run-ended");
    let script = format!(
        "cd {} && TMPDIR=. exec \"$ASYNCTOP\" run -- sh -c '{} 9>&1 & read line < go; kill -9 $!; wait; exit 4'",
        folder.display(),
        LAB.trim_start_matches("exec ")
    );
    assert!(Command::new("mkfifo").arg(folder.join("go")).status().unwrap().success());
    let mut terminal = Terminal::shell(&script);
    terminal.wait_for_line(&["asynctop:", "connected", "90 tasks"]);
    fs::write(folder.join("go"), "\n").unwrap();
    terminal.wait_for_text("DISCONNECTED");
    terminal.keys("q");
    assert_eq!(terminal.wait_for_end().exit_code(), 4);
}
