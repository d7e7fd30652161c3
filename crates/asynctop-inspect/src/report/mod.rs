//! An inspection as text, for people and for grep.

mod problems;
mod tasks;
mod threads;

use std::io::{self, Write};

use crate::{
    Inspection, RuntimeInfo, TaskInfo, TaskKind, TaskQueue, ThreadInfo, tokio::task::StateKind,
};
use tasks::write_tasks;
use threads::{activity, is_idle_thread, write_idle_threads, write_stack, write_thread};

pub use tasks::task_name;

/// The options of the text.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TextOptions {
    /// One entry per task and thread, with all frames. Otherwise equal tasks share one entry, and so do
    /// threads that wait and run no code of the program.
    pub all: bool,
}

impl TextOptions {
    /// One entry per task, with all frames.
    pub fn all() -> Self {
        TextOptions { all: true }
    }
}

/// Writes an inspection as text.
///
/// Each task, or group of equal tasks, has one line that begins with `task ID [STATE]: NAME`.
///
/// # Errors
///
/// Those of `out`.
pub fn text(inspection: &Inspection, options: TextOptions, out: &mut dyn Write) -> io::Result<()> {
    write_head(inspection, out)?;
    if inspection.runtimes.is_empty() {
        writeln!(out, "\nno runtime was found; one without tasks is recognized since Tokio 1.35")?;
    }
    problems::write(inspection, options, out)?;
    for (index, runtime) in inspection.runtimes.iter().enumerate() {
        writeln!(out)?;
        let tasks = inspection.tasks.iter().filter(|task| task.runtime == Some(index));
        let tasks: Vec<&TaskInfo> = tasks.collect();
        write_runtime(index, runtime, &tasks, out)?;
        let threads = inspection.threads.iter().filter(|thread| thread.runtime == Some(index));
        let (idle, threads): (Vec<_>, Vec<_>) =
            threads.partition(|thread| is_idle_thread(thread, options));
        for thread in threads {
            write_thread(thread, runtime, inspection, options, out)?;
        }
        write_idle_threads(&idle, out)?;
        write_tasks(&tasks, options, out)?;
    }
    write_tasks_without_runtime(inspection, options, out)?;
    write_threads_without_runtime(inspection, options, out)?;
    write_stops(inspection, out)?;
    write_checks(inspection, out)
}

fn write_head(inspection: &Inspection, out: &mut dyn Write) -> io::Result<()> {
    let is_closure = |task: &&TaskInfo| task.kind == TaskKind::Blocking;
    let is_async = |task: &&TaskInfo| matches!(task.kind, TaskKind::Task | TaskKind::Local);
    write!(
        out,
        "process {} ({}): {}, {}",
        inspection.pid,
        inspection.command,
        count(inspection.runtimes.len(), "runtime"),
        count(inspection.tasks.iter().filter(is_async).count(), "task"),
    )?;
    let is_complete = |task: &&TaskInfo| is_async(task) && task.state == StateKind::Complete;
    match inspection.tasks.iter().filter(is_complete).count() {
        0 => {}
        complete => write!(out, " ({complete} complete, with a handle)")?,
    }
    match inspection.tasks.iter().filter(is_closure).count() {
        0 => writeln!(out)?,
        closures => writeln!(out, ", {}", count(closures, "blocking closure"))?,
    }
    for copy in &inspection.tokio {
        let version = copy.version.as_deref().unwrap_or("of an unknown version");
        let unstable = if copy.is_unstable { ", tokio_unstable" } else { "" };
        let level = match (copy.has_symbols, copy.has_lines) {
            (true, true) => "symbols and line tables",
            (true, false) => "symbols; line tables would add the lines of stacks",
            (false, _) => "stripped; symbols would add the names of types and functions",
        };
        writeln!(out, "Tokio {version}{unstable} in {}: {level}", copy.module)?;
    }
    Ok(())
}

