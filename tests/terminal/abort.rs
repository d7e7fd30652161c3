//! The terminal after the process has aborted.

#![cfg(target_os = "linux")]

use std::{env, hint::black_box, path::Path, process, thread};

use crate::support::pty::Terminal;
use asynctop::{signals, term};
use rustix::{
    stdio::stdout,
    termios::{LocalModes, tcgetattr},
};

/// Names the way in which [`aborts`] aborts.
const CAUSE: &str = "CAUSE_OF_THE_ABORT";

/// No test of its own: `abort_restores_the_terminal` runs it in a terminal.
#[test]
fn aborts() {
    let Ok(cause) = env::var(CAUSE) else { return };
    signals::block().unwrap();
    let (_guard, _screen) = term::Guard::enter(true).unwrap();
    let is_cooked = tcgetattr(stdout()).unwrap().local_modes.contains(LocalModes::ICANON);
    assert!(!is_cooked, "raw mode");
    let abort = move || match &*cause {
        "call" => process::abort(),
        "panic" => {
            let _panics_again = PanicsOnDrop;
            panic!("the first panic");
        }
        "stack-overflow" => drop(overflow(0)),
        _ => panic!("no such cause"),
    };
    // A thread has a small stack, and the smallest stack for signals.
    thread::spawn(abort).join().unwrap();
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("the second panic");
    }
}

#[expect(unconditional_recursion, reason = "it overflows the stack")]
fn overflow(depth: u64) -> u64 {
    black_box(overflow(black_box(depth) + 1)) + 1
}

#[test]
fn abort_restores_the_terminal() {
    let this = env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    for cause in ["call", "panic", "stack-overflow"] {
        let cause_is = format!("{CAUSE}={cause}");
        let args = [&*cause_is, this, "--exact", "abort::aborts", "--nocapture"];
        let mut terminal = Terminal::of(Path::new("/usr/bin/env"), &args, 80, 24);
        assert_eq!(terminal.wait_for_end().signal(), Some("Aborted"), "{cause}");
        assert!(terminal.raw().contains("\x1b[?1049h"), "{cause}: the terminal was taken");
        terminal.assert_restored();
        assert!(terminal.text().contains("error: asynctop aborted"), "{cause}");
    }
}
