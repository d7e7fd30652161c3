//! Keys and snapshots go in, state and effects come out.

use std::{sync::Arc, time::Duration};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Action, Effect, HitTarget, Overlay, RowKey, keymap::Binding};
use crate::{
    app::Settings,
    fixture::{S, Stage, World, lab_command},
    model::{Column, Query, Refresh, RowQuery, RuleId},
    screens,
    snapshot::{LabCommand, Subscription},
};

#[test]
fn selection_starts_at_the_first_row_and_follows_its_task_once_it_is_moved() {
    let mut stage = Stage::new();
    let first = |stage: &Stage| Some(stage.app.row_key(0)) == stage.app.cursor().key().cloned();
    assert!(first(&stage));
    stage.hog(S);
    assert!(first(&stage), "the hog is in the first row now");
    stage.keys("j");
    let selected = stage.app.selected_task();
    assert!(selected.is_some() && !first(&stage));
    stage.hog(2 * S);
    assert_eq!(stage.app.selected_task(), selected, "over snapshots");
    stage.keys("/ping<Enter><Esc>");
    let shown = RowKey::Task(stage.app.selected_task().expect("a selected task"));
    assert_eq!(stage.app.row_key(stage.app.cursor().row()), shown, "after a filter");
}

#[test]
fn refresh_with_the_rows_of_an_old_query_is_not_shown() {
    let mut stage = Stage::new();
    let mut model = stage.app.live_model().clone();
    model.advance(&stage.world.step().into());
    let refresh = Refresh::new(&model, stage.app.row_query().clone());
    stage.keys("/ping<Enter>");
    let pings = stage.app.row_count();
    stage.app.advance(refresh, stage.now);
    assert_eq!(stage.app.row_count(), pings);
    assert!(pings < stage.app.model().only().target().tasks.len());
}

#[test]
fn table_stays_at_its_top() {
    let mut stage = Stage::new();
    stage.hog(S);
    assert_eq!(stage.app.cursor().top(), 0);
    let first = stage.app.model().task_of_row(stage.app.task_rows()[0]);
    let first = first.map(|(_, task, _)| task.meta.name.to_string());
    assert_eq!(first.as_deref(), Some("hog"));
}

#[test]
fn worst_finding_has_a_key_and_enter_opens_its_task() {
    let mut stage = Stage::new();
    stage.keys("!");
    assert_eq!((stage.app.overlay(), stage.app.message()), (None, Some("no finding is active")));
    // The hog is at the bottom of this order.
    stage.hog(S).keys("<Left><Left><Left>i!");
    let finding = stage.app.overlay().cloned();
    let Some(Overlay::Finding(id)) = &finding else { panic!("{finding:?}") };
    assert_eq!((id.rule, id.subject.to_string().as_str()), (RuleId::WorkerHeld, "hog"));
    stage.keys("<Enter>");
    let Some(&Overlay::Task(key)) = stage.app.overlay() else {
        panic!("{:?}", stage.app.overlay())
    };
    assert_eq!(stage.app.task(key).map(|task| &*task.meta.name), Some("hog"));
    let subscription = Subscription { task: Some(key), ..Subscription::default() };
    assert_eq!(stage.app.subscription(), subscription);
    stage.keys("<Esc>");
    assert_eq!(stage.app.overlay().cloned(), finding);
    stage.keys("!<Esc>");
    assert_eq!(stage.app.overlay(), None, "it was open already");
}

/// The column that sorts the tasks, and whether the largest values come first.
fn task_order(stage: &Stage) -> (Column, bool) {
    match stage.app.row_query() {
        RowQuery::Tasks(Query { sort, descending, .. }) => (*sort, *descending),
        query => panic!("{query:?}"),
    }
}

#[test]
fn keys_sort_by_the_next_column_with_the_largest_values_first() {
    let mut stage = Stage::new();
    stage.keys("l");
    assert_eq!(task_order(&stage), ("polls_per_second", true));
    stage.keys("h<Left>");
    assert_eq!(task_order(&stage), ("name", false));
    stage.keys("i");
    assert_eq!(task_order(&stage), ("name", true));
    stage.keys("2hhhhhhhhhhhhhhh");
    let RowQuery::Groups(Query { sort, descending, .. }) = stage.app.row_query() else {
        panic!("{:?}", stage.app.row_query())
    };
    assert_eq!((*sort, *descending), ("name", false));
}

