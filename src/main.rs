//! The program `asynctop`: parse, dispatch, exit code.

use std::{
    env,
    io::{self, BufWriter, ErrorKind, IsTerminal, Write},
    process::ExitCode,
};
#[cfg(feature = "pid")]
use std::{ffi::OsString, path::Path, sync::Arc};

use anyhow::anyhow;
#[cfg(any(feature = "attach", feature = "pid"))]
use asynctop::cli::Targets;
#[cfg(feature = "attach")]
use asynctop::source::attach;
use asynctop::{
    cli::{
        self, CliError, CompareArgs, LabArgs, Request, WatchArgs,
        environment::{color_depth, is_ascii_locale, is_dumb_terminal, is_linux_console, no_color},
    },
    comparison,
    config::{self, Config, InForce},
    dashboard,
    gate::Gate,
    headless,
    report::TableFormat,
    signals,
    source::{Source, lab},
};
#[cfg(feature = "pid")]
use asynctop::{
    cli::{DumpArgs, PsArgs, SampleArgs},
    headless::Plan,
    inspect,
    launch::Launched,
    source::process,
};
use asynctop_lab::{compare, console};

/// A `--fail-on` rule has fired.
const EXIT_FAILED: u8 = 1;
/// Usage or setup error.
const EXIT_SETUP: u8 = 2;

