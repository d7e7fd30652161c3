//! The screens of a lab in many states and sizes.

use std::time::Duration;

use proptest::prelude::*;
use ratatui::style::Color;

use crate::{
    app::{Overlay, Settings, ThemeName},
    fixture::{S, Stage, World},
    model::{RULES, RuleId, Thresholds, testing},
    screens,
    snapshot::{ConsoleStats, DelayedTask, FieldId, LabCommand, LongPoll, PollImpact},
};

/// Compares a screen with its golden file.
macro_rules! screen {
    ($name:literal, $stage:expr, $width:literal x $height:literal) => {
        insta::assert_snapshot!($name, $stage.screen($width, $height))
    };
}

#[test]
fn one_of_several_workers_blocked() {
    let mut stage = Stage::with(World { workers: 4, ..World::new() }, Settings::default());
    stage.hog(2 * S);
    screen!("hog_4_workers_120x24", stage, 120 x 24);
    stage.keys("3");
    screen!("workers_4_80x24", stage, 80 x 24);
    screen!("workers_4_60x15", stage, 60 x 15);
    screen!("workers_4_200x50", stage, 200 x 50);
}

#[test]
fn many_workers() {
    let mut stage = Stage::with(World { workers: 64, ..World::new() }, Settings::default());
    stage.hog(2 * S);
    screen!("workers_64_120x30", stage, 120 x 30);
    stage.keys("3G");
    screen!("workers_64_last_80x24", stage, 80 x 24);
}

#[test]
fn group_screen_and_tasks_of_a_group() {
    let mut stage = Stage::new();
    stage.keys("2").pass(S);
    screen!("groups_80x24", stage, 80 x 24);
    screen!("groups_60x15", stage, 60 x 15);
    stage.keys("j<Enter>");
    screen!("group_opened_80x24", stage, 80 x 24);
}

#[test]
fn workers_without_unstable_counters() {
    let world = World { counters: false, ..World::new() };
    let mut stage = Stage::with(world, Settings::default());
    stage.keys("3");
    screen!("workers_no_counters_80x24", stage, 80 x 24);
}

#[test]
fn timeline() {
    let mut stage = Stage::new();
    stage.keys("4").pass(5 * S);
    screen!("timeline_calm_80x24", stage, 80 x 24);
    stage.hog(3 * S);
    screen!("timeline_80x24", stage, 80 x 24);
    screen!("timeline_60x15", stage, 60 x 15);
    screen!("timeline_120x36", stage, 120 x 36);
    screen!("timeline_200x50", stage, 200 x 50);
    screen!("timeline_24x4", stage, 24 x 4);
    stage.screen(80, 24);
    stage.keys(" ");
    screen!("timeline_frozen_80x24", stage, 80 x 24);
}

#[test]
fn timeline_zoomed_in() {
    let mut stage = Stage::new();
    stage.keys("4").pass(5 * S);
    stage.screen(80, 24);
    stage.keys(" ++++++++++++<Left><Left>NNN");
    screen!("timeline_1ms_80x24", stage, 80 x 24);
    stage.screen(200, 50);
    stage.keys("++N");
    screen!("timeline_200us_200x50", stage, 200 x 50);
    screen!("timeline_200us_60x15", stage, 60 x 15);
}

#[test]
fn timeline_of_several_workers() {
    let mut stage = Stage::with(World { workers: 4, ..World::new() }, Settings::default());
    stage.keys("4").pass(4 * S);
    stage.hog(3 * S);
    screen!("timeline_4_workers_80x24", stage, 80 x 24);
    let mut stage = Stage::with(World { workers: 64, ..World::new() }, Settings::default());
    stage.keys("4").pass(S);
    stage.hog(S);
    screen!("timeline_64_workers_80x24", stage, 80 x 24);
}

#[test]
fn timeline_unavailable() {
    let mut stage = Stage::new();
    stage.keys(" 4");
    screen!("timeline_frozen_before_80x24", stage, 80 x 24);
    stage.keys(" ");
    let mut without = stage.world.step();
    without.timeline = None;
    let reason = "not available over console-subscriber";
    let description = (*without.description).clone();
    without.description = description.without([FieldId::Timeline], reason).into();
    stage.show(&without.into());
    screen!("timeline_none_80x24", stage, 80 x 24);
}

#[test]
fn lab() {
    let mut stage = Stage::new();
    stage.keys("6");
    screen!("lab_off_80x24", stage, 80 x 24);
    stage.hog(2 * S);
    screen!("lab_80x24", stage, 80 x 24);
    screen!("lab_60x15", stage, 60 x 15);
    stage.keys("<PgDn><PgDn><PgDn>");
    screen!("lab_end_60x15", stage, 60 x 15);
    stage.keys("k");
    assert!(stage.screen(60, 15).contains("WORKLOAD"), "the selected row is visible again");
}

