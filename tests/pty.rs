//! The program in a real pseudo-terminal. Nothing here sleeps for a while and hopes: each
//! test waits for what it expects.

#![cfg(feature = "dashboard")]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use support::pty::Terminal;

#[test]
fn headless_leaves_the_terminal_alone() {
    let mut terminal = Terminal::sized(&["--headless", "--for", "300ms"], 200, 50);
    terminal.wait_for_line(&["asynctop", "lab:mixed"]);
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
    assert!(!terminal.raw().contains('\x1b'), "no escape sequence");
}

#[test]
fn wrong_input_leaves_the_terminal_alone() {
    let mut terminal = Terminal::start(&["--workers", "0"]);
    assert_eq!(terminal.wait_for_end().exit_code(), 2);
    assert!(terminal.raw().starts_with("error: a runtime with 0 workers"), "{}", terminal.raw());
    assert!(!terminal.raw().contains('\x1b'), "no escape sequence");
}

#[test]
fn ctrl_c_brings_the_report_of_a_run_without_a_screen() {
    let mut terminal = Terminal::sized(&["--for", "1h", "--format", "jsonl"], 200, 50);
    terminal.wait_for_text("asynctop/1");
    terminal.keys("\x03");
    assert!(terminal.wait_for_end().success());
    assert!(terminal.raw().lines().last().unwrap().contains(r#""phases":[{"name":"run""#));
    terminal.assert_restored();
}

#[test]
fn a_closed_terminal_ends_a_run_without_a_screen() {
    let mut terminal = Terminal::sized(&["--for", "1h", "--format", "jsonl"], 200, 50);
    terminal.wait_for_text("asynctop/1");
    terminal.close();
    terminal.wait_for_end();
}
