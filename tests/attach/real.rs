//! A real program with console-subscriber as the target, which tests the assumptions about its
//! protocol.

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

use crate::{server::socket_path, support::TIMEOUT};

/// The environment variable with the socket of the target, if this process is the target.
const SOCKET: &str = "ASYNCTOP_TEST_TARGET";

/// Runs as the target when the test below starts this binary again.
#[test]
fn target() {
    let Some(socket) = env::var_os(SOCKET) else { return };
    let layer = ConsoleLayer::builder().server_addr(Path::new(&socket)).spawn();
    tracing_subscriber::registry().with(layer).init();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().unwrap().block_on(async {
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        let holder_lock = Arc::clone(&lock);
        named("lock-holder", async move {
            // Repeated, because a client that connects late has missed earlier acquisitions.
            loop {
                let guard = holder_lock.lock().await;
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
                // The long poll is neither the first nor the last, and ends between two updates.
                named("request", async {
                    sleep(Duration::from_millis(5)).await;
                    thread::sleep(Duration::from_millis(250));
                    sleep(Duration::from_millis(5)).await;
                });
            }
        });
        named("mixer", async {
            loop {
                // The long poll is one of hundreds in the same update.
                for n in 0..400 {
                    if n == 200 {
                        thread::sleep(Duration::from_millis(150));
                    }
                    tokio::task::yield_now().await;
                }
                sleep(Duration::from_millis(800)).await;
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

struct TargetProcess(Child);

impl TargetProcess {
    fn start(socket: &Path) -> TargetProcess {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "real::target"]).env(SOCKET, socket);
        TargetProcess(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for TargetProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A source and its model, as in the dashboard.
struct Watch {
    source: AttachSource,
    model: Model,
}

impl Watch {
    fn wait_for(&mut self, expected: &str, holds: impl Fn(&Target, &Model) -> bool) -> Arc<Target> {
        let subscription = Subscription::default();
        let begin = Instant::now();
        loop {
            self.model.advance(&self.source.sample(&subscription).into());
            let snapshot = self.model.targets()[0].target();
            if holds(snapshot, &self.model) {
                return Arc::clone(snapshot);
            }
            let findings = self.model.all_findings();
            assert!(
                begin.elapsed() < TIMEOUT,
                "no {expected}: {:?} {findings:?}",
                snapshot.connection
            );
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn key(snapshot: &Target, name: &str) -> Option<u64> {
    snapshot.tasks.iter().find(|task| &*task.meta.name == name).map(|task| task.key)
}

#[test]
fn real_target_has_its_tasks_findings_and_locks_and_a_restarted_one_is_a_new_epoch() {
    let socket: PathBuf = socket_path();
    let mut target = TargetProcess::start(&socket);
    let address = format!("unix:{}", socket.display()).parse().unwrap();
    let source = attach::connect(&[address]).unwrap().remove(0);
    let mut watch = Watch { source, model: Model::default() };

    let snapshot = watch.wait_for("sleepers with polls", |s, _| {
        let sleepers = s.tasks.iter().filter(|task| &*task.meta.group == "sleeper");
        sleepers.filter(|task| task.polls > 3).count() == 5
    });
    for task in &snapshot.tasks {
        assert_eq!(task.lifetime_ns, task.busy_ns + task.scheduled_ns + task.idle_ns, "{task:?}");
    }
    let is_blocked_by = |m: &Model, group: &str| {
        let subject = FindingSubject::Group(group.into());
        m.all_findings().iter().any(|f| f.rule.as_str() == "worker-held" && f.subject == subject)
    };
    watch.wait_for("finding about a later poll than the first", |s, m| {
        let blocks = s.tasks.iter().any(|task| &*task.meta.name == "blocker" && task.polls > 1);
        blocks && is_blocked_by(m, "blocker")
    });
    watch.wait_for("finding about requests that block and end", |_, m| is_blocked_by(m, "request"));
    watch.wait_for("a long poll among hundreds", |_, m| is_blocked_by(m, "mixer"));
    watch.wait_for("lock with its holder and its waiter", |s, _| {
        let Some(resources) = &s.resources else { return false };
        let holder = key(s, "lock-holder");
        let lock =
            resources.resources.iter().find(|lock| holder.is_some() && lock.holder == holder);
        let waiter = key(s, "lock-waiter");
        let waits = resources.async_ops.iter().filter(|op| op.is_waiting() && op.task == waiter);
        lock.is_some() && waiter.is_some() && waits.count() > 0
    });

    target.kill();
    let lost = |s: &Target| matches!(s.connection, Connection::Lost { .. });
    watch.wait_for("end of the connection", |s, _| lost(s));
    std::fs::remove_file(&socket).unwrap();
    drop(target);
    let restarted = TargetProcess::start(&socket);
    let snapshot = watch.wait_for("restarted target", |s, _| {
        s.epoch == 2 && !lost(s) && key(s, "sleeper-5").is_some()
    });
    let sleepers = snapshot.tasks.iter().filter(|task| &*task.meta.group == "sleeper");
    assert_eq!(sleepers.count(), 5, "only the tasks of the restarted target");
    drop(restarted);
    std::fs::remove_file(&socket).unwrap();
}
