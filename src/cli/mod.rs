//! The command line: commands, flags and their errors. It executes nothing.
//!
//! Every invalid input results in one sentence on stderr and exit code 2, before the terminal is
//! changed.

mod args;
mod console;
pub mod environment;
mod error;
mod hold;
mod parsers;
mod print;
#[cfg(any(feature = "attach", feature = "pid"))]
mod target;

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, CommandFactory, Parser, Subcommand};

#[cfg(feature = "attach")]
use crate::{
    gate::FailOn,
    source::{Address, attach},
    text::excerpt,
};
pub use args::{CompareArgs, CustomersArgs, LabArgs, ProgramArgs, WatchArgs};
#[cfg(feature = "pid")]
pub use args::{DumpArgs, PsArgs, RunArgs, SampleArgs};
pub use clap_complete::Shell;
pub use error::CliError;
pub use hold::Hold;
pub(crate) use parsers::interval;
pub use print::{completions, kinds, man, scenarios};
#[cfg(any(feature = "attach", feature = "pid"))]
pub use target::{TargetArg, Targets};

#[cfg(feature = "pid")]
use crate::source::ReadOptions;
pub use crate::text::parse_duration;
use crate::text::sanitize;

const EXAMPLES: &str = "\
Examples:
  asynctop                                  the lab; b starts and stops the hog
  asynctop --flavor multi-thread --workers 2
  asynctop --hog spin --hog-hold 5ms        a hog that yields every 5ms
  asynctop --headless --hog spin            a report: baseline, then with the hog
  asynctop --format json | jq '.targets[0].slowdown'
  asynctop -p 1234                          any Tokio program, by PID or name
  asynctop run -- ./server --port 80        start a program and watch it
  asynctop ps                               the Tokio programs on this machine
  asynctop dump 1234                        all tasks of one, once
  asynctop attach localhost:6669            a program with console-subscriber
  asynctop config                           a configuration template

Exit code: 0 success, 1 a --fail-on rule fired, 2 usage or setup error";

#[cfg(feature = "pid")]
const RUN_HELP: &str = "\
COMMAND needs no preparation. It may also be a script, or `cargo run`: the first Tokio program
that it starts is watched. Its standard input is that of asynctop, or empty if that is a
terminal.

If asynctop ends first (a key, an interrupt, --for), COMMAND and the processes of its group are
asked to end (SIGTERM), and killed after 10s. A second interrupt kills them at once. Without a
screen, asynctop ends with COMMAND.

Exit code: that of COMMAND, or 128 and the number of its signal; 0 if asynctop has ended it; 1 if
a --fail-on rule fired, 2 if no Tokio runtime was found.";

/// `top` for async Rust: every task of a Tokio runtime, live, and the one that blocks the
/// worker.
///
/// Without a command it runs the lab: workloads on a Tokio runtime in this process. One key
/// starts a hog, a task that blocks its worker without yielding.
#[derive(Debug, Parser)]
#[command(name = "asynctop", version, after_help = EXAMPLES, infer_subcommands = false)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    program: ProgramArgs,
    #[command(flatten)]
    lab: LabArgs,
    #[command(flatten)]
    watch: WatchArgs,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "a process has one command")]
