//! Scores the findings on programs with a known culprit, and prints a table for README:
//!
//! ```text
//! cargo run --release --example score -- [SECONDS] [--runs N] [--load N] [--only NAME]
//! ```
//!
//! A run takes SECONDS (30 unless given). `--load N` runs N busy loops beside it, as processes of
//! their own. With `--runs` or `--load` the programs are the hog kinds and the healthy scenarios,
//! and all runs take SECONDS; without, all programs, and one with a culprit ends when it is found.
//!
//! A run of an anti-pattern is missed if no rule reports the culprit. Whether the reported line is
//! one of its function is counted apart: names of functions take a while in a debug build.
//! A finding of a warning or worse about any other group is false. For the fixes and the healthy
//! scenarios no finding is required. `machine-overloaded` is never false, and finds no culprit.

#[path = "../tests/truth/cases.rs"]
mod cases;

use std::{
    env,
    hint::black_box,
    io::{self, Write},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use cases::Case;

/// The argument with which this program is a busy loop that ends with its standard input.
const BUSY_LOOP: &str = "--busy-loop";

/// After its time a run waits this long for the names of its stacks, as a report does.
const NAMES: Duration = Duration::from_secs(10);

struct Options {
    seconds: u64,
    runs: u32,
    load: u32,
    only: Option<String>,
    /// Only hog kinds and healthy scenarios, each for its full time.
    is_strict: bool,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options { seconds: 30, runs: 1, load: 0, only: None, is_strict: false };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match &*arg {
                "--runs" => options.runs = number(&arg, &value()?)?,
                "--load" => options.load = number(&arg, &value()?)?,
                "--only" => options.only = Some(value()?),
                _ => options.seconds = number("SECONDS", &arg)?,
            }
            options.is_strict |= matches!(&*arg, "--runs" | "--load");
        }
        Ok(options)
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("cannot read {name}: `{text}` is not a number"))
}

/// Busy loops, until it is dropped.
struct Load(Vec<Child>);

impl Load {
    fn start(count: u32) -> io::Result<Load> {
        let mut load = Load(Vec::new());
        for _ in 0..count {
            let mut command = Command::new(env::current_exe()?);
            // It ends with the pipe, also if this program is killed.
            load.0.push(command.arg(BUSY_LOOP).stdin(Stdio::piped()).spawn()?);
        }
        Ok(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It has ended already, or ends now.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn busy_loop() -> ! {
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    loop {
        black_box(0);
    }
}

/// What the runs of one program came to.
#[derive(Default)]
struct Score {
    found: u32,
    missed: u32,
    right_place: u32,
    false_findings: Vec<String>,
    rule: Option<(&'static str, String)>,
}

impl Score {
    fn of(case: &Case, options: &Options) -> Score {
        let time = Duration::from_secs(options.seconds);
        let mut score = Score::default();
        for _ in 0..options.runs {
            let outcome = match case.is_guilty() && !options.is_strict {
                true => case.run(Duration::from_secs(5), Duration::from_secs(60)),
                false => case.run(time, time + NAMES),
            };
            if case.is_guilty() {
                score.found += u32::from(outcome.found.is_some());
                score.missed += u32::from(outcome.found.is_none());
                score.right_place += u32::from(outcome.right_place);
            }
            score.rule = outcome.found.or(score.rule);
            for finding in outcome.accused {
                let finding = format!("{}: {finding}", case.name);
                // At once, as a whole table takes long.
                let _ = writeln!(io::stderr(), "false: {finding}");
                score.false_findings.push(finding);
            }
        }
        score
    }
}

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some(BUSY_LOOP) {
        busy_loop();
    }
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            let usage = "score [SECONDS] [--runs N] [--load N] [--only NAME]";
            let _ = writeln!(io::stderr(), "error: {error}; usage: {usage}");
            return ExitCode::from(2);
        }
    };
    let load = Load::start(options.load);
    let Ok(_load) = load else {
        let _ = writeln!(io::stderr(), "error: cannot start a busy loop; try a smaller --load");
        return ExitCode::from(2);
    };
    println!("| program | found by | at | runs | missed | false |\n|---|---|---|--:|--:|--:|");
    let (mut found, mut missed, mut right_place) = (0, 0, 0);
    let mut false_findings = Vec::new();
    for case in cases::all() {
        let is_wanted = options.only.as_ref().is_none_or(|only| case.name.contains(only.as_str()));
        if !is_wanted || options.is_strict && !case.is_scored_by_default() {
            continue;
        }
        let score = Score::of(&case, &options);
        let none = if case.is_guilty() { "–" } else { "none required" };
        let (rule, place) = score.rule.as_ref().map_or((none, "–"), |(rule, at)| (*rule, at));
        let (runs, wrong) = (options.runs, score.false_findings.len());
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
    ExitCode::SUCCESS
}
