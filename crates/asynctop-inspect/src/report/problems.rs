//! Likely problems, at the top of an inspection. One inspection proves that a waker is missing, but
//! not for how long a worker has been blocked.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::{TextOptions, activity, count, name, tasks};
use crate::{Inspection, RuntimeInfo, TaskInfo, TaskKind, ThreadInfo};

pub(super) fn write(
    inspection: &Inspection,
    options: TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    lost_wakers(inspection, options, out)?;
    for (index, runtime) in inspection.runtimes.iter().enumerate() {
        let own: Vec<&ThreadInfo> =
            inspection.threads.iter().filter(|thread| thread.runtime == Some(index)).collect();
        blocked_workers(index, runtime, &own, inspection, out)?;
        exhausted_pool(index, runtime, &own, inspection, out)?;
    }
    Ok(())
}

fn lost_wakers(
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
    tasks(&lost, options, out)
}

/// All workers are in a system call inside a poll.
fn blocked_workers(
    index: usize,
    runtime: &RuntimeInfo,
    threads: &[&ThreadInfo],
    inspection: &Inspection,
    out: &mut dyn Write,
) -> io::Result<()> {
    let is_blocked = |thread: &&&ThreadInfo| {
        thread.worker.is_some() && thread.task.is_some() && thread.syscall.is_some()
    };
    let blocked: Vec<&ThreadInfo> = threads.iter().filter(is_blocked).copied().collect();
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
    places(&blocked, inspection, out)
}

/// All threads of the blocking pool run closures, and others wait.
fn exhausted_pool(
    index: usize,
    runtime: &RuntimeInfo,
    threads: &[&ThreadInfo],
    inspection: &Inspection,
    out: &mut dyn Write,
) -> io::Result<()> {
    let is_exhausted =
        |pool: &crate::PoolInfo| pool.queued > 0 && pool.idle == 0 && pool.threads >= pool.limit;
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
    let runs_closure = |thread: &&&ThreadInfo| {
        task_of(thread, inspection).is_some_and(|task| task.kind == TaskKind::Blocking)
    };
    let busy: Vec<&ThreadInfo> = threads.iter().filter(runs_closure).copied().collect();
    places(&busy, inspection, out)
}

/// The activity of these threads; threads with the same activity are one line.
fn places(threads: &[&ThreadInfo], inspection: &Inspection, out: &mut dyn Write) -> io::Result<()> {
    let mut groups: BTreeMap<String, usize> = BTreeMap::new();
    for thread in threads {
        let mut place = activity(thread);
        if let Some(task) = task_of(thread, inspection) {
            place.push_str(&format!(" in task {} {}", task.id, name(task)));
            if task.kind == TaskKind::Blocking {
                place = format!("{} in {}", activity(thread), name(task));
            }
        }
        let mut locations = thread.stack.iter().filter_map(|frame| frame.location.as_ref());
        if let Some(own) = locations.find(|location| !location.is_dependency()) {
            place.push_str(&format!(", at {own}"));
        }
        *groups.entry(place).or_default() += 1;
    }
    for (place, threads) in groups {
        writeln!(out, "  {}: {place}", count(threads, "thread"))?;
    }
    Ok(())
}

fn task_of<'a>(thread: &ThreadInfo, inspection: &'a Inspection) -> Option<&'a TaskInfo> {
    let id = thread.task?;
    inspection.tasks.iter().find(|task| task.id == id && task.tid == Some(thread.tid))
}
