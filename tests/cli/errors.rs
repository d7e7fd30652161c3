//! Invalid input and failures: one sentence on stderr and exit code 2.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::support::{Folder, error_of, only_target, program, run};

/// The limit is one of the shell, so it also holds for what it starts.
#[cfg(target_os = "linux")]
#[test]
fn file_over_the_limit_of_its_size_is_an_error_of_one_sentence() {
    let folder = Folder::new("file-size");
    let script = r#"ulimit -f 1; exec "$0" man > "$1""#;
    let mut command = Command::new("bash");
    let output = command.args(["-c", script]).arg(program().get_program()).arg(folder.join("man"));
    let output = output.output().unwrap();
    let error = error_of(&output);
    assert!(error.contains("File too large"), "{error}");
}

#[test]
fn invalid_input_is_an_error_of_one_sentence() {
    let expected: &[(&[&str], &str)] = &[
        (&["lab", "mixd"], "did you mean `mixed`?"),
        (&["scenarios", "mixd"], "did you mean `mixed`?"),
        (&["lab", "no/such.toml"], "cannot read the scenario no/such.toml"),
        (&["lab", "Cargo.toml"], "there is no such key; the keys are: title, runtime"),
        (&["scenarios", "--kinds", "mixed"], "cannot be used with"),
        (&["labb"], "similar subcommand exists: 'lab'"),
        (
            &["--for", "1s", "--fail-on", "leak", "--threshold", "leak=off"],
            "leak can never fire here: it is switched off",
        ),
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
        (&["--headless", "man"], "apply only to `lab`"),
        (&["--fail-on", "worker-hold"], "did you mean `worker-held`?"),
        (&["--fail-on", "worker-held=5"], "write it like 100ms"),
        (&["--threshold", "leak"], "write RULE=VALUE"),
        (&["--threshold", "leaks=3"], "did you mean `leak`?"),
        (&["--threshold", "unbalanced=101%"], "write 1% to 100%, or off"),
        (&["completions", "tcsh"], "bash, elvish, fish, powershell, zsh"),
        (&["compare", "--connections", "0"], "1..=50000"),
        (&["--config", "no/such.toml"], "cannot read the configuration no/such.toml"),
        (&["--config", "Cargo.toml"], "there is no such key"),
        (&["--headless", "config"], "apply only to `lab`"),
        (&["lab", "mixed", "more"], "unexpected argument 'more'"),
    ];
    for (args, part) in expected {
        let output = run(args);
        assert!(output.stdout.is_empty(), "{args:?}: stdout is empty");
        let error = error_of(&output);
        assert!(error.contains(part), "{args:?}: {error}");
    }
}

#[test]
fn pipe_instead_of_a_file_is_refused_without_opening_it() {
    let folder = Folder::new("pipe");
    let pipe = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.to_str().unwrap();
    for args in [["lab", pipe], ["--config", pipe], ["lab", "/dev/null"]] {
        let stderr = error_of(&run(&args));
        assert!(stderr.contains("it is not a regular file"), "{stderr}");
    }
}

#[test]
fn unreadable_configuration_is_an_error_and_a_missing_one_is_not() {
    let home = Folder::new("unreadable");
    let with_home = |args: &[&str]| {
        let mut command = program();
        command.env("XDG_CONFIG_HOME", &*home).args(args).output().unwrap()
    };
    let report: &[&str] = &["--for", "300ms", "--format", "json"];
    assert_eq!(with_home(report).status.code(), Some(0), "no directory");
    std::fs::write(home.join("asynctop"), "").unwrap();
    assert_eq!(with_home(report).status.code(), Some(0), "a file in place of the directory");
    std::fs::remove_file(home.join("asynctop")).unwrap();
    std::fs::create_dir(home.join("asynctop")).unwrap();
    assert_eq!(with_home(report).status.code(), Some(0), "no file in the directory");
    std::os::unix::fs::symlink("nowhere", home.join("asynctop/config.toml")).unwrap();
    let stderr = error_of(&with_home(report));
    assert!(stderr.contains("cannot read the configuration"), "{stderr}");
}

