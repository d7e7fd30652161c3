//! Likely problems, at the top of an inspection. One inspection proves that a task has no waker, but
//! not for how long a worker has been blocked.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::{TextOptions, activity, count, task_name, threads::polled_task, write_tasks};
use crate::{Inspection, PoolInfo, RuntimeInfo, TaskInfo, TaskKind, ThreadInfo};

pub(super) fn write(
    inspection: &Inspection,
    options: TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    if inspection.is_stopped {
        writeln!(
            out,
            "\nlikely problem: the process is stopped, as by SIGSTOP or a shell's Ctrl-Z: no task runs \
             until it receives SIGCONT"
        )?;
    }
    write_lost_wakers(inspection, options, out)?;
    for (index, runtime) in inspection.runtimes.iter().enumerate() {
        let threads: Vec<&ThreadInfo> =
            inspection.threads.iter().filter(|thread| thread.runtime == Some(index)).collect();
        write_blocked_workers(index, runtime, &threads, inspection, out)?;
        write_exhausted_pool(index, runtime, &threads, inspection, out)?;
    }
    Ok(())
}

fn write_lost_wakers(
    inspection: &Inspection,
    options: TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let lost: Vec<&TaskInfo> =
        inspection.tasks.iter().filter(|task| task.can_never_be_woken()).collect();
    if lost.is_empty() {
        return Ok(());
    }
    let verb = if lost.len() == 1 { "is" } else { "are" };
    writeln!(
        out,
        "\nlikely problem: {} {verb} idle and can never be woken, because no waker exists",
        count(lost.len(), "task")
    )?;
    write_tasks(&lost, options, out)
}

/// The problem that all workers are in a system call inside a poll.
fn write_blocked_workers(
    index: usize,
    runtime: &RuntimeInfo,
    threads: &[&ThreadInfo],
    inspection: &Inspection,
    out: &mut dyn Write,
) -> io::Result<()> {
    let is_blocked = |thread: &&ThreadInfo| {
        thread.worker.is_some() && thread.task.is_some() && thread.syscall.is_some()
    };
    let blocked: Vec<&ThreadInfo> = threads.iter().copied().filter(is_blocked).collect();
    let workers = runtime.workers.len();
    if workers == 0 || blocked.len() != workers {
        return Ok(());
    }
    let all = match workers {
        1 => format!("the only worker of runtime {index} is"),
        _ => format!("all {workers} workers of runtime {index} are"),
    };
    writeln!(
        out,
        "\nlikely problem: {all} in a system call inside a poll; if a second dump shows the same, \
         none is left for timers, sockets and other tasks"
    )?;
    write_activities(&blocked, inspection, out)
}

/// The problem that all threads of the blocking pool run closures, and other closures wait.
fn write_exhausted_pool(
    index: usize,
    runtime: &RuntimeInfo,
    threads: &[&ThreadInfo],
    inspection: &Inspection,
    out: &mut dyn Write,
) -> io::Result<()> {
    let is_exhausted =
        |pool: &PoolInfo| pool.queued > 0 && pool.idle == 0 && pool.threads >= pool.limit;
    let Some(pool) = runtime.pool.filter(is_exhausted) else { return Ok(()) };
    writeln!(
        out,
        "\nlikely problem: the blocking pool of runtime {index} is exhausted: {} of at most {} run \
         closures, and {} for one",
        count(pool.threads as usize, "thread"),
        pool.limit,
        match pool.queued {
            1 => "1 closure waits".to_owned(),
            more => format!("{more} closures wait"),
        }
    )?;
    let runs_closure = |thread: &&ThreadInfo| {
        polled_task(thread, inspection).is_some_and(|task| task.kind == TaskKind::Blocking)
    };
    let busy: Vec<&ThreadInfo> = threads.iter().copied().filter(runs_closure).collect();
    write_activities(&busy, inspection, out)
}

/// Writes the activity of these threads. Threads with the same activity share a line.
fn write_activities(
    threads: &[&ThreadInfo],
    inspection: &Inspection,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for thread in threads {
        let mut text = activity(thread);
        match polled_task(thread, inspection) {
            Some(task) if task.kind == TaskKind::Blocking => {
                text.push_str(&format!(" in {}", task_name(task)));
            }
            Some(task) => text.push_str(&format!(" in task {} {}", task.id, task_name(task))),
            None => {}
        }
        let mut locations = thread.stack.iter().filter_map(|frame| frame.location.as_ref());
        if let Some(location) = locations.find(|location| location.is_own()) {
            text.push_str(&format!(", at {location}"));
        }
        *counts.entry(text).or_default() += 1;
    }
    for (text, threads) in counts {
        writeln!(out, "  {}: {text}", count(threads, "thread"))?;
    }
    Ok(())
}