#[test]
fn lab_trials_and_commands() {
    let mut stage = Stage::new();
    stage.keys("6").hog(3 * S);
    stage.world.hog_kind = "yield";
    stage.hog(3 * S);
    screen!("lab_tried_80x24", stage, 80 x 24);
    screen!("lab_tried_200x50", stage, 200 x 50);
    assert_eq!(stage.keys("p").sent(), [LabCommand::Pause(0)]);
    assert_eq!(stage.keys("r").sent(), [LabCommand::Restart(0)]);
    assert_eq!(stage.keys("1w").sent(), [LabCommand::AddWorker]);
    assert_eq!(stage.keys("W").sent(), [LabCommand::RemoveWorker]);
}

#[test]
fn lab_in_two_columns() {
    let mut stage = Stage::new();
    stage.keys("6").hog(3 * S);
    stage.world.hog_kind = "yield";
    stage.hog(3 * S);
    screen!("lab_120x36", stage, 120 x 36);
    stage.keys("l");
    assert!(
        stage.screen(120, 36).contains("block-in-place skipped: needs the multi-thread runtime")
    );
}

#[test]
fn console_server_running_and_stopped() {
    let served = ConsoleStats {
        address: ([127, 0, 0, 1], 6669).into(),
        added_ns_per_poll: 640,
        ended: None,
    };
    let console = Some(served.clone());
    let mut stage = Stage::with(World { console, ..World::new() }, Settings::default());
    stage.keys("6");
    screen!("console_120x24", stage, 120 x 24);
    screen!("console_60x15", stage, 60 x 15);
    let ended = Some("out of descriptors".into());
    stage.world.console = Some(ConsoleStats { ended, ..served });
    stage.pass(S);
    screen!("console_ended_120x24", stage, 120 x 24);
}

#[test]
fn details() {
    let mut stage = Stage::new();
    stage.keys("/conn-3<Enter><Enter>").pass(S);
    screen!("detail_60x15", stage, 60 x 15);
    screen!("detail_200x50", stage, 200 x 50);
    stage.keys("G");
    screen!("detail_scrolled_80x24", stage, 80 x 24);
}

#[test]
fn impact_of_a_long_poll_in_task_details() {
    let mut stage = Stage::new();
    let mut snapshot = stage.world.step();
    let names = ["conn-3", "conn-4", "ping-1"].map(|name| {
        let task = snapshot.tasks.iter().find(|task| &*task.meta.name == name);
        task.map(|task| (task.key, task.meta.name.clone())).expect("it is there")
    });
    let [(offender, _), delayed @ ..] = names;
    let worst = delayed.into_iter().zip([98_000_000, 60_500_000]);
    let worst =
        worst.map(|((task, name), nanos)| DelayedTask { task, name, delay_ns: nanos }).collect();
    let impact = PollImpact {
        tasks: 2,
        total_ns: 158_500_000,
        most_delayed: worst,
        ..PollImpact::default()
    };
    snapshot.long_polls = vec![std::sync::Arc::new(LongPoll {
        captures: 3,
        impact: Some(impact.into()),
        ..LongPoll::computing(offender, snapshot.taken_ns - 350_000_000, 104_000_000)
    })];
    stage.show(&snapshot.into());
    stage.keys("/conn-3<Enter><Enter>");
    screen!("detail_cost_80x24", stage, 80 x 24);
    stage.keys("<Esc>/<BS>4<Enter><Enter>");
    screen!("detail_waited_80x24", stage, 80 x 24);
    screen!("detail_waited_60x15", stage, 60 x 15);
}

#[test]
fn findings() {
    let mut stage = Stage::with(World { watched: true, ..World::new() }, Settings::default());
    stage.keys("5");
    screen!("findings_none_80x24", stage, 80 x 24);
    stage.hog(2 * S);
    screen!("findings_80x24", stage, 80 x 24);
    screen!("findings_60x15", stage, 60 x 15);
    screen!("findings_200x50", stage, 200 x 50);
    screen!("findings_30x8", stage, 30 x 8);
    stage.world.hog_since = None;
    stage.pass(4 * S);
    screen!("findings_over_80x24", stage, 80 x 24);
}

#[test]
fn rows_of_the_impact_table_are_below_the_findings_and_can_be_opened() {
    let mut stage = Stage::with(World { watched: true, ..World::new() }, Settings::default());
    stage.hog(2 * S).keys("5j");
    screen!("findings_impact_selected_120x36", stage, 120 x 36);
    screen!("findings_impact_selected_40x10", stage, 40 x 10);
    stage.keys("<Enter>");
    screen!("long_polls_80x24", stage, 80 x 24);
    stage.keys("<Enter>");
    assert!(matches!(stage.app.overlay(), Some(Overlay::Task(key)) if key.id == 26));
}

