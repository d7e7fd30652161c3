//! The dashboard over a running program, in a real pseudo-terminal.

use crate::support::pty::Terminal;

/// A lab without a screen, and the dashboard over it.
const OBSERVED: &str = "\"$ASYNCTOP\" lab mixed --headless --for 10m > /dev/null 2>&1 & PID=$!
    until \"$ASYNCTOP\" ps $PID 2> /dev/null | grep -q heartbeat; do sleep 0.1; done
    exec \"$ASYNCTOP\" -p $PID";

#[test]
fn every_screen_shows_the_program_or_the_reason() {
    let mut terminal = Terminal::shell(OBSERVED);
    terminal.wait_for_line(&["asynctop:", "connected", "90 tasks"]);
    for (key, text) in [
        ("2", "Groups 8"),
        ("3", "Workers 1"),
        ("4", "not available by process ID"),
        ("6", "no lab: this target is another program"),
        ("7", "only console-subscriber, in the program"),
        ("?", "On all screens"),
    ] {
        terminal.keys(key);
        terminal.wait_for_text(text);
    }
    terminal.keys("?5");
    terminal.wait_for("the findings", |screen| {
        let text = screen.contents();
        // On a busy machine, there is a finding.
        text.contains("No rule has fired") || text.contains(" active, ")
    });
    // The screen shows 24 of 90 rows, sorted by busy share, so the heartbeats may not be among them.
    terminal.keys("1/beats\r");
    terminal.wait_for_text("Tasks 8 of 90");
    terminal.keys("\r");
    terminal.wait_for_line(&["future size"]);
    terminal.resize(40, 10);
    terminal.wait_for_line(&["group heartbeats"]);
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
}
