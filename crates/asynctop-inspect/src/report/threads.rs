//! Threads as text: their activity, the task that they poll, and their stack.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

use asynctop_snapshot::FrameKind;
use asynctop_stack::frame_kind;

use super::{TextOptions, count, task_name};
use crate::{Frame, Inspection, RuntimeInfo, TaskInfo, ThreadInfo, names::shorten::short_function};

pub(super) fn write_thread(
    thread: &ThreadInfo,
    runtime: &RuntimeInfo,
    inspection: &Inspection,
    options: TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let role = match thread.worker {
        Some(worker) => format!("worker {worker}, thread"),
        None => "thread".to_owned(),
    };
    write!(out, "  {role} {} {}: {}", thread.tid, thread.name, activity(thread))?;
    let worker = thread.worker.and_then(|worker| runtime.workers.get(worker));
    if let Some(worker) = worker {
        let busy = Duration::from_nanos(worker.busy_ns);
        write!(
            out,
            "; busy {:.3} s{}, {}",
            busy.as_secs_f64(),
            // Tokio counts when a worker parks.
            if thread.task.is_some() { " up to its latest park" } else { "" },
            count(worker.parks as usize, "park")
        )?;
    }
    if let Some(id) = thread.task {
        write!(out, "; polls task {id}")?;
        if let Some(task) = polled_task(thread, inspection) {
            write!(out, " {}", task_name(task))?;
        }
    }
    writeln!(out)?;
    // All parked workers have the same stack, which shows only that they are parked.
    let is_parked = worker.map_or(thread.syscall.is_some(), |worker| worker.is_parked);
    if is_parked && runs_no_code_of_user(thread) && !options.all {
        return Ok(());
    }
    write_stack(&thread.stack, options, out)?;
    if let Some(reason) = &thread.no_stack {
        writeln!(out, "    (stack: {reason})")?;
    }
    if let Some(stopped) = thread.stopped {
        writeln!(out, "    (stopped for {} µs to read it)", stopped.length.as_micros())?;
        if stopped.in_system_call {
            writeln!(out, "    (that may have interrupted a system call)")?;
        }
    }
    Ok(())
}

fn runs_no_code_of_user(thread: &ThreadInfo) -> bool {
    thread.task.is_none() && !thread.stack.iter().any(|frame| kind(frame) == FrameKind::User)
}

/// Whether a thread is no worker, waits in a system call and runs no code of the program, such as one of
/// the blocking pool without a closure. There may be hundreds, so they share a line.
pub(super) fn is_idle_thread(thread: &ThreadInfo, options: TextOptions) -> bool {
    let waits = thread.worker.is_none() && thread.syscall.is_some();
    waits && thread.stopped.is_none() && runs_no_code_of_user(thread) && !options.all
}

/// Writes a line for the threads with the same name and activity.
pub(super) fn write_idle_threads(threads: &[&ThreadInfo], out: &mut dyn Write) -> io::Result<()> {
    /// Maximum number of threads that are named.
    const MAX_NAMED: usize = 3;
    let mut alike: BTreeMap<(&str, String), Vec<u32>> = BTreeMap::new();
    for thread in threads {
        alike.entry((&thread.name, activity(thread))).or_default().push(thread.tid);
    }
    for ((name, activity), tids) in alike {
        let (named, more) = tids.split_at(tids.len().min(MAX_NAMED));
        let named = named.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let threads = if tids.len() == 1 { "thread" } else { "threads" };
        let more =
            if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        writeln!(out, "  {threads} {named}{more} {name}: {activity}")?;
    }
    Ok(())
}

/// The task that a thread polls, if it is listed.
pub(super) fn polled_task<'a>(
    thread: &ThreadInfo,
    inspection: &'a Inspection,
) -> Option<&'a TaskInfo> {
    let id = thread.task?;
    // The task was not yet running when it was listed, if the thread was stopped in a later poll.
    let is_polled = |task: &&TaskInfo| match task.tid {
        Some(tid) => tid == thread.tid,
        None => task.runtime == thread.runtime,
    };
    inspection.tasks.iter().filter(|task| task.id == id).find(is_polled)
}

pub(super) fn activity(thread: &ThreadInfo) -> String {
    match (&thread.syscall, thread.state) {
        (Some(syscall), _) => syscall.clone(),
        (None, 'R') => "running".to_owned(),
        (None, state) => format!("state {state}"),
    }
}

/// Writes the innermost function, unless it is an inlined one of the standard library, and those of
/// the program's own code, or else of its dependencies; all with `TextOptions::all`.
pub(super) fn write_stack(
    stack: &[Frame],
    options: TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    /// Maximum number of frames written without `TextOptions::all`.
    const MAX_FRAMES: usize = 16;
    let kinds: Vec<FrameKind> = stack.iter().map(kind).collect();
    let wanted = match kinds.contains(&FrameKind::User) {
        true => FrameKind::User,
        false => FrameKind::Dependency,
    };
    let is_shown = |index: usize| {
        let innermost = index == 0 && (kinds[0] != FrameKind::Std || !kinds.contains(&wanted));
        options.all || innermost || kinds[index] == wanted
    };
    let mut hidden = 0;
    let mut written = 0;
    for (index, frame) in stack.iter().enumerate() {
        if !options.all && written == MAX_FRAMES {
            return writeln!(out, "    … {}", count(stack.len() - index, "more frame"));
        }
        if !is_shown(index) {
            hidden += 1;
            continue;
        }
        write_hidden(hidden, out)?;
        hidden = 0;
        written += 1;
        let function = short_function(&frame.function);
        match &frame.location {
            Some(location) => writeln!(out, "    {function} {location}")?,
            None => writeln!(out, "    {function}")?,
        }
    }
    write_hidden(hidden, out)
}

/// The kind of a function, according to its file or its name.
fn kind(frame: &Frame) -> FrameKind {
    let file = frame.location.as_ref().map(|location| location.file.as_str());
    frame_kind(&frame.function, file)
}

fn write_hidden(frames: usize, out: &mut dyn Write) -> io::Result<()> {
    match frames {
        0 => Ok(()),
        frames => writeln!(out, "    … {} of libraries", count(frames, "frame")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(tid: u32, name: &str, syscall: Option<&str>) -> ThreadInfo {
        ThreadInfo {
            tid,
            name: name.to_owned(),
            state: 'S',
            syscall: syscall.map(str::to_owned),
            runtime: Some(0),
            worker: None,
            task: None,
            stack: Vec::new(),
            no_stack: None,
            stopped: None,
        }
    }

    #[test]
    fn idle_threads_share_a_line_and_busy_ones_do_not() {
        let mut threads = vec![thread(1, "server", Some("futex"))];
        threads.extend((2..=6).map(|tid| thread(tid, "pool", Some("futex"))));
        let in_task = ThreadInfo { task: Some(7), ..thread(8, "pool", Some("read")) };
        threads.extend([thread(7, "pool", None), in_task]);
        let idle: Vec<_> =
            threads.iter().filter(|it| is_idle_thread(it, TextOptions::default())).collect();
        let mut out = Vec::new();
        write_idle_threads(&idle, &mut out).expect("a vector can be written");
        let expected = "  threads 2, 3, 4 and 2 more pool: futex\n  thread 1 server: futex\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
        assert!(!threads.iter().any(|thread| is_idle_thread(thread, TextOptions::all())));
    }
}
