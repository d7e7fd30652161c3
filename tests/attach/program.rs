//! The program itself, in a terminal and without one.

use super::{
    nothing,
    server::{ConsoleServer, Manners, place},
    support::{error_of, only_target, pty::Terminal, run, stdout},
    update,
};

fn tasks() -> console_api::instrument::Update {
    update([(1, "conn-1", None), (2, "conn-2", None), (3, "hog", Some(0))])
}

#[test]
fn without_a_target_the_screen_says_what_it_waits_for() {
    let place = place();
    let mut terminal = Terminal::sized(&["attach", &format!("unix:{}", place.display())], 100, 30);
    terminal.wait_for_text("console_subscriber::init()");
    terminal.wait_for_line(&["not connected"]);
    // Every key works meanwhile.
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
    let _target = ConsoleServer::at(place, tasks(), Manners::default());
    terminal.wait_for_line(&["conn-1"]);
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
    terminal.assert_restored();
}

#[test]
fn a_dead_target_shows_as_disconnected_and_nothing_pauses_it() {
    let target = ConsoleServer::start(tasks());
    let mut terminal = Terminal::sized(&["attach", &target.address()], 100, 30);
    terminal.wait_for_line(&["conn-2"]);
    terminal.keys(" ");
    terminal.wait_for_text("FROZEN");
    terminal.keys(" ");
    target.send(&nothing());
    terminal.wait_for("the figures to go on", |screen| !screen.contents().contains("FROZEN"));
    assert_eq!(target.pauses(), 0);
    drop(target);
    terminal.wait_for_line(&["DISCONNECTED"]);
    terminal.wait_for_line(&["conn-2"]);
    terminal.keys("q");
    assert!(terminal.wait_for_end().success());
}

#[test]
fn a_report_needs_no_screen() {
    let target = ConsoleServer::start(tasks());
    let address = target.address();
    let json = stdout(&["attach", &address, "--for", "300ms", "--format", "json"]);
    let json = only_target(&json);
    assert_eq!(json["tasks"].as_array().unwrap().len(), 3);
    assert_eq!(json["runtime"]["flavor"], serde_json::Value::Null);
    assert!(json["unavailable"]["runtime.injection_queue"].is_string());
    assert!(json["workers"].is_null() && json["unavailable"]["workers"].is_string());
    assert_eq!(json["connection"], "connected");
}

#[test]
fn nobody_there_is_told_in_a_sentence() {
    let nobody = format!("unix:{}", place().display());
    let output = run(&["attach", &nobody, "--headless", "--for", "200ms"]);
    let error = error_of(&output);
    assert!(error.starts_with("error: cannot watch "), "{error}");
}

#[test]
fn a_gate_that_has_not_seen_all_has_not_passed() {
    let target = ConsoleServer::start(tasks());
    let nobody = format!("unix:{}", place().display());
    let gate = ["--for", "500ms", "--fail-on", "lost-waker"];
    let run = |targets: &[&str]| {
        let output = run(&[&["attach"], targets, &gate].concat());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, error) = run(&[&target.address(), &nobody]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("cannot watch /") && error.lines().count() == 1, "{error}");
    assert_eq!(run(&[&target.address()]), (Some(0), String::new()));
    let address = target.address();
    let (code, error) = std::thread::scope(|scope| {
        let gate = scope.spawn(|| run(&[&address]));
        // It is gone as soon as it was met.
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
fn a_bad_address_is_told_in_a_sentence() {
    for address in ["https://a", "a:b", "ftp://x", ""] {
        let output = run(&["attach", address]);
        let error = error_of(&output);
        assert!(error.contains("write host:port, http://host:port or unix:/path"), "{error}");
    }
}

#[test]
fn names_give_no_orders_to_the_terminal() {
    let name = "\x1b[31;1mred\x1b]0;title\x07\u{202e}\u{9b}2J";
    let target = ConsoleServer::start(update([(1, name, None), (2, "plain", None)]));
    let mut terminal = Terminal::sized(&["attach", &target.address()], 100, 30);
    terminal.wait_for_line(&["plain"]);
    terminal.keys("q");
    terminal.wait_for_end();
    let raw = terminal.raw();
    for harm in ["]0;title", "\u{202e}", "\u{9b}"] {
        assert!(!raw.contains(harm), "{harm:?}");
    }
}
