//! The row of a program: its tasks according to an inspection, and whether they can be sampled.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use asynctop_inspect::{
    Inspection, Options, Process, TaskInfo, TaskKind,
    sampler::{Sampler, SamplerOptions},
    tokio::task::StateKind,
};

use super::{
    Program,
    running::{Running, TIMEOUT, Truth},
};

pub(super) const HEAD: &str = "\
| program | Tokio, build | must have | found | counted by Tokio | with a name | current task | first list |
|---|---|--:|--:|--:|--:|---|--:|";

/// How long the threads are sampled.
const SAMPLED: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(200);

pub(super) struct Row {
    pub text: String,
    /// Whether all tasks that the program must have were found.
    pub is_right: bool,
}

/// Inspects a program once it has the tasks that it must have, or after a timeout.
///
/// # Errors
/// If it cannot be read.
pub(super) fn row(program: &Program, running: &Running) -> anyhow::Result<Row> {
    let pid = running.pid()?;
    let began = Instant::now();
    Process::open(pid)?.inspect(&Options::states_only())?;
    let first_list = began.elapsed();
    let inspection = loop {
        let inspection = Process::open(pid)?.inspect(&Options::default())?;
        if running.truth.agrees(&inspection) || began.elapsed() > TIMEOUT {
            break inspection;
        }
        thread::sleep(STEP);
    };
    let listed = inspection.tasks.iter().filter(|task| is_listed(task));
    let named = listed.filter(|task| has_name(task)).count();
    let counted: Vec<u64> = inspection.runtimes.iter().filter_map(|it| it.alive).collect();
    let counted = match counted.iter().sum::<u64>() {
        _ if counted.is_empty() => "–".to_owned(),
        sum => sum.to_string(),
    };
    let current = sampled(pid)?;
    let mut name = program.name.to_owned();
    if let Some(remark) = &running.remark {
        name.push_str(&format!(" ({remark})"));
    }
    let text = format!(
        "| {name} | {} | {} | {} | {counted} | {named} | {current} | {:.0} ms |",
        build(program, &inspection),
        running.truth,
        running.truth.found(&inspection),
        first_list.as_secs_f64() * 1e3,
    );
    Ok(Row { text, is_right: running.truth.agrees(&inspection) })
}

/// Whether the current tasks of the program's threads can be sampled, or the check that failed.
fn sampled(pid: u32) -> anyhow::Result<String> {
    let sampler = Sampler::attach(pid, SamplerOptions::default())?;
    thread::sleep(SAMPLED);
    let sample = sampler.sample()?;
    let capabilities = ["current task of each thread", "samples of current tasks"];
    let mut checks = sample.checks.iter();
    let failed = checks.find(|it| !it.passed && capabilities.contains(&&*it.capability));
    Ok(match failed {
        Some(check) => format!("–: {}", check.detail),
        None if sample.threads.is_empty() => "–: its place was not found".to_owned(),
        None => "yes".to_owned(),
    })
}

impl Truth {
    fn agrees(self, inspection: &Inspection) -> bool {
        let number = |kind| of_kind(inspection, kind).count();
        match self {
            Truth::Tasks(tasks, local) => {
                (number(TaskKind::Task), number(TaskKind::Local)) == (tasks, local)
            }
            Truth::Alike(tasks) => alike(inspection) == tasks,
            Truth::Named(tasks, name) => named(inspection, name) == tasks,
        }
    }

    fn found(self, inspection: &Inspection) -> String {
        let number = |kind| of_kind(inspection, kind).count();
        match self {
            Truth::Tasks(..) => {
                Truth::Tasks(number(TaskKind::Task), number(TaskKind::Local)).to_string()
            }
            Truth::Alike(_) => alike(inspection).to_string(),
            Truth::Named(_, name) => named(inspection, name).to_string(),
        }
    }
}

impl std::fmt::Display for Truth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Truth::Tasks(tasks, 0) | Truth::Alike(tasks) | Truth::Named(tasks, _) => tasks.fmt(f),
            Truth::Tasks(tasks, local) => write!(f, "{tasks} + {local} local"),
        }
    }
}

/// The number of tasks in the largest group of tasks of one type and, if that is known, spawned at
/// one line.
fn alike(inspection: &Inspection) -> usize {
    let listed: Vec<&TaskInfo> = inspection.tasks.iter().filter(|task| is_listed(task)).collect();
    let group = |task: &TaskInfo| (task.vtable, task.spawned_at.as_ref().map(ToString::to_string));
    let groups: BTreeSet<_> = listed.iter().map(|task| group(task)).collect();
    let sizes = groups.iter().map(|key| listed.iter().filter(|task| group(task) == *key).count());
    sizes.max().unwrap_or(0)
}

fn named(inspection: &Inspection, name: &str) -> usize {
    let is_it = |task: &&TaskInfo| task.names.futures.iter().any(|future| future.contains(name));
    inspection.tasks.iter().filter(|task| is_listed(task)).filter(is_it).count()
}

fn of_kind(inspection: &Inspection, kind: TaskKind) -> impl Iterator<Item = &TaskInfo> {
    inspection.tasks.iter().filter(move |task| task.kind == kind && is_listed(task))
}

/// Whether a task counts: one that has not ended, and no closure.
fn is_listed(task: &TaskInfo) -> bool {
    matches!(task.kind, TaskKind::Task | TaskKind::Local) && task.state != StateKind::Complete
}

fn has_name(task: &TaskInfo) -> bool {
    let names = &task.names;
    let has_line = names.location.is_some() || !names.contains.is_empty();
    !names.futures.is_empty() || has_line || task.spawned_at.is_some()
}

fn build(program: &Program, inspection: &Inspection) -> String {
    let versions: Vec<&str> =
        inspection.tokio.iter().map(|copy| copy.version.as_deref().unwrap_or("?")).collect();
    let mut facts = vec![versions.join(" and ")];
    facts.extend((!program.build.is_empty()).then(|| program.build.to_owned()));
    let all = |is: fn(&asynctop_inspect::TokioCopy) -> bool| inspection.tokio.iter().all(is);
    if all(|copy| copy.is_unstable) {
        facts.push("tokio_unstable".to_owned());
    }
    let level = match (all(|copy| copy.has_symbols), all(|copy| copy.has_lines)) {
        (true, true) => "line tables",
        (true, false) => "symbols",
        (false, _) => "stripped",
    };
    facts.push(level.to_owned());
    facts.join(", ")
}
