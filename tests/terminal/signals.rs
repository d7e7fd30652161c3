//! Signals, a closed terminal, and a terminal that belongs to another job.

#![cfg(target_os = "linux")]

use std::fs;

use crate::support::{
    pty::{BUSIEST, ONE_WORKER, Terminal, dashboard, wait_until_stopped},
    wait_until,
};
use rustix::process::{Pid, Signal, kill_process};

/// The signals that a thread or a process blocks.
fn blocked_signals(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap()
}

fn bit(signal: Signal) -> u64 {
    1 << (signal.as_raw() - 1)
}

/// IDs, names and status of the threads of a process.
fn threads(pid: u32) -> Vec<(u32, String, String)> {
    let folder = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let thread = |entry: fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let read = |file| fs::read_to_string(entry.path().join(file)).ok();
        Some((id, read("comm")?.trim().to_owned(), read("status")?))
    };
    folder.filter_map(|entry| thread(entry.unwrap())).collect()
}

#[test]
fn one_thread_receives_the_signals_of_the_process() {
    let args = ["--flavor", "multi-thread", "--workers", "2", "--hog", "spin"];
    let mut terminal = dashboard(&args);
    terminal.wait_for_line(&["asynctop", "slowdown ×"]);
    let process: u64 = [
        Signal::TERM,
        Signal::HUP,
        Signal::INT,
        Signal::QUIT,
        Signal::TSTP,
        Signal::CONT,
        Signal::WINCH,
        Signal::USR1,
        Signal::ALARM,
        Signal::ABORT,
    ]
    .into_iter()
    .map(bit)
    .sum();
    let all = threads(terminal.pid());
    assert!(all.len() > 4, "{all:?}");
    for (_, name, status) in all {
        // While a thread waits for signals, it does not block them. The kernel truncates names.
        let expected = if name == "asynctop-signal" { 0 } else { process };
        assert_eq!(blocked_signals(&status) & process, expected, "{name}");
    }
    wait_until("each thread accepts the signal of the watchdog or handles it", || {
        let blocks =
            |(_, _, status): &(_, _, String)| blocked_signals(status) & bit(Signal::URG) > 0;
        !threads(terminal.pid()).iter().any(blocks)
    });
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
}

/// 20,000 signals: to the process, and the signal of the watchdog to single threads.
#[test]
#[allow(unsafe_code, reason = "a signal to a thread")]
fn thousands_of_signals_do_not_affect_the_program() {
    let args = ["--flavor", "multi-thread", "--workers", "2", "--hog", "spin:4"];
    let mut terminal = dashboard(&args);
    terminal.wait_for_line(&["asynctop", "slowdown ×"]);
    let pid = libc::pid_t::try_from(terminal.pid()).unwrap();
    let threads = threads(terminal.pid());
    for n in 0..5_000 {
        terminal.signal(Signal::WINCH);
        terminal.signal(Signal::CONT);
        for index in [n, n / threads.len()] {
            let thread = threads[index % threads.len()].0;
            // SAFETY: no memory is involved. The thread may have ended.
            unsafe { libc::syscall(libc::SYS_tgkill, pid, thread, libc::SIGURG) };
        }
    }
    terminal.keys("?");
    terminal.wait_for_text("start or stop the hog");
    terminal.keys("\x03");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
}

#[test]
fn customers_process_ends_on_sigterm() {
    let terminal = Terminal::sized(&["lab", "node"], 120, 120);
    let children = || {
        let pid = terminal.pid();
        let children: Vec<u32> = threads(pid)
            .iter()
            .filter_map(|(thread, ..)| {
                fs::read_to_string(format!("/proc/{pid}/task/{thread}/children")).ok()
            })
            .flat_map(|text| text.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
            .collect();
        children
    };
    wait_until("the process of the customers has started", || !children().is_empty());
    let customers = children()[0];
    let status = || fs::read_to_string(format!("/proc/{customers}/status")).unwrap();
    wait_until("it has unblocked its signals", || blocked_signals(&status()) == 0);
    kill_process(Pid::from_raw(customers.cast_signed()).unwrap(), Signal::TERM).unwrap();
    wait_until("it has ended", || !children().contains(&customers));
}

#[test]
fn fatal_signal_restores_the_terminal_before_its_default_action() {
    for (signal, name) in [
        (Signal::USR1, "User defined signal 1"),
        (Signal::ALARM, "Alarm clock"),
        (Signal::ABORT, "Aborted"),
    ] {
        let mut terminal = dashboard(&ONE_WORKER);
        terminal.signal(signal);
        assert_eq!(terminal.wait_for_end().signal(), Some(name));
        terminal.assert_restored();
    }
}

#[test]
fn every_termination_signal_ends_a_headless_run_with_its_report() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let mut terminal = Terminal::sized(&["--for", "1h", "--format", "jsonl"], 200, 50);
        terminal.wait_for_text("asynctop/2");
        terminal.signal(signal);
        assert!(terminal.wait_for_end().success(), "{signal:?}");
        assert!(terminal.raw().lines().last().unwrap().contains(r#""phases":[{"name":"run""#));
    }
}

#[test]
fn program_ends_although_its_terminal_hangs() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.stop_reading();
    let call = format!("/proc/{}/syscall", terminal.pid());
    // Each Ctrl-L draws the whole screen, until the terminal's buffer is full.
    wait_until("the program blocks in a write", || {
        terminal.keys("\x0c");
        fs::read_to_string(&call)
            .is_ok_and(|call| call.starts_with(&format!("{} ", libc::SYS_write)))
    });
    terminal.signal(Signal::TERM);
    terminal.wait_for_end();
    terminal.assert_cooked();
}