#[test]
fn help_that_cannot_be_written_is_an_error() {
    for args in [&["--help"][..], &["lab", "--help"], &["--version"], &["scenarios"], &["man"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = program().args(args).stdout(full).output().unwrap();
        let stderr = error_of(&output);
        assert!(stderr.contains("cannot write to stdout: No space left"), "{args:?}: {stderr}");
    }
}

#[test]
fn compare_without_any_measurement_is_an_error() {
    let script = "ulimit -n 64 && exec \"$0\" compare --connections 500 --for 200ms";
    for format in ["text", "json"] {
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", &format!("{script} --format {format}")]);
        let output = shell.arg(program().get_program()).output().unwrap();
        let stderr = error_of(&output);
        assert!(stderr.contains("nothing could be measured: 500 connections: "), "{stderr}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("500"), "the table is printed");
    }
}

#[test]
fn command_line_overrides_the_users_configuration() {
    let home = Folder::new("config");
    std::fs::create_dir_all(home.join("asynctop")).unwrap();
    let file = home.join("asynctop/config.toml");
    let run = |text: &str, args: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let mut command = program();
        command.env("XDG_CONFIG_HOME", &*home).args(["--for", "300ms", "--format", "json"]);
        command.args(args).output().unwrap()
    };
    let flavor = |output: Output| {
        let report = only_target(&String::from_utf8(output.stdout).unwrap());
        report["runtime"]["flavor"].as_str().unwrap().to_owned()
    };
    let multi = "[lab]\nflavor = 'multi-thread'";
    assert_eq!(flavor(run(multi, &[])), "multi-thread");
    assert_eq!(flavor(run(multi, &["--flavor", "current-thread"])), "current-thread");
    let other = home.join("other.toml");
    std::fs::write(&other, "").unwrap();
    assert_eq!(flavor(run(multi, &["--config", other.to_str().unwrap()])), "current-thread");

    let wrong = run("[lab]\nflavor = 'green'", &[]);
    let error = error_of(&wrong);
    assert!(error.ends_with("config.toml:2: lab.flavor: there is no such flavor; write \"current-thread\" or \"multi-thread\"\n"), "{error}");
}

#[test]
fn config_names_the_values_of_the_given_file() {
    let folder = Folder::new("config-of");
    let file = folder.join("mine.toml");
    let describe = || run(&["config", "--config", file.to_str().unwrap()]);
    assert!(error_of(&describe()).contains("mine.toml"), "it does not exist");
    std::fs::write(&file, "theme = 'light'").unwrap();
    let template = String::from_utf8(describe().stdout).unwrap();
    assert!(template.contains("\"light\", from ") && template.contains("mine.toml"), "{template}");
    std::fs::write(&file, "theme = 'green'").unwrap();
    assert!(error_of(&describe()).contains("mine.toml:1: theme: "));
}

#[test]
fn name_that_is_not_unicode_is_an_error() {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(b"mix\xff");
    let output = program().arg("lab").arg(name).output().unwrap();
    error_of(&output);
}

#[test]
fn report_that_cannot_be_written_is_an_error() {
    for args in [&["--for", "100ms"][..], &["man"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = program().args(args).stdout(Stdio::from(full)).output().unwrap();
        let error = error_of(&output);
        assert!(error.contains("check where"), "{error}");
    }
}

#[test]
fn hog_that_cannot_start_is_an_error() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_asynctop"));
    program.args(["lab", "hello", "--hog", "io", "--headless", "--for", "1s"]);
    let output = program.env("TMPDIR", "/nonexistent").output().unwrap();
    assert_eq!(output.stdout, b"");
    let error = error_of(&output);
    assert!(error.starts_with("error: the hog stays off: "), "{error}");
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
            let document = only_target(line.as_ref().unwrap());
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

/// The limit on the file size has the effect of a full disk.
#[cfg(target_os = "linux")]
#[test]
fn hog_that_fails_is_reported_and_ends_in_code_2() {
    // The failure ends the run.
    let args = ["--headless", "--hog", "io", "--format", "json"];
    let mut command = Command::new("sh");
    // The unit of the limit is 512 or 1024 bytes; the hog writes more. Because the signal is ignored,
    // the write returns an error.
    command.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""]);
    command.arg(env!("CARGO_BIN_EXE_asynctop")).args(args);
    let output = command.output().unwrap();
    let error = error_of(&output);
    assert!(error.contains("the hog io: cannot write a temporary file in "), "{error}");
    assert!(error.contains("; TMPDIR can name another directory"), "{error}");
    let report = only_target(&String::from_utf8(output.stdout).unwrap());
    let failure = report["lab"]["hog"]["failure"].as_str().unwrap();
    assert!(failure.starts_with("cannot write a temporary file in "), "{failure}");
}
