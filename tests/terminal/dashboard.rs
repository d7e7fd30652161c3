//! The program in a real pseudo-terminal. Nothing here sleeps for a while and hopes: each
//! test waits for what it expects.

use crate::support::{
    program,
    pty::{ONE_WORKER, Terminal, dashboard},
};
use rustix::process::Signal;
use vt100::MouseProtocolMode;

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
fn dumb_terminal_gets_a_sentence() {
    let mut terminal = Terminal::shell("TERM=dumb exec \"$ASYNCTOP\"");
    assert_eq!(terminal.wait_for_end().exit_code(), 2);
    assert!(terminal.raw().starts_with("error: cannot draw a screen: TERM=dumb"));
    assert!(!terminal.raw().contains('\x1b'), "no escape sequence");
}

#[test]
fn screen_in_a_locale_that_is_not_utf8_is_ascii() {
    let mut terminal = Terminal::shell("LC_ALL=C exec \"$ASYNCTOP\"");
    terminal.wait_for_line(&["heartbeat-"]);
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    assert!(terminal.raw().is_ascii(), "{}", terminal.raw());
}

#[test]
fn ctrl_c_brings_the_report_of_a_run_without_a_screen() {
    let mut terminal = Terminal::sized(&["--for", "1h", "--format", "jsonl"], 200, 50);
    terminal.wait_for_text("asynctop/2");
    terminal.keys("\x03");
    assert!(terminal.wait_for_end().success());
    assert!(terminal.raw().lines().last().unwrap().contains(r#""phases":[{"name":"run""#));
    terminal.assert_restored();
}

#[test]
fn a_closed_terminal_ends_a_run_without_a_screen() {
    let mut terminal = Terminal::sized(&["--for", "1h", "--format", "jsonl"], 200, 50);
    terminal.wait_for_text("asynctop/2");
    terminal.close();
    terminal.wait_for_end();
}

/// Until the slowdown is known, and next to none.
fn wait_for_calm(terminal: &Terminal) {
    terminal.wait_for_line(&["asynctop", "slowdown ×1."]);
}

fn wait_for_standstill(terminal: &Terminal) {
    terminal.wait_for_line(&["asynctop", "slowdown ×∞"]);
}

#[test]
fn the_first_screen_shows_the_tasks_at_once() {
    let terminal = Terminal::start(&ONE_WORKER);
    let text = terminal.wait_for_line(&["cruncher-1"]);
    for part in ["asynctop", "lab:mixed", "current-thread", "NAME", "POLLS", "BUSY%"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn the_hog_brings_a_standstill_and_its_end_the_recovery() {
    let mut terminal = dashboard(&ONE_WORKER);
    wait_for_calm(&terminal);
    terminal.keys("b");
    wait_for_standstill(&terminal);
    terminal.wait_for_line(&["hog", "has blocked worker 0 for", "without yielding"]);
    terminal.keys("b");
    wait_for_calm(&terminal);
}

#[test]
fn the_hog_of_the_command_line_comes_by_itself() {
    let terminal = dashboard(&["--hog", "spin", "--flavor", "current-thread"]);
    wait_for_standstill(&terminal);
}

#[test]
fn the_flavour_switches_and_back() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.keys("f");
    terminal.wait_for_line(&["asynctop", "multi-thread"]);
    terminal.keys("f");
    terminal.wait_for_line(&["asynctop", "current-thread"]);
}

#[test]
fn keys_are_answered_while_hogs_hold_every_worker() {
    let args = ["--hog", "spin:2", "--flavor", "multi-thread", "--workers", "2"];
    let mut terminal = dashboard(&args);
    wait_for_standstill(&terminal);
    terminal.keys("?");
    terminal.wait_for_text("tasks, one per row");
    terminal.keys("2");
    terminal.wait_for_line(&["GROUP", "RUNNABLE"]);
    terminal.keys("3");
    terminal.wait_for_line(&["Workers 2"]);
    terminal.keys("b");
    wait_for_calm(&terminal);
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
}

#[test]
fn every_way_out_leaves_the_terminal_as_it_was() {
    for keys in ["q", "\x03"] {
        let mut terminal = dashboard(&ONE_WORKER);
        terminal.keys(keys);
        assert!(terminal.wait_for_end().success(), "{keys:?}");
        terminal.assert_restored();
    }
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let mut terminal = dashboard(&ONE_WORKER);
        terminal.signal(signal);
        assert_eq!(terminal.wait_for_end().signal(), None, "it ended by itself");
        terminal.assert_restored();
    }
}

#[test]
fn a_run_of_some_time_ends_by_itself() {
    let mut terminal = dashboard(&["--for", "2s"]);
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
}

#[test]
fn a_suspended_program_comes_back() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.keys("\x1a");
    terminal.wait_until_stopped();
    terminal.wait_for("the normal screen", |screen| !screen.alternate_screen());
    terminal.assert_restored();
    terminal.signal(Signal::CONT);
    terminal.wait_for("the dashboard", |screen| {
        screen.alternate_screen() && screen.contents().contains("heartbeat-")
    });
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
}

#[test]
fn the_terminal_is_restored_if_the_program_quits_as_soon_as_it_continues() {
    for _ in 0..10 {
        let mut terminal = dashboard(&ONE_WORKER);
        terminal.signal(Signal::STOP);
        terminal.wait_until_stopped();
        terminal.keys("q");
        terminal.signal(Signal::CONT);
        assert!(terminal.wait_for_end().success());
        terminal.assert_restored();
    }
}

#[test]
fn a_shell_that_had_the_terminal_in_between_is_no_hindrance() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.signal(Signal::STOP);
    terminal.wait_until_stopped();
    terminal.make_cooked();
    terminal.signal(Signal::CONT);
    // Without Enter: raw mode is back.
    terminal.wait_for_output();
    terminal.keys("?");
    terminal.wait_for_text("start or stop the hog");
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.wait_for("the normal screen", |screen| !screen.alternate_screen());
}

