//! A value that a target lacks appears nowhere: every screen, key, rule and report is tested without any
//! capability.

use std::collections::BTreeSet;

use crossterm::event::KeyEvent;
use proptest::prelude::*;

use crate::{
    app::{Action, Effect, Settings, keymap::Binding},
    fixture::{Stage, World},
    report::{Summary, csv, json, text},
    screens::{self, widgets::footer},
    snapshot::{Description, FieldId, Target},
};

const REASON: &str = "not in this test";

/// Samples of a lab with a hog, without some fields.
#[derive(Clone, Debug)]
struct Lacking {
    fields: BTreeSet<FieldId>,
    /// The seed of the numbers that the rows have in place of the values.
    salt: u64,
}

impl Lacking {
    fn without_fields(&self, mut target: Target) -> Target {
        let mut description = Description::clone(&target.description);
        for (field, n) in self.fields.iter().zip(1..) {
            description = description.without([*field], REASON);
            scramble(&mut target, *field, self.salt.wrapping_mul(2 * n + 1) >> 8);
        }
        target.description = description.into();
        target
    }

    /// Presses keys that lead to a screen, and shows the next sample with the parts that it subscribes to.
    fn open(&self, stage: &mut Stage, keys: &str) {
        stage.keys("<Esc><Esc><Esc>").keys(keys);
        stage.world.subscription = stage.app.subscription();
        let target = self.without_fields(stage.world.step());
        stage.show(&target.into());
    }

    /// Opens each screen that the target has.
    fn on_each_screen(
        &self,
        mut check: impl FnMut(&mut Stage, &str) -> Result<(), TestCaseError>,
    ) -> Result<(), TestCaseError> {
        let mut stage = self.stage();
        for keys in SCREENS {
            let binding = stage.app.bindings().find(|binding| keys.starts_with(binding.label));
            if binding.is_some_and(|binding| stage.app.has(binding.action)) {
                self.open(&mut stage, keys);
                check(&mut stage, keys)?;
            }
        }
        Ok(())
    }

    /// A dashboard after some seconds, the last two with a hog.
    fn stage(&self) -> Stage {
        let mut world = World::new();
        (world.workers, world.watched) = (2, true);
        let mut stage = Stage::with(world, Settings::default());
        for step in 0..20 {
            if step == 12 {
                stage.world.hog_since = Some(stage.world.now);
            }
            stage.world.subscription = stage.app.subscription();
            let target = self.without_fields(stage.world.step());
            stage.show(&target.into());
        }
        stage
    }

    /// Everything that is displayed or written.
    fn output(&self) -> Vec<(String, String)> {
        let mut stage = self.stage();
        let mut output = Vec::new();
        for keys in ["1", "1g<Enter>", "1G<Enter>", "2", "3", "4", "5", "5g<Enter>", "6", "7", "?"]
        {
            stage.keys("<Esc><Esc><Esc>").keys(keys);
            let target = self.without_fields(stage.world.step());
            stage.show(&target.into());
            for (width, height) in [(200, 60), (80, 24)] {
                output.push((format!("{keys} at {width}x{height}"), stage.screen(width, height)));
            }
        }
        // Each column, ascending and descending.
        stage.keys("<Esc><Esc><Esc>1");
        for sort in 0..32 {
            stage.keys(if sort % 2 == 0 { "i" } else { "l" });
            output.push((format!("order {sort}"), format!("{:?}", stage.app.task_rows())));
        }
        stage.keys("2");
        for sort in 0..24 {
            stage.keys(if sort % 2 == 0 { "i" } else { "l" });
            let order: Vec<_> = stage.app.group_rows().iter().map(|row| row.key()).collect();
            output.push((format!("order of groups {sort}"), format!("{order:?}")));
        }
        let (model, summary) = (stage.app.model(), Summary::default());
        let mut write = |name: &str, write: &dyn Fn(&mut Vec<u8>) -> std::io::Result<()>| {
            let mut report = Vec::new();
            write(&mut report).expect("a Vec takes everything");
            output.push((name.to_owned(), String::from_utf8(report).expect("UTF-8")));
        };
        write("text", &|out| text::write(model, &summary, false, out));
        write("json", &|out| json::write(model, &summary, out));
        write("csv", &|out| csv::write(model, out));
        output
    }
}

