//! The program without a screen: what it says to wrong input, and what it reports.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Output, Stdio},
};

use crate::support::{program, run, stdout};
use serde_json::Value;

fn report(args: &[&str]) -> Value {
    let text = stdout(&[&["--headless", "--format", "json"], args].concat());
    let report: Value = serde_json::from_str(&text).unwrap();
    check(&report);
    report
}

/// What holds for every report of the lab.
fn check(report: &Value) {
    assert_eq!(report["schema"], "asynctop/1");
    assert_eq!(report["source"], "lab:mixed");
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
fn wrong_input_ends_in_one_sentence_and_code_2() {
    let expected: &[(&[&str], &str)] = &[
        (&["lab", "mixd"], "did you mean `mixed`?"),
        (&["scenarios", "mixd"], "did you mean `mixed`?"),
        (&["lab", "no/such.toml"], "cannot read the scenario no/such.toml"),
        (&["lab", "Cargo.toml"], "there is no such key; the keys are: title, runtime"),
        (&["scenarios", "--kinds", "mixed"], "cannot be used with"),
        (&["labb"], "similar subcommand exists: 'lab'"),
        (&["--for", "soon"], "500ms, 3s or 2m"),
        (&["--for", "3"], "it has no unit"),
        (&["--for", "0s"], "100ms to 24h"),
        (&["--for"], "a value is required for '--for <DURATION>'"),
        (&["--interval", "99ms"], "100ms to 10s"),
        (&["--interval", "11s"], "100ms to 10s"),
        (&["--workers", "0"], "ask for 1 to 512 workers"),
        (&["--workers", "100000"], "ask for 1 to 512 workers"),
        (&["--workers", "-1"], "unexpected argument '-1'"),
        (&["--workers", "many"], "invalid value 'many' for '--workers <N>'"),
        (&["--flavor", "green"], "current-thread, multi-thread"),
        (&["--hog", "spni"], "one of spin, block, lock, io, db, yield"),
        (&["--hog", "block-in-place"], "needs the multi-thread runtime"),
        (&["--hog", "spin:0"], "ask for 1 to 1000 hogs"),
        (&["--hog", "spin:1001"], "ask for 1 to 1000 hogs"),
        (&["--hog", "spin:99999999999999999999"], "its count is not a number"),
        (&["--hog-hold", "1us"], "1ms or longer"),
        (&["--hog-hold", "ever"], "or never"),
        (&["--format", "yaml"], "text, json, jsonl, csv"),
        (&["--no-such-flag"], "unexpected argument '--no-such-flag'"),
        (&["--headless", "man"], "belong to `lab`"),
        (&["--fail-on", "worker-hold"], "did you mean `worker-held`?"),
        (&["--fail-on", "worker-held=5"], "write it like 100ms"),
        (&["--threshold", "leak"], "write RULE=VALUE"),
        (&["--threshold", "leaks=3"], "did you mean `leak`?"),
        (&["--threshold", "unbalanced=101%"], "write 1% to 100%, or off"),
        (&["completions", "tcsh"], "bash, elvish, fish, powershell, zsh"),
        (&["compare", "--connections", "0"], "1..=50000"),
        (&["--config", "no/such.toml"], "cannot read the configuration no/such.toml"),
        (&["--config", "Cargo.toml"], "there is no such key"),
        (&["--headless", "config"], "belong to `lab`"),
        (&["lab", "mixed", "more"], "unexpected argument 'more'"),
    ];
    for (args, part) in expected {
        let output = run(args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}: stdout is left alone");
        assert!(stderr.starts_with("error: ") && stderr.contains(part), "{args:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
    }
}

/// Creates an empty directory for a test.
fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("asynctop-test-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn complaint(output: &Output) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.lines().count() == 1, "{stderr}");
    stderr
}

#[test]
fn pipe_in_place_of_a_file_is_refused_and_not_opened() {
    let folder = folder("pipe");
    let pipe = folder.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.to_str().unwrap();
    for args in [["lab", pipe], ["--config", pipe], ["lab", "/dev/null"]] {
        let stderr = complaint(&run(&args));
        assert!(stderr.contains("it is not a regular file"), "{stderr}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn unreadable_configuration_is_an_error_and_a_missing_one_is_not() {
    let home = folder("unreadable");
    let with_home = |args: &[&str]| {
        let mut command = program();
        command.env("XDG_CONFIG_HOME", &home).args(args).output().unwrap()
    };
    let report: &[&str] = &["--for", "300ms", "--format", "json"];
    assert_eq!(with_home(report).status.code(), Some(0), "no directory");
    std::fs::write(home.join("asynctop"), "").unwrap();
    assert_eq!(with_home(report).status.code(), Some(0), "a file in place of the directory");
    std::fs::remove_file(home.join("asynctop")).unwrap();
    std::fs::create_dir(home.join("asynctop")).unwrap();
    assert_eq!(with_home(report).status.code(), Some(0), "no file in the directory");
    std::os::unix::fs::symlink("nowhere", home.join("asynctop/config.toml")).unwrap();
    let stderr = complaint(&with_home(report));
    assert!(stderr.contains("cannot read the configuration"), "{stderr}");
    std::fs::remove_dir_all(home).unwrap();
}

#[test]
fn help_that_cannot_be_written_is_an_error() {
    for args in [&["--help"][..], &["lab", "--help"], &["--version"], &["scenarios"], &["man"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = program().args(args).stdout(full).output().unwrap();
        let stderr = complaint(&output);
        assert!(stderr.contains("cannot write to stdout: No space left"), "{args:?}: {stderr}");
    }
}

#[test]
fn compare_that_measured_nothing_is_an_error() {
    let script = "ulimit -n 64 && exec \"$0\" compare --connections 500 --for 200ms";
    for format in ["text", "json"] {
        let mut shell = std::process::Command::new("sh");
        let shell = shell.args(["-c", &format!("{script} --format {format}")]);
        let output = shell.arg(program().get_program()).output().unwrap();
        let stderr = complaint(&output);
        assert!(stderr.contains("nothing could be measured: 500 connections: "), "{stderr}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("500"), "the table is printed");
    }
}

#[test]
fn the_users_own_configuration_is_read_and_the_command_line_wins() {
    let home = std::env::temp_dir().join(format!("asynctop-test-{}-config", std::process::id()));
    std::fs::create_dir_all(home.join("asynctop")).unwrap();
    let file = home.join("asynctop/config.toml");
    let run = |text: &str, args: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let mut command = program();
        command.env("XDG_CONFIG_HOME", &home).args(["--for", "300ms", "--format", "json"]);
        command.args(args).output().unwrap()
    };
    let flavor = |output: Output| {
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["runtime"]["flavor"].as_str().unwrap().to_owned()
    };
    let multi = "[lab]\nflavor = 'multi-thread'";
    assert_eq!(flavor(run(multi, &[])), "multi-thread");
    assert_eq!(flavor(run(multi, &["--flavor", "current-thread"])), "current-thread");
    let other = home.join("other.toml");
    std::fs::write(&other, "").unwrap();
    assert_eq!(flavor(run(multi, &["--config", other.to_str().unwrap()])), "current-thread");

    let wrong = run("[lab]\nflavor = 'green'", &[]);
    assert_eq!(wrong.status.code(), Some(2));
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(said.ends_with("config.toml:2: lab.flavor: there is no such flavor; write \"current-thread\" or \"multi-thread\"\n"), "{said}");
    std::fs::remove_dir_all(home).unwrap();
}

#[test]
fn a_name_that_is_not_unicode_is_an_error_and_no_panic() {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(b"mix\xff");
    let output = program().arg("lab").arg(name).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: "));
}

#[test]
fn the_report_of_each_flavour_adds_up_and_shows_work() {
    for (flavor, workers) in [("current-thread", 1), ("multi-thread", 2)] {
        let report = report(&["--for", "1s", "--flavor", flavor, "--workers", "2"]);
        assert_eq!(report["runtime"]["flavor"], flavor);
        assert_eq!(report["workers"].as_array().unwrap().len(), workers);
        let run = phase(&report, "run");
        assert!(run["duration_ns"].as_u64().unwrap() > 500_000_000);
        for work in run["work"].as_array().unwrap() {
            assert!(work["done"].as_u64().unwrap() > 0, "{work}");
        }
    }
}

#[test]
fn a_hog_on_the_only_worker_brings_everything_to_a_standstill() {
    let report = report(&["--for", "4s", "--hog", "spin", "--flavor", "current-thread"]);
    assert!(done(phase(&report, "without-hog")) > 100);
    let with_hog = phase(&report, "with-hog");
    assert_eq!(with_hog["slowdown"]["standstill"], true, "{with_hog}");
    assert!(with_hog["lag"]["p99_ns"].as_u64().unwrap() > 1_000_000_000, "{with_hog}");

    let current = &report["workers"][0]["current"];
    assert_eq!(current["name"], "hog", "{current}");
    let tasks = report["tasks"].as_array().unwrap();
    let hog = tasks.iter().find(|task| task["key"] == current["task"]).unwrap();
    assert_eq!((&hog["state"], &hog["polls"]), (&"polling".into(), &1.into()), "{hog}");
    let finding = &report["findings"][0];
    assert_eq!((&finding["rule"], &finding["task"]), (&"worker-held".into(), &hog["key"]));
}

#[test]
fn a_gate_fails_a_run_with_the_line_to_blame() {
    let output = run(&["--for", "9s", "--hog", "spin", "--fail-on", "worker-held"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("failed: worker-held: hog"), "{stderr}");
    assert!(stderr.contains("src/lab/workload/hog"), "the line: {stderr}");
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("[worker-held"), "the report comes all the same: {report}");
}

#[test]
fn a_gate_lets_a_healthy_run_pass_and_one_below_its_threshold() {
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
    // Other rules may fire, on a busy machine for one.
    let found = report["findings"].as_array().unwrap();
    let found = found.iter().find(|finding| off.contains(&finding["rule"].as_str().unwrap()));
    assert_eq!(found, None);
}

#[test]
fn a_hog_on_every_worker_does_not_keep_the_report_back() {
    let report = report(&["--for", "3s", "--hog", "block:2", "--workers", "2"]);
    for worker in report["workers"].as_array().unwrap() {
        assert!(worker["current"]["name"].as_str().unwrap().starts_with("hog"), "{worker}");
    }
    assert_eq!(report["slowdown"]["standstill"], true);
}

#[test]
fn a_hog_that_gives_way_slows_down_and_stops_nothing() {
    let args = ["--for", "4s", "--hog", "spin", "--hog-hold", "5ms", "--flavor", "current-thread"];
    let report = report(&args);
    let slowdown = &phase(&report, "with-hog")["slowdown"];
    assert_eq!(slowdown["standstill"], false);
    assert!(slowdown["factor"].as_f64().unwrap() > 1.2, "{slowdown}");
    assert_eq!(report["lab"]["hog"]["hold_ns"], 5_000_000);
}

#[test]
fn report_in_a_locale_that_is_not_utf8_is_ascii() {
    let output = program().env("LC_ALL", "C").args(["--for", "300ms"]).output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout.is_ascii(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_other_formats_hold_the_same_tasks() {
    let text = stdout(&["--for", "500ms"]);
    assert!(text.starts_with("asynctop  lab:mixed  current-thread ×1"), "{text}");
    assert!(text.contains("heartbeat") && text.contains("requests/s"), "{text}");

    let table = stdout(&["--for", "500ms", "--format", "csv"]);
    assert!(table.starts_with("id,key,name,"), "{table}");
    assert!(table.lines().filter(|line| line.contains(",heartbeat,")).count() >= 8, "{table}");

    let lines = stdout(&["--for", "1s", "--format", "jsonl", "--interval", "100ms"]);
    let taken: Vec<u64> = lines
        .lines()
        .map(|line| {
            let document: Value = serde_json::from_str(line).unwrap();
            check_schema(&document);
            document["taken_ns"].as_u64().unwrap()
        })
        .collect();
    assert!(taken.len() > 2 && taken.is_sorted(), "{taken:?}");
}

fn check_schema(document: &Value) {
    assert_eq!(document["schema"], "asynctop/1");
    assert!(!document["tasks"].as_array().unwrap().is_empty());
}

#[test]
fn a_reader_that_leaves_ends_the_program_quietly() {
    let without_end = ["--format", "jsonl", "--interval", "100ms"];
    for args in [&without_end[..], &["--for", "300ms"], &["man"], &["--help"]] {
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
fn a_stdout_that_takes_nothing_is_an_error() {
    for args in [&["--for", "100ms"][..], &["man"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = program().args(args).stdout(Stdio::from(full)).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("check where"), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn an_interrupt_brings_the_report_at_once() {
    use rustix::process::{Pid, Signal, kill_process};
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        // Its lines say that it is on its way.
        let args = ["--for", "1h", "--format", "jsonl", "--interval", "100ms"];
        let mut child = program().args(args).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        let last: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
        assert_eq!(last["phases"][0]["name"], "run");
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn the_program_prints_what_it_is() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = stdout(&["completions", shell]);
        assert!(script.contains("hog-hold"), "{shell}");
        let knows_values = !matches!(shell, "elvish" | "powershell");
        assert_eq!(script.contains("own-thread"), knows_values, "{shell}");
    }
    let man = stdout(&["man"]);
    assert!(man.contains(".TH asynctop 1") && man.contains("hog"), "{man}");
    assert!(man.contains("own\\-thread: Fix."), "{man}");
    assert!(man.contains(".SH KEYS") && man.contains("start or stop the hog"), "{man}");
    assert!(stdout(&["scenarios"]).starts_with("mixed "));
    let mixed = stdout(&["scenarios", "mixed"]);
    assert_eq!(mixed, include_str!("../../assets/scenarios/mixed.toml"), "as the file has it");
    let kinds = stdout(&["scenarios", "--kinds"]);
    assert!(kinds.contains("kind = \"heartbeats\"") && kinds.contains("[default: \"10ms\"]"));
    assert!(stdout(&["--version"]).starts_with("asynctop "));
}

#[test]
fn the_help_is_as_it_was_agreed() {
    insta::assert_snapshot!("help", stdout(&["--help"]));
    insta::assert_snapshot!("help_short", stdout(&["-h"]));
    insta::assert_snapshot!("help_lab", stdout(&["lab", "--help"]));
    insta::assert_snapshot!("help_compare", stdout(&["compare", "--help"]));
}

#[test]
fn compare_measures_both_styles() {
    let args = ["compare", "--connections", "4", "--for", "200ms", "--format", "json"];
    let table: Value = serde_json::from_str(&stdout(&args)).unwrap();
    let rows = table["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| &row["style"]).collect::<Vec<_>>(), ["threads", "async"]);
    for row in rows {
        assert!(row["requests_per_second"].as_f64().unwrap() > 0.0, "{row}");
    }
}

#[test]
fn a_hog_that_does_not_come_on_is_no_measurement() {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_asynctop"));
    program.args(["lab", "hello", "--hog", "io", "--headless", "--for", "1s"]);
    let output = program.env("TMPDIR", "/nonexistent").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(2), &b""[..]), "{error}");
    assert!(error.starts_with("error: the hog stays off: "), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn workload_that_fails_is_reported_and_ends_in_code_2() {
    use rustix::process::{Pid, Signal, kill_process};
    let kill = |pid: u32, signal| {
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
    };
    let scenario = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("two-customers.toml");
    let workload = "[[workload]]\nkind = \"customers\"\ncount = 2\nevery = \"10ms\"\n";
    std::fs::write(&scenario, workload).unwrap();
    let mut command = program();
    command.args(["lab", scenario.to_str().unwrap(), "--headless"]);
    let mut child = command.args(["--format", "jsonl", "--interval", "100ms"]).spawn().unwrap();
    let mut documents = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut wait = |holds: fn(&Value) -> bool| {
        documents.find(|line| {
            let document: Value = serde_json::from_str(line.as_ref().unwrap()).unwrap();
            holds(&document["lab"]["workloads"][0])
        });
    };
    wait(|workload| workload["done"].as_u64() > Some(0));
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    let children = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("children")));
    let children: Vec<u32> = children
        .flat_map(|text| text.unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .map(|pid| pid.parse().unwrap())
        .collect();
    let [customers] = children[..] else { panic!("one process: {children:?}") };
    kill(customers, Signal::KILL);
    wait(|workload| workload["failure"].is_string());
    kill(child.id(), Signal::INT);
    wait(|_| false);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{stderr}");
    let expected = "error: the workload customers: its customers' process has ended (signal: 9";
    assert!(stderr.starts_with(expected) && stderr.lines().count() == 1, "{stderr}");
}

/// Where no file may be longer than this many bytes, as on a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_hog_that_fails_is_reported_and_ends_in_code_2() {
    let args = ["--headless", "--for", "1s", "--hog", "io", "--format", "json"];
    let mut command = std::process::Command::new("sh");
    // Units of 512 or 1024 bytes: less than the hog writes. Ignored, the signal is an error.
    command.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""]);
    command.arg(env!("CARGO_BIN_EXE_asynctop")).args(args);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("the hog io: cannot write a temporary file in "), "{said}");
    assert!(said.contains("; TMPDIR can name another directory") && said.lines().count() == 1);
    let report: Value = serde_json::from_slice(&stdout).unwrap();
    let failure = report["lab"]["hog"]["failure"].as_str().unwrap();
    assert!(failure.starts_with("cannot write a temporary file in "), "{failure}");
}