#[test]
fn a_terminal_that_is_closed_ends_the_program() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.close();
    terminal.wait_for_end();
    let mut terminal = dashboard(&["--hog", "spin:2", "--workers", "2"]);
    wait_for_standstill(&terminal);
    terminal.close();
    terminal.wait_for_end();
}

#[test]
fn no_size_is_too_odd() {
    let mut terminal = dashboard(&ONE_WORKER);
    for width in (1..=300).chain([80]) {
        terminal.resize(width, 1 + width % 50);
    }
    terminal.resize(20, 4);
    terminal.wait_for_text("too small");
    terminal.resize(120, 120);
    terminal.wait_for_text("heartbeat-");
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
}

#[test]
fn without_colour_there_is_none() {
    let coloured = dashboard(&ONE_WORKER);
    coloured.wait_for_output();
    assert!(has_colour(&coloured.raw()), "the test can tell");
    let by_variable = Terminal::of(program().args(ONE_WORKER).env("NO_COLOR", "1"), 120, 120);
    let by_flag = Terminal::sized(&["--no-color"], 120, 120);
    for mut terminal in [by_variable, by_flag] {
        terminal.wait_for_text("heartbeat-");
        terminal.keys("b");
        terminal.wait_for_text("has blocked worker");
        assert!(!has_colour(&terminal.raw()));
    }
}

/// Whether there is an escape sequence that sets a colour: 30–37, 40–47, 90–97, 100–107,
/// or 38 and 48 with more to follow.
fn has_colour(raw: &str) -> bool {
    raw.split("\x1b[").skip(1).any(|rest| {
        let Some(end) = rest.find(|c: char| c.is_ascii_alphabetic()) else { return false };
        let codes = rest[..end].split(';').filter_map(|code| code.parse::<u8>().ok());
        rest[end..].starts_with('m')
            && codes.into_iter().any(|n| matches!(n, 30..=38 | 40..=48 | 90..=97 | 100..=107))
    })
}

#[test]
fn a_filter_narrows_the_table_and_one_key_clears_it() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.keys("/pong");
    terminal.wait_for("only pongs", |screen| {
        let text = screen.contents();
        text.contains("pong-") && !text.contains("heartbeat-")
    });
    terminal.keys("\x1b");
    terminal.wait_for_text("heartbeat-");
}

#[test]
fn help_opens_and_closes() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.keys("?");
    terminal.wait_for_text("start or stop the hog");
    terminal.keys("\x1b");
    terminal.wait_for_text("heartbeat-");
}

#[test]
fn enter_opens_the_detail_and_escape_goes_back() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.keys("\r");
    terminal.wait_for_text("lifetime");
    terminal.keys("\x1b");
    terminal.wait_for_text("POLLS/S");
}