/// Gives a field any value.
fn scramble(target: &mut Target, field: FieldId, salt: u64) {
    let value = salt % 1_000_000_007;
    let runtime = &mut target.runtime;
    match field {
        FieldId::Lab => target.lab = None,
        FieldId::Timeline => target.timeline = None,
        FieldId::Resources => target.resources = None,
        FieldId::Machine => target.machine = None,
        FieldId::LongPolls => (target.long_polls, target.samples) = (Vec::new(), Vec::new()),
        FieldId::AwaitPoint => target.answers.clear(),
        FieldId::Flavor => runtime.flavor = None,
        FieldId::AliveTasks => runtime.alive_tasks = value,
        FieldId::InjectionQueue => runtime.injection_queue = value,
        FieldId::BlockingThreads => runtime.blocking_threads = value,
        FieldId::IdleBlockingThreads => runtime.idle_blocking_threads = value,
        FieldId::BlockingQueue => runtime.blocking_queue = value,
        FieldId::BudgetForcedYields => runtime.budget_forced_yields = value,
        FieldId::RemoteSchedules => runtime.remote_schedules = value,
        FieldId::Workers => target.workers.clear(),
        FieldId::Distributions => target.distributions.clear(),
        FieldId::SchedulingDelay => {
            (0..salt % 50).for_each(|n| target.delays.record(value + n));
        }
        FieldId::GroupPollP99 => {
            for (_, found) in &mut target.distributions {
                found.poll_times.record(value);
            }
        }
        FieldId::GroupDelayP99 => {
            for (_, found) in &mut target.distributions {
                found.delays.record(value);
            }
        }
        _ => {}
    }
    for worker in &mut target.workers {
        match field {
            FieldId::WorkerThread => worker.thread = Some(format!("thread {value}").into()),
            FieldId::CurrentPoll => worker.current = None,
            FieldId::WorkerPollTime => worker.poll_ns = value,
            FieldId::WorkerBusyTime => worker.busy_ns = value,
            FieldId::WorkerPolls => worker.polls = value,
            FieldId::Parks => worker.parks = value,
            FieldId::Steals => worker.steals = value,
            FieldId::Overflows => worker.overflows = value,
            FieldId::LocalQueue => worker.local_queue = value,
            _ => {}
        }
    }
    for (task, n) in target.tasks.iter_mut().zip(1..) {
        let value = salt.wrapping_mul(2 * n + 1) % 1_000_000_007;
        match field {
            FieldId::Polls => task.polls = value,
            FieldId::Busy => task.busy_ns = value,
            FieldId::Scheduled => task.scheduled_ns = value,
            FieldId::Idle => task.idle_ns = value,
            FieldId::MaxPoll => task.max_poll_ns = value,
            FieldId::MaxDelay => task.max_delay_ns = value,
            FieldId::Wakes => task.wakes = value,
            FieldId::SelfWakes => task.self_wakes = value,
            FieldId::LiveWakers => task.live_wakers = Some(value as u32),
            FieldId::Stage => task.stage = Some(format!("stage {value}").into()),
            _ => {}
        }
    }
}

fn fields(count: std::ops::Range<usize>) -> impl Strategy<Value = BTreeSet<FieldId>> {
    proptest::collection::btree_set(proptest::sample::select(FieldId::ALL.to_vec()), count)
}

/// The first difference between two outputs.
fn difference(one: &[(String, String)], other: &[(String, String)]) -> Option<String> {
    one.iter().zip(other).find(|(one, other)| one != other).map(|((what, one), (_, other))| {
        let lines = one.lines().zip(other.lines()).filter(|(one, other)| one != other);
        let lines: Vec<_> = lines.take(5).map(|(one, other)| format!("{one}\n{other}")).collect();
        format!("{what}\n{}", lines.join("\n"))
    })
}

