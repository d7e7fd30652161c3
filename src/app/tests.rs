//! Keys and snapshots in, state and effects out.

use std::{sync::Arc, time::Duration};

use crossterm::event::{KeyCode, KeyEvent};

use super::{Action, Effect, Overlay, Screen, keymap::KEYMAP, state::key_of};
use crate::{
    fixture::{S, Stage, to_lab},
    model::{Column, GroupColumn, Refresh, RuleId},
    screens,
    snapshot::{LabCommand, Subscription},
};

#[test]
fn nothing_is_selected_until_a_key_moves_and_then_it_stays() {
    let mut stage = Stage::new();
    assert_eq!(stage.app.tasks.key(), None);
    stage.keys("jj");
    let selected = stage.app.tasks.key().copied();
    assert!(selected.is_some());
    stage.hog(2 * S);
    assert_eq!(stage.app.tasks.key().copied(), selected, "over snapshots");
    stage.keys("/ping<Enter><Esc>");
    let row = stage.app.tasks.row();
    let shown = stage.app.order().get(row).map(|row| key_of(stage.app.model(), *row));
    assert_eq!(stage.app.tasks.key().copied(), shown, "after a filter that hid or kept it");
}

#[test]
fn rows_of_a_query_that_a_key_has_changed_are_not_shown() {
    let mut stage = Stage::new();
    let mut model = stage.app.live_model().clone();
    model.advance(&stage.world.step().into());
    let refresh = Refresh::new(&model, stage.app.row_query());
    stage.keys("/ping<Enter>");
    let pings = stage.app.order().len();
    stage.app.advance(refresh, stage.now);
    assert_eq!(stage.app.order().len(), pings);
    assert!(pings < stage.app.model().only().target().tasks.len());
}

#[test]
fn without_a_selection_the_table_stays_at_its_top() {
    let mut stage = Stage::new();
    stage.hog(S);
    assert_eq!(stage.app.tasks.top(), 0);
    let first = stage.app.model().task_of_row(stage.app.order()[0]);
    let first = first.map(|(_, task, _)| task.meta.name.to_string());
    assert_eq!(first.as_deref(), Some("hog"));
}

#[test]
fn enter_with_nothing_selected_opens_what_is_wrong_and_then_the_task() {
    let mut stage = Stage::new();
    // The hog is at the bottom of this order.
    stage.hog(S).keys("<Left><Left><Left>i<Enter>");
    let Overlay::Finding { id, .. } = stage.app.overlay.clone() else {
        panic!("{:?}", stage.app.overlay)
    };
    assert_eq!((id.rule, id.subject.to_string().as_str()), (RuleId::WorkerHeld, "hog"));
    stage.keys("<Enter>");
    let Overlay::Task { key, .. } = stage.app.overlay else { panic!("{:?}", stage.app.overlay) };
    assert_eq!(stage.app.task(key).map(|task| &*task.meta.name), Some("hog"));
    let subscription = Subscription { task: Some(key), resources: true, ..Subscription::default() };
    assert_eq!(stage.app.subscription(), subscription);
    stage.keys("<Esc>");
    assert_eq!(stage.app.overlay, Overlay::Finding { id, scroll: 0 }, "back to where it came from");
    stage.keys("<Esc>");
    assert_eq!(stage.app.overlay, Overlay::None);
}

#[test]
fn columns_are_sorted_by_with_the_greatest_figures_first() {
    let mut stage = Stage::new();
    stage.keys("l");
    assert_eq!((stage.app.query.sort, stage.app.query.descending), (Column::Busy, true));
    stage.keys("hh<Left><Left>");
    assert_eq!((stage.app.query.sort, stage.app.query.descending), (Column::Name, false));
    stage.keys("i");
    assert!(stage.app.query.descending);
    stage.keys("2hhhhhhhhhhhhhhh");
    assert_eq!(stage.app.group_sort, (GroupColumn::Name, false));
}