enum Command {
    /// Run the lab: workloads on a Tokio runtime in this process, and a hog
    #[command(after_help = EXAMPLES)]
    Lab {
        /// Name of a built-in scenario, or a TOML file
        #[arg(default_value = "mixed")]
        scenario: String,
        #[command(flatten)]
        lab: LabArgs,
        #[command(flatten)]
        watch: WatchArgs,
    },
    /// Watch programs that run console-subscriber
    #[cfg(any(feature = "attach", feature = "pid"))]
    Attach {
        /// Programs: host:port, http://host:port or unix:/path; pid:PID or pid:NAME for any Tokio
        /// program of this machine [default: 127.0.0.1:6669]
        #[arg(value_name = "ADDR")]
        targets: Vec<TargetArg>,
        #[command(flatten)]
        program: ProgramArgs,
        #[command(flatten)]
        watch: WatchArgs,
    },
    /// Start a program and watch it
    #[cfg(feature = "pid")]
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// List the Tokio programs on this machine, or the tasks of one
    #[cfg(feature = "pid")]
    Ps(PsArgs),
    /// Print all tasks of a running Tokio program once
    #[cfg(feature = "pid")]
    Dump(DumpArgs),
    /// Measure one service with a thread per connection, and with async on one thread
    Compare(CompareArgs),
    /// List the lab's scenarios, or print one as a template
    Scenarios {
        /// The scenario to print, as TOML
        name: Option<String>,
        /// List the kinds of workloads and their parameters
        #[arg(long, conflicts_with = "name")]
        kinds: bool,
    },
    /// Run the clients of a service, in the process that the lab starts for them
    #[command(hide = true)]
    Customers(CustomersArgs),
    /// Print a configuration template with every key and its default
    Config {
        /// Name the values in force with this configuration file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the man page
    Man,
}

/// A valid command line.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a process has one request")]
pub enum Request {
    /// Run the lab.
    Lab {
        /// Name or file of the scenario.
        scenario: String,
        /// Options of the lab.
        lab: LabArgs,
        /// Options of the screen and the report.
        watch: WatchArgs,
    },
    /// Watch running programs.
    #[cfg(any(feature = "attach", feature = "pid"))]
    Attach {
        /// The programs; at least one.
        targets: Targets,
        /// Options of the screen and the report.
        watch: WatchArgs,
    },
    /// Start a program and watch it.
    #[cfg(feature = "pid")]
    Run(RunArgs),
    /// List the Tokio programs on this machine, or the tasks of one.
    #[cfg(feature = "pid")]
    Ps(PsArgs),
    /// Print all tasks of a program.
    #[cfg(feature = "pid")]
    Dump(DumpArgs),
    /// Compare a service with threads and with async.
    Compare(CompareArgs),
    /// List the scenarios, or print one.
    Scenarios(Option<String>),
    /// List the kinds of workloads.
    Kinds,
    /// Run the clients of a service.
    Customers(CustomersArgs),
    /// Print a configuration template, with the values in force with this or the default file.
    Config(Option<PathBuf>),
    /// Print a completion script.
    Completions(Shell),
    /// Print the man page.
    Man,
}

/// Parses a command line, including the program's name.
///
/// # Errors
/// If it is invalid, and for `--help` and `--version`.
///
/// ```
/// use asynctop::cli::{Request, parse};
///
/// let request = parse(["asynctop", "--for", "3s", "lab", "mixed"]).unwrap();
/// let Request::Lab { scenario, watch, .. } = request else { panic!() };
/// assert_eq!((&*scenario, watch.run_time.unwrap().as_secs()), ("mixed", 3));
/// assert!(parse(["asynctop", "--for", "soon"]).is_err());
/// ```
pub fn parse<T>(args: impl IntoIterator<Item = T>) -> Result<Request, CliError>
where
    T: Into<OsString> + Clone,
{
    let Cli { command, program, lab, watch } = Cli::try_parse_from(args).map_err(parse_error)?;
    let has_program = program != ProgramArgs::default();
    let without_flags = |request| {
        if lab == LabArgs::default() && watch == WatchArgs::default() && !has_program {
            return Ok(request);
        }
        let message = "flags before this command apply only to `lab`, `attach` and `run`; leave them out here";
        Err(CliError::Usage(message.to_owned()))
    };
    match command {
        #[cfg(feature = "pid")]
        None if has_program => attach(Vec::new(), program, &lab, watch),
        #[cfg(feature = "pid")]
        Some(Command::Lab { .. }) if has_program => {
            let message = "-p watches a running program instead of the lab; leave `lab` out";
            Err(CliError::Usage(message.to_owned()))
        }
        None => Ok(Request::Lab { scenario: "mixed".to_owned(), lab, watch }),
        Some(Command::Lab { scenario, lab: inner, watch: inner_watch }) => {
            Ok(Request::Lab { scenario, lab: inner.or(lab), watch: inner_watch.or(watch) })
        }
        #[cfg(any(feature = "attach", feature = "pid"))]
        Some(Command::Attach { targets, program: inner, watch: inner_watch }) => {
            attach(targets, inner.and(program), &lab, inner_watch.or(watch))
        }
        #[cfg(feature = "pid")]
        Some(Command::Run(args)) => run(args, has_program, &lab, watch),
        #[cfg(feature = "pid")]
        Some(Command::Ps(args)) => without_flags(Request::Ps(args)),
        #[cfg(feature = "pid")]
        Some(Command::Dump(args)) => without_flags(Request::Dump(args)),
        Some(Command::Compare(args)) => without_flags(Request::Compare(args)),
        Some(Command::Scenarios { kinds: true, .. }) => without_flags(Request::Kinds),
        Some(Command::Scenarios { name, .. }) => without_flags(Request::Scenarios(name)),
        Some(Command::Customers(args)) => without_flags(Request::Customers(args)),
        Some(Command::Config { config }) => without_flags(Request::Config(config)),
        Some(Command::Completions { shell }) => without_flags(Request::Completions(shell)),
        Some(Command::Man) => without_flags(Request::Man),
    }
}

/// A request to start a program and watch it.
#[cfg(feature = "pid")]
fn run(
    args: RunArgs,
    has_program: bool,
    lab: &LabArgs,
    watch: WatchArgs,
) -> Result<Request, CliError> {
    refuse_lab_flags(lab)?;
    if has_program {
        let message = "-p watches a running program, and `run` starts one; leave one of them out";
        return Err(CliError::Usage(message.to_owned()));
    }
    Ok(Request::Run(RunArgs { watch: args.watch.or(watch), ..args }))
}

#[cfg(any(feature = "attach", feature = "pid"))]
fn refuse_lab_flags(lab: &LabArgs) -> Result<(), CliError> {
    if *lab == LabArgs::default() {
        return Ok(());
    }
    let flags = [
        ("--hog", lab.hog.is_some()),
        ("--hog-hold", lab.hog_hold.is_some()),
        ("--flavor", lab.flavor.is_some()),
        ("--workers", lab.workers.is_some()),
        ("--no-timeline", lab.no_timeline),
    ];
    let given = flags.iter().find(|(_, is_given)| *is_given);
    Err(only_in_the_lab(given.map_or("--console", |(flag, _)| flag)))
}

/// A request to watch running programs.
#[cfg(any(feature = "attach", feature = "pid"))]
fn attach(
    given: Vec<TargetArg>,
    program: ProgramArgs,
    lab: &LabArgs,
    watch: WatchArgs,
) -> Result<Request, CliError> {
    refuse_lab_flags(lab)?;
    let mut targets = Targets::default();
    #[cfg(feature = "pid")]
    let read = program.sampling.options();
    given.into_iter().chain(program.targets()).for_each(|target| targets.push(target));
    #[cfg(feature = "pid")]
    if targets.programs.is_empty() && read != ReadOptions::default() {
        let flag = if read.no_stop { "--no-stop" } else { "--realtime" };
        return Err(CliError::Usage(format!(
            "{flag} applies to a program that is watched by its process ID; add -p"
        )));
    }
    #[cfg(feature = "attach")]
    if targets.is_empty() {
        targets.addresses.push(Address::default());
    }
    #[cfg(feature = "attach")]
    if let Some(problem) = attach_problem(&targets, &watch) {
        return Err(CliError::Usage(problem));
    }
    #[cfg(feature = "pid")]
    {
        targets.read = read;
    }
    match targets.is_empty() {
        true => Err(CliError::Usage("no program is given; write pid:PID".to_owned())),
        false => Ok(Request::Attach { targets, watch }),
    }
}

/// Converts clap's error. A flag of the lab that is given to another command has its own message.
fn parse_error(error: clap::Error) -> CliError {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
        return CliError::new(error);
    };
    let lab = LabArgs::augment_args(clap::Command::new("lab"));
    let is_of_lab = lab
        .get_arguments()
        .filter_map(clap::Arg::get_long)
        .any(|long| flag.strip_prefix("--") == Some(long));
    match error.kind() == ErrorKind::UnknownArgument && is_of_lab {
        true => only_in_the_lab(flag),
        false => CliError::new(error),
    }
}