#[test]
fn filter_applies_while_it_is_typed() {
    let mut stage = Stage::new();
    stage.keys("/conn q");
    assert_eq!(stage.app.row_count(), 12, "q is a letter: all conns wait for a request");
    stage.keys("<BS>1");
    assert_eq!(stage.app.row_count(), 4);
    stage.keys("^w^w");
    assert_eq!((stage.app.filter.as_str(), stage.app.row_count()), ("", 25));
    stage.keys("ping^uconn-12<Enter>");
    assert_eq!(stage.app.row_count(), 1);
    assert!(stage.effects.is_empty(), "no letter ran an action");
    stage.keys("<Esc>");
    assert_eq!((stage.app.filter.as_str(), stage.app.row_count()), ("", 25));
}

#[test]
fn filter_error_is_shown_below_its_term_and_the_term_is_ignored() {
    let mut stage = Stage::new();
    stage.keys("/conn busy>x");
    assert_eq!(stage.app.row_count(), 12);
    let screen = stage.screen(80, 24);
    let lines: Vec<_> = screen.lines().collect();
    let at = lines.iter().position(|line| line.contains("/ conn busy>x")).expect("the filter");
    let below = lines[at + 1];
    assert!(below.contains("▲ write busy with a value such as 10%"), "{screen}");
    stage.keys("<Enter>");
    assert_eq!(stage.screen(80, 24), screen, "the wrong term can be corrected");
    stage.keys("<BS>1%");
    assert_eq!((stage.app.filter_error(), stage.app.row_count()), (None, 0));
}

#[test]
fn n_selects_the_matches_of_a_filter_that_was_cleared() {
    let mut stage = Stage::new();
    stage.keys("n");
    assert!(stage.app.message().is_some_and(|message| message.starts_with("no filter yet")));
    stage.keys("/name:ping<Enter><Esc>g");
    let mut selected = Vec::new();
    for key in ["n", "n", "n", "n", "n", "N"] {
        stage.keys(key);
        let task = stage.app.selected_task().and_then(|key| stage.app.task(key));
        selected.push(task.expect("a selected task").meta.name.to_string());
    }
    assert_eq!(selected[..4].iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    assert!(selected.iter().all(|name| name.starts_with("ping-")), "{selected:?}");
    assert_eq!((&selected[4], &selected[5]), (&selected[0], &selected[3]), "around the end");
}

#[test]
fn enter_on_a_group_lists_its_tasks_and_esc_leaves_it() {
    let mut stage = Stage::new();
    stage.keys("2");
    assert!(stage.app.subscription().groups);
    stage.keys("j<Enter>");
    assert_eq!((screen(&stage), stage.app.row_count()), ("tasks", 12));
    assert!(!stage.app.subscription().groups);
    stage.keys("<Esc>");
    assert_eq!((screen(&stage), stage.app.pin()), ("groups", None));
    assert_eq!(stage.keys("1").app.row_count(), 25);
}

#[test]
fn source_line_is_the_one_that_blocks_or_else_where_the_task_was_spawned() {
    let mut stage = Stage::with(World { watched: true, ..World::new() }, Settings::default());
    stage.keys("/conn-3<Enter>o").hog(2 * S);
    stage.keys("<Esc>5ojo").keys("1<Enter>o<Esc>6o");
    let lines = stage.effects.drain(..).filter_map(|effect| match effect {
        Effect::Edit(line) => Some((line.file, line.line)),
        _ => None,
    });
    let lines: Vec<_> = lines.collect();
    let blocked = ("src/lab/workload/hog.rs".to_owned(), 61);
    let spawned = ("src/lab/workload/net.rs".to_owned(), 44);
    assert_eq!(lines[0], spawned);
    assert_eq!(lines[1..], [blocked.clone(), blocked.clone(), blocked]);
    assert!(stage.app.message().is_some_and(|text| text.starts_with("select a row")));
}

#[test]
fn enter_opens_the_selected_row_on_every_screen() {
    let mut stage = Stage::new();
    stage.hog(S);
    for key in ["1", "3", "5"] {
        stage.keys(key).keys("<Enter>");
        assert!(stage.app.overlay().is_some(), "{key}");
    }
    stage.world.hog_since = None;
    stage.pass(S).keys("3<Enter>");
    assert_eq!(screen(&stage), "timeline", "an idle worker");
    stage.keys("6<Enter>");
    assert_eq!(screen(&stage), "tasks", "a workload");
    stage.keys("<Enter><Enter>");
    assert_eq!(stage.app.message(), Some("Enter opens nothing here; Esc: back"));
}

fn screen(stage: &Stage) -> &'static str {
    stage.app.screen().spec.id.0
}

#[test]
fn tab_skips_screens_without_data() {
    let mut stage = Stage::new();
    let shown: Vec<_> = (0..6).map(|_| screen(stage.keys("<Tab>"))).collect();
    // The lab has no resources.
    assert_eq!(shown, ["groups", "workers", "timeline", "findings", "lab", "tasks"]);
    stage.keys("<BackTab>");
    assert_eq!(screen(&stage), "lab");
    stage.keys("?2");
    assert_eq!((screen(&stage), stage.app.overlay()), ("groups", None));
}

