//! An inspection as text, for people and for grep.

mod problems;

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

use crate::{
    CodeLocation, Frame, Inspection, RuntimeInfo, TaskInfo, TaskKind, TaskQueue, ThreadInfo,
    names::shorten::{short_function, short_type},
};

/// The options of the text.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TextOptions {
    /// One entry per task, with all frames. Otherwise equal tasks share one entry.
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
    head(inspection, out)?;
    if inspection.runtimes.is_empty() {
        writeln!(out, "\nno runtime was found; one without tasks is recognized since Tokio 1.35")?;
    }
    problems::write(inspection, options, out)?;
    for (index, runtime) in inspection.runtimes.iter().enumerate() {
        writeln!(out)?;
        let own = inspection.tasks.iter().filter(|task| task.runtime == Some(index));
        let own: Vec<&TaskInfo> = own.collect();
        runtime_head(index, runtime, &own, out)?;
        let threads = inspection.threads.iter().filter(|thread| thread.runtime == Some(index));
        for thread in threads {
            write_thread(thread, runtime, inspection, options, out)?;
        }
        tasks(&own, options, out)?;
    }
    let unbound: Vec<&TaskInfo> =
        inspection.tasks.iter().filter(|task| task.runtime.is_none()).collect();
    let (pool, workers): (Vec<&TaskInfo>, Vec<&TaskInfo>) =
        unbound.into_iter().partition(|task| task.kind != TaskKind::Worker);
    if !pool.is_empty() {
        writeln!(out, "\nblocking pool: {}", count(pool.len(), "closure"))?;
        tasks(&pool, options, out)?;
    }
    if options.all && !workers.is_empty() {
        writeln!(out, "\nblocking tasks that are workers' loops: {}", workers.len())?;
    }
    let others: Vec<&ThreadInfo> =
        inspection.threads.iter().filter(|thread| thread.runtime.is_none()).collect();
    if !others.is_empty() {
        writeln!(out, "\nother threads: {}", others.len())?;
        for thread in others {
            writeln!(out, "  thread {} {}: {}", thread.tid, thread.name, activity(thread))?;
            write_stack(&thread.stack, options, out)?;
        }
    }
    let stops: Vec<_> = inspection.threads.iter().filter_map(|thread| thread.stopped).collect();
    match stops.iter().map(|stopped| stopped.length).max() {
        None => writeln!(out, "\nno thread was stopped")?,
        Some(longest) => writeln!(
            out,
            "\n{} stopped to read a stack, for at most {} µs",
            match stops.len() {
                1 => "1 thread was".to_owned(),
                more => format!("{more} threads were"),
            },
            longest.as_micros()
        )?,
    }
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

fn head(inspection: &Inspection, out: &mut dyn Write) -> io::Result<()> {
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

fn runtime_head(
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
        (Some(reason), _) => write!(out, ": tasks not available: {reason}")?,
        (None, Some(alive)) => write!(out, ": {alive} alive by its own count")?,
        (None, None) => write!(out, ": {}", count(tasks.len(), "task"))?,
    }
    writeln!(out)?;
    queues(runtime, tasks, out)?;
    if let Some(pool) = runtime.pool.filter(|pool| pool.threads > 0 || pool.queued > 0) {
        let (limit, queued) = (pool.limit, count(pool.queued as usize, "closure"));
        let threads = format!("{} of at most {limit} threads", pool.threads);
        writeln!(out, "  blocking pool: {threads}, {} idle; {queued} in its queue", pool.idle)?;
    }
    Ok(())
}

/// The queues that are not empty.
fn queues(runtime: &RuntimeInfo, tasks: &[&TaskInfo], out: &mut dyn Write) -> io::Result<()> {
    let Some(lengths) = &runtime.queues else { return Ok(()) };
    let local = lengths.local.iter().enumerate().filter(|(_, length)| **length > 0);
    let mut places: Vec<String> =
        local.map(|(worker, length)| format!("{length} in that of worker {worker}")).collect();
    let slots = tasks.iter().filter(|task| matches!(task.queue, Some(TaskQueue::Lifo { .. })));
    match slots.count() {
        0 => {}
        slots => places.push(format!("{slots} in LIFO slots")),
    }
    match lengths.injection {
        Some(0) => {}
        Some(length) => places.push(format!("{length} in the injection queue")),
        None => places.push("injection queue not known".to_owned()),
    }
    if !places.is_empty() {
        writeln!(out, "  queues: {}", places.join(", "))?;
    }
    Ok(())
}

