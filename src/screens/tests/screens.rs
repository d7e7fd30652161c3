//! What is on the screen, as a user sees it.

use std::time::Duration;

use proptest::prelude::*;
use ratatui::style::Color;

use crate::{
    app::{App, Settings, Theme},
    fixture::{S, Stage, World, to_lab},
    model::{RULES, RuleId, Thresholds, testing},
    snapshot::{ConsoleStats, FieldId, LabCommand},
    watch::{Cost, LongPoll, Waited},
};

/// Compares a screen with the one that was looked at and found good.
macro_rules! screen {
    ($name:literal, $stage:expr, $width:literal x $height:literal) => {
        insta::assert_snapshot!($name, $stage.screen($width, $height))
    };
}

#[test]
fn one_of_several_workers_held() {
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
fn a_group_opened() {
    let mut stage = Stage::new();
    stage.keys("2").pass(S);
    screen!("groups_80x24", stage, 80 x 24);
    screen!("groups_60x15", stage, 60 x 15);
    stage.keys("jj<Enter>");
    screen!("group_opened_80x24", stage, 80 x 24);
}

#[test]
fn workers_without_the_counters_of_tokio() {
    let world = World { counters: false, ..World::new() };
    let mut stage = Stage::with(world, Settings::default());
    stage.keys("3");
    screen!("workers_no_counters_80x24", stage, 80 x 24);
}

#[test]
fn who_ran_when() {
    let mut stage = Stage::new();
    stage.keys("4").pass(5 * S);
    screen!("timeline_calm_80x24", stage, 80 x 24);
    stage.hog(3 * S);
    screen!("timeline_80x24", stage, 80 x 24);
    screen!("timeline_60x15", stage, 60 x 15);
    screen!("timeline_200x50", stage, 200 x 50);
    screen!("timeline_24x4", stage, 24 x 4);
    stage.screen(80, 24);
    stage.keys(" ");
    screen!("timeline_frozen_80x24", stage, 80 x 24);
}

#[test]
fn the_timeline_close_up() {
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
fn the_timeline_of_several_workers() {
    let mut stage = Stage::with(World { workers: 4, ..World::new() }, Settings::default());
    stage.keys("4").pass(4 * S);
    stage.hog(3 * S).keys("j");
    screen!("timeline_4_workers_80x24", stage, 80 x 24);
    let mut stage = Stage::with(World { workers: 64, ..World::new() }, Settings::default());
    stage.keys("4").pass(S);
    stage.hog(S);
    screen!("timeline_64_workers_80x24", stage, 80 x 24);
}

#[test]
fn no_timeline() {
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
fn the_lab() {
    let mut stage = Stage::new();
    stage.keys("6j");
    screen!("lab_off_80x24", stage, 80 x 24);
    stage.hog(2 * S);
    screen!("lab_80x24", stage, 80 x 24);
    screen!("lab_60x15", stage, 60 x 15);
    stage.keys("<PgDn><PgDn><PgDn>");
    screen!("lab_end_60x15", stage, 60 x 15);
    stage.keys("k");
    assert!(stage.screen(60, 15).contains("WORKLOAD"), "what is selected is in sight again");
}

#[test]
fn disease_and_cure_side_by_side() {
    let mut stage = Stage::new();
    stage.keys("6").hog(3 * S);
    stage.world.hog_kind = "yield";
    stage.hog(3 * S);
    screen!("lab_tried_80x24", stage, 80 x 24);
    screen!("lab_tried_200x50", stage, 200 x 50);
    assert_eq!(stage.keys("l").effects.pop(), Some(to_lab(LabCommand::NextHogKind)));
    assert_eq!(stage.keys("h").effects.pop(), Some(to_lab(LabCommand::PreviousHogKind)));
    assert_eq!(stage.keys("jp").effects.pop(), Some(to_lab(LabCommand::Pause(0))));
    assert_eq!(stage.keys("r").effects.pop(), Some(to_lab(LabCommand::Restart(0))));
    assert_eq!(stage.keys("1w").effects.pop(), Some(to_lab(LabCommand::MoreWorkers)));
    assert_eq!(stage.keys("W").effects.pop(), Some(to_lab(LabCommand::FewerWorkers)));
}

#[test]
fn tokio_console_is_served_and_no_longer() {
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
    stage.keys("/conn-3<Enter>j<Enter>").pass(S);
    screen!("detail_60x15", stage, 60 x 15);
    screen!("detail_200x50", stage, 200 x 50);
    stage.keys("G");
    screen!("detail_scrolled_80x24", stage, 80 x 24);
}

#[test]
fn what_a_long_poll_cost_the_others() {
    let mut stage = Stage::new();
    let mut snapshot = stage.world.step();
    let names = ["conn-3", "conn-4", "ping-1"].map(|name| {
        let task = snapshot.tasks.iter().find(|task| &*task.meta.name == name);
        task.map(|task| (task.key, task.meta.name.clone())).expect("it is there")
    });
    let [(culprit, _), waited @ ..] = names;
    let worst = waited.into_iter().zip([98_000_000, 60_500_000]);
    let worst = worst.map(|((task, name), nanos)| Waited { task, name, nanos }).collect();
    let cost = Cost { exact: true, tasks: 2, total_ns: 158_500_000, worst };
    snapshot.long_polls = vec![std::sync::Arc::new(LongPoll {
        captures: 3,
        cost: Some(cost.into()),
        ..LongPoll::computing(culprit, snapshot.taken_ns - 350_000_000, 104_000_000)
    })];
    stage.show(&snapshot.into());
    stage.keys("/conn-3<Enter>j<Enter>");
    screen!("detail_cost_80x24", stage, 80 x 24);
    stage.keys("<Esc>/<BS>4<Enter>j<Enter>");
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
fn color_of_a_running_poll_follows_the_thresholds() {
    let color = |worker_held_ns: u64, long_poll_ns: u64| {
        let mut thresholds = Thresholds::default();
        thresholds.set(RuleId::WorkerHeld, Some(worker_held_ns));
        thresholds.set(RuleId::LongPoll, Some(long_poll_ns));
        let mut stage = Stage::new();
        stage.app =
            App::new(Settings::default(), Duration::from_millis(250)).with_thresholds(thresholds);
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
    stage.app =
        App::new(Settings::default(), Duration::from_millis(250)).with_thresholds(thresholds);
    stage.pass(2 * S).hog(2 * S).keys("5");
    screen!("findings_impact_80x24", stage, 80 x 24);
    screen!("findings_impact_30x8", stage, 30 x 8);
}

#[test]
fn a_finding() {
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
fn where_a_task_waits() {
    let mut stage = Stage::new();
    stage.keys("/conn-3<Enter>j<Enter>a");
    let asked = stage.screen(80, 24);
    assert!(asked.contains("await point requested"), "{asked}");
    stage.pass(S);
    screen!("detail_awaits_80x24", stage, 80 x 24);
    // Another task was not asked.
    stage.keys("<Esc>/<BS>4<Enter>jj<Enter>").pass(S);
    let other = stage.screen(80, 24);
    assert!(other.contains("a  show the await point"), "{other}");
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
    assert_ne!(stage.screen(80, 24), end, "the first key back leads back");
}

#[test]
fn frozen() {
    let mut stage = Stage::new();
    stage.hog(S).keys(" ").pass(4 * S);
    screen!("frozen_60x15", stage, 60 x 15);
}

#[test]
fn the_table_does_not_jump_when_a_finding_comes_and_goes() {
    let mut stage = Stage::new();
    let head = |screen: &str| screen.lines().position(|line| line.contains("BUSY%"));
    let calm = head(&stage.screen(80, 24));
    stage.hog(2 * S);
    assert_eq!(head(&stage.screen(80, 24)), calm);
}

#[test]
fn without_colours_and_without_unicode() {
    let settings = Settings { theme: Theme::Mono, ascii: true };
    let mut stage = Stage::with(World::new(), settings);
    stage.hog(2 * S).keys("j");
    stage.keys("<Enter>");
    screen!("ascii_detail_80x24", stage, 80 x 24);
    stage.keys("<Esc>3");
    screen!("ascii_workers_80x24", stage, 80 x 24);
    stage.keys("4").pass(4 * S);
    screen!("ascii_timeline_80x24", stage, 80 x 24);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Any number of workers, any names, any figures, on every screen and at any size: no
    /// panic, nothing that steers the terminal, and always something to see.
    #[test]
    fn every_world_can_be_drawn_at_every_size(
        width in 1u16..301,
        height in 1u16..101,
        workers in 0usize..80,
        hog in any::<bool>(),
        counters in any::<bool>(),
        lab in any::<bool>(),
        keys in "[123456?jGk il/]{0,6}(<Enter>|<Esc>|<Tab>|)[jGkx?+\\-nNh]{0,6}",
        name in "\\PC{0,40}|[\u{0}-\u{1f}\u{7f}\u{9b}\u{202e}\u{61c}a漢]{0,12}",
        figures in prop::collection::vec(any::<u64>(), 12),
    ) {
        let world = World { workers, counters, ..World::new() };
        let settings = Settings { ascii: figures[0] % 5 == 0, ..Settings::default() };
        let mut stage = Stage::with(world, settings);
        if hog {
            stage.hog(S);
        }
        stage.keys(&keys).pass(S);
        let mut snapshot = stage.world.step();
        for (task, seed) in snapshot.tasks.iter_mut().zip(&figures) {
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
        let harmful = |symbol: &str| symbol.contains(|c: char| c.is_control() || c == '\u{202e}');
        prop_assert!(!buffer.content().iter().any(|cell| harmful(cell.symbol())));
        if settings.ascii {
            prop_assert!(buffer.content().iter().all(|cell| cell.symbol().is_ascii()));
        }
        prop_assert!(buffer.content().iter().any(|cell| cell.symbol() != " "));
    }
}