#[test]
fn a_filter_is_applied_while_it_is_typed() {
    let mut stage = Stage::new();
    stage.keys("/conn q");
    assert_eq!(stage.app.order().len(), 12, "q is a letter here: all conns wait for a request");
    stage.keys("<BS>1");
    assert_eq!(stage.app.order().len(), 4);
    stage.keys("^w^w");
    assert_eq!((stage.app.filter.as_str(), stage.app.order().len()), ("", 25));
    stage.keys("ping^uconn-12<Enter>");
    assert_eq!(stage.app.order().len(), 1);
    assert!(stage.effects.is_empty(), "no letter was taken for a key");
    stage.keys("<Esc>");
    assert_eq!((stage.app.filter.as_str(), stage.app.order().len()), ("", 25));
}

#[test]
fn a_group_is_entered_and_left() {
    let mut stage = Stage::new();
    stage.keys("2");
    assert!(stage.app.subscription().groups);
    stage.keys("jj<Enter>");
    assert_eq!((stage.app.screen, stage.app.order().len()), (Screen::Tasks, 12));
    assert!(!stage.app.subscription().groups);
    stage.keys("<Esc>");
    assert_eq!((stage.app.screen, &stage.app.query.group), (Screen::Groups, &None));
    assert_eq!(stage.keys("1").app.order().len(), 25);
}

#[test]
fn tab_goes_round_and_numbers_go_straight() {
    let mut stage = Stage::new();
    let mut seen = Vec::new();
    // The lab knows nothing of resources: Tab does not lead there.
    for _ in 0..6 {
        stage.keys("<Tab>");
        seen.push(stage.app.screen);
    }
    assert_eq!(
        seen,
        [
            Screen::Groups,
            Screen::Workers,
            Screen::Timeline,
            Screen::Findings,
            Screen::Lab,
            Screen::Tasks
        ]
    );
    stage.keys("<BackTab>");
    assert_eq!(stage.app.screen, Screen::Lab);
    stage.keys("?2");
    assert_eq!((stage.app.screen, &stage.app.overlay), (Screen::Groups, &Overlay::None));
}

#[test]
fn a_frozen_picture_can_be_walked_through_while_collecting_goes_on() {
    let mut stage = Stage::new();
    stage.keys(" ").hog(2 * S);
    assert_eq!(stage.app.frozen_for_ns(), 2 * S);
    assert!(stage.app.model().findings().is_empty(), "the hog came later");
    stage.keys("/conn<Enter>");
    assert_eq!(stage.app.order().len(), 12);
    stage.keys(" ");
    assert!(!stage.app.is_frozen());
    assert_eq!(stage.app.model().findings()[0].rule, RuleId::WorkerHeld, "and had been collected");
}

#[test]
fn lab_keys_become_commands() {
    let mut stage = Stage::new();
    stage.keys("bB[]f");
    let asked: Vec<_> = stage.effects.drain(..).collect();
    let expected = [
        LabCommand::ToggleHog,
        LabCommand::NextHogKind,
        LabCommand::HoldShorter,
        LabCommand::HoldLonger,
        LabCommand::SwitchFlavor,
    ];
    assert_eq!(asked, expected.map(to_lab));
    stage.keys("6jj+-");
    assert_eq!(stage.effects, [LabCommand::Raise(1), LabCommand::Lower(1)].map(to_lab));
}

#[test]
fn intervals_have_an_end() {
    let mut stage = Stage::new();
    stage.keys(">>>>");
    assert_eq!(stage.app.interval, Duration::from_millis(100));
    stage.keys("<Esc>");
    "<<<<<<<<<".chars().for_each(|_| {
        let key = KeyEvent::from(KeyCode::Char('<'));
        stage.effects.extend(stage.app.key(key, stage.now));
    });
    assert_eq!(stage.app.interval, Duration::from_secs(10));
}

