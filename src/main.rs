//! The program `asynctop`: parse, dispatch, exit code.

use std::{
    env,
    io::{self, BufWriter, ErrorKind, IsTerminal, Write},
    process::ExitCode,
};

use anyhow::anyhow;
#[cfg(feature = "attach")]
use asynctop::source::{Address, attach};
#[cfg(feature = "inspect")]
use asynctop::{cli::DumpArgs, inspect};
use asynctop::{
    cli::{
        self, CliError, CompareArgs, LabArgs, Request, TableFormat, WatchArgs,
        environment::{is_ascii_locale, is_dumb_terminal, no_color},
    },
    comparison,
    config::{self, Config},
    dashboard,
    gate::Gate,
    headless, signals,
    source::{Source, lab},
};
use asynctop_lab::{compare, console};

/// A `--fail-on` rule has fired.
const EXIT_FAILED: u8 = 1;
/// Wrong usage, or no way to start.
const EXIT_SETUP: u8 = 2;

fn main() -> ExitCode {
    if let Err(error) = signals::unblock() {
        return fail(&format!("cannot unblock signals: {error}"));
    }
    let request = match cli::parse(env::args_os()) {
        Ok(request) => request,
        Err(CliError::Usage(sentence)) => return fail(&sentence),
        Err(CliError::Help(help)) => {
            return match written(help.print().and_then(|()| io::stdout().flush())) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error.to_string()),
            };
        }
    };
    match run(request) {
        Ok(code) => code,
        // The causes are part of the sentence already.
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
            let watch = adapted(watch, config.watch);
            return run_lab(&scenario, &lab.over(config.lab), &watch);
        }
        #[cfg(feature = "attach")]
        Request::Attach { addresses, watch } => {
            let config = Config::load(watch.config.as_deref())?;
            return run_attach(&addresses, &adapted(watch, config.watch));
        }
        #[cfg(feature = "inspect")]
        Request::Ps => quiet(inspect::list(&mut io::stdout().lock())),
        #[cfg(feature = "inspect")]
        Request::Dump(DumpArgs { pid, all, output }) => {
            let mut out = BufWriter::new(io::stdout().lock());
            quiet(inspect::dump(pid, all, output.as_deref(), &mut out))
        }
        Request::Compare(args) => run_compare(&args),
        Request::Customers(args) => Ok(asynctop_lab::crowd(args.at, args.every)?),
        Request::Config => print(config::template().as_bytes()),
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
    let wants_screen = wants_screen(watch)?;
    show(lab::open(options, watch.thresholds().watch())?, watch, hog, wants_screen)
}

/// Shows the targets on a screen or in a report.
fn show(
    sources: Vec<Box<dyn Source>>,
    watch: &WatchArgs,
    hog: bool,
    wants_screen: bool,
) -> anyhow::Result<ExitCode> {
    if wants_screen {
        dashboard::run(sources, &watch.dashboard(hog, no_color()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    Ok(verdict(&headless::run(sources, &watch.plan(hog), &mut out)?))
}

/// Called before the first thread is started. Until then signals have their default action, as in
/// every process without a thread that waits for them.
fn block_signals() -> anyhow::Result<()> {
    signals::block().map_err(|error| anyhow!("cannot block signals: {error}"))
}

/// What a gate has to say goes to stderr: stdout is the report's.
fn verdict(gate: &Gate) -> ExitCode {
    let _ = gate.tell(&mut io::stderr().lock());
    if gate.is_open() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) }
}

#[cfg(feature = "attach")]
fn run_attach(addresses: &[Address], watch: &WatchArgs) -> anyhow::Result<ExitCode> {
    block_signals()?;
    let wants_screen = wants_screen(watch)?;
    show(attach::open(addresses)?, watch, false, wants_screen)
}

fn run_compare(args: &CompareArgs) -> anyhow::Result<()> {
    if let Some(style) = args.serve {
        return Ok(compare::serve(style, io::stdout())?);
    }
    let options = args.options();
    if args.format.is_none() && io::stdout().is_terminal() {
        require_screen("--format text")?;
        block_signals()?;
        let mut settings = args.settings(no_color());
        settings.ascii |= is_ascii_locale();
        return comparison::run(&options, settings);
    }
    // The table comes when all is measured: meanwhile, whoever watches hears of each row.
    let watched = io::stderr().is_terminal();
    let mut rows = Vec::new();
    compare::run(&options, |progress| {
        let compare::Progress::Row(row) = progress else { return };
        if watched {
            let (style, connections) = (row.style.as_str(), row.connections);
            let _ = writeln!(io::stderr(), "measured {connections} connections with {style}");
        }
        rows.push(row);
    })?;
    match args.format.unwrap_or_default() {
        TableFormat::Text => print(compare::text(&rows).as_bytes()),
        TableFormat::Json => print(format!("{:#}\n", compare::json(&rows)).as_bytes()),
    }?;
    Ok(compare::require_measured(&rows)?)
}

/// The flags, what the environment says where they say nothing, and then the configuration.
fn adapted(watch: WatchArgs, config: WatchArgs) -> WatchArgs {
    let watch = watch.over(config, no_color());
    WatchArgs { ascii: watch.ascii || is_ascii_locale(), ..watch }
}

/// Whether there is to be a screen; an error if the terminal cannot show one.
fn wants_screen(watch: &WatchArgs) -> anyhow::Result<bool> {
    let wants_screen = watch.wants_screen(io::stdout().is_terminal());
    if wants_screen {
        require_screen("--headless")?;
    }
    Ok(wants_screen)
}

fn require_screen(instead: &str) -> anyhow::Result<()> {
    match is_dumb_terminal() {
        true => Err(anyhow!(
            "cannot draw a screen: TERM=dumb means that the terminal cannot move its cursor; try \
             {instead}, or set TERM to the terminal's type"
        )),
        false => Ok(()),
    }
}

/// Writes all of it, or as much as the reader takes.
fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    written(out.write_all(text).and_then(|()| out.flush()))
}

/// A reader that closes the pipe is not an error.
#[cfg(feature = "inspect")]
fn quiet(result: anyhow::Result<()>) -> anyhow::Result<()> {
    result.or_else(|error| match error.downcast::<io::Error>() {
        Ok(error) => written(Err(error)),
        Err(error) => Err(error),
    })
}

/// A reader that closes the pipe is not an error.
fn written(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| {
            anyhow!("cannot write to stdout: {error}; check where it is redirected")
        }),
    }
}
