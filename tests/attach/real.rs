//! A real program with console-subscriber as the target: what the wire really says, and not
//! what we think it does.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use asynctop::{
    model::{FindingSubject, Model},
    snapshot::{Connection, Subscription, Target},
    source::{
        Source,
        attach::{self, AttachSource},
    },
};
use console_subscriber::ConsoleLayer;
use tokio::time::sleep;
use tracing_subscriber::prelude::*;

use crate::{server::place, support::PATIENCE};

/// Where the program listens, if this process is it.
const PLACE: &str = "ASYNCTOP_TEST_TARGET";

/// Is the target, when the test below starts this program once more.
#[test]
fn target() {
    let Some(place) = env::var_os(PLACE) else { return };
    let layer = ConsoleLayer::builder().server_addr(Path::new(&place)).spawn();
    tracing_subscriber::registry().with(layer).init();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().unwrap().block_on(async {
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        let held = Arc::clone(&lock);
        named("lock-holder", async move {
            // Again and again: who came late has not seen who took it.
            loop {
                let guard = held.lock().await;
                sleep(Duration::from_millis(500)).await;
                drop(guard);
                sleep(Duration::from_millis(10)).await;
            }
        });
        named("lock-waiter", async move {
            loop {
                drop(lock.lock().await);
                sleep(Duration::from_millis(10)).await;
            }
        });
        named("blocker", async {
            loop {
                sleep(Duration::from_millis(300)).await;
                thread::sleep(Duration::from_millis(250));
            }
        });
        named("listener", async {
            loop {
                sleep(Duration::from_millis(600)).await;
                // Neither its first poll nor its last, and over before an update is written.
                named("request", async {
                    sleep(Duration::from_millis(5)).await;
                    thread::sleep(Duration::from_millis(250));
                    sleep(Duration::from_millis(5)).await;
                });
            }
        });
        for n in 1..=5 {
            named(&format!("sleeper-{n}"), async {
                loop {
                    sleep(Duration::from_millis(50)).await;
                }
            });
        }
        std::future::pending().await
    })
}

fn named(name: &str, future: impl Future<Output = ()> + Send + 'static) {
    tokio::task::Builder::new().name(name).spawn(future).unwrap();
}

struct Program(Child);

impl Program {
    fn start(place: &Path) -> Program {
        let mut this = Command::new(env::current_exe().unwrap());
        this.args(["--exact", "real::target"]).env(PLACE, place);
        Program(this.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the dashboard would have.
struct Watching {
    source: AttachSource,
    model: Model,
}

impl Watching {
    fn wait_for(&mut self, what: &str, is_so: impl Fn(&Target, &Model) -> bool) -> Arc<Target> {
        let subscription = Subscription { resources: true, ..Subscription::default() };
        let begin = Instant::now();
        loop {
            self.model.advance(&self.source.sample(&subscription).into());
            let snapshot = self.model.targets()[0].target();
            if is_so(snapshot, &self.model) {
                return Arc::clone(snapshot);
            }
            let found = self.model.all_findings();
            assert!(begin.elapsed() < PATIENCE, "no {what}: {:?} {found:?}", snapshot.connection);
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn key(snapshot: &Target, name: &str) -> Option<u64> {
    snapshot.tasks.iter().find(|task| &*task.meta.name == name).map(|task| task.key)
}

#[test]
fn a_real_program_is_seen_as_it_is_and_its_successor_is_another() {
    let place: PathBuf = place();
    let mut program = Program::start(&place);
    let address = format!("unix:{}", place.display()).parse().unwrap();
    let source = attach::connect(&[address]).unwrap().remove(0);
    let mut watching = Watching { source, model: Model::default() };

    let snapshot = watching.wait_for("sleepers that were polled", |s, _| {
        let sleepers = s.tasks.iter().filter(|task| &*task.meta.group == "sleeper");
        sleepers.filter(|task| task.polls > 3).count() == 5
    });
    for task in &snapshot.tasks {
        assert_eq!(task.lifetime_ns, task.busy_ns + task.scheduled_ns + task.idle_ns, "{task:?}");
    }
    let is_held_by = |m: &Model, group: &str| {
        let subject = FindingSubject::Group(group.into());
        m.all_findings().iter().any(|f| f.rule.as_str() == "worker-held" && f.subject == subject)
    };
    watching.wait_for("finding about who blocks, in a later poll than its first", |s, m| {
        let blocks = s.tasks.iter().any(|task| &*task.meta.name == "blocker" && task.polls > 1);
        blocks && is_held_by(m, "blocker")
    });
    watching.wait_for("finding about requests that block for a while and are over", |_, m| {
        is_held_by(m, "request")
    });
    watching.wait_for("lock with its holder and its waiter", |s, _| {
        let Some(resources) = &s.resources else { return false };
        let holder = key(s, "lock-holder");
        let lock = resources.resources.iter().find(|one| holder.is_some() && one.holder == holder);
        let waiter = key(s, "lock-waiter");
        let waits = resources.async_ops.iter().filter(|op| op.is_waiting() && op.task == waiter);
        lock.is_some() && waiter.is_some() && waits.count() > 0
    });

    program.kill();
    let lost = |s: &Target| matches!(s.connection, Connection::Lost { .. });
    watching.wait_for("end of the connection", |s, _| lost(s));
    std::fs::remove_file(&place).unwrap();
    drop(program);
    let _next = Program::start(&place);
    let snapshot = watching
        .wait_for("successor", |s, _| s.epoch == 2 && !lost(s) && key(s, "sleeper-5").is_some());
    let sleepers = snapshot.tasks.iter().filter(|task| &*task.meta.group == "sleeper");
    assert_eq!(sleepers.count(), 5, "those of the first one are not mixed with them");
}
