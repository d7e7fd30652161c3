//! Drawn screens, looked at and kept, and sizes that nobody looked at.

use std::{sync::Arc, time::Duration};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::{Terminal, backend::TestBackend, layout::Size};

use crate::{
    Histogram,
    app::{App, Effect, Overlay, Screen, Settings, Theme},
    fixture::{advance, to_lab},
    model::testing::{self, lab, snapshot, task},
    screens,
    snapshot::{
        CurrentPoll, Distributions, LabCommand, Lesson, PollKind, State, Subject, Target, TaskStats,
    },
};

const S: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

fn living(id: u64, name: &str, polls: u64, busy_ns: u64, now: u64) -> TaskStats {
    let mut task = task(id, name);
    let scheduled_ns = busy_ns * 2;
    task.lifetime_ns = now;
    (task.busy_ns, task.scheduled_ns) = (busy_ns, scheduled_ns);
    task.idle_ns = now.saturating_sub(busy_ns + scheduled_ns);
    (task.polls, task.wakes) = (polls, polls - polls.min(1));
    task.max_poll_ns = 310_000;
    task.stage = Some("waits for a request".into());
    task
}

/// A lab after `quarters` quarter seconds, with a hog since two seconds if wanted.
fn moment(quarters: u64, hog: bool) -> Target {
    let now = quarters * S / 4;
    let hog_since = 2 * S;
    let work = if hog { now.min(hog_since) } else { now } / MS;
    let mut tasks: Vec<_> = (1..=3)
        .map(|id| living(id, &format!("heartbeat-{id}"), work / 10, work * 2_000, now))
        .collect();
    tasks.extend(
        (4..=9)
            .map(|id| living(id, &format!("conn-{}", id - 3), work * id, work * 1_000 * id, now)),
    );
    let mut ended = living(10, "conn-7", 12, MS, S);
    ended.state = State::Cancelled;
    tasks.push(ended);
    let mut broken = living(11, "importer", 3, MS, S);
    broken.state = State::Panicked;
    tasks.push(broken);
    let mut figures = lab([
        ("heartbeats", 3, None, 0),
        ("tcp", 6, Some("request"), work * 3),
        ("pingpong", 2, Some("round trip"), work * 4),
    ]);
    figures.lesson = Arc::new(Lesson {
        watch: "Each of these tasks yields soon, so every task is polled.".into(),
        attempt: "Start the hog (b). Shorten its hold time ([) and watch the scheduling delay of \
                  the other tasks."
            .into(),
        why: "The hog awaits nothing, so its worker polls no other task.".into(),
    });
    let mut delays = Histogram::default();
    (0..work).for_each(|n| delays.record(20_000 + n * 100));
    let held = hog && now > hog_since;
    if held {
        figures.hog.on_since_ns = Some(hog_since);
        for task in &mut tasks[3..8] {
            task.state = State::Scheduled;
            task.since_ns = hog_since;
            task.scheduled_ns += now - hog_since;
        }
        let mut hog = living(12, "hog", 1, now - hog_since, now - hog_since);
        (hog.state, hog.since_ns) = (State::Polling, hog_since);
        (hog.scheduled_ns, hog.idle_ns, hog.max_poll_ns) = (0, 0, now - hog_since);
        hog.stage = Some("spins".into());
        tasks.push(hog);
    }
    let mut snapshot = snapshot(now, tasks);
    let unavailable = testing::UNSTABLE.into_iter().skip(2);
    snapshot.description =
        testing::description("lab:mixed").without(unavailable, "not in this test").into();
    snapshot.runtime.global_queue = if held { 5 } else { 0 };
    snapshot.runtime.alive_tasks = snapshot.runtime.measured_tasks;
    snapshot.delays = delays;
    snapshot.lab = Some(figures);
    let polling = if held { now - hog_since } else { 0 };
    snapshot.workers[0].poll_ns = work * MS / 5 + polling;
    snapshot.workers[0].polls = work * 20;
    snapshot.workers[0].thread = "asynctop-w0".into();
    snapshot.workers[0].current =
        held.then_some(CurrentPoll { key: 12, since_ns: hog_since, kind: PollKind::Poll });
    snapshot
}

/// The app after `quarters` snapshots.
fn after(quarters: u64, hog: bool, settings: Settings) -> App {
    let mut app = App::new(settings, Duration::from_millis(250));
    for quarter in 1..=quarters {
        advance(&mut app, &moment(quarter, hog).into(), Duration::ZERO);
    }
    app
}

