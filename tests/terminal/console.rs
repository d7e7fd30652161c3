//! The lab in the real tokio-console.
//!
//! Requires `cargo install tokio-console --version 0.1.14 --locked`, in the search path or with
//! `--root target/tools`. Without it, the tests print a message and check nothing, or fail if the
//! environment variable `CI` is set.

#![cfg(all(feature = "console", tokio_unstable))]
#![allow(clippy::print_stderr, reason = "reports a missing tokio-console")]

use std::{
    env,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{self, error_of, pty::Terminal};

/// The lab, and tokio-console connected to it.
struct Pair {
    lab: Terminal,
    console: Terminal,
}

impl Pair {
    fn start(args: &[&str]) -> Option<Pair> {
        let Some(program) = tokio_console() else {
            assert!(env::var_os("CI").is_none(), "tokio-console is missing; {HOW}");
            eprintln!("nothing is checked: tokio-console is missing; {HOW}");
            return None;
        };
        let lab = Terminal::sized(&[&["--console=0"], args].concat(), 160, 130);
        let text = lab.wait_for_line(&["console :", "/poll"]);
        let port = text.split("console :").nth(1).unwrap().split(' ').next().unwrap();
        let address = format!("http://127.0.0.1:{port}");
        // Tall enough for all tasks and warnings.
        let console = Terminal::of(Command::new(program).arg(address), 200, 130);
        console.wait_for_text("CONNECTED");
        Some(Pair { lab, console })
    }
}

const HOW: &str = "install it with `cargo install tokio-console --version 0.1.14 --locked`";

fn tokio_console() -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&path).chain([tools]);
    folders.find_map(|folder| Some(folder.join("tokio-console")).filter(|file| file.is_file()))
}

/// The line of a task on a screen.
fn line<'a>(screen: &'a str, name: &str) -> Option<&'a str> {
    screen.lines().find(|line| line.split_whitespace().any(|word| word == name))
}

/// The polls of a task: the number whose last digit is below the end of the title POLLS.
fn polls_in_lab(screen: &str, name: &str) -> Option<u64> {
    const TITLE: &str = " POLLS ";
    let titles = screen.lines().find(|line| line.contains(TITLE))?;
    let end = titles.split(TITLE).next()?.chars().count() + TITLE.len() - 1;
    let start: String = line(screen, name)?.chars().take(end).collect();
    start.split_whitespace().last()?.replace(',', "").parse().ok()
}

/// The polls of a task are the first number behind total, busy, scheduled and idle time.
fn polls_in_console(screen: &str, name: &str) -> Option<u64> {
    let behind = line(screen, name)?.split_whitespace().skip_while(|word| *word != name).skip(1);
    behind.skip(4).find_map(|word| word.parse().ok())
}

#[test]
fn tokio_console_shows_the_same_tasks_with_the_same_polls() {
    let Some(Pair { lab, console }) = Pair::start(&["--flavor", "current-thread"]) else { return };
    for name in ["accept", "heartbeat-8", "conn-24", "client-24", "pong-8", "cruncher-1", "feed-16"]
    {
        console.wait_for_line(&[&format!(" {name} "), "crates/asynctop-lab/src/workload/"]);
    }
    let mut before = None;
    lab.wait_for("polls of a heartbeat", |screen| {
        before = polls_in_lab(&screen.contents(), "heartbeat-3").filter(|polls| *polls > 10);
        before.is_some()
    });
    let mut seen = None;
    console.wait_for("as many polls in tokio-console", |screen| {
        seen = polls_in_console(&screen.contents(), "heartbeat-3")
            .filter(|polls| Some(*polls) >= before);
        seen.is_some()
    });
    lab.wait_for("as many polls in the lab", |screen| {
        polls_in_lab(&screen.contents(), "heartbeat-3") >= seen
    });
}

#[test]
fn tokio_console_shows_what_the_tasks_wait_for() {
    let Some(Pair { lab: _lab, mut console }) = Pair::start(&[]) else { return };
    console.wait_for_text("heartbeat-1");
    console.keys("r");
    console.wait_for_line(&["Sleep", "crates/asynctop-lab/src/workload/"]);
    // The oldest first: these resources exist as long as their channels.
    console.keys("i");
    console.wait_for_line(&["Semaphore", "permits"]);
    console.keys("j\r");
    console.wait_for_text("Async Ops (");
}

#[test]
fn tokio_console_shows_that_the_hog_never_yields_and_ends() {
    let Some(Pair { mut lab, console }) = Pair::start(&["--flavor", "current-thread"]) else {
        return;
    };
    console.wait_for_text("heartbeat-1");
    lab.keys("b");
    console.wait_for_text("1 tasks have never yielded");
    console.wait_for_line(&["▶", " hog ", "crates/asynctop-lab/src/workload/hog/mod.rs:"]);
    lab.keys("b");
    console.wait_for_line(&["⏹", " hog "]);
}

#[test]
fn port_in_use_is_an_error_before_the_lab_starts() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = support::run(&["--headless", &format!("--console={address}")]);
    let error = error_of(&output);
    let expected = format!("error: cannot serve tokio-console on {address}: ");
    assert!(error.starts_with(&expected), "{error}");
    assert!(error.contains("stop the program that uses it"), "{error}");
    assert_eq!(output.stdout, b"");
}

#[test]
fn console_for_other_machines_requires_a_flag() {
    let output = support::run(&["--headless", "--console=0.0.0.0:0"]);
    assert!(error_of(&output).contains("add --console-open"));
    let open = support::stdout(&["--console=0.0.0.0:0", "--console-open", "--for", "200ms"]);
    assert!(open.contains("console      served on 0.0.0.0:"), "{open}");
}

#[test]
fn report_contains_the_cost_of_the_console() {
    let json = support::stdout(&["--console=0", "--for", "200ms", "--format", "json"]);
    let json = support::only_target(&json);
    let served = &json["lab"]["console"];
    assert!(served["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{served}");
    assert!(served["added_per_poll_ns"].as_u64().unwrap() > 0, "{served}");
    let without = support::stdout(&["--for", "200ms", "--format", "json"]);
    let without = support::only_target(&without);
    assert!(without["lab"]["console"].is_null());
}