#[test]
fn frozen_figures_stand_still_and_go_on() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.keys(" ");
    terminal.wait_for_text("FROZEN");
    terminal.keys(" ");
    terminal.wait_for("the figures to go on", |screen| !screen.contents().contains("FROZEN"));
}

#[test]
fn the_timeline_shows_the_hog_as_one_bar_that_can_be_read() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.keys("4");
    // Somebody has run before the hog comes.
    terminal.wait_for_line(&["cruncher", "ping", "%"]);
    terminal.keys("b");
    terminal.wait_for_line(&["hog─────"]);
    terminal.wait_for_line(&["█████", "w0"]);
    terminal.keys(" ");
    terminal.wait_for_line(&["w0 at", "polls hog", "still running"]);
    // To the beginning of its poll, and to the one before.
    terminal.keys("+++NN");
    terminal.wait_for_line(&["w0 at", "polled"]);
    terminal.keys("n\r");
    terminal.wait_for_line(&["hog", "group hog"]);
    terminal.keys("\x1b");
    terminal.wait_for_line(&["w0 at", "polls hog", "still running"]);
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
}

#[test]
fn the_mouse_is_left_alone_if_asked() {
    let takes = dashboard(&ONE_WORKER);
    takes.wait_for("the mouse", |screen| screen.mouse_protocol_mode() != MouseProtocolMode::None);
    let leaves = dashboard(&["--no-mouse"]);
    assert!(!leaves.raw().contains("\x1b[?1000h"), "{:?}", leaves.raw());
    leaves.wait_for("no mouse", |screen| screen.mouse_protocol_mode() == MouseProtocolMode::None);
}

#[test]
fn ascii_is_all_there_is_if_asked() {
    let mut terminal = dashboard(&["--ascii", "--flavor", "current-thread"]);
    for (keys, title) in [("b", "has blocked worker"), ("?", "start or stop the hog"), ("6", "Lab")]
    {
        terminal.keys(keys);
        terminal.wait_for_text(title);
    }
    terminal.keys("q");
    terminal.wait_for_end();
    let odd: Vec<char> = terminal.raw().chars().filter(|c| !c.is_ascii()).collect();
    assert!(odd.is_empty(), "{odd:?}");
}

#[test]
fn a_terminal_needs_no_keyboard_on_stdin() {
    // Keys come from the terminal itself then.
    let mut terminal = Terminal::shell("\"$ASYNCTOP\" </dev/null");
    terminal.wait_for_text("ping-");
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
}

#[test]
fn the_comparison_shows_how_far_it_is_and_leaves_its_table() {
    let args = ["compare", "--connections", "4,60,3", "--for", "200ms"];
    let mut terminal = Terminal::sized(&args, 120, 30);
    terminal.wait_for_line(&["asynctop compare", "of 6 measured"]);
    terminal.wait_for_line(&["better", "throughput"]);
    terminal.wait_for_text("all measured");
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
    let text = terminal.text();
    assert!(text.contains("60 connections: throughput: "), "{text}");
}

#[test]
fn a_comparison_that_is_left_early_keeps_what_it_has() {
    let args = ["compare", "--connections", "4,5,6,7", "--for", "200ms"];
    let mut terminal = Terminal::sized(&args, 120, 30);
    terminal.wait_for_line(&["better", "throughput"]);
    terminal.signal(Signal::TERM);
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
    assert!(terminal.text().contains("4 connections: throughput: "));
}

#[cfg(target_os = "linux")]
#[test]
fn workload_without_file_descriptors_has_failed_on_the_lab_screen() {
    use rustix::process::{Pid, Resource, getrlimit, prlimit};
    let scenario = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("two-clients.toml");
    std::fs::write(&scenario, "[[workload]]\nkind = \"tcp\"\ncount = 2\n").unwrap();
    let mut terminal = Terminal::sized(&["lab", scenario.to_str().unwrap()], 160, 50);
    terminal.wait_for_text("conn-2");
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(1);
    prlimit(Pid::from_raw(terminal.pid().cast_signed()), Resource::Nofile, limit).unwrap();
    terminal.keys("6j+");
    let why = "its clients get no reply from the service: Too many open files";
    terminal.wait_for_line(&["tcp failed: ", why]);
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
}
