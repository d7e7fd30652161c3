//! The terminal after the process has aborted.

#![cfg(target_os = "linux")]

use std::{
    hint::black_box,
    process::{self, Command},
    thread,
};

use asynctop::{signals, term};
use rustix::{
    stdio::stdout,
    termios::{LocalModes, tcgetattr},
};

use crate::support::{own_process, pty::Terminal};

#[test]
fn abort_restores_the_terminal() {
    assert_restores(own_process(|| in_raw_mode(|| process::abort())));
}

#[test]
fn panic_in_a_panic_restores_the_terminal() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("the second panic");
        }
    }
    assert_restores(own_process(|| {
        in_raw_mode(|| {
            let _panics_again = PanicsOnDrop;
            panic!("the first panic");
        });
    }));
}

#[test]
fn stack_overflow_restores_the_terminal() {
    #[expect(unconditional_recursion, reason = "it overflows the stack")]
    fn overflow(depth: u64) -> u64 {
        black_box(overflow(black_box(depth) + 1)) + 1
    }
    let end = own_process(|| in_raw_mode(|| assert_eq!(overflow(0), 0)));
    assert_shows(&assert_restores(end), "has overflowed its stack");
}

#[test]
fn out_of_memory_restores_the_terminal() {
    let end = own_process(|| {
        in_raw_mode(|| drop(black_box(Vec::<u8>::with_capacity(black_box(isize::MAX as usize)))));
    });
    assert_shows(&assert_restores(end), "memory allocation of");
}

/// Asserts that this message of Rust was printed after the alternate screen was left. A backtrace may
/// have scrolled it off the screen.
#[track_caller]
fn assert_shows(terminal: &Terminal, message: &str) {
    let raw = terminal.raw();
    let (_, after) = raw.rsplit_once("\x1b[?1049l").unwrap();
    assert!(after.contains(message), "{after}");
}

/// Sets up the terminal as the dashboard does, and aborts.
fn in_raw_mode(abort: fn()) {
    signals::block().unwrap();
    let (_guard, _screen) = term::Guard::enter(true).unwrap();
    let is_cooked = tcgetattr(stdout()).unwrap().local_modes.contains(LocalModes::ICANON);
    assert!(!is_cooked, "raw mode");
    // A thread has a smaller stack, and the smallest signal stack.
    thread::spawn(abort).join().unwrap();
}

/// Runs a process that aborts. In that process, `process` is `None` if it has not aborted.
fn assert_restores(process: Option<Command>) -> Terminal {
    let mut terminal = Terminal::of(&process.expect("an abort"), 80, 24);
    assert_eq!(terminal.wait_for_end().signal(), Some("Aborted"));
    assert!(terminal.raw().contains("\x1b[?1049h"), "the screen was drawn");
    terminal.assert_restored();
    assert!(terminal.text().contains("error: asynctop aborted"));
    terminal
}
