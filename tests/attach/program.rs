//! The program, in a terminal and headless.

use super::{
    empty_update,
    server::{Behavior, ConsoleServer, socket_path},
    support::{error_of, only_target, pty::Terminal, run, stdout},
    update,
};

fn tasks() -> console_api::instrument::Update {
    update([(1, "conn-1", None), (2, "conn-2", None), (3, "hog", Some(0))])
}

#[test]
fn screen_without_a_target_explains_how_to_connect_one() {
    let path = socket_path();
    let mut terminal = Terminal::sized(&["attach", &format!("unix:{}", path.display())], 100, 30);
    terminal.wait_for_text("console_subscriber::init()");
    terminal.wait_for_line(&["not connected"]);
    // All keys work.
    for (keys, text) in [
        ("?", "Keys"),
        ("\x1b", "console_subscriber"),
        ("b", "only the lab has workloads and a hog"),
    ] {
        terminal.keys(keys);
        terminal.wait_for_text(text);
    }
    terminal.keys(" ");
    terminal.wait_for_text("FROZEN");
    terminal.keys(" ");
    let _target = ConsoleServer::start_at(path, tasks(), Behavior::default());
    terminal.wait_for_line(&["conn-1"]);
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
}

#[test]
fn lost_target_is_shown_as_disconnected_and_was_never_paused() {
    let target = ConsoleServer::start(tasks());
    let mut terminal = Terminal::sized(&["attach", &target.address()], 100, 30);
    terminal.wait_for_line(&["conn-2"]);
    terminal.keys(" ");
    terminal.wait_for_text("FROZEN");
    terminal.keys(" ");
    target.send(&empty_update());
    terminal
        .wait_for("a screen that is not frozen", |screen| !screen.contents().contains("FROZEN"));
    assert_eq!(target.pauses(), 0);
    drop(target);
    terminal.wait_for_line(&["DISCONNECTED"]);
    terminal.wait_for_line(&["conn-2"]);
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
}

#[test]
fn headless_run_prints_a_report() {
    let target = ConsoleServer::start(tasks());
    let address = target.address();
    let json = stdout(&["attach", &address, "--for", "300ms", "--format", "json"]);
    let json = only_target(&json);
    assert_eq!(json["tasks"].as_array().unwrap().len(), 3);
    assert_eq!(json["runtime"]["flavor"], serde_json::Value::Null);
    assert!(json["unavailable"]["runtime.injection_queue"].is_string());
    assert!(json["workers"].is_null() && json["unavailable"]["workers"].is_string());
    assert_eq!(json["connection"], "connected");
    let limits = json["accuracy"]["resources"].as_str().unwrap();
    assert!(limits.contains("a JoinHandle are not reported"), "{limits}");
}

#[test]
fn missing_target_is_an_error_of_one_sentence() {
    let missing = format!("unix:{}", socket_path().display());
    let output = run(&["attach", &missing, "--headless", "--for", "200ms"]);
    let error = error_of(&output);
    assert!(error.starts_with("error: cannot watch "), "{error}");
}

#[test]
fn gate_does_not_pass_without_data_of_every_target() {
    let target = ConsoleServer::start(tasks());
    let missing = format!("unix:{}", socket_path().display());
    let gate = ["--for", "500ms", "--fail-on", "lost-waker"];
    let run = |targets: &[&str]| {
        let output = run(&[&["attach"], targets, &gate].concat());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, error) = run(&[&target.address(), &missing]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("cannot watch /") && error.lines().count() == 1, "{error}");
    assert_eq!(run(&[&target.address()]), (Some(0), String::new()));
    let address = target.address();
    let (code, error) = std::thread::scope(|scope| {
        let gate = scope.spawn(|| run(&[&address]));
        // The target ends as soon as the program has connected.
        target.wait_for_a_client();
        drop(target);
        gate.join().unwrap()
    });
    assert_eq!(code, Some(2), "{error}");
    assert!(
        error.contains("has not checked the whole run") || error.contains("cannot watch"),
        "{error}"
    );
}

#[test]
fn invalid_address_is_an_error_of_one_sentence() {
    for address in ["https://a", "a:b", "ftp://x", ""] {
        let output = run(&["attach", address]);
        let error = error_of(&output);
        assert!(error.contains("write host:port, http://host:port or unix:/path"), "{error}");
    }
}

#[test]
fn terminal_control_sequences_in_names_are_not_printed() {
    let name = "\x1b[31;1mred\x1b]0;title\x07\u{202e}\u{9b}2J";
    let target = ConsoleServer::start(update([(1, name, None), (2, "plain", None)]));
    let mut terminal = Terminal::sized(&["attach", &target.address()], 100, 30);
    terminal.wait_for_line(&["plain"]);
    terminal.keys("q");
    terminal.wait_for_end();
    let raw = terminal.raw();
    for control in ["\x1b]0;", "\u{202e}", "\u{9b}"] {
        assert!(!raw.contains(control), "{control:?}");
    }
}