fn only_in_the_lab(flag: &str) -> CliError {
    CliError::Usage(format!("{flag} applies only to the lab; leave it out, or use `asynctop lab`"))
}

/// Describes a repeated target, or a `--fail-on` rule that cannot fire over console-subscriber.
#[cfg(feature = "attach")]
fn attach_problem(targets: &Targets, watch: &WatchArgs) -> Option<String> {
    let addresses = &targets.addresses;
    let repeated = |(i, address)| addresses[..i].contains(address).then_some(address);
    if let Some(address) = addresses.iter().enumerate().find_map(repeated) {
        let address = excerpt(&address.to_string());
        return Some(format!("{address} is given twice; give each target once"));
    }
    #[cfg(feature = "pid")]
    if !targets.programs.is_empty() {
        // The rules that a program supports are known only after it has been read.
        return None;
    }
    let description = attach::describe("attach");
    watch.fail_on.iter().find_map(|fail_on| {
        let FailOn::Rule(id, _) = fail_on else { return None };
        let reason = fail_on.unsupported(&description, &crate::model::Thresholds::default())?;
        Some(format!("{id} can never fire here: {reason}; leave it out"))
    })
}

/// Sanitizes an error for the terminal and limits its length, because it may quote input.
pub fn printable(error: &str) -> String {
    const MAX_CHARS: usize = 2_000;
    sanitize(error).chars().take(MAX_CHARS).collect()
}