#[test]
fn details_of_a_task_drop_blank_lines_before_statistics() {
    let mut stage = Stage::with(World { watched: true, ..World::new() }, Settings::default());
    stage.hog(2 * S).keys("1<Enter>").hog(S);
    assert!(!stage.screen(120, 35).contains("more ↓"), "{}", stage.screen(120, 35));
    assert!(stage.screen(120, 30).contains("more ↓"));
}

#[test]
fn copied_text_is_the_row_or_the_details_without_decoration() {
    let copied = |stage: &Stage| screens::copied_text(&stage.app, stage.size);
    let mut stage = Stage::with(World { watched: true, ..World::new() }, Settings::default());
    stage.keys("/conn-3<Enter>");
    let row = copied(&stage).expect("a row");
    assert!(row.contains("conn-3") && row.contains("net.rs:44"), "{row}");
    assert_eq!(row.lines().count(), 1, "{row}");
    stage.keys("<Esc>5");
    assert_eq!(copied(&stage), None);
    stage.hog(2 * S);
    let finding = copied(&stage).expect("a finding");
    assert!(finding.starts_with("hog has blocked worker 0 for 2.00s"), "{finding}");
    assert!(finding.contains("▸ hog::spin"), "the stack: {finding}");
    assert_eq!(copied(stage.keys("<Enter>")), Some(finding), "the details are the same");
    assert!(copied(stage.keys("6")).is_some_and(|row| row.starts_with("heartbeat")));
    for key in ["1", "2", "3"] {
        let row = copied(stage.keys(key)).expect(key);
        let is_of_graph = |c| matches!(c, '\u{2580}'..='\u{259f}' | '\u{2801}'..='\u{28ff}');
        assert!(!row.contains(is_of_graph), "{key}: {row}");
    }
}

#[test]
fn line_number_is_visible_at_every_size() {
    let mut stage = Stage::with(World { watched: true, ..World::new() }, Settings::default());
    stage.hog(2 * S).keys("5");
    for (width, height) in [(30, 8), (40, 10), (60, 15), (80, 24), (120, 36)] {
        let screen = stage.screen(width, height);
        let count = screen.matches("hog.rs:61").count();
        assert!(count >= 2, "in the banner and in the list: {screen}");
    }
}

#[test]
fn color_of_a_running_poll_follows_the_thresholds() {
    let color = |worker_held_ns: u64, long_poll_ns: u64| {
        let mut thresholds = Thresholds::default();
        thresholds.set(RuleId::WorkerHeld, Some(worker_held_ns));
        thresholds.set(RuleId::LongPoll, Some(long_poll_ns));
        let mut stage = Stage::new();
        stage.app = screens::new_app(Settings::default(), Duration::from_millis(250))
            .with_thresholds(thresholds);
        let buffer = stage.pass(S).hog(2 * S).keys("1").buffer(80, 24);
        // The workers are above the list of tasks.
        let line = |y| (0..80).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..4).find_map(|y| {
            let x = line(y).split_once("hog for ")?.0.chars().count();
            Some(buffer[(x as u16, y)].fg)
        })
    };
    assert_eq!(color(S, S / 2), Some(Color::Red));
    assert_eq!(color(10 * S, S), Some(Color::Yellow));
    assert_eq!(color(10 * S, 5 * S), None);
}

#[test]
fn impact_without_a_finding_is_shown_as_a_warning() {
    let mut thresholds = Thresholds::default();
    RULES.iter().for_each(|rule| thresholds.set(rule.id, None));
    thresholds.set(RuleId::WorkerHeld, Some(3_600 * S));
    let mut stage = Stage::with(World { watched: true, ..World::new() }, Settings::default());
    stage.app = screens::new_app(Settings::default(), Duration::from_millis(250))
        .with_thresholds(thresholds);
    stage.pass(2 * S).hog(2 * S).keys("5");
    screen!("findings_impact_80x24", stage, 80 x 24);
    screen!("findings_impact_30x8", stage, 30 x 8);
}

#[test]
fn finding_details() {
    let mut stage = Stage::with(World { watched: true, ..World::new() }, Settings::default());
    stage.hog(2 * S).keys("5<Enter>");
    screen!("finding_80x24", stage, 80 x 24);
    screen!("finding_60x15", stage, 60 x 15);
    screen!("finding_200x50", stage, 200 x 50);
    stage.world.hog_since = None;
    stage.pass(4 * S);
    screen!("finding_over_120x30", stage, 120 x 30);
}

