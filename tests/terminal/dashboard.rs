//! The dashboard: keys, screens, and the state of the terminal afterwards.

use crate::support::{
    program,
    pty::{BUSIEST, ONE_WORKER, Terminal, dashboard},
    wait_until,
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
fn dumb_terminal_gets_a_report() {
    for term in ["TERM=dumb", "TERM="] {
        let mut terminal = Terminal::shell(&format!("{term} exec \"$ASYNCTOP\" --for 100ms"));
        assert!(terminal.wait_for_end().success());
        let raw = terminal.raw();
        assert!(raw.starts_with("no screen: TERM is dumb or not set"), "{raw}");
        assert!(raw.contains("asynctop  lab:mixed"), "{raw}");
        assert!(!raw.contains('\x1b'), "no escape sequence");
    }
}

#[test]
fn terminal_without_colors_gets_none() {
    let mut terminal = Terminal::shell("TERM=vt100 exec \"$ASYNCTOP\"");
    terminal.wait_for_text(BUSIEST);
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    // Foreground and background of the terminal.
    let colors = ["[3", "[4", ";3", ";4"].map(|start| format!("{start}8;"));
    let raw = terminal.raw();
    assert!(colors.iter().all(|color| !raw.contains(color)), "{raw:?}");
    assert!(!raw.contains("\x1b]11;?"), "the background does not matter");
}

#[test]
fn background_is_queried_after_the_first_frame() {
    let mut terminal = Terminal::start(&ONE_WORKER);
    wait_until("the background is queried", || terminal.raw().contains("\x1b]11;?\x1b\\"));
    let raw = terminal.raw();
    assert!(
        raw.split("\x1b]11;?").next().is_some_and(|frame| frame.contains("asynctop")),
        "{raw:?}"
    );
    // The answer is no key: `b` would start the hog.
    terminal.keys("\x1b]11;rgb:ffff/ffff/bbbb\x1b\\");
    let screen = terminal.wait_for_text(BUSIEST);
    assert!(screen.contains("hog ○ spin off"), "{screen}");
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
}

#[test]
fn screen_in_a_locale_that_is_not_utf8_is_ascii() {
    let mut terminal = Terminal::shell("LC_ALL=C exec \"$ASYNCTOP\"");
    terminal.wait_for_text(BUSIEST);
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    assert!(terminal.raw().is_ascii(), "{}", terminal.raw());
}

#[test]
fn ctrl_c_ends_a_headless_run_with_its_report() {
    let mut terminal = Terminal::sized(&["--for", "1h", "--format", "jsonl"], 200, 50);
    terminal.wait_for_text("asynctop/2");
    terminal.keys("\x03");
    assert!(terminal.wait_for_end().success());
    assert!(terminal.raw().lines().last().unwrap().contains(r#""phases":[{"name":"run""#));
    terminal.assert_restored();
}

#[test]
fn closed_terminal_ends_a_headless_run() {
    let mut terminal = Terminal::sized(&["--for", "1h", "--format", "jsonl"], 200, 50);
    terminal.wait_for_text("asynctop/2");
    terminal.close();
    terminal.wait_for_end();
}

/// Waits until the slowdown is known and close to 1.
fn wait_for_baseline(terminal: &Terminal) {
    terminal.wait_for_line(&["asynctop", "slowdown ×1."]);
}

fn wait_for_standstill(terminal: &Terminal) {
    terminal.wait_for_line(&["asynctop", "slowdown ×∞"]);
}

#[test]
fn first_screen_shows_the_tasks() {
    let terminal = Terminal::start(&ONE_WORKER);
    let text = terminal.wait_for_text(BUSIEST);
    for part in ["asynctop", "lab:mixed", "current-thread", "NAME", "MAX POLL", "BUSY%"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn hog_causes_a_standstill_and_its_end_the_recovery() {
    let mut terminal = dashboard(&ONE_WORKER);
    wait_for_baseline(&terminal);
    terminal.keys("b");
    wait_for_standstill(&terminal);
    terminal.wait_for_line(&["hog", "has blocked worker 0 for", "! why"]);
    terminal.keys("b");
    wait_for_baseline(&terminal);
}

#[test]
fn hog_of_the_command_line_starts_by_itself() {
    let terminal = dashboard(&["--hog", "spin", "--flavor", "current-thread"]);
    wait_for_standstill(&terminal);
}

#[test]
fn flavor_can_be_switched_back_and_forth() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.keys("f");
    terminal.wait_for_line(&["asynctop", "multi-thread"]);
    terminal.keys("f");
    terminal.wait_for_line(&["asynctop", "current-thread"]);
}

#[test]
fn keys_work_while_every_worker_is_blocked() {
    let args = ["--hog", "spin:2", "--flavor", "multi-thread", "--workers", "2"];
    let mut terminal = dashboard(&args);
    wait_for_standstill(&terminal);
    terminal.keys("?");
    terminal.wait_for_text("tasks, one per row");
    terminal.keys("2");
    terminal.wait_for_line(&["GROUP", "SCHED"]);
    terminal.keys("3");
    terminal.wait_for_line(&["Workers 2"]);
    terminal.keys("b");
    wait_for_baseline(&terminal);
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
}

#[test]
fn every_way_to_quit_restores_the_terminal() {
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
fn run_with_a_duration_ends_by_itself() {
    let mut terminal = dashboard(&["--for", "2s"]);
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
}

#[test]
fn suspended_program_resumes() {
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
fn terminal_is_restored_if_the_program_quits_right_after_it_continues() {
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
fn raw_mode_is_restored_after_a_shell_used_the_terminal() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.signal(Signal::STOP);
    terminal.wait_until_stopped();
    terminal.make_cooked();
    terminal.signal(Signal::CONT);
    // The key works without Enter in raw mode.
    terminal.wait_for_output();
    terminal.keys("?");
    terminal.wait_for_text("start or stop the hog");
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.wait_for("the normal screen", |screen| !screen.alternate_screen());
}

#[test]
fn closed_terminal_ends_the_program() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.close();
    terminal.wait_for_end();
    let mut terminal = dashboard(&["--hog", "spin:2", "--workers", "2"]);
    wait_for_standstill(&terminal);
    terminal.close();
    terminal.wait_for_end();
}

#[test]
fn terminal_can_be_resized_to_any_size() {
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
fn colors_can_be_turned_off() {
    let colored = dashboard(&ONE_WORKER);
    colored.wait_for_output();
    assert!(has_color(&colored.raw()), "colors are detected");
    let by_variable = Terminal::of(program().args(ONE_WORKER).env("NO_COLOR", "1"), 120, 120);
    let by_flag = Terminal::sized(&["--no-color"], 120, 120);
    for mut terminal in [by_variable, by_flag] {
        terminal.wait_for_text("heartbeat-");
        terminal.keys("b");
        terminal.wait_for_text("has blocked worker");
        assert!(!has_color(&terminal.raw()));
    }
}

/// Whether an escape sequence sets a color: 30–37, 40–47, 90–97, 100–107, or 38 and 48 with
/// parameters.
fn has_color(raw: &str) -> bool {
    raw.split("\x1b[").skip(1).any(|rest| {
        let Some(end) = rest.find(|c: char| c.is_ascii_alphabetic()) else { return false };
        let codes = rest[..end].split(';').filter_map(|code| code.parse::<u8>().ok());
        rest[end..].starts_with('m')
            && codes.into_iter().any(|n| matches!(n, 30..=38 | 40..=48 | 90..=97 | 100..=107))
    })
}

#[test]
fn filter_narrows_the_table_and_escape_clears_it() {
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
fn enter_opens_the_details_and_escape_closes_them() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.keys("\r");
    terminal.wait_for_text("lifetime");
    terminal.keys("\x1b");
    terminal.wait_for_text("MAX POLL");
}

#[test]
fn space_freezes_and_resumes_the_screen() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.keys(" ");
    terminal.wait_for_text("FROZEN");
    terminal.keys(" ");
    terminal
        .wait_for("a screen that is not frozen", |screen| !screen.contents().contains("FROZEN"));
}

#[test]
fn timeline_shows_the_hog_as_one_poll_with_details() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.keys("4");
    // Some tasks are polled before the hog starts.
    terminal.wait_for_line(&["cruncher", "ping", "%"]);
    // Soon after the start of the hog its poll covers the column in which the cursor appears.
    terminal.keys("+++b");
    terminal.wait_for_line(&[&format!("hog{}", "─".repeat(90))]);
    terminal.keys(" ");
    terminal.wait_for_line(&["w0 at", "polls hog", "still running"]);
    terminal.keys("\r");
    terminal.wait_for_line(&["hog", "group hog"]);
    terminal.keys("\x1b");
    // The details are drawn from the top, so their last line may still be that of the timeline.
    terminal.wait_for("the timeline", |screen| {
        let text = screen.contents();
        text.contains("still running") && !text.contains("group hog")
    });
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
}

#[test]
fn mouse_support_can_be_turned_off() {
    let with_mouse = dashboard(&ONE_WORKER);
    with_mouse
        .wait_for("the mouse", |screen| screen.mouse_protocol_mode() != MouseProtocolMode::None);
    let without = dashboard(&["--no-mouse"]);
    assert!(!without.raw().contains("\x1b[?1000h"), "{:?}", without.raw());
    without.wait_for("no mouse", |screen| screen.mouse_protocol_mode() == MouseProtocolMode::None);
}

#[test]
fn ascii_flag_restricts_the_output_to_ascii() {
    let mut terminal = dashboard(&["--ascii", "--flavor", "current-thread"]);
    for (keys, title) in [("b", "has blocked worker"), ("?", "start or stop the hog"), ("6", "Lab")]
    {
        terminal.keys(keys);
        terminal.wait_for_text(title);
    }
    terminal.keys("q");
    terminal.wait_for_end();
    let other: Vec<char> = terminal.raw().chars().filter(|c| !c.is_ascii()).collect();
    assert!(other.is_empty(), "{other:?}");
}

#[test]
fn summary_is_printed_when_the_screen_closes() {
    let mut terminal = dashboard(&["--summary", "--ascii", "--flavor", "current-thread"]);
    terminal.wait_for_text(BUSIEST);
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
    let output = terminal.raw();
    for line in ["asynctop  lab:mixed  current-thread x1  up", "\r\nfindings\r\n"] {
        assert!(output.contains(line), "{line}: {output}");
    }
}

#[test]
fn keys_are_read_from_the_terminal_if_stdin_is_not_one() {
    let mut terminal = Terminal::shell("\"$ASYNCTOP\" </dev/null");
    terminal.wait_for_text(BUSIEST);
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
}

#[test]
fn comparison_shows_its_progress_and_prints_the_table() {
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
fn comparison_that_is_ended_early_prints_its_results() {
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