fn calm() -> App {
    after(8, false, Settings::default())
}

fn with_hog() -> App {
    after(13, true, Settings::default())
}

fn press(app: &mut App, keys: &str) -> Option<Effect> {
    keys.chars()
        .map(|c| match c {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            c => KeyCode::Char(c),
        })
        .map(|code| app.key(KeyEvent::new(code, KeyModifiers::NONE), Duration::ZERO))
        .last()
        .flatten()
}

fn draw(app: &mut App, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test's terminal");
    app.set_viewport(screens::viewport(app, Size::new(width, height)));
    terminal.draw(|frame| screens::render(app, frame)).expect("drawn");
    terminal
}

fn shown(app: &mut App, width: u16, height: u16) -> String {
    draw(app, width, height).backend().to_string()
}

macro_rules! screen {
    ($name:ident, $app:expr, $width:expr, $height:expr) => {
        #[test]
        fn $name() {
            let mut app = $app;
            insta::assert_snapshot!(shown(&mut app, $width, $height));
        }
    };
}

fn with_keys(mut app: App, keys: &str) -> App {
    press(&mut app, keys);
    app
}

screen!(tasks_without_a_hog, calm(), 80, 24);
screen!(tasks_beside_a_hog, with_hog(), 80, 24);
screen!(tasks_on_a_wide_terminal, with_hog(), 200, 20);
screen!(tasks_at_60_by_15, with_hog(), 60, 15);
screen!(tasks_at_40_by_10, with_hog(), 40, 10);
screen!(tasks_at_24_by_4, with_hog(), 24, 4);
screen!(too_small, with_hog(), 16, 3);
screen!(groups, with_keys(with_hog(), "2"), 110, 14);
screen!(workers, with_keys(with_hog(), "3"), 110, 14);
screen!(the_lab, with_keys(with_hog(), "6j"), 100, 22);
screen!(a_filter_being_typed, with_keys(calm(), "/conn can"), 80, 14);
screen!(a_filter_that_nothing_passes, with_keys(calm(), "/zzz\n"), 80, 14);
screen!(the_question_before_a_cancel, with_keys(calm(), "jx"), 80, 14);
screen!(the_help, with_keys(calm(), "?"), 90, 60);
screen!(before_the_first_look, App::new(Settings::default(), Duration::from_secs(1)), 60, 12);
screen!(in_ascii, after(13, true, Settings { ascii: true, theme: Theme::Mono }), 100, 16);

#[test]
fn a_frozen_picture_says_so_and_stays() {
    let mut app = calm();
    press(&mut app, " ");
    for quarter in 9..=12 {
        advance(&mut app, &moment(quarter, false).into(), Duration::ZERO);
    }
    insta::assert_snapshot!(shown(&mut app, 80, 12));
}

#[test]
fn the_details_of_a_task() {
    let mut app = calm();
    press(&mut app, "/conn-4\n\n");
    let Overlay::Task { key, .. } = app.overlay else { panic!("{:?}", app.overlay) };
    let mut distributions = Distributions::default();
    for n in 0..1_000 {
        distributions.poll_times.record(3_000 + n * n / 10);
        distributions.delays.record(40_000);
    }
    let mut next = moment(9, false);
    next.distributions.push((Subject::Task(key.id), distributions));
    advance(&mut app, &next.into(), Duration::ZERO);
    insta::assert_snapshot!(shown(&mut app, 90, 40));
}

#[test]
fn without_colours_nothing_is_coloured() {
    let mut app = after(13, true, Settings { theme: Theme::Mono, ascii: false });
    let terminal = draw(&mut app, 120, 30);
    let buffer = terminal.backend().buffer();
    assert!(buffer.content().iter().all(|cell| {
        cell.fg == ratatui::style::Color::Reset && cell.bg == ratatui::style::Color::Reset
    }));
}

#[test]
fn in_ascii_everything_is() {
    let settings = Settings { theme: Theme::Default, ascii: true };
    for keys in ["", "2", "3", "4", "6", "?", "j\n", "/x"] {
        let mut app = after(13, true, settings);
        press(&mut app, keys);
        let terminal = draw(&mut app, 200, 70);
        let cells = terminal.backend().buffer().content();
        let beyond: String = cells.iter().map(|c| c.symbol()).filter(|s| !s.is_ascii()).collect();
        assert_eq!(beyond, "", "after {keys:?}");
    }
}

