//! Prints the busiest tasks of a running Tokio program once per second: `watch PID [SECONDS]`.

#![allow(clippy::print_stderr, reason = "an example prints its errors")]

use std::{
    collections::HashMap,
    io::{self, Write},
    process::ExitCode,
    thread,
    time::Duration,
};

use asynctop_inspect::{
    report,
    sampler::{Observations, Sample, Sampler, SamplerOptions},
};

const USAGE: &str = "usage: watch PID [SECONDS]";
/// Maximum number of tasks printed.
const ROWS: usize = 15;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("watch: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (pid, seconds) = match arguments.as_slice() {
        [pid] => (pid.parse()?, u64::MAX),
        [pid, seconds] => (pid.parse()?, seconds.parse()?),
        _ => return Err(USAGE.into()),
    };
    let sampler = Sampler::attach(pid, SamplerOptions::default())?;
    let mut earlier: HashMap<(u64, u64), Observations> = HashMap::new();
    for _ in 0..seconds {
        thread::sleep(Duration::from_secs(1));
        let sample = sampler.sample()?;
        print(&sampler, &sample, &earlier)?;
        let tasks = sample.tasks.iter();
        earlier =
            tasks.map(|sampled| ((sampled.task.id, sampled.task.address), sampled.busy)).collect();
    }
    Ok(())
}

fn print(
    sampler: &Sampler,
    sample: &Sample,
    earlier: &HashMap<(u64, u64), Observations>,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "\n{} ({}): {} tasks, {} samples, {:.1} % of them late or missing, sampler {:.2} % of a CPU",
        sampler.command(),
        sampler.pid(),
        sample.tasks.len(),
        sample.samples,
        100.0 * sample.doubtful(),
        100.0 * sample.cpu.as_secs_f64() / sample.taken.as_secs_f64().max(1e-3),
    )?;
    let mut rows: Vec<_> = sample
        .tasks
        .iter()
        .filter_map(|sampled| {
            let key = (sampled.task.id, sampled.task.address);
            let busy = sampled.busy.since(&earlier.get(&key).copied().unwrap_or_default());
            Some((busy.share()?, sampled))
        })
        .collect();
    rows.sort_by(|a, b| b.0.value.total_cmp(&a.0.value));
    writeln!(out, "{:>10}  {:>6}  {:>5}  NAME", "ID", "BUSY%", "±")?;
    for (share, sampled) in rows.iter().take(ROWS) {
        let (value, error) = (100.0 * share.value, 100.0 * share.standard_error);
        let name = report::task_name(&sampled.task);
        writeln!(out, "{:>10}  {value:>6.1}  {error:>5.1}  {name}", sampled.task.id)?;
    }
    for poll in sample.long_polls.iter().filter(|poll| poll.is_running) {
        let activity = poll.syscall.as_deref().unwrap_or("running");
        let (id, length) = (poll.task.id, poll.at_least);
        writeln!(out, "long poll of task {id} on thread {}: {length:.1?}, {activity}", poll.tid)?;
        for frame in poll.stack.iter().filter(|frame| frame.location.is_some()).take(8) {
            writeln!(out, "    {}", frame.function)?;
        }
        if let Some(reason) = &poll.no_stack {
            writeln!(out, "    (stack: {reason})")?;
        }
    }
    Ok(())
}