#[test]
fn each_field_alone_appears_nowhere_if_the_target_lacks_it() {
    let mut found = Vec::new();
    for field in FieldId::ALL {
        let lacking = |salt| Lacking { fields: [field].into(), salt }.output();
        if let Some(difference) = difference(&lacking(0), &lacking(0x9e37_79b9_7f4a_7c15)) {
            found.push(format!("{field}: {difference}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn fields_that_a_target_lacks_appear_nowhere(fields in fields(1..30), salt in any::<u64>()) {
        let one = Lacking { fields: fields.clone(), salt: 0 }.output();
        let other = Lacking { fields, salt }.output();
        prop_assert_eq!(difference(&one, &other), None);
    }
}

#[test]
fn busy_share_of_a_worker_without_its_times_is_a_dash_with_the_reason() {
    let fields = [FieldId::WorkerPollTime, FieldId::WorkerBusyTime].into();
    let mut stage = Lacking { fields, salt: 0 }.stage();
    let screen = stage.screen(100, 24);
    let bar = screen.lines().find(|line| line.starts_with(" w0")).expect("a line of workers");
    assert_eq!(bar.split("  ").next(), Some(" w0 –"), "{bar}");
    let screen = stage.keys("3").screen(100, 24);
    let row = screen.lines().rfind(|line| line.starts_with(" w0")).expect("a row of the worker");
    assert_eq!(row.split_whitespace().nth(1), Some("–"), "{screen}");
    assert!(screen.contains(&format!("–  {REASON}")), "{screen}");
}

/// Keys that lead to each screen and overlay.
const SCREENS: [&str; 9] = ["1g", "1g<Enter>", "2g", "3", "4++", "5", "5g<Enter>", "6g", "7"];

/// Presses a key; returns its effect, and the message that it shows.
fn press(stage: &mut Stage, key: &Binding) -> (Option<Effect>, Option<String>) {
    let (modifiers, code) = key.keys[0];
    let effect = stage.app.key(KeyEvent::new(code, modifiers), stage.now);
    (effect, stage.app.message().map(str::to_owned))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_key_in_the_footer_has_an_effect(fields in fields(0..12), salt in any::<u64>()) {
        Lacking { fields, salt }.on_each_screen(|stage, keys| {
            let before = stage.screen(80, 24);
            // The key of the screen itself has no effect.
            let current = Action::Show(stage.app.screen().spec.id);
            let shown = footer::keys(&stage.app, 80).into_iter().map(|(_, key)| key.action);
            let shown: Vec<_> = shown.filter(|action| *action != current).collect();
            for key in screens::bindings().filter(|key| shown.contains(&key.action)) {
                let app = stage.app.clone();
                let (effect, message) = press(stage, key);
                let has_changed = effect.is_some() || stage.screen(80, 24) != before;
                // A kind of hog that starts later, freezing and a pin are effects with a message.
                let is_frozen = stage.app.is_frozen() && !app.is_frozen();
                let is_next = stage.app.next_hog_kind().is_some();
                let is_pinned = stage.app.pin() != app.pin();
                let has_effect = effect.is_some() || is_next || is_frozen || is_pinned;
                stage.app = app;
                prop_assert!(has_changed, "{} after {keys}: {message:?}", key.label);
                // A worker polls a task only now and then: the key does not come and go with it.
                let is_open = key.action == Action::Open;
                let is_refused = !has_effect && message.is_some() && !is_open;
                prop_assert!(!is_refused, "{}: {message:?}", key.label);
            }
            Ok(())
        })?;
    }

    #[test]
    fn help_lists_exactly_the_keys_that_are_available(fields in fields(0..12), salt in any::<u64>()) {
        Lacking { fields, salt }.on_each_screen(|stage, _| {
            for key in screens::bindings() {
                let app = stage.app.clone();
                let is_listed = app.has(key.action);
                let (effect, message) = press(stage, key);
                stage.app = app;
                let is_refused = message.is_some_and(|message| message.ends_with(REASON));
                match key.action {
                    // The screen states the reason.
                    Action::Show(_) => prop_assert!(!is_refused, "{}", key.label),
                    _ => prop_assert_eq!(!is_listed, is_refused && effect.is_none(), "{}", key.label),
                }
            }
            Ok(())
        })?;
    }
}