#[test]
fn the_selection_follows_the_task_over_new_orders() {
    let mut app = calm();
    press(&mut app, "jjj");
    let selected = app.tasks.key().copied();
    assert!(selected.is_some());
    for keys in ["i", "l", "h", "hh"] {
        press(&mut app, keys);
        assert_eq!(app.tasks.key().copied(), selected, "after {keys:?}");
        let row = app.tasks.row();
        let (model, task, _) = app.model().task_of_row(app.order()[row]).expect("a row");
        assert_eq!(Some(model.target().task_key(task.key)), selected);
    }
}

#[test]
fn a_cancel_is_asked_twice_and_any_other_key_takes_it_back() {
    let mut app = calm();
    let key = |app: &mut App| press(app, "x");
    press(&mut app, "j");
    let task = app.tasks.key().copied().expect("selected");
    assert_eq!(key(&mut app), None);
    assert_eq!(key(&mut app), Some(to_lab(LabCommand::Cancel(task.id))));
    assert_eq!(press(&mut app, "xjx"), None, "j took it back");
}

#[test]
fn escape_leads_back_step_by_step() {
    let mut app = calm();
    press(&mut app, "/conn\n2j\nj\n");
    assert!(matches!(app.overlay, Overlay::Task { .. }) && app.query.group.is_some());
    press(&mut app, "\x1b");
    assert_eq!((&app.overlay, app.screen), (&Overlay::None, Screen::Tasks));
    press(&mut app, "\x1b");
    assert_eq!((app.query.group.is_none(), app.screen), (true, Screen::Groups));
    press(&mut app, "\x1b");
    assert_eq!(app.filter, "");
    press(&mut app, "\x1b");
    assert_eq!(app.screen, Screen::Tasks);
}

#[test]
fn the_hog_that_was_asked_for_comes_once_there_is_a_baseline() {
    let mut app = App::new(Settings::default(), Duration::from_millis(250));
    app.release_hog = true;
    let effects: Vec<_> = (1..12)
        .filter_map(|quarter| advance(&mut app, &moment(quarter, false).into(), Duration::ZERO))
        .collect();
    assert_eq!(effects, [to_lab(LabCommand::ReleaseHog)]);
}

#[test]
fn a_hog_restarts_on_the_next_runtime_after_one_second_of_baseline() {
    let mut app = calm();
    let mut quarters = (40..60).map(|quarter| {
        let mut next = moment(quarter, false);
        next.epoch += 1;
        next.lab.as_mut().expect("a lab").hog.restarts = true;
        let effect = advance(&mut app, &next.into(), Duration::ZERO);
        (app.model().only().slowdown().baseline_ns, effect)
    });
    let (baseline_ns, effect) = quarters.find(|(_, effect)| effect.is_some()).expect("an effect");
    assert_eq!((baseline_ns, effect), (1_000_000_000, Some(to_lab(LabCommand::ReleaseHog))));
}

#[test]
fn a_new_runtime_ends_what_belonged_to_the_old_one() {
    let mut app = calm();
    press(&mut app, "j\n");
    let mut next = moment(9, false);
    next.epoch += 1;
    advance(&mut app, &next.into(), Duration::ZERO);
    assert_eq!((&app.overlay, app.tasks.key()), (&Overlay::None, None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any size, any keys, any names: no panic, and nothing that steers the terminal.
    #[test]
    fn nothing_panics_at_any_size(
        width in 1u16..301,
        height in 1u16..101,
        keys in "[123456nNbBfx+\\-jkgGhli/ ?<>\n\x1b]{0,12}",
        name in "\\PC{0,30}|[\u{0}-\u{1f}\u{202e}a]{0,10}",
        huge in any::<u64>(),
    ) {
        let mut app = calm();
        let mut next = moment(9, true);
        let meta = Arc::get_mut(&mut next.tasks[0].meta).expect("only one");
        meta.name = name.as_str().into();
        next.tasks[0].polls = huge;
        next.tasks[0].busy_ns = huge;
        advance(&mut app, &next.into(), Duration::ZERO);
        press(&mut app, &keys);
        let terminal = draw(&mut app, width, height);
        for cell in terminal.backend().buffer().content() {
            prop_assert!(!cell.symbol().contains(|c: char| c.is_control()), "{:?}", cell.symbol());
        }
        let target = screens::hit_target(&app, Size::new(width, height), width / 2, height / 2);
        prop_assert!(target.is_none() || width >= 24);
    }
}
