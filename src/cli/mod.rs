//! The command line: what may be asked for, and nothing of how it is done.
//!
//! Every wrong input ends in one sentence on stderr and exit code 2, before the terminal
//! is touched.

mod duration;
mod error;
mod print;

use std::{ffi::OsString, time::Duration};

use clap::{
    Args, CommandFactory, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

pub use clap_complete::Shell;
pub use duration::{Hold, parse_duration};
pub use error::sentence;
pub use print::{completions, man, scenarios};

use crate::{
    headless::Plan,
    lab::{HogOptions, LabError, LabOptions, find},
    model::Flavor,
};

const EXAMPLES: &str = "\
Examples:
  asynctop                                  the lab; b releases the hog
  asynctop --flavor multi-thread --workers 2
  asynctop --hog spin --hog-hold 5ms        a hog that gives way every 5 ms
  asynctop --headless --hog spin            a report: before and with the hog
  asynctop --format json | jq .slowdown

Exit code: 0 fine, 2 wrong usage or no way to start";

/// `top` for async Rust: every task of a Tokio runtime, live, and the one that holds the
/// worker.
///
/// Without a command it runs the lab: workloads of real work on a Tokio runtime of its
/// own, and a hog that blocks without yielding when you say so.
#[derive(Debug, Parser)]
#[command(name = "asynctop", version, after_help = EXAMPLES, infer_subcommands = false)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    lab: LabArgs,
    #[command(flatten)]
    watch: WatchArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the lab: workloads on a Tokio runtime of its own, and a hog
    #[command(after_help = EXAMPLES)]
    Lab {
        /// What runs: the name of a built-in scenario
        #[arg(default_value = "mixed")]
        scenario: String,
        #[command(flatten)]
        lab: LabArgs,
        #[command(flatten)]
        watch: WatchArgs,
    },
    /// List the lab's scenarios, or describe one
    Scenarios {
        /// The scenario to describe
        name: Option<String>,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the man page
    Man,
}

/// What the lab is made of.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Lab")]
pub struct LabArgs {
    /// How the runtime schedules: current-thread or multi-thread [default: the scenario's]
    #[arg(long, value_name = "FLAVOR", value_parser = flavor_parser(), hide_possible_values = true)]
    pub flavor: Option<Flavor>,
    /// Worker threads; multi-thread unless --flavor says otherwise [default: one a core]
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// The hog: spin or block, and how many. It comes on by itself after a moment
    /// without it, so that there is something to compare with
    #[arg(long, value_name = "KIND[:COUNT]")]
    pub hog: Option<HogOptions>,
    /// How long the hog keeps the worker before it gives way once [default: never]
    #[arg(long, value_name = "DURATION|never")]
    pub hog_hold: Option<Hold>,
}

/// How to watch and what to write.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Watching")]
pub struct WatchArgs {
    /// No screen: watch for a while, then write a report. So does a stdout that is no
    /// terminal
    #[arg(long)]
    pub headless: bool,
    /// End after this time, such as 500ms, 3s or 2m [default without a screen: 3s, but
    /// no end for jsonl]. An interrupt ends it too, with the report of what was seen
    #[arg(long = "for", value_name = "DURATION", value_parser = run_time)]
    pub run_time: Option<Duration>,
    /// What the report is written as; headless [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Time between looks, 100ms to 10s [default: 250ms]
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    pub interval: Option<Duration>,
}

/// What a report is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// One versioned document at the end
    Json,
    /// One such document in a line of its own at each interval
    Jsonl,
    /// The table of tasks
    Csv,
}

/// What was asked for.
#[derive(Debug)]
pub enum Request {
    /// The lab with this scenario.
    Lab {
        /// The scenario's name.
        scenario: String,
        /// What it is made of.
        lab: LabArgs,
        /// How it is watched.
        watch: WatchArgs,
    },
    /// The list of scenarios, or one of them.
    Scenarios(Option<String>),
    /// A completion script.
    Completions(Shell),
    /// The man page.
    Man,
}

/// Reads a command line, the program's name first.
///
/// # Errors
/// If it is wrong, and also for `--help` and `--version`: clap's error knows which.
///
/// ```
/// use asynctop::cli::{Request, parse};
///
/// let request = parse(["asynctop", "--for", "3s", "lab", "mixed"]).unwrap();
/// let Request::Lab { scenario, watch, .. } = request else { panic!() };
/// assert_eq!((&*scenario, watch.run_time.unwrap().as_secs()), ("mixed", 3));
/// assert!(parse(["asynctop", "--for", "soon"]).is_err());
/// ```
pub fn parse<T>(args: impl IntoIterator<Item = T>) -> Result<Request, clap::Error>
where
    T: Into<OsString> + Clone,
{
    let Cli { command, lab, watch } = Cli::try_parse_from(args)?;
    let without_flags = |request| {
        if lab == LabArgs::default() && watch == WatchArgs::default() {
            return Ok(request);
        }
        let message = "the flags before the command belong to `lab`; leave them out here";
        Err(command_line().error(clap::error::ErrorKind::ArgumentConflict, message))
    };
    match command {
        None => Ok(Request::Lab { scenario: "mixed".to_owned(), lab, watch }),
        Some(Command::Lab { scenario, lab: inner, watch: inner_watch }) => {
            Ok(Request::Lab { scenario, lab: inner.or(lab), watch: inner_watch.or(watch) })
        }
        Some(Command::Scenarios { name }) => without_flags(Request::Scenarios(name)),
        Some(Command::Completions { shell }) => without_flags(Request::Completions(shell)),
        Some(Command::Man) => without_flags(Request::Man),
    }
}