fn main() -> ExitCode {
    if let Err(error) = signals::unblock().and_then(|()| signals::report_file_size_limit()) {
        return fail(&format!("cannot set up signals: {error}"));
    }
    let request = match cli::parse(env::args_os()) {
        Ok(request) => request,
        Err(CliError::Usage(sentence)) => return fail(&sentence),
        Err(CliError::Help(help)) => {
            return match ignore_closed_pipe(help.print().and_then(|()| io::stdout().flush())) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error.to_string()),
            };
        }
    };
    match run(request) {
        Ok(code) => code,
        // The message contains its causes.
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(sentence: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {}", cli::printable(sentence));
    ExitCode::from(EXIT_SETUP)
}

fn run(request: Request) -> anyhow::Result<ExitCode> {
    match request {
        Request::Lab { scenario, lab, watch } => {
            let config = Config::load(watch.config.as_deref())?;
            let watch = with_defaults(watch, config.watch);
            return run_lab(&scenario, &lab.over(config.lab), &watch);
        }
        #[cfg(any(feature = "attach", feature = "pid"))]
        Request::Attach { targets, watch } => {
            let config = Config::load(watch.config.as_deref())?;
            return run_attach(&targets, &with_defaults(watch, config.watch));
        }
        #[cfg(feature = "pid")]
        Request::Run(args) => {
            let config = Config::load(args.watch.config.as_deref())?;
            let watch = with_defaults(args.watch, config.watch);
            return run_command(&args.command, args.output.as_deref(), args.sampling, &watch);
        }
        #[cfg(feature = "pid")]
        Request::Ps(PsArgs { program, format }) => {
            let mut out = BufWriter::new(io::stdout().lock());
            let format = format.unwrap_or_default();
            ignore_closed_pipe_in(match program {
                Some(program) => inspect::tasks(&program, format, &mut out),
                None => inspect::list(format, &mut out),
            })
        }
        #[cfg(feature = "pid")]
        Request::Dump(args) => dump(&args),
        Request::Compare(args) => run_compare(&args),
        Request::Customers(args) => Ok(asynctop_lab::run_customers(args.at, args.every)?),
        Request::Config(file) => {
            let in_force = InForce::load(file.as_deref(), no_color(), is_ascii_locale())?;
            print(config::describe(&in_force).as_bytes())
        }
        Request::Scenarios(name) => print(cli::scenarios(name.as_deref())?.as_bytes()),
        Request::Kinds => print(cli::kinds().as_bytes()),
        Request::Completions(shell) => print(&cli::completions(shell)),
        Request::Man => print(&cli::man()?),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn run_lab(scenario: &str, lab: &LabArgs, watch: &WatchArgs) -> anyhow::Result<ExitCode> {
    let hog = lab.hog.is_some();
    let mut options = lab.options(scenario)?;
    options.program = env::current_exe().ok();
    block_signals()?;
    options.console = lab.console().map(console::serve).transpose()?;
    let wants_screen = wants_screen(watch);
    let records_polls = wants_screen && !lab.no_timeline;
    let sources = lab::open(options, watch.watchdog_options(), records_polls)?;
    show(sources, watch, hog, wants_screen)
}

/// Shows the targets on the screen or in a report.
fn show(
    sources: Vec<Box<dyn Source>>,
    watch: &WatchArgs,
    hog: bool,
    wants_screen: bool,
) -> anyhow::Result<ExitCode> {
    if wants_screen {
        dashboard::run(sources, &dashboard_options(watch, hog))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    Ok(verdict(&headless::run(sources, &watch.plan(hog), &mut out)?))
}

/// Must be called before a thread is started. Until this call, signals have their default action.
fn block_signals() -> anyhow::Result<()> {
    signals::block().map_err(|error| anyhow!("cannot block signals: {error}"))
}

/// Writes the failures to stderr, because stdout has the report, and returns the exit code.
fn verdict(gate: &Gate) -> ExitCode {
    let _ = gate.write(&mut io::stderr().lock());
    if gate.has_passed() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) }
}

#[cfg(any(feature = "attach", feature = "pid"))]
fn run_attach(targets: &Targets, watch: &WatchArgs) -> anyhow::Result<ExitCode> {
    block_signals()?;
    let wants_screen = wants_screen(watch);
    let mut sources = Vec::new();
    #[cfg(feature = "attach")]
    if !targets.addresses.is_empty() {
        sources.extend(attach::open(&targets.addresses)?);
    }
    #[cfg(feature = "pid")]
    sources.extend(process::open(&targets.programs, targets.read)?);
    show(sources, watch, false, wants_screen)
}

/// The options of the dashboard on this terminal.
fn dashboard_options(watch: &WatchArgs, hog: bool) -> dashboard::Options {
    let mut options = watch.dashboard(hog, no_color());
    options.settings.colors = color_depth();
    options.settings.ascii |= is_linux_console();
    options
}

/// Starts a command and watches it. Returns its exit code if everything else succeeds.
#[cfg(feature = "pid")]
fn run_command(
    command: &[OsString],
    output: Option<&Path>,
    sampling: SampleArgs,
    watch: &WatchArgs,
) -> anyhow::Result<ExitCode> {
    let wants_screen = wants_screen(watch);
    // A child inherits blocked signals.
    let command = Arc::new(Launched::start(command, output)?);
    signals::kill_with_this_program(command.id());
    block_signals()?;
    let source = process::launched(Arc::clone(&command), sampling.options())?;
    let place = command.output();
    let _ = writeln!(io::stderr(), "{place}");
    let result = if wants_screen {
        let options =
            dashboard::Options { message: Some(place), ..dashboard_options(watch, false) };
        dashboard::run(vec![source], &options).map(|()| ExitCode::SUCCESS)
    } else {
        let plan = Plan { is_command: true, run_time: watch.run_time, ..watch.plan(false) };
        let mut out = BufWriter::new(io::stdout().lock());
        headless::run(vec![source], &plan, &mut out).map(|gate| verdict(&gate)).map_err(Into::into)
    };
    let end = command.end();
    match result? {
        ExitCode::SUCCESS => Ok(ExitCode::from(end?.exit_code())),
        failure => Ok(failure),
    }
}

#[cfg(feature = "pid")]
fn dump(args: &DumpArgs) -> anyhow::Result<()> {
    let DumpArgs { program, named, format, all, output, read } = args;
    let Some(program) = program.as_ref().or(named.as_ref()) else {
        return Err(anyhow!("no program is given; see `asynctop dump --help`"));
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let format = format.unwrap_or_default();
    ignore_closed_pipe_in(inspect::dump(
        program,
        read.options(),
        *all,
        format,
        output.as_deref().filter(|path| *path != Path::new("-")),
        &mut out,
    ))
}

fn run_compare(args: &CompareArgs) -> anyhow::Result<()> {
    if let Some(style) = args.serve {
        return Ok(compare::serve(style, io::stdout())?);
    }
    let options = args.options();
    if args.format.is_none() && io::stdout().is_terminal() && !is_dumb_terminal() {
        block_signals()?;
        let mut settings = args.settings(no_color());
        settings.colors = color_depth();
        settings.ascii |= is_ascii_locale();
        return comparison::run(&options, settings);
    }
    // The table is printed at the end; until then stderr shows the progress.
    let show_progress = io::stderr().is_terminal();
    let warning = compare::busy_machine();
    let mut rows = Vec::new();
    compare::run(&options, |progress| {
        let compare::Progress::Row(row) = progress else { return };
        if show_progress {
            let (style, connections) = (row.style.as_str(), row.connections);
            let _ = writeln!(io::stderr(), "measured {connections} connections with {style}");
        }
        rows.push(row);
    })?;
    match args.format.unwrap_or_default() {
        TableFormat::Text => print(compare::text(&rows).as_bytes()),
        TableFormat::Json => print(format!("{:#}\n", compare::json(&rows)).as_bytes()),
    }?;
    compare::require_measured(&rows)?;
    if let Some(warning) = warning {
        let _ = writeln!(io::stderr(), "warning: {warning}");
    }
    Ok(())
}

/// Flags that are not given get their value from the environment, then from the configuration.
fn with_defaults(watch: WatchArgs, config: WatchArgs) -> WatchArgs {
    let watch = watch.over(config, no_color());
    WatchArgs { ascii: watch.ascii || is_ascii_locale(), ..watch }
}

/// Whether to show a screen. A terminal that cannot show one gets a report.
fn wants_screen(watch: &WatchArgs) -> bool {
    let wants_screen = watch.wants_screen(io::stdout().is_terminal());
    if wants_screen && is_dumb_terminal() {
        let _ = writeln!(
            io::stderr(),
            "no screen: TERM is dumb or not set, so the cursor cannot be moved; a report follows \
             (--for sets its time)"
        );
        return false;
    }
    wants_screen
}

fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    ignore_closed_pipe(out.write_all(text).and_then(|()| out.flush()))
}

/// Like [`ignore_closed_pipe`], for a result that may have other errors, too.
#[cfg(feature = "pid")]
fn ignore_closed_pipe_in(result: anyhow::Result<()>) -> anyhow::Result<()> {
    result.or_else(|error| ignore_closed_pipe(Err(error.downcast::<io::Error>()?)))
}

/// A reader that closes the pipe is not an error.
fn ignore_closed_pipe(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| {
            anyhow!("cannot write to stdout: {error}; check where it is redirected")
        }),
    }
}