#[test]
fn help_over_details_closes_to_the_details() {
    let mut stage = Stage::new();
    stage.keys("j<Enter>");
    let details = stage.app.overlay().cloned();
    stage.keys("?");
    assert_eq!(stage.app.overlay(), Some(&Overlay::Help));
    assert_eq!(stage.keys("<Esc>").app.overlay().cloned(), details);
}

#[test]
fn screens_with_the_same_rows_share_the_selection() {
    let mut stage = Stage::with(World { workers: 4, ..World::new() }, Settings::default());
    stage.keys("3j14");
    assert_eq!(stage.app.selected_worker(), Some(1));
}

#[test]
fn frozen_screen_can_be_explored_while_sampling_continues() {
    let mut stage = Stage::new();
    stage.keys(" ").hog(2 * S);
    assert_eq!(stage.app.frozen_for_ns(), 2 * S);
    assert!(stage.app.model().findings().is_empty(), "before the hog");
    stage.keys("/conn<Enter>");
    assert_eq!(stage.app.row_count(), 12);
    stage.keys(" ");
    assert!(!stage.app.is_frozen());
    assert_eq!(stage.app.model().findings()[0].rule, RuleId::WorkerHeld);
}

#[test]
fn lab_keys_send_commands() {
    let mut stage = Stage::new();
    stage.keys("bB[]f");
    let expected = [
        LabCommand::ToggleHog,
        LabCommand::SelectHogKind(1),
        LabCommand::ShortenHold,
        LabCommand::LengthenHold,
        LabCommand::SwitchFlavor,
    ];
    assert_eq!(stage.sent(), expected);
    stage.keys("6j+-");
    assert_eq!(stage.sent(), [LabCommand::AddInstance(1), LabCommand::RemoveInstance(1)]);
}

#[test]
fn kind_of_hog_starts_when_the_selection_rests() {
    let mut stage = Stage::new();
    stage.hog(S).keys("6<Right><Right>");
    assert_eq!(stage.sent(), [], "lock was only passed");
    stage.pass(S);
    assert_eq!(stage.sent(), [LabCommand::SelectHogKind(2)]);
    stage.keys("<Left>");
    assert_eq!(stage.sent(), []);
    stage.keys("<Enter>");
    assert_eq!(stage.sent(), [LabCommand::SelectHogKind(1)]);
}

#[test]
fn kind_of_hog_that_cannot_run_is_skipped() {
    let mut stage = Stage::new();
    // The hog is off, so nothing starts.
    stage.keys("6<Left>");
    assert_eq!(stage.sent(), [LabCommand::SelectHogKind(2)]);
    let skipped = "block-in-place skipped: needs the multi-thread runtime; hog: yield";
    assert!(stage.app.message().is_some_and(|text| text.starts_with(skipped)));
    stage.app.click(HitTarget::HogKind(3), stage.now);
    assert_eq!(stage.app.message(), Some("block-in-place needs the multi-thread runtime: press f"));
    let effect = stage.app.click(HitTarget::HogKind(1), stage.now);
    assert_eq!(effect.and_then(lab_command), Some(LabCommand::SelectHogKind(1)));
}

