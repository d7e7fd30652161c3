//! The capabilities that an inspection of the program has; its values are compared with the source.

use std::{collections::BTreeSet, fs};

use anyhow::ensure;
use asynctop_inspect::{
    CodeLocation, Frame, Inspection, Options, Process, TaskInfo, TaskKind, tokio::task::StateKind,
};

use crate::build::ANY_VERSION;

const COUNTED: &str = "tasks counted by Tokio";
const LOCAL: &str = "local set recognized";
const BLOCKING: &str = "blocking closure";
const CURRENT: &str = "current task";
const WORKERS: &str = "workers' counters";
const QUEUES: &str = "queues";
const POOL: &str = "blocking pool";
/// Capabilities that depend on the version of Tokio.
pub(super) const BY_VERSION: [&str; 7] = [COUNTED, LOCAL, BLOCKING, CURRENT, WORKERS, QUEUES, POOL];

const TYPE: &str = "type of the future";
const LINE: &str = "line of the `async fn`";
const CODE: &str = "lines of its code";
const SPAWNED: &str = "line of the spawn";
const FUNCTIONS: &str = "functions on stacks";
const LINES: &str = "lines on stacks";
/// Capabilities that depend on the build.
pub(super) const BY_BUILD: [&str; 6] = [TYPE, LINE, CODE, SPAWNED, FUNCTIONS, LINES];

/// The capabilities that a program has.
pub(super) type Capabilities = BTreeSet<&'static str>;

/// The program's runtimes, its tasks with those in local sets, and its workers.
const RUNTIMES: usize = 3;
const TASKS: usize = 106;
const WORKER_THREADS: usize = 4;

/// The capabilities that an inspection of the process has. `wakers` has the two words of each
/// task's waker, one of which is the address of the task.
///
/// # Errors
/// If the process cannot be read, or a value of the inspection is wrong.
pub(super) fn of(pid: u32, wakers: &[[u64; 2]]) -> anyhow::Result<Capabilities> {
    let inspection = Process::open(pid)?.inspect(&Options::default())?;
    let of_kind = |kind| inspection.tasks.iter().filter(move |task| task.kind == kind);
    let addresses: BTreeSet<u64> = inspection.tasks.iter().map(|task| task.address).collect();
    let is_missing = |words: &&[u64; 2]| !words.iter().any(|word| addresses.contains(word));
    let missing = wakers.iter().filter(is_missing).count();
    let (tasks, local) = (of_kind(TaskKind::Task).count(), of_kind(TaskKind::Local).count());
    ensure!(
        missing == 0 && tasks + local == TASKS,
        "{missing} tasks are missing; {tasks} tasks and {local} local ones were found"
    );
    let alive: Vec<u64> = inspection.runtimes.iter().filter_map(|it| it.alive).collect();
    let counted = alive.iter().sum::<u64>() as usize;
    ensure!(alive.is_empty() || counted == tasks, "{tasks} tasks were found, {counted} counted");
    let workers: usize = inspection.runtimes.iter().map(|runtime| runtime.workers.len()).sum();
    ensure!([0, WORKER_THREADS].contains(&workers), "{workers} workers were found");
    let all = |is: fn(&asynctop_inspect::RuntimeInfo) -> bool| {
        inspection.runtimes.iter().filter(|runtime| is(runtime)).count() == RUNTIMES
    };
    let mut shown = Capabilities::new();
    let mut add = |capability, has| shown.extend(Some(capability).filter(|_| has));
    add(COUNTED, !alive.is_empty());
    add(LOCAL, local == 1);
    add(BLOCKING, of_kind(TaskKind::Blocking).count() == 1);
    add(CURRENT, has_current_task(&inspection)?);
    add(WORKERS, workers == WORKER_THREADS);
    add(QUEUES, inspection.runtimes.iter().any(|runtime| runtime.queues.is_some()));
    add(POOL, all(|runtime| runtime.pool.is_some()));
    let source = Source(fs::read_to_string(ANY_VERSION)?);
    let sleepers: Vec<&TaskInfo> =
        of_kind(TaskKind::Task).filter(|task| source.is_sleeper(task)).collect();
    let all = |is: &dyn Fn(&TaskInfo) -> bool| {
        sleepers.len() == SLEEPERS && sleepers.iter().all(|task| is(task))
    };
    add(TYPE, all(&|task| is_named_sleeper(task)));
    add(LINE, all(&|task| source.has_line(task.names.location.as_ref(), "async fn sleeper(")));
    add(
        CODE,
        all(&|task| {
            task.names.contains.iter().any(|at| source.has_line(Some(at), "async fn sleeper("))
        }),
    );
    add(SPAWNED, all(&|task| source.has_line(task.spawned_at.as_deref(), "spawn(sleeper())")));
    let frames: Vec<&Frame> = inspection.threads.iter().flat_map(|thread| &thread.stack).collect();
    add(FUNCTIONS, frames.iter().any(|frame| frame.function.ends_with("read_line")));
    add(LINES, frames.iter().any(|frame| source.has_line(frame.location.as_ref(), "read_line")));
    Ok(shown)
}

/// The tasks of type `sleeper`.
const SLEEPERS: usize = 104;

/// Whether the task that spins is the current task of its thread.
fn has_current_task(inspection: &Inspection) -> anyhow::Result<bool> {
    let is_spinning =
        |task: &&TaskInfo| task.kind == TaskKind::Task && task.state == StateKind::Running;
    let spinning: Vec<&TaskInfo> = inspection.tasks.iter().filter(is_spinning).collect();
    let [spinning] = spinning[..] else {
        anyhow::bail!("{} tasks are running instead of 1", spinning.len())
    };
    let polls_it = |thread: &&asynctop_inspect::ThreadInfo| thread.task == Some(spinning.id);
    let thread = inspection.threads.iter().find(polls_it);
    ensure!(
        thread.is_none_or(|thread| thread.name == "spinning"),
        "another thread polls the task that spins"
    );
    Ok(thread.is_some())
}

fn is_named_sleeper(task: &TaskInfo) -> bool {
    task.names.futures.iter().any(|name| name.contains("any::sleeper::"))
}

/// The text of the program.
struct Source(String);

impl Source {
    /// Whether something names the task as a `sleeper`.
    fn is_sleeper(&self, task: &TaskInfo) -> bool {
        let lines = task.names.location.iter().chain(&task.names.contains);
        let mut lines = lines.filter(|at| self.has_line(Some(at), "async fn sleeper("));
        is_named_sleeper(task) || lines.next().is_some()
    }

    /// Whether a location is a line of the program that contains this.
    fn has_line(&self, location: Option<&CodeLocation>, text: &str) -> bool {
        let own = location.filter(|location| location.file.ends_with("any_version.rs"));
        let line = own.and_then(|at| self.0.lines().nth((at.line as usize).checked_sub(1)?));
        line.is_some_and(|line| line.contains(text))
    }
}