/// The definition of the command line.
pub(crate) fn command_line() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::snapshot::Flavor;

    fn lab(args: &[&str]) -> (String, LabArgs, WatchArgs) {
        match parse(["asynctop"].iter().chain(args)) {
            Ok(Request::Lab { scenario, lab, watch }) => (scenario, lab, watch),
            other => panic!("{args:?}: {other:?}"),
        }
    }

    #[test]
    fn command_line_is_consistent() {
        command_line().debug_assert();
    }

    #[cfg(feature = "attach")]
    #[test]
    fn attach_refuses_repeated_targets_and_rules_that_cannot_fire() {
        let error = |args: &[&str]| {
            let request = parse(["asynctop", "attach"].iter().chain(args));
            request.expect_err("invalid").to_string()
        };
        let repeated = error(&["7000", "host", "http://127.0.0.1:7000"]);
        assert!(repeated.contains("127.0.0.1:7000 is given twice"), "{repeated}");
        let unavailable = error(&["--fail-on", "any", "--fail-on", "task-panicked"]);
        assert!(unavailable.starts_with("task-panicked can never fire here"), "{unavailable}");
        assert!(parse(["asynctop", "attach", "--fail-on", "worker-held"]).is_ok());
    }

    #[test]
    fn default_command_is_the_lab() {
        assert_eq!(lab(&[]), lab(&["lab"]));
        assert_eq!(lab(&["--hog", "spin:3"]), lab(&["lab", "mixed", "--hog", "spin:3"]));
    }

    #[test]
    fn flags_after_the_command_take_precedence() {
        let (_, lab, watch) =
            lab(&["--headless", "--workers", "3", "--for", "1s", "lab", "--for", "2s"]);
        assert_eq!((lab.workers, watch.headless), (Some(3), true));
        assert_eq!(watch.run_time, Some(Duration::from_secs(2)));
    }

    #[test]
    fn lab_flags_are_refused_by_other_commands() {
        for command in ["man", "scenarios"] {
            let error = parse(["asynctop", "--headless", command]).expect_err(command);
            assert!(matches!(error, CliError::Usage(_)), "{error}");
        }
    }

    #[test]
    fn workers_imply_multi_thread_unless_the_flavor_is_given() {
        let flavor = |args: &[&str]| lab(args).1.options("mixed").expect("fine").flavor;
        assert_eq!(flavor(&["--workers", "3"]), Some(Flavor::MultiThread));
        let both = ["--workers", "3", "--flavor", "current-thread"];
        assert_eq!(flavor(&both), Some(Flavor::CurrentThread));
        assert_eq!(flavor(&[]), None);
    }

    #[test]
    fn hog_hold_applies_to_the_hog() {
        let (_, args, _) = lab(&["--hog-hold", "5ms", "--hog", "block:2"]);
        let hog = args.options("mixed").expect("fine").hog;
        assert_eq!((hog.count, hog.hold), (2, Some(Duration::from_millis(5))));
        let (_, args, _) = lab(&["--hog-hold", "never"]);
        assert_eq!(args.options("mixed").expect("fine").hog.hold, None);
    }
}
