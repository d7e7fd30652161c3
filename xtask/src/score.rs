//! Scores the rules on programs whose culprit is known, and prints a table for the documents.
//!
//! A run of an anti-pattern is missed if no rule reports the culprit. Whether the reported line is
//! one of its function is counted separately: names of functions take a while in a debug build.
//! A finding of severity warning or critical about any other group is false. For the fixes and the
//! healthy scenarios no finding is required. `machine-overloaded` is never false, and finds no
//! culprit.

#[path = "../../tests/truth/cases.rs"]
mod cases;
mod process;

use std::{
    env,
    hint::black_box,
    io::{self, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::Context;
use cases::{Case, Outcome};

/// After its time a run waits this long for the names of its stacks, as a report does.
const SYMBOLS_TIMEOUT: Duration = Duration::from_secs(10);

/// With `--runs`, `--load` or `--pid`, only the hog kinds and the healthy scenarios run, each for
/// SECONDS. Otherwise all programs run, and one with a culprit ends when the culprit is found.
#[derive(clap::Args)]
pub struct Options {
    /// How long a run takes
    #[arg(default_value_t = 30)]
    seconds: u64,
    /// Runs of each program
    #[arg(long, value_name = "N")]
    runs: Option<u32>,
    /// Busy loops beside the runs, each a process of its own
    #[arg(long, value_name = "N")]
    load: Option<u32>,
    /// Run the programs in this asynctop, in a process of its own, and observe it by its process ID
    #[arg(long, value_name = "FILE")]
    pid: Option<PathBuf>,
    /// Only programs whose name contains this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

impl Options {
    /// Whether only the hog kinds and the healthy scenarios run, each for the whole time.
    fn is_strict(&self) -> bool {
        self.runs.is_some() || self.load.is_some() || self.pid.is_some()
    }

    fn runs(&self) -> u32 {
        self.runs.unwrap_or(1)
    }
}

/// Busy loops. Dropping it kills them.
pub struct Load(Vec<Child>);

impl Load {
    pub fn start(count: u32) -> io::Result<Load> {
        let mut load = Load(Vec::new());
        for _ in 0..count {
            let mut command = Command::new(env::current_exe()?);
            // A busy loop ends when the pipe closes, also if this program is killed.
            load.0.push(command.arg("busy-loop").stdin(Stdio::piped()).spawn()?);
        }
        Ok(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Either fails only if it has already ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub fn busy_loop() -> ! {
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    loop {
        black_box(0);
    }
}

/// The result of all runs of one program.
#[derive(Default)]
struct Score {
    found: u32,
    missed: u32,
    right_place: u32,
    false_findings: Vec<String>,
    rule: Option<(&'static str, String)>,
}

impl Score {
    fn of(case: &Case, options: &Options) -> anyhow::Result<Score> {
        let mut score = Score::default();
        for _ in 0..options.runs() {
            let outcome = outcome(case, options)?;
            if case.has_culprit() {
                score.found += u32::from(outcome.found.is_some());
                score.missed += u32::from(outcome.found.is_none());
                score.right_place += u32::from(outcome.is_expected_location);
            }
            score.rule = outcome.found.or(score.rule);
            for finding in outcome.false_findings {
                let finding = format!("{}: {finding}", case.name);
                // Written immediately, as the whole table takes long.
                let _ = writeln!(io::stderr(), "false: {finding}");
                score.false_findings.push(finding);
            }
        }
        Ok(score)
    }
}

fn outcome(case: &Case, options: &Options) -> anyhow::Result<Outcome> {
    let time = Duration::from_secs(options.seconds);
    Ok(match &options.pid {
        Some(program) => process::observe(case, program, time)?,
        None if case.has_culprit() && !options.is_strict() => {
            case.run(Duration::from_secs(5), Duration::from_secs(60))
        }
        None => case.run(time, time + SYMBOLS_TIMEOUT),
    })
}

pub fn run(options: &Options) -> anyhow::Result<()> {
    let load = Load::start(options.load.unwrap_or(0));
    let _load = load.context("cannot start a busy loop; try a smaller --load")?;
    println!("| program | found by | at | runs | missed | false |\n|---|---|---|--:|--:|--:|");
    let (mut found, mut missed, mut right_place) = (0, 0, 0);
    let mut false_findings = Vec::new();
    for case in cases::all() {
        let is_wanted = options.only.as_ref().is_none_or(|only| case.name.contains(only.as_str()));
        if !is_wanted || options.is_strict() && !case.is_hog_or_healthy() {
            continue;
        }
        let score = Score::of(&case, options)?;
        let none = if case.has_culprit() { "–" } else { "none required" };
        let (rule, place) = score.rule.as_ref().map_or((none, "–"), |(rule, at)| (*rule, at));
        let (runs, wrong) = (options.runs(), score.false_findings.len());
        println!("| {} | {rule} | {place} | {runs} | {} | {wrong} |", case.name, score.missed);
        found += score.found;
        missed += score.missed;
        right_place += score.right_place;
        false_findings.extend(score.false_findings);
    }
    println!(
        "\n{found} of {} culprits found, {right_place} at a line of the right function where there \
         is one; false findings: {}",
        found + missed,
        false_findings.len()
    );
    false_findings.iter().for_each(|finding| println!("{finding}"));
    Ok(())
}
