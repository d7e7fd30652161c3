//! The lab, seen by the real tokio-console on a screen of its own.
//!
//! It has to be there: `cargo install tokio-console --version 0.1.14 --locked`, into the
//! search path or with `--root target/tools`. Without it these tests say so and check
//! nothing, unless the environment has `CI`.

#![cfg(all(feature = "console", tokio_unstable))]
#![allow(clippy::print_stderr, reason = "whoever lacks tokio-console is to know")]

use std::{
    env,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{self, error_of, pty::Terminal};

/// The lab and where it is served, and tokio-console connected to it.
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
        // Tall enough to show all tasks and what it warns of.
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

/// The polls of this task, as a screen shows them: `name … polls …`, with the position of
/// the count among the words behind the name.
fn polls(screen: &str, name: &str, nth: usize) -> Option<u64> {
    let line = screen.lines().find(|line| line.split_whitespace().any(|word| word == name))?;
    let behind = line.split_whitespace().skip_while(|word| *word != name).skip(1);
    behind.skip(nth).find_map(|word| word.parse().ok())
}

fn ours(screen: &str, name: &str) -> Option<u64> {
    polls(screen, name, 0)
}

/// Total, busy, scheduled and idle time stand before.
fn theirs(screen: &str, name: &str) -> Option<u64> {
    polls(screen, name, 4)
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
        before = ours(&screen.contents(), "heartbeat-3").filter(|polls| *polls > 10);
        before.is_some()
    });
    let mut seen = None;
    console.wait_for("tokio-console is as far", |screen| {
        seen = theirs(&screen.contents(), "heartbeat-3").filter(|polls| Some(*polls) >= before);
        seen.is_some()
    });
    lab.wait_for("the lab is at least as far", |screen| {
        ours(&screen.contents(), "heartbeat-3") >= seen
    });
}

#[test]
fn tokio_console_shows_what_the_tasks_wait_for() {
    let Some(Pair { lab: _lab, mut console }) = Pair::start(&[]) else { return };
    console.wait_for_text("heartbeat-1");
    console.keys("r");
    console.wait_for_line(&["Sleep", "crates/asynctop-lab/src/workload/"]);
    // The oldest first: these stay for as long as their channels do.
    console.keys("i");
    console.wait_for_line(&["Semaphore", "permits"]);
    console.keys("j\r");
    console.wait_for_text("Async Ops (");
}

#[test]
fn tokio_console_sees_the_hog_hold_its_worker_and_end() {
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
fn a_port_that_is_taken_is_an_error_before_anything_starts() {
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
fn other_machines_see_nothing_unless_asked() {
    let output = support::run(&["--headless", "--console=0.0.0.0:0"]);
    assert!(error_of(&output).contains("add --console-open"));
    let open = support::stdout(&["--console=0.0.0.0:0", "--console-open", "--for", "200ms"]);
    assert!(open.contains("console      served on 0.0.0.0:"), "{open}");
}

#[test]
fn what_it_costs_stands_beside_the_figures() {
    let json = support::stdout(&["--console=0", "--for", "200ms", "--format", "json"]);
    let json = support::only_target(&json);
    let served = &json["lab"]["console"];
    assert!(served["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{served}");
    assert!(served["added_per_poll_ns"].as_u64().unwrap() > 0, "{served}");
    let without = support::stdout(&["--for", "200ms", "--format", "json"]);
    let without = support::only_target(&without);
    assert!(without["lab"]["console"].is_null());
}
