//! Keys that reach outside of the dashboard: the editor and the clipboard.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::support::{
    Folder, program,
    pty::{BUSIEST, ONE_WORKER, Terminal},
};

/// An editor that prints how often it was started, its arguments and the signals that it blocks, and
/// reads a line.
fn editor(folder: &Folder) -> String {
    const SCRIPT: &str = "#!/bin/sh\n\
        echo >> \"$0.count\"\n\
        echo \"start $(wc -l < \"$0.count\"): $1 ${2##*/}\"\n\
        grep SigBlk /proc/self/status\n\
        read line\n";
    let path = folder.join("editor");
    fs::write(&path, SCRIPT).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn editor_gets_the_terminal_and_gives_it_back() {
    let folder = Folder::new("editor");
    let mut command = program();
    command.args(ONE_WORKER).env_remove("VISUAL").env("EDITOR", editor(&folder));
    let mut terminal = Terminal::of(&command, 80, 24);
    terminal.wait_for_text(BUSIEST);
    for start in ["start 1: +", "start 2: +"] {
        terminal.keys("o");
        terminal.wait_for_line(&[start, ".rs"]);
        // Ctrl-C, a resize and the end of the terminal reach it.
        terminal.wait_for_line(&["SigBlk:", "0000000000000000"]);
        terminal.assert_cooked();
        // The key is for the editor.
        terminal.keys("q\r");
        terminal.wait_for_text(BUSIEST);
    }
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
}

#[test]
fn missing_editor_is_reported() {
    let mut command = program();
    command.args(ONE_WORKER).env_remove("VISUAL").env("EDITOR", "no-such-editor");
    let mut terminal = Terminal::of(&command, 80, 24);
    terminal.wait_for_text(BUSIEST);
    terminal.keys("o");
    terminal.wait_for_text("cannot start no-such-editor");
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
}

#[test]
fn row_is_copied_with_a_sequence_of_the_terminal() {
    let mut command = program();
    let mut terminal = Terminal::of(command.args(ONE_WORKER), 80, 24);
    terminal.wait_for_text(BUSIEST);
    terminal.keys("y");
    terminal.wait_for_text("sent to the terminal's clipboard");
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    assert!(terminal.raw().contains("\x1b]52;c;"));
}
