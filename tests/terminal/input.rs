//! Input that is not a sequence of whole keys, and terminals without a size.

use crate::support::pty::{BUSIEST, ONE_WORKER, Terminal, dashboard};

#[test]
fn late_replies_of_the_terminal_are_not_keys() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.keys("\x1b[?2026;2$y\x1b]11;rgb:b0b0/bbbb/////\x07\x1bP>|bBq\x1b\\\x1b_q\x1b\\?");
    terminal.wait_for_text("start or stop the hog");
    terminal.keys("?");
    let screen = terminal.wait_for_text("heartbeat-");
    assert!(screen.contains("hog ○ spin off"), "{screen}");
    terminal.keys("\x03");
    assert!(terminal.wait_for_end().success());
}

#[test]
fn keys_work_after_an_unfinished_report() {
    for unfinished in ["\x1b[?2026", "\x1b]11;rgb:", "\x1bP"] {
        let mut terminal = dashboard(&ONE_WORKER);
        terminal.keys(&format!("{unfinished}\x03"));
        assert!(terminal.wait_for_end().success());
        terminal.assert_restored();
    }
}

#[test]
fn paste_edits_the_filter_and_is_ignored_elsewhere() {
    let mut terminal = dashboard(&ONE_WORKER);
    terminal.wait_for("bracketed paste", vt100::Screen::bracketed_paste);
    terminal.keys("\x1b[200~quit\nbf\x1b[201~/");
    terminal.keys("\x1b[200~pong\nq\x1b[201~\x7f\x7f");
    let screen = terminal.wait_for("only pongs", |screen| {
        let text = screen.contents();
        text.contains("pong-") && !text.contains("heartbeat-")
    });
    assert!(screen.contains("current-thread") && screen.contains("hog ○ spin off"), "{screen}");
    terminal.keys("\x03");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
}

#[test]
fn terminal_without_a_size_has_the_default_size() {
    let mut terminal = Terminal::without_size(&ONE_WORKER);
    let screen = terminal.wait_for_text(BUSIEST);
    assert!(screen.lines().nth(23).is_some_and(|last| last.contains("quit")), "{screen}");
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
}