#[test]
fn interval_stays_between_its_limits() {
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
fn message_disappears_after_its_time() {
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
fn click_selects_sorts_or_presses_a_key() {
    let mut stage = Stage::new();
    let click = |stage: &mut Stage, word: &str| {
        let screen = stage.screen(150, 24);
        let (row, line) =
            screen.lines().enumerate().find(|(_, line)| line.contains(word)).expect(word);
        let column = line.split(word).next().map_or(0, |before| before.chars().count());
        let target = stage.hit_map.at(column as u16, row as u16);
        stage.app.click(target.expect(word), stage.now)
    };
    click(&mut stage, "conn-6");
    let selected = stage.app.selected_task().and_then(|key| stage.app.task(key));
    assert_eq!(selected.map(|task| &*task.meta.name), Some("conn-6"));
    click(&mut stage, "MAX POLL");
    assert_eq!(task_order(&stage), ("max_poll_ns", true));
    let effect = click(&mut stage, "b hog");
    assert_eq!(effect.and_then(lab_command), Some(LabCommand::ToggleHog));
    click(&mut stage, "3 Workers");
    assert_eq!(screen(&stage), "workers");
    stage.hog(S);
    click(&mut stage, "has blocked worker 0");
    assert!(matches!(stage.app.overlay(), Some(Overlay::Finding(_))), "{:?}", stage.app.overlay());
    assert_eq!(click(&mut stage, "q quit"), Some(Effect::Quit));
}

#[test]
fn double_click_opens_a_row_and_a_worker_bar_its_worker() {
    let mut stage = Stage::with(World { workers: 4, ..World::new() }, Settings::default());
    stage.app.click(HitTarget::Row(2), stage.now);
    stage.app.click(HitTarget::Row(2), stage.now + Duration::from_secs(1));
    assert_eq!(stage.app.overlay(), None, "two single clicks");
    stage.app.click(HitTarget::Row(2), stage.now + Duration::from_millis(1_100));
    assert!(matches!(stage.app.overlay(), Some(Overlay::Task(_))));
    stage.app.click(HitTarget::Worker(3), stage.now);
    assert_eq!((screen(&stage), stage.app.selected_worker()), ("workers", Some(3)));
}

#[test]
fn unknown_key_shows_a_message() {
    let mut stage = Stage::new();
    stage.app.key(KeyEvent::new(KeyCode::F(7), KeyModifiers::NONE), stage.now);
    assert_eq!(stage.app.message(), Some("F7 has no action; ? lists all keys"));
    stage.app.key(KeyEvent::new(KeyCode::F(1), KeyModifiers::NONE), stage.now);
    assert_eq!(stage.app.overlay(), Some(&Overlay::Help));
}

#[test]
fn suspend_works_while_the_filter_is_edited_and_alt_inserts_nothing() {
    let mut stage = Stage::new();
    stage.keys("/conn");
    let key = |code, modifiers| KeyEvent::new(KeyCode::Char(code), modifiers);
    let effect = stage.app.key(key('z', KeyModifiers::CONTROL), stage.now);
    assert_eq!(effect, Some(Effect::Suspend));
    stage.app.key(key('x', KeyModifiers::ALT), stage.now);
    stage.app.key(key('h', KeyModifiers::CONTROL), stage.now);
    assert_eq!(stage.app.filter, "con");
    // The filter is edited where it ended.
    stage.keys("<Enter>/s<Left><BS>");
    assert_eq!(stage.app.filter, "cos");
}

#[test]
fn help_can_be_searched() {
    let mut stage = Stage::new();
    stage.keys("?/slowdown<Enter>");
    let help = stage.screen(80, 24);
    assert!(help.contains("slowdown") && !help.contains("next screen"), "{help}");
    stage.keys("<Esc>");
    assert_eq!(stage.app.overlay(), Some(&Overlay::Help));
    assert!(stage.screen(80, 24).contains("Keys of Tasks"));
    stage.keys("/no such thing");
    assert!(stage.screen(80, 24).contains("nothing about no such thing"));
}

#[test]
fn each_state_has_a_glyph_of_its_own() {
    let mut stage = Stage::new();
    stage.keys("?");
    let help = stage.screen(100, 200);
    let states = help.lines().skip_while(|line| !line.starts_with(" States"));
    let glyphs = states.skip(1).take_while(|line| !line.is_empty());
    let first = |line: &str| line.trim_start().chars().next().expect("a glyph");
    let mut glyphs: Vec<char> = glyphs.map(first).collect();
    let all = glyphs.len();
    glyphs.sort_unstable();
    glyphs.dedup();
    assert_eq!((glyphs.len(), all), (9, 9));
    assert!(!glyphs.contains(&'!') && !glyphs.contains(&'‼'), "these are severities");
}

#[test]
fn help_lists_the_keys_that_work_with_the_target() {
    let mut stage = Stage::new();
    stage.keys("?");
    let help = stage.screen(100, 200);
    for binding in screens::bindings() {
        let is_in_help = help.contains(&format!(" {} ", binding.label));
        // The lab has no resources.
        let is_available = binding.short != "Resources";
        assert_eq!(is_in_help, is_available, "{}", binding.label);
        assert!(!binding.keys.is_empty());
    }
    assert!(screens::bindings().any(|binding| binding.action == Action::Quit));
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

#[test]
fn each_key_has_one_action() {
    let mut all: Vec<_> = screens::bindings().flat_map(|binding| binding.keys).collect();
    let count = all.len();
    all.sort_by_key(|key| format!("{key:?}"));
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn keys_page_lists_all_keys() {
    let page = include_str!("../../docs/keys.md");
    let row = |b: &Binding| format!("| `{}` | {} |", b.label.replace(' ', "` `"), b.help);
    let table: Vec<_> = screens::bindings().map(row).collect();
    assert!(page.contains(&table.join("\n")), "docs/keys.md needs:\n{}", table.join("\n"));
}

#[test]
fn shift_is_part_of_the_character() {
    let app = Stage::new().app;
    let key = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
    assert_eq!(app.action(key), Some(Action::Last));
    assert_eq!(app.action(KeyEvent::from(KeyCode::Char('v'))), None);
}