fn write_thread(
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
    if let Some(worker) = thread.worker.and_then(|worker| runtime.workers.get(worker)) {
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
        let task =
            inspection.tasks.iter().find(|task| task.id == id && task.tid == Some(thread.tid));
        write!(out, "; polls task {id} {}", task.map(name).unwrap_or_default())?;
    }
    writeln!(out)?;
    // All parked workers have the same stack, which shows only that they are parked.
    let worker = thread.worker.and_then(|worker| runtime.workers.get(worker));
    let is_parked = worker.map_or(thread.syscall.is_some(), |worker| worker.is_parked);
    if is_parked && thread.task.is_none() && !thread.stack.iter().any(is_own) && !options.all {
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

/// Writes the innermost function and those of the program's own code, or all with
/// `TextOptions::all`.
fn write_stack(stack: &[Frame], options: TextOptions, out: &mut dyn Write) -> io::Result<()> {
    /// Maximum number of frames shown without `TextOptions::all`.
    const SHOWN: usize = 16;
    let all = options.all || !stack.iter().any(is_own);
    let mut hidden = 0;
    let mut shown = 0;
    for (index, frame) in stack.iter().enumerate() {
        if !options.all && shown == SHOWN {
            return writeln!(out, "    … {}", count(stack.len() - index, "more frame"));
        }
        if !all && index > 0 && !is_own(frame) {
            hidden += 1;
            continue;
        }
        write_hidden(hidden, out)?;
        hidden = 0;
        shown += 1;
        let function = short_function(&frame.function);
        match &frame.location {
            Some(location) => writeln!(out, "    {function} {location}")?,
            None => writeln!(out, "    {function}")?,
        }
    }
    write_hidden(hidden, out)
}

/// Whether a function belongs to the program itself, as far as its file or its name shows.
fn is_own(frame: &Frame) -> bool {
    /// Without line tables, functions of other dependencies count as the program's own.
    const OTHERS: [&str; 8] =
        ["alloc", "core", "mio", "parking_lot", "parking_lot_core", "std", "tokio", "__rustc"];
    match &frame.location {
        Some(location) => !location.is_dependency(),
        None => {
            let name = frame.function.trim_start_matches(['<', '&', ' ']);
            name.split_once("::").is_some_and(|(root, _)| !OTHERS.contains(&root))
        }
    }
}

fn write_hidden(frames: usize, out: &mut dyn Write) -> io::Result<()> {
    match frames {
        0 => Ok(()),
        frames => writeln!(out, "    … {} of dependencies", count(frames, "frame")),
    }
}

fn activity(thread: &ThreadInfo) -> String {
    match (&thread.syscall, thread.state) {
        (Some(syscall), _) => syscall.clone(),
        (None, 'R') => "running".to_owned(),
        (None, state) => format!("state {state}"),
    }
}

fn tasks(tasks: &[&TaskInfo], options: TextOptions, out: &mut dyn Write) -> io::Result<()> {
    if options.all {
        return tasks.iter().try_for_each(|task| writeln!(out, "{}", line(task)));
    }
    let mut groups: BTreeMap<_, Vec<&TaskInfo>> = BTreeMap::new();
    for task in tasks {
        let key = (task.state, task.kind, name(task), place(task), task.can_never_be_woken());
        groups.entry(key).or_default().push(task);
    }
    for group in groups.values() {
        let [first, others @ ..] = group.as_slice() else { continue };
        match others.len() {
            0 => writeln!(out, "{}", line(first))?,
            more => writeln!(out, "{}, and {more} more like it", line(first))?,
        }
    }
    Ok(())
}

fn line(task: &TaskInfo) -> String {
    let mut line = format!("task {} [{}]: {}", task.id, task.state, name(task));
    let place = place(task);
    if !place.is_empty() {
        line.push(' ');
        line.push_str(&place);
    }
    if task.is_canceled {
        line.push_str(", aborted");
    }
    if task.can_never_be_woken() {
        line.push_str(", no waker exists");
    }
    line
}

/// The future type of a task in its short form, or a description if it is not known.
pub fn task_name(task: &TaskInfo) -> String {
    name(task)
}

fn name(task: &TaskInfo) -> String {
    let mut names: Vec<String> =
        task.names.futures.iter().map(|future| short_type(future)).collect();
    names.sort();
    names.dedup();
    match (names.as_slice(), task.kind) {
        ([], TaskKind::Blocking | TaskKind::Worker) => "blocking closure".to_owned(),
        // A stripped program has no types; the line of the code distinguishes the tasks.
        ([], _) => match own_code(task) {
            Some(location) => format!("async code at {location}"),
            None => "(type without a name)".to_owned(),
        },
        ([only], _) => only.clone(),
        (several, _) => format!("one of {}", several.join(" | ")),
    }
}

/// The locations at which the task's code begins, and at which it was spawned.
fn place(task: &TaskInfo) -> String {
    let is_in_name = task.names.futures.is_empty() && own_code(task).is_some();
    let mut place = match (&task.names.location, task.names.contains.as_slice()) {
        (Some(_), _) | (None, [_]) if is_in_name => String::new(),
        (Some(location), _) => location.to_string(),
        (None, []) => String::new(),
        (None, [_, others @ ..]) if is_in_name => code_from(others),
        (None, several) => code_from(several),
    };
    if let Some(spawned) = &task.spawned_at {
        if !place.is_empty() {
            place.push_str(", ");
        }
        place.push_str(&format!("spawned at {spawned}"));
    }
    place
}

/// The line of a task's `async fn`, or the first one of what it contains.
fn own_code(task: &TaskInfo) -> Option<&CodeLocation> {
    task.names.location.as_ref().or(task.names.contains.first())
}

fn code_from(locations: &[CodeLocation]) -> String {
    /// More would make the line too long.
    const PLACES: usize = 3;
    let names: Vec<String> = locations.iter().take(PLACES).map(ToString::to_string).collect();
    let more = if locations.len() > PLACES { ", …" } else { "" };
    format!("with async code from {}{more}", names.join(", "))
}

fn count(number: usize, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        _ => format!("{number} {noun}s"),
    }
}