/// What clap knows about the command line.
pub(crate) fn command_line() -> clap::Command {
    Cli::command()
}

impl LabArgs {
    /// The lab that these flags ask for.
    ///
    /// # Errors
    /// If there is no such scenario.
    pub fn options(&self, scenario: &str) -> Result<LabOptions, LabError> {
        let mut options = LabOptions::new(find(scenario)?);
        options.workers = self.workers;
        // Whoever counts workers means the flavour that has some.
        options.flavor = self.flavor.or(self.workers.map(|_| Flavor::MultiThread));
        options.hog = self.hog.clone().unwrap_or_default();
        options.hog.hold = self.hog_hold.and_then(|Hold(hold)| hold);
        Ok(options)
    }

    /// These flags, and those of `outer` where these say nothing.
    fn or(self, outer: LabArgs) -> LabArgs {
        LabArgs {
            flavor: self.flavor.or(outer.flavor),
            workers: self.workers.or(outer.workers),
            hog: self.hog.or(outer.hog),
            hog_hold: self.hog_hold.or(outer.hog_hold),
        }
    }
}

impl WatchArgs {
    /// These flags, and those of `outer` where these say nothing.
    fn or(self, outer: WatchArgs) -> WatchArgs {
        WatchArgs {
            headless: self.headless || outer.headless,
            run_time: self.run_time.or(outer.run_time),
            format: self.format.or(outer.format),
            interval: self.interval.or(outer.interval),
        }
    }

    /// The time between looks.
    pub fn interval(&self) -> Duration {
        self.interval.unwrap_or(Duration::from_millis(250))
    }

    /// The run without a screen that these flags ask for, with a hog or without.
    pub fn plan(&self, hog: bool) -> Plan {
        let format = self.format.unwrap_or_default();
        let run_time = match format {
            Format::Jsonl => self.run_time,
            _ => self.run_time.or(Some(Duration::from_secs(3))),
        };
        Plan { run_time, hog, interval: self.interval(), format }
    }
}

fn flavor_parser() -> impl TypedValueParser<Value = Flavor> {
    const ALL: [Flavor; 2] = [Flavor::CurrentThread, Flavor::MultiThread];
    PossibleValuesParser::new(ALL.map(Flavor::as_str))
        .map(|name| if name == ALL[0].as_str() { ALL[0] } else { ALL[1] })
}

fn run_time(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(100), Duration::from_secs(24 * 3600), "100ms to 24h")
}

fn interval(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(100), Duration::from_secs(10), "100ms to 10s")
}

fn between(text: &str, least: Duration, most: Duration, range: &str) -> Result<Duration, String> {
    let given = parse_duration(text)?;
    if (least..=most).contains(&given) {
        return Ok(given);
    }
    Err(format!("it is out of range; ask for {range}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(args: &[&str]) -> (String, LabArgs, WatchArgs) {
        match parse(["asynctop"].iter().chain(args)) {
            Ok(Request::Lab { scenario, lab, watch }) => (scenario, lab, watch),
            other => panic!("{args:?}: {other:?}"),
        }
    }

    #[test]
    fn the_types_fit_together() {
        command_line().debug_assert();
    }

    #[test]
    fn no_command_is_the_lab() {
        assert_eq!(lab(&[]), lab(&["lab"]));
        assert_eq!(lab(&["--hog", "spin:3"]), lab(&["lab", "mixed", "--hog", "spin:3"]));
    }

    #[test]
    fn flags_may_stand_before_the_command_and_the_nearer_one_wins() {
        let (_, lab, watch) =
            lab(&["--headless", "--workers", "3", "--for", "1s", "lab", "--for", "2s"]);
        assert_eq!((lab.workers, watch.headless), (Some(3), true));
        assert_eq!(watch.run_time, Some(Duration::from_secs(2)));
    }

    #[test]
    fn flags_of_the_lab_are_refused_elsewhere() {
        for command in ["man", "scenarios"] {
            let error = parse(["asynctop", "--headless", command]).expect_err(command);
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn counting_workers_means_multi_thread_unless_said_otherwise() {
        let flavor = |args: &[&str]| lab(args).1.options("mixed").expect("fine").flavor;
        assert_eq!(flavor(&["--workers", "3"]), Some(Flavor::MultiThread));
        let both = ["--workers", "3", "--flavor", "current-thread"];
        assert_eq!(flavor(&both), Some(Flavor::CurrentThread));
        assert_eq!(flavor(&[]), None);
    }

    #[test]
    fn the_hold_belongs_to_the_hog() {
        let (_, args, _) = lab(&["--hog-hold", "5ms", "--hog", "block:2"]);
        let hog = args.options("mixed").expect("fine").hog;
        assert_eq!((hog.count, hog.hold), (2, Some(Duration::from_millis(5))));
        let (_, args, _) = lab(&["--hog-hold", "never"]);
        assert_eq!(args.options("mixed").expect("fine").hog.hold, None);
    }
}
