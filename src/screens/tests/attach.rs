//! The screens of targets with console-subscriber.

use std::sync::Arc;

use crate::{
    fixture::{S, Stage},
    model::testing::{resource, snapshot, task},
    snapshot::{
        AsyncOpStats, Connection, Losses, ResourceStats, Resources, Retry, Snapshot, State, Target,
        TargetId, TaskKind, TaskMeta, TaskStats,
    },
    source::attach::describe,
};

macro_rules! screen {
    ($name:literal, $stage:expr, $width:literal x $height:literal) => {
        insta::assert_snapshot!($name, $stage.screen($width, $height))
    };
}

const NOW: u64 = 100 * S;

fn idle_task(key: u64, name: &str) -> TaskStats {
    let plain = task(key, name);
    let meta = TaskMeta { location: "src/main.rs:7".into(), ..(*plain.meta).clone() };
    let (lifetime_ns, busy_ns) = (90 * S, S / 4);
    let idle_ns = lifetime_ns - busy_ns;
    TaskStats { meta: Arc::new(meta), lifetime_ns, busy_ns, idle_ns, polls: 42, ..plain }
}

/// A target with console-subscriber.
fn target(name: &str, id: u32, connection: Connection) -> Target {
    let tasks = [(1, "accept"), (2, "conn-1"), (3, "conn-2")];
    let mut target = snapshot(NOW, tasks.map(|(key, name)| idle_task(key, name)));
    // An id other than that of the lab in the stage.
    target.id = TargetId(10 + id);
    target.description = describe(name).into();
    target.connection = connection;
    target.runtime.flavor = None;
    target.workers = Vec::new();
    target
}

fn stage(targets: impl IntoIterator<Item = Target>) -> Stage {
    let mut stage = Stage::new();
    let targets = targets.into_iter().map(Arc::new).collect();
    stage.show(&Snapshot { unix_ns: NOW, targets });
    stage
}

#[test]
fn several_targets_share_a_table_and_show_their_connections() {
    let reason = "Connection refused".into();
    let lost = Connection::Lost { since_ns: Some(NOW - 3 * S), reason, retry: Retry::In(S) };
    let mut restarted = target("jobs:6669", 3, Connection::Connected);
    restarted.epoch = 2;
    restarted.losses = Losses { dropped_events: 12, behind: true, ..Losses::default() };
    let mut stage = stage([
        target("app:6669", 0, Connection::Connected),
        target("web:6669", 1, Connection::Stale { since_ns: NOW - 2 * S }),
        target("old:6669", 2, lost),
        restarted,
    ]);
    screen!("attach_several_80x24", stage, 80 x 24);
    screen!("attach_several_60x15", stage, 60 x 15);
    screen!("attach_several_200x50", stage, 200 x 50);
    screen!("attach_several_30x8", stage, 30 x 8);
    stage.keys("2");
    screen!("attach_groups_80x24", stage, 80 x 24);
    stage.keys("3");
    screen!("attach_workers_80x24", stage, 80 x 24);
}

#[test]
fn screen_without_an_answer_shows_instructions() {
    let connecting = Connection::Connecting { since_ns: NOW - 2 * S };
    let mut silent = Target { epoch: 0, ..target("app:6669", 0, connecting) };
    silent.tasks.clear();
    silent.runtime.measured_tasks = 0;
    let mut stage = stage([silent]);
    screen!("attach_connecting_80x24", stage, 80 x 24);
    screen!("attach_connecting_60x15", stage, 60 x 15);
}

#[test]
fn lock_with_holder_and_waiter() {
    let mut now = target("app:6669", 0, Connection::Connected);
    let lock = ResourceStats {
        state: "locked=true".into(),
        is_taken: Some(true),
        holder: Some(2),
        ..resource(7, "Mutex")
    };
    let waits = AsyncOpStats {
        key: 8,
        id: 8,
        source: "Mutex::lock".into(),
        resource: Some(7),
        parent: None,
        task: Some(3),
        state: "permits_requested=1".into(),
        polls: 1,
        busy_ns: 1_000,
        age_ns: 4 * S,
        is_dropped: false,
        is_ready: Some(false),
        is_granted: false,
    };
    now.tasks[2].state = State::Idle;
    now.resources = Some(Arc::new(Resources {
        resources: vec![lock, resource(9, "Sleep")],
        async_ops: vec![waits],
    }));
    let mut stage = stage([now]);
    stage.keys("7");
    screen!("resources_80x24", stage, 80 x 24);
    screen!("resources_60x15", stage, 60 x 15);
    screen!("resources_200x50", stage, 200 x 50);
    screen!("resources_30x8", stage, 30 x 8);
    stage.keys("g<Enter>");
    screen!("resource_80x24", stage, 80 x 24);
    stage.keys("<Esc>1G<Enter>");
    screen!("attach_detail_80x24", stage, 80 x 24);
}

/// The first line of the list of findings.
fn without_finding(losses: Losses) -> String {
    let target = Target { losses, ..target("app:6669", 0, Connection::Connected) };
    let screen = stage([target]).keys("5").screen(120, 24);
    let line = screen.lines().find(|line| line.ends_with("The rules:"));
    line.map(|line| line.trim().to_owned()).unwrap_or(screen)
}

#[test]
fn absence_of_findings_is_stated_only_for_what_was_reported() {
    let connected = without_finding(Losses::default());
    assert_eq!(connected, "No rule has fired since asynctop connected. The rules:");
    let behind = without_finding(Losses { behind: true, ..Losses::default() });
    assert!(behind.contains("data is missing, so a problem may be too"), "{behind}");
    let nothing = Some("its filter".into());
    let nothing = without_finding(Losses { nothing_reported: nothing, ..Losses::default() });
    assert_eq!(nothing, "No task is reported, so no rule can fire. The rules:");
}

#[test]
fn kinds_of_tasks_are_shown_where_stages_are_not() {
    let mut now = target("app:6669", 0, Connection::Connected);
    assert!(!stage([now.clone()]).screen(80, 24).contains("KIND"));
    Arc::make_mut(&mut now.tasks[0].meta).kind = TaskKind::Blocking;
    let screen = stage([now]).screen(80, 24);
    assert!(screen.contains("KIND") && screen.contains("blocking"), "{screen}");
}
