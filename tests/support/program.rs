//! Runs the program.

use std::{
    io::Read,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::TIMEOUT;

/// A folder that does not exist, instead of that of the user's configuration.
pub const NO_CONFIG: &str = "/nonexistent/config";

/// The program, without environment variables that change its behavior.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_asynctop"));
    for name in ["NO_COLOR", "COLORTERM", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES"] {
        command.env_remove(name);
    }
    command.env("XDG_CONFIG_HOME", NO_CONFIG).env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program until it exits.
pub fn run(args: &[&str]) -> Output {
    let mut child = program().args(args).spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let reading = thread::spawn(move || {
        let mut text = Vec::new();
        out.read_to_end(&mut text).unwrap();
        text
    });
    let mut stderr = Vec::new();
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > TIMEOUT {
            child.kill().unwrap();
            panic!("asynctop {args:?} has not exited");
        }
        thread::sleep(Duration::from_millis(2));
    };
    err.read_to_end(&mut stderr).unwrap();
    Output { status, stdout: reading.join().unwrap(), stderr }
}

/// The stdout of a successful run.
pub fn stdout(args: &[&str]) -> String {
    let Output { status, stdout, stderr } = run(args);
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "asynctop {args:?}: {status}, {stderr}");
    assert_eq!(stderr, "", "asynctop {args:?}");
    String::from_utf8(stdout).unwrap()
}

/// The sentence on stderr of a run with exit code 2.
#[track_caller]
pub fn error_of(output: &Output) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.lines().count() == 1, "{stderr}");
    stderr
}
