//! The basic screens, and behavior that shows on them.

use std::{sync::Arc, time::Duration};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::{Terminal, backend::TestBackend, layout::Size};

use crate::{
    app::{App, Effect, Overlay, Settings, ThemeName},
    fixture::{Stage, advance, lab_command},
    model::testing::{self, lab, snapshot, task},
    screens::{self, HitMap},
    snapshot::{
        CurrentPoll, DistributionKey, Distributions, Histogram, LabCommand, Lesson, PollKind,
        State, Target, TaskStats,
    },
};

const S: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

fn live_task(id: u64, name: &str, polls: u64, busy_ns: u64, now: u64) -> TaskStats {
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

/// A lab after `quarters` quarter seconds; with a hog after two seconds if `hog`.
fn sample(quarters: u64, hog: bool) -> Target {
    let now = quarters * S / 4;
    let hog_since = 2 * S;
    let work = if hog { now.min(hog_since) } else { now } / MS;
    let mut tasks: Vec<_> = (1..=3)
        .map(|id| live_task(id, &format!("heartbeat-{id}"), work / 10, work * 2_000, now))
        .collect();
    tasks.extend(
        (4..=9).map(|id| {
            live_task(id, &format!("conn-{}", id - 3), work * id, work * 1_000 * id, now)
        }),
    );
    let mut ended = live_task(10, "conn-7", 12, MS, S);
    ended.state = State::Cancelled;
    tasks.push(ended);
    let mut broken = live_task(11, "importer", 3, MS, S);
    broken.state = State::Panicked;
    tasks.push(broken);
    let mut stats = lab([
        ("heartbeats", 3, None, 0),
        ("tcp", 6, Some("request"), work * 3),
        ("pingpong", 2, Some("round trip"), work * 4),
    ]);
    stats.lesson = Arc::new(Lesson {
        watch: "Each of these tasks yields soon, so every task is polled.".into(),
        attempt: "Start the hog (b). Shorten its hold time ([) and watch the scheduling delay of \
                  the other tasks."
            .into(),
        why: "The hog awaits nothing, so its worker polls no other task.".into(),
    });
    let mut delays = Histogram::default();
    (0..work).for_each(|n| delays.record(20_000 + n * 100));
    let is_blocked = hog && now > hog_since;
    if is_blocked {
        stats.hog.on_since_ns = Some(hog_since);
        for task in &mut tasks[3..8] {
            task.state = State::Scheduled;
            task.since_ns = hog_since;
            task.scheduled_ns += now - hog_since;
        }
        let mut hog = live_task(12, "hog", 1, now - hog_since, now - hog_since);
        (hog.state, hog.since_ns) = (State::Polling, hog_since);
        (hog.scheduled_ns, hog.idle_ns, hog.max_poll_ns) = (0, 0, now - hog_since);
        hog.stage = Some("spins".into());
        tasks.push(hog);
    }
    let mut snapshot = snapshot(now, tasks);
    let unavailable = testing::UNSTABLE.into_iter().skip(2);
    snapshot.description =
        testing::description("lab:mixed").without(unavailable, "not in this test").into();
    snapshot.runtime.injection_queue = if is_blocked { 5 } else { 0 };
    snapshot.runtime.alive_tasks = snapshot.runtime.measured_tasks;
    snapshot.delays = delays;
    snapshot.lab = Some(stats);
    let polling = if is_blocked { now - hog_since } else { 0 };
    snapshot.workers[0].poll_ns = work * MS / 5 + polling;
    snapshot.workers[0].polls = work * 20;
    snapshot.workers[0].thread = Some("asynctop-w0".into());
    snapshot.workers[0].current =
        is_blocked.then_some(CurrentPoll { key: 12, since_ns: hog_since, kind: PollKind::Poll });
    snapshot
}

/// The app after `quarters` snapshots.
fn after(quarters: u64, hog: bool, settings: Settings) -> App {
    let mut app = screens::new_app(settings, Duration::from_millis(250));
    for quarter in 1..=quarters {
        advance(&mut app, &sample(quarter, hog).into(), Duration::ZERO);
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

fn draw(app: &mut App, width: u16, height: u16) -> (Terminal<TestBackend>, HitMap) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("no I/O");
    app.set_viewport(screens::viewport(app, Size::new(width, height)));
    let mut hit_map = HitMap::default();
    terminal.draw(|frame| hit_map = screens::render(app, frame)).expect("no I/O");
    (terminal, hit_map)
}

fn screen(app: &mut App, width: u16, height: u16) -> String {
    draw(app, width, height).0.backend().to_string()
}

macro_rules! screen {
    ($name:ident, $app:expr, $width:expr, $height:expr) => {
        #[test]
        fn $name() {
            let mut app = $app;
            insta::assert_snapshot!(screen(&mut app, $width, $height));
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
screen!(lab_screen, with_keys(with_hog(), "6"), 100, 22);
screen!(filter_prompt, with_keys(calm(), "/conn can"), 80, 14);
screen!(filter_without_matches, with_keys(calm(), "/zzz\n"), 80, 14);
screen!(cancel_prompt, with_keys(calm(), "x"), 80, 14);
screen!(help, with_keys(calm(), "?"), 90, 60);
screen!(
    before_the_first_sample,
    screens::new_app(Settings::default(), Duration::from_secs(1)),
    60,
    12
);
screen!(
    tasks_in_ascii,
    after(13, true, Settings { ascii: true, theme: ThemeName::Mono, ..Settings::default() }),
    100,
    16
);

#[test]
fn frozen_screen_shows_its_age_and_does_not_change() {
    let mut app = calm();
    press(&mut app, " ");
    for quarter in 9..=12 {
        advance(&mut app, &sample(quarter, false).into(), Duration::ZERO);
    }
    insta::assert_snapshot!(screen(&mut app, 80, 12));
}

#[test]
fn task_details() {
    let mut app = calm();
    press(&mut app, "/conn-4\n\n");
    let Some(&Overlay::Task(key)) = app.overlay() else { panic!("{:?}", app.overlay()) };
    let mut distributions = Distributions::default();
    for n in 0..1_000 {
        distributions.poll_times.record(3_000 + n * n / 10);
        distributions.delays.record(40_000);
    }
    let mut next = sample(9, false);
    next.distributions.push((DistributionKey::Task(key.id), distributions));
    advance(&mut app, &next.into(), Duration::ZERO);
    insta::assert_snapshot!(screen(&mut app, 90, 40));
}

#[test]
fn groups_by_location_have_no_columns_without_values() {
    let mut stage = Stage::new();
    for (keys, is_shown) in [("2", true), ("t", false)] {
        stage.keys(keys).pass(S);
        assert_eq!(stage.screen(140, 36).contains(" DELAY P99 "), is_shown, "{keys}");
    }
}

#[test]
fn overdue_sample_is_in_the_header() {
    let mut stage = Stage::new();
    let is_shown =
        |stage: &mut Stage, age| stage.screen(60, 15).contains(&format!("no sample for {age}"));
    stage.app.tick(stage.now + Duration::from_secs(3));
    assert!(is_shown(&mut stage, "3s"));
    stage.pass(S);
    assert!(!is_shown(&mut stage, ""));
}

#[test]
fn names_are_not_cut_while_a_line_has_free_cells() {
    let mut stage = Stage::new();
    let mut target = stage.world.step();
    let renamed = target.tasks.iter_mut().find(|task| &*task.meta.name == "cruncher");
    Arc::make_mut(&mut renamed.expect("a task").meta).name = "painter:program-1".into();
    stage.show(&target.into());
    assert!(stage.screen(80, 24).contains(" painter:program-1 "));
    assert!(stage.screen(40, 12).contains("painter:"));
}

#[test]
fn mono_theme_has_no_colors() {
    let mut app = after(13, true, Settings { theme: ThemeName::Mono, ..Settings::default() });
    let (terminal, _) = draw(&mut app, 120, 30);
    let buffer = terminal.backend().buffer();
    assert!(buffer.content().iter().all(|cell| {
        cell.fg == ratatui::style::Color::Reset && cell.bg == ratatui::style::Color::Reset
    }));
}

#[test]
fn ascii_screens_have_only_ascii_characters() {
    let settings = Settings { ascii: true, ..Settings::default() };
    for keys in ["", "2", "3", "4", "6", "?", "j\n", "/x"] {
        let mut app = after(13, true, settings);
        press(&mut app, keys);
        let (terminal, _) = draw(&mut app, 200, 70);
        let cells = terminal.backend().buffer().content();
        let beyond: String = cells.iter().map(|c| c.symbol()).filter(|s| !s.is_ascii()).collect();
        assert_eq!(beyond, "", "after {keys:?}");
    }
}

#[test]
fn selection_follows_its_task_to_a_new_order() {
    let mut app = calm();
    press(&mut app, "jjj");
    let selected = app.selected_task();
    assert!(selected.is_some());
    for keys in ["i", "l", "h", "hh"] {
        press(&mut app, keys);
        assert_eq!(app.selected_task(), selected, "after {keys:?}");
        assert_eq!(Some(&app.row_key(app.cursor().row())), app.cursor().key());
    }
}

#[test]
fn cancel_needs_a_second_x_and_any_other_key_dismisses_it() {
    let mut app = calm();
    let key = |app: &mut App| press(app, "x");
    press(&mut app, "j");
    let task = app.selected_task().expect("a selected task");
    assert_eq!(key(&mut app), None);
    let effect = key(&mut app);
    assert_eq!(effect.and_then(lab_command), Some(LabCommand::Cancel(task.id)));
    assert_eq!(press(&mut app, "xjx"), None, "j dismissed it");
}

#[test]
fn esc_goes_back_step_by_step() {
    let mut app = calm();
    press(&mut app, "/conn\n2\nj\n");
    assert!(matches!(app.overlay(), Some(Overlay::Task(_))) && app.pin().is_some());
    let mut back = || {
        press(&mut app, "\x1b");
        let is_in_group = app.pin().is_some();
        (app.screen().spec.id.0, app.overlay().is_some(), is_in_group, app.filter.clone())
    };
    assert_eq!(back(), ("tasks", false, true, "conn".into()));
    assert_eq!(back(), ("groups", false, false, "conn".into()));
    assert_eq!(back(), ("groups", false, false, String::new()));
    assert_eq!(back(), ("tasks", false, false, String::new()));
}

#[test]
fn hog_option_waits_for_a_baseline() {
    let mut app = screens::new_app(Settings::default(), Duration::from_millis(250));
    app.turn_on_hog = true;
    let effects: Vec<_> = (1..12)
        .filter_map(|quarter| advance(&mut app, &sample(quarter, false).into(), Duration::ZERO))
        .collect();
    let commands: Vec<_> = effects.into_iter().filter_map(lab_command).collect();
    assert_eq!(commands, [LabCommand::TurnOnHog]);
}

#[test]
fn hog_restarts_on_the_next_runtime_after_one_second_of_baseline() {
    let mut app = calm();
    let mut quarters = (40..60).map(|quarter| {
        let mut next = sample(quarter, false);
        next.epoch += 1;
        next.lab.as_mut().expect("a lab").hog.restart_pending = true;
        let effect = advance(&mut app, &next.into(), Duration::ZERO);
        (app.model().only().slowdown().baseline_ns, effect)
    });
    let (baseline_ns, effect) = quarters.find(|(_, effect)| effect.is_some()).expect("an effect");
    let command = effect.and_then(lab_command);
    assert_eq!((baseline_ns, command), (1_000_000_000, Some(LabCommand::TurnOnHog)));
}

#[test]
fn new_runtime_clears_the_selection_and_the_details() {
    let mut app = calm();
    press(&mut app, "j\n");
    let mut next = sample(9, false);
    next.epoch += 1;
    advance(&mut app, &next.into(), Duration::ZERO);
    assert_eq!((app.overlay(), app.cursor().key()), (None, Some(&app.row_key(0))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// At any size, with any keys and names: no panic, and no control character.
    #[test]
    fn screens_can_be_drawn_at_any_size(
        width in 1u16..301,
        height in 1u16..101,
        keys in "[123456nNbBfx+\\-jkgGhli/ ?<>\n\x1b]{0,12}",
        name in "\\PC{0,30}|[\u{0}-\u{1f}\u{202e}a]{0,10}",
        huge in any::<u64>(),
    ) {
        let mut app = calm();
        let mut next = sample(9, true);
        let meta = Arc::get_mut(&mut next.tasks[0].meta).expect("only one");
        meta.name = name.as_str().into();
        next.tasks[0].polls = huge;
        next.tasks[0].busy_ns = huge;
        advance(&mut app, &next.into(), Duration::ZERO);
        press(&mut app, &keys);
        let (terminal, hit_map) = draw(&mut app, width, height);
        for cell in terminal.backend().buffer().content() {
            prop_assert!(!cell.symbol().contains(|c: char| c.is_control()), "{:?}", cell.symbol());
        }
        let target = hit_map.at(width / 2, height / 2);
        prop_assert!(target.is_none() || width >= 24);
        target.and_then(|target| app.click(target, Duration::ZERO));
    }
}