#[test]
fn await_point_in_task_details() {
    let mut stage = Stage::new();
    stage.keys("/conn-3<Enter><Enter>a");
    let asked = stage.screen(80, 24);
    assert!(asked.contains("await point requested"), "{asked}");
    stage.pass(S);
    screen!("detail_awaits_80x24", stage, 80 x 24);
    // Its await point was not requested.
    stage.keys("<Esc>/<BS>4<Enter>j<Enter>").pass(S);
    let other = stage.screen(80, 24);
    assert!(other.contains("a: show the await point"), "{other}");
    stage.keys("<Esc>a");
    let closed = stage.screen(80, 24);
    assert!(closed.contains("open a task with Enter"), "{closed}");
}

#[test]
fn help() {
    let mut stage = Stage::new();
    stage.keys("?");
    screen!("help_60x15", stage, 60 x 15);
    stage.keys("G");
    screen!("help_end_80x24", stage, 80 x 24);
    let end = stage.screen(80, 24);
    stage.keys("jjk");
    assert_ne!(stage.screen(80, 24), end, "the first key up scrolls up");
}

#[test]
fn frozen() {
    let mut stage = Stage::new();
    stage.hog(S).keys(" ").pass(4 * S);
    screen!("frozen_60x15", stage, 60 x 15);
}

#[test]
fn table_stays_in_place_when_a_finding_appears() {
    let mut stage = Stage::new();
    let title_line = |screen: &str| screen.lines().position(|line| line.contains("BUSY%"));
    let calm = title_line(&stage.screen(80, 24));
    stage.hog(2 * S);
    assert_eq!(title_line(&stage.screen(80, 24)), calm);
}

#[test]
fn screens_in_mono_and_ascii() {
    let settings = Settings { theme: ThemeName::Mono, ascii: true, ..Settings::default() };
    let mut stage = Stage::with(World::new(), settings);
    stage.hog(2 * S);
    stage.keys("<Enter>");
    screen!("ascii_detail_80x24", stage, 80 x 24);
    stage.keys("<Esc>3");
    screen!("ascii_workers_80x24", stage, 80 x 24);
    stage.keys("4").pass(4 * S);
    screen!("ascii_timeline_80x24", stage, 80 x 24);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// With any number of workers, names and values, on every screen and at any size: no panic, no control
    /// character, and no empty screen.
    #[test]
    fn every_screen_can_be_drawn_at_every_size(
        width in 1u16..301,
        height in 1u16..101,
        workers in 0usize..80,
        hog in any::<bool>(),
        counters in any::<bool>(),
        lab in any::<bool>(),
        keys in "[123456?jGk il/]{0,6}(<Enter>|<Esc>|<Tab>|)[jGkx?+\\-nNh]{0,6}",
        name in "\\PC{0,40}|[\u{0}-\u{1f}\u{7f}\u{9b}\u{202e}\u{61c}a漢]{0,12}",
        values in prop::collection::vec(any::<u64>(), 12),
    ) {
        let world = World { workers, counters, ..World::new() };
        let settings = Settings { ascii: values[0] % 5 == 0, ..Settings::default() };
        let mut stage = Stage::with(world, settings);
        if hog {
            stage.hog(S);
        }
        stage.keys(&keys).pass(S);
        let mut snapshot = stage.world.step();
        for (task, seed) in snapshot.tasks.iter_mut().zip(&values) {
            task.meta = testing::task(*seed, &name).meta;
            (task.polls, task.wakes, task.since_ns) = (*seed, seed / 3, *seed);
            (task.busy_ns, task.max_poll_ns, task.lifetime_ns) = (seed / 2, *seed, seed / 7);
            task.live_wakers = Some(0);
        }
        if !lab {
            snapshot.lab = None;
        }
        stage.show(&snapshot.into());
        let buffer = stage.buffer(width, height);
        let is_unsafe = |symbol: &str| symbol.contains(|c: char| c.is_control() || c == '\u{202e}');
        prop_assert!(!buffer.content().iter().any(|cell| is_unsafe(cell.symbol())));
        if settings.ascii {
            prop_assert!(buffer.content().iter().all(|cell| cell.symbol().is_ascii()));
        }
        prop_assert!(buffer.content().iter().any(|cell| cell.symbol() != " "));
    }
}

#[test]
fn stack_states_that_its_file_is_newer_than_the_program() {
    let mut stage = Stage::with(World { watched: true, ..World::new() }, Settings::default());
    stage.hog(2 * S).keys("5<Enter>");
    const TEXT: &str = "the file is newer than the program";
    let shown = stage.app.shown_source().expect("the long poll has a stack");
    assert!(!stage.screen(120, 36).contains(TEXT));
    stage.app.mark_newer(shown);
    assert!(stage.screen(120, 36).contains(TEXT));
    // Another task is not about that file.
    stage.keys("<Esc>1G<Enter>");
    assert!(!stage.screen(120, 36).contains(TEXT));
}
