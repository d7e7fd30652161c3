//! Compares the busy shares that are sampled from outside with those that the tasks measure themselves.
//!
//! The goal: 38 of 40 shares within two standard errors or 1.5 points, on an idle and on a busy machine.

use std::{io::BufReader, process::ChildStdout, thread, time::Duration};

use anyhow::Context;
use asynctop_inspect::sampler::{Observations, Sample, Sampler, SamplerOptions};

use crate::{
    field::{Facts, Folder, Started, facts},
    score::Load,
};

/// The tasks that measure their polls, one of which sleeps in them, and one computes.
const TASKS: [&str; 2] = ["hog", "spinner"];
/// In points of 100.
const TOLERANCE: f64 = 1.5;

#[derive(clap::Args)]
pub struct Options {
    /// Runs, each of which compares two tasks
    #[arg(default_value_t = 20)]
    runs: u32,
    /// How long a run takes
    #[arg(long, value_name = "SECONDS", default_value_t = 8)]
    seconds: u64,
    /// Busy loops beside the runs, each a process of its own
    #[arg(long, value_name = "N", default_value_t = 0)]
    load: u32,
    /// Sample with real-time priority
    #[arg(long)]
    realtime: bool,
}

/// The fixture `shares`.
struct Fixture {
    started: Started,
    tasks: Facts,
    output: BufReader<ChildStdout>,
}

/// A sample, and the busy time of each task in nanoseconds, read shortly before and after it.
struct Measured {
    before: Facts,
    sample: Sample,
    after: Facts,
}

impl Fixture {
    fn measure(&mut self, sampler: &Sampler) -> anyhow::Result<Measured> {
        let mut ask = || {
            self.started.write("now")?;
            facts(&mut self.output)
        };
        Ok(Measured { before: ask()?, sample: sampler.sample()?, after: ask()? })
    }

    fn busy(&self, sample: &Sample, name: &str) -> anyhow::Result<Observations> {
        let id = self.tasks.get(name).with_context(|| format!("no task {name}"))?;
        let task = sample.tasks.iter().find(|sampled| sampled.task.id == *id);
        Ok(task.with_context(|| format!("{name} was not listed"))?.busy)
    }
}

/// Prints a line for each share.
///
/// # Errors
/// If the program cannot be built, started or sampled.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let program = Folder::create()?.fixture("shares")?;
    let load = Load::start(options.load);
    let _load = load.context("cannot start a busy loop; try a smaller --load")?;
    let mut right = 0;
    for _ in 0..options.runs {
        let (started, tasks, output) =
            Started::with_output(&mut std::process::Command::new(&program))?;
        let mut fixture = Fixture { started, tasks, output };
        let mut sampling = SamplerOptions::default();
        sampling.realtime = options.realtime;
        let sampler = Sampler::attach(fixture.started.pid(), sampling)?;
        thread::sleep(Duration::from_millis(100));
        let first = fixture.measure(&sampler)?;
        thread::sleep(Duration::from_secs(options.seconds));
        let last = fixture.measure(&sampler)?;
        for name in TASKS {
            let busy = fixture.busy(&last.sample, name)?;
            let busy = busy.since(&fixture.busy(&first.sample, name)?);
            right += u32::from(compare(name, busy, &first, &last)?);
        }
    }
    println!("{right} of {} right", 2 * options.runs);
    Ok(())
}

/// Prints the sampled and the true share of a task. Returns whether they agree.
fn compare(
    name: &str,
    busy: Observations,
    first: &Measured,
    last: &Measured,
) -> anyhow::Result<bool> {
    let share = busy.share().context("no sample")?;
    let (value, error) = (100.0 * share.value, 100.0 * share.standard_error);
    let time = (last.sample.taken - first.sample.taken).as_nanos() as f64;
    let percent = |later: &Facts, earlier: &Facts| {
        100.0 * later[name].saturating_sub(earlier[name]) as f64 / time
    };
    let (least, most) = (percent(&last.before, &first.after), percent(&last.after, &first.before));
    let is_right = (value - value.clamp(least, most)).abs() <= (2.0 * error).max(TOLERANCE);
    println!(
        "{name:8} {value:5.1} % ± {error:.1}, truth {least:.1} to {most:.1} %, {:.1} % of the samples late{}",
        100.0 * last.sample.doubtful(),
        if is_right { "" } else { ": WRONG" },
    );
    Ok(is_right)
}