#[test]
fn closed_terminal_is_not_an_error() {
    for n in 0..10 {
        let errors = format!("{}/errors-{n}", env!("CARGO_TARGET_TMPDIR"));
        // Standard error is the terminal or a file.
        let redirection = if n % 2 == 0 { "" } else { &format!(" 2>'{errors}'") };
        let mut terminal = Terminal::shell(&format!("exec \"$ASYNCTOP\"{redirection}"));
        terminal.wait_for_text(BUSIEST);
        terminal.close();
        assert_eq!(terminal.wait_for_end().exit_code(), 0);
        if n % 2 != 0 {
            assert_eq!(fs::read_to_string(&errors).unwrap(), "");
        }
    }
    let mut terminal = Terminal::sized(&["compare", "--connections", "4,5,6"], 120, 30);
    terminal.wait_for_line(&["asynctop compare", "of 6 measured"]);
    terminal.close();
    assert_eq!(terminal.wait_for_end().exit_code(), 0);
}

/// The number after `name=` in the output of a shell.
fn printed_number(terminal: &Terminal, name: &str) -> u32 {
    let text = terminal.wait_for_text(&format!("{name}="));
    let number = text.split(&format!("{name}=")).nth(1).unwrap();
    number.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[test]
fn background_program_waits_for_fg() {
    let mut terminal = Terminal::shell(
        "set -m; \"$ASYNCTOP\" & echo \"pid=$! .\"; read go; fg; echo \"status=$? .\"",
    );
    wait_until_stopped(printed_number(&terminal, "pid"));
    assert!(!terminal.raw().contains('\x1b'), "{}", terminal.raw());
    terminal.assert_cooked();
    terminal.keys("go\n");
    terminal.wait_for_text(BUSIEST);
    terminal.keys("q");
    assert_eq!(printed_number(&terminal, "status"), 0);
    terminal.wait_for_end();
    terminal.assert_restored();
}

#[test]
fn background_program_ends_on_sigterm() {
    // While the job is stopped, `wait` returns at once.
    let end = "kill %1; kill -CONT %1; until wait %1; do sleep 0.1; done; echo \"ended=0 .\"";
    let script = format!("set -m; \"$ASYNCTOP\" & echo \"pid=$! .\"; read go; {end}");
    let mut terminal = Terminal::shell(&script);
    wait_until_stopped(printed_number(&terminal, "pid"));
    terminal.keys("go\n");
    assert_eq!(printed_number(&terminal, "ended"), 0);
    terminal.wait_for_end();
    assert!(!terminal.raw().contains('\x1b'), "{}", terminal.raw());
    terminal.assert_restored();

    // Stopped in the foreground.
    let mut terminal = Terminal::shell(&format!("set -m; \"$ASYNCTOP\"; {end}"));
    terminal.wait_for_text(BUSIEST);
    terminal.keys("\x1a");
    assert_eq!(printed_number(&terminal, "ended"), 0);
    terminal.wait_for_end();
    terminal.assert_restored();
}

#[test]
fn job_kept_in_the_background_by_another_program_ends_on_sigterm() {
    let mut terminal = Terminal::shell("timeout -k 50 1 \"$ASYNCTOP\"; echo \"status=$? .\"");
    // 124 means that it ended on SIGTERM; 137 would mean that it was killed.
    assert_eq!(printed_number(&terminal, "status"), 124);
    terminal.wait_for_end();
    assert!(!terminal.raw().contains('\x1b'), "{}", terminal.raw());
    terminal.assert_restored();
}