#[test]
fn a_message_fades() {
    let mut stage = Stage::new();
    stage.answer("hog on");
    let bar = stage.screen(80, 24).lines().last().expect("a last line").to_owned();
    assert!(bar.ends_with(" hog on") && bar.contains("q quit"), "{bar}");
    stage.answer("x".repeat(70));
    assert!(stage.screen(80, 24).ends_with(&format!(" {}\n", "x".repeat(70))));
    stage.pass(6 * S);
    assert!(stage.screen(80, 24).contains("q quit"));
}

#[test]
fn failure_is_shown_once_in_the_message_line() {
    let mut stage = Stage::new();
    stage.pass(S);
    let mut failed = crate::snapshot::Target::clone(stage.app.target().expect("a sample"));
    let workload = &mut failed.lab.as_mut().expect("a lab").workloads[0];
    workload.failure = Some("its clients get no reply".into());
    let sentence = format!(" the workload {}: its clients get no reply\n", workload.name);
    failed.taken_ns += 1;
    let failed = failed.into();
    stage.show(&failed);
    assert!(stage.screen(80, 24).ends_with(&sentence));
    stage.answer("hog on");
    stage.show(&failed);
    assert!(stage.screen(80, 24).ends_with(" hog on\n"));
}

#[test]
fn what_is_clicked_is_selected_sorted_or_pressed() {
    let mut stage = Stage::new();
    let click = |stage: &mut Stage, word: &str| {
        let screen = stage.screen(80, 24);
        let (row, line) =
            screen.lines().enumerate().find(|(_, line)| line.contains(word)).expect(word);
        let column = line.split(word).next().map_or(0, |before| before.chars().count());
        let target = screens::hit_target(&stage.app, stage.size, column as u16, row as u16);
        stage.app.click(target.expect(word), stage.now)
    };
    click(&mut stage, "conn-6");
    let selected = stage.app.tasks.key().and_then(|key| stage.app.task(*key));
    assert_eq!(selected.map(|task| &*task.meta.name), Some("conn-6"));
    click(&mut stage, "MAX POLL");
    assert_eq!(stage.app.query.sort, Column::MaxPoll);
    assert_eq!(click(&mut stage, "b hog"), Some(to_lab(LabCommand::ToggleHog)));
    click(&mut stage, "3 Workers");
    assert_eq!(stage.app.screen, Screen::Workers);
    assert_eq!(click(&mut stage, "q quit"), Some(Effect::Quit));
}

#[test]
fn the_help_has_the_keys_that_do_something_with_this_target() {
    let mut stage = Stage::new();
    stage.keys("?");
    let help = stage.screen(120, 120);
    for binding in KEYMAP {
        let is_in_help = help.contains(&format!(" {} ", binding.label));
        // Resources are not available from this source.
        let is_available = binding.action != Action::Show(Screen::Resources);
        assert_eq!(is_in_help, is_available, "{}", binding.label);
        assert!(!binding.keys.is_empty());
    }
    assert!(KEYMAP.iter().any(|binding| binding.action == Action::Quit));
}

#[test]
fn paste_edits_the_filter() {
    let mut stage = Stage::new();
    stage.keys("/");
    stage.app.paste("qu\tit\n");
    stage.keys("!");
    stage.app.paste("é");
    assert_eq!(stage.app.filter, "qu it!é");
}

#[test]
fn long_paste_is_cut_to_the_length_of_the_filter() {
    let mut stage = Stage::new();
    stage.keys("/");
    stage.app.paste(&"x".repeat(100_000));
    assert_eq!(stage.app.filter.len(), 200);
}

#[test]
fn snapshots_are_shared_and_not_copied() {
    let mut stage = Stage::new();
    let snapshot = stage.world.step().into();
    stage.show(&snapshot);
    let shown = stage.app.target().expect("a sample");
    assert!(Arc::ptr_eq(shown, &snapshot.targets[0]));
}