fn write_runtime(
    index: usize,
    runtime: &RuntimeInfo,
    tasks: &[&TaskInfo],
    out: &mut dyn Write,
) -> io::Result<()> {
    write!(out, "runtime {index} ({})", runtime.flavor)?;
    if !runtime.workers.is_empty() {
        write!(out, ", {}", count(runtime.workers.len(), "worker"))?;
    }
    match (&runtime.unavailable, runtime.alive) {
        (Some(reason), _) => writeln!(out, ": tasks not available: {reason}")?,
        (None, Some(alive)) => writeln!(out, ": {alive} alive by its own count")?,
        (None, None) => writeln!(out, ": {}", count(tasks.len(), "task"))?,
    }
    write_queues(runtime, tasks, out)?;
    if let Some(pool) = runtime.pool.filter(|pool| pool.threads > 0 || pool.queued > 0) {
        let (limit, queued) = (pool.limit, count(pool.queued as usize, "closure"));
        let threads = format!("{} of at most {limit} threads", pool.threads);
        writeln!(out, "  blocking pool: {threads}, {} idle; {queued} in its queue", pool.idle)?;
    }
    Ok(())
}

/// Writes the lengths of the queues that are not empty.
fn write_queues(runtime: &RuntimeInfo, tasks: &[&TaskInfo], out: &mut dyn Write) -> io::Result<()> {
    let Some(queues) = &runtime.queues else { return Ok(()) };
    let local = queues.local.iter().enumerate().filter(|(_, length)| **length > 0);
    let mut lengths: Vec<String> =
        local.map(|(worker, length)| format!("{length} in that of worker {worker}")).collect();
    let in_slots = tasks.iter().filter(|task| matches!(task.queue, Some(TaskQueue::Lifo { .. })));
    match in_slots.count() {
        0 => {}
        in_slots => lengths.push(format!("{in_slots} in LIFO slots")),
    }
    match queues.injection {
        Some(0) => {}
        Some(length) => lengths.push(format!("{length} in the injection queue")),
        None => lengths.push("injection queue not known".to_owned()),
    }
    if !lengths.is_empty() {
        writeln!(out, "  queues: {}", lengths.join(", "))?;
    }
    Ok(())
}

fn write_tasks_without_runtime(
    inspection: &Inspection,
    options: TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let tasks = inspection.tasks.iter().filter(|task| task.runtime.is_none());
    let (workers, closures): (Vec<&TaskInfo>, Vec<&TaskInfo>) =
        tasks.partition(|task| task.kind == TaskKind::Worker);
    if !closures.is_empty() {
        writeln!(out, "\nblocking pool: {}", count(closures.len(), "closure"))?;
        write_tasks(&closures, options, out)?;
    }
    if options.all && !workers.is_empty() {
        writeln!(out, "\nblocking tasks that are workers' loops: {}", workers.len())?;
    }
    Ok(())
}

fn write_threads_without_runtime(
    inspection: &Inspection,
    options: TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let threads = inspection.threads.iter().filter(|thread| thread.runtime.is_none());
    let threads: Vec<&ThreadInfo> = threads.collect();
    if threads.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nother threads: {}", threads.len())?;
    for thread in threads {
        writeln!(out, "  thread {} {}: {}", thread.tid, thread.name, activity(thread))?;
        write_stack(&thread.stack, options, out)?;
    }
    Ok(())
}

fn write_stops(inspection: &Inspection, out: &mut dyn Write) -> io::Result<()> {
    let stops: Vec<_> = inspection.threads.iter().filter_map(|thread| thread.stopped).collect();
    let Some(longest) = stops.iter().map(|stopped| stopped.length).max() else {
        return writeln!(out, "\nno thread was stopped");
    };
    let threads = match stops.len() {
        1 => "1 thread was".to_owned(),
        more => format!("{more} threads were"),
    };
    writeln!(out, "\n{threads} stopped to read a stack, for at most {} µs", longest.as_micros())
}

fn write_checks(inspection: &Inspection, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "checks ({} ms, {})",
        inspection.took.as_millis(),
        count(inspection.retries as usize, "retry")
    )?;
    for check in &inspection.checks {
        let result = if check.passed { "ok" } else { "not available" };
        writeln!(out, "  {}: {result}: {}", check.capability, check.detail)?;
    }
    Ok(())
}

fn count(number: usize, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        _ => format!("{number} {noun}s"),
    }
}
