//! The flags, and the options that result from them.

#[cfg(feature = "pid")]
use std::ffi::OsString;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

use asynctop_lab::{
    HogOptions, LabError, LabOptions, Scenario,
    compare::{self, ServiceStyle},
    console::ConsoleAddress,
};
use clap::Args;

#[cfg(any(feature = "attach", feature = "pid"))]
use super::TargetArg;
use super::{
    Hold, parse_duration,
    parsers::{HogParser, flavor_parser, interval, run_time, style_parser, theme_parser},
};
#[cfg(feature = "pid")]
use crate::source::{Program, ReadOptions};
use crate::{
    app::{ChosenColumns, Settings, ThemeName},
    dashboard,
    gate::{FailOn, Gate, SetThreshold},
    headless::Plan,
    model::{RuleId, Thresholds},
    report::{Format, TableFormat},
    snapshot::Flavor,
    watch::WatchOptions,
};

/// Options of the lab.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Lab")]
pub struct LabArgs {
    /// Runtime flavor: current-thread or multi-thread [default: the scenario's]
    #[arg(long, value_name = "FLAVOR", value_parser = flavor_parser(), hide_possible_values = true)]
    pub flavor: Option<Flavor>,
    /// Worker threads; implies multi-thread unless --flavor is given [default: one per core]
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// The hog, a blocking task: its kind, and how many. It starts after a short baseline
    /// without it
    #[arg(long, value_name = "KIND[:COUNT]", value_parser = HogParser)]
    pub hog: Option<HogOptions>,
    /// How long the hog blocks its worker before it yields once; for a fix, the work per
    /// step [default: the scenario's, mostly never]
    #[arg(long, value_name = "DURATION|never")]
    pub hog_hold: Option<Hold>,
    /// Serve the lab to tokio-console on this address [default: 127.0.0.1:6669]. This adds
    /// time to each poll; the header shows how much
    #[arg(long, value_name = "ADDR", num_args = 0..=1, value_parser = super::console::socket)]
    #[arg(default_missing_value = ConsoleAddress::DEFAULT)]
    pub console: Option<SocketAddr>,
    /// Accept tokio-console connections from other machines
    #[arg(long, requires = "console")]
    pub console_open: bool,
    /// Record the timeline only while it is shown. Recording costs a few ns per poll
    #[arg(long)]
    pub no_timeline: bool,
}

/// Options of the screen and the report.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Watching")]
pub struct WatchArgs {
    /// No screen: print a report at the end. Implied if stdout is not a terminal
    #[arg(long)]
    pub headless: bool,
    /// Quit after this time, such as 500ms, 3s or 2m [default without a screen: 3s;
    /// unlimited for jsonl]. On an interrupt the report covers the time until then
    #[arg(long = "for", value_name = "DURATION", value_parser = run_time)]
    pub run_time: Option<Duration>,
    /// Format of the report; implies --headless [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Read this configuration file [default: config.toml in $XDG_CONFIG_HOME/asynctop or
    /// ~/.config/asynctop]. `asynctop config` prints a template
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Sampling interval, 100ms to 10s [default: 250ms]
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    pub interval: Option<Duration>,
    /// Colors of the screen: default (the terminal's), dark, light, color-blind or mono
    #[arg(long, value_name = "THEME", value_parser = theme_parser(), hide_possible_values = true)]
    pub theme: Option<ThemeName>,
    /// No colors. Implied by the environment variable NO_COLOR
    #[arg(long)]
    pub no_color: bool,
    /// ASCII characters only. Implied by a locale that is not UTF-8 (LC_ALL, LC_CTYPE, LANG)
    /// and, on the screen, by TERM=linux
    #[arg(long)]
    pub ascii: bool,
    /// Do not capture the mouse
    #[arg(long)]
    pub no_mouse: bool,
    /// Print the text report of the last snapshot when the screen closes
    #[arg(long)]
    pub summary: bool,
    /// Threshold at which a rule fires, such as worker-held=200ms, or off. May be repeated;
    /// `asynctop config` lists the rules
    #[arg(long = "threshold", value_name = "RULE=VALUE")]
    pub thresholds: Vec<SetThreshold>,
    /// The columns of the tables, from the configuration only
    #[arg(skip)]
    pub columns: ChosenColumns,
    /// Exit with code 1 if this rule fires, at this threshold if one is given. `any` is every
    /// rule of severity warning or critical. May be repeated; implies --headless
    #[arg(long, value_name = "RULE[=VALUE]")]
    pub fail_on: Vec<FailOn>,
}

/// Options of `compare`.
#[derive(Args, Clone, Debug)]
pub struct CompareArgs {
    /// Numbers of connections; each is measured in both styles
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', default_value = "100,1000,10000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=50_000))]
    connections: Vec<u32>,
    /// Duration of each measurement, 100ms to 24h
    #[arg(long = "for", value_name = "DURATION", value_parser = run_time, default_value = "2s")]
    run_time: Duration,
    /// Format of the table; disables the screen [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<TableFormat>,
    /// No colors. Implied by the environment variable NO_COLOR
    #[arg(long)]
    no_color: bool,
    /// ASCII characters only. Implied by a locale that is not UTF-8 (LC_ALL, LC_CTYPE, LANG)
    #[arg(long)]
    ascii: bool,
    /// Run the service, in the process that `compare` starts for it
    #[arg(long, hide = true, value_parser = style_parser())]
    pub serve: Option<ServiceStyle>,
}

/// The running programs to watch.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Program")]
pub struct ProgramArgs {
    /// Watch a running Tokio program of this machine: no code change, rebuild or restart needed.
    /// May be repeated
    #[cfg(feature = "pid")]
    #[arg(short = 'p', long = "pid", value_name = "PID|NAME")]
    pub programs: Vec<Program>,
    /// The options for sampling them.
    #[cfg(feature = "pid")]
    #[command(flatten)]
    pub sampling: SampleArgs,
}

/// The options for sampling programs.
#[cfg(feature = "pid")]
#[derive(Args, Clone, Copy, Debug, Default, PartialEq)]
pub struct SampleArgs {
    #[command(flatten)]
    read: ReadArgs,
    /// Sample with real-time priority (SCHED_FIFO), so that a busy machine does not delay the
    /// samples. Needs the capability SYS_NICE, or `ulimit -r 1`
    #[arg(long)]
    realtime: bool,
}

#[cfg(feature = "pid")]
impl SampleArgs {
    /// The options of the source.
    pub fn options(self) -> ReadOptions {
        ReadOptions { realtime: self.realtime, ..self.read.options() }
    }

    fn or(self, outer: SampleArgs) -> SampleArgs {
        let no_stop = self.read.no_stop || outer.read.no_stop;
        SampleArgs { read: ReadArgs { no_stop }, realtime: self.realtime || outer.realtime }
    }
}

/// The options for reading programs.
#[cfg(feature = "pid")]
#[derive(Args, Clone, Copy, Debug, Default, PartialEq)]
pub struct ReadArgs {
    /// Never stop a thread of the program. By default, one that computes in a long poll is stopped
    /// once, for some 10 µs, to read its stack
    #[arg(long, visible_alias = "nonblocking")]
    no_stop: bool,
}

#[cfg(feature = "pid")]
impl ReadArgs {
    /// The options of the source.
    pub fn options(self) -> ReadOptions {
        ReadOptions { no_stop: self.no_stop, realtime: false }
    }
}

impl ProgramArgs {
    /// These programs after those of `outer`.
    #[cfg(any(feature = "attach", feature = "pid"))]
    pub(super) fn and(self, outer: ProgramArgs) -> ProgramArgs {
        #[cfg(feature = "pid")]
        return ProgramArgs {
            programs: [outer.programs, self.programs].concat(),
            sampling: self.sampling.or(outer.sampling),
        };
        #[cfg(not(feature = "pid"))]
        outer
    }

    #[cfg(any(feature = "attach", feature = "pid"))]
    pub(super) fn targets(self) -> impl Iterator<Item = TargetArg> {
        #[cfg(feature = "pid")]
        return self.programs.into_iter().map(TargetArg::Program);
        #[cfg(not(feature = "pid"))]
        std::iter::empty()
    }
}

/// Options of `run`.
#[cfg(feature = "pid")]
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// The command, with its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    #[arg(allow_hyphen_values = true)]
    pub command: Vec<OsString>,
    /// Write the output of COMMAND to this file, which must not exist [default: a new file in the
    /// folder for temporary files]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The options for sampling it.
    #[command(flatten)]
    pub sampling: SampleArgs,
    /// Options of the screen and the report.
    #[command(flatten)]
    pub watch: WatchArgs,
}

/// Options of `ps`.
#[cfg(feature = "pid")]
#[derive(Args, Clone, Debug)]
pub struct PsArgs {
    /// List the tasks of this program
    #[arg(value_name = "PID|NAME")]
    pub program: Option<Program>,
    /// Format of the table [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<TableFormat>,
}

/// Options of `dump`.
#[cfg(feature = "pid")]
#[derive(Args, Clone, Debug)]
pub struct DumpArgs {
    /// The program
    #[arg(value_name = "PID|NAME", required_unless_present = "named")]
    pub program: Option<Program>,
    /// The same as PID|NAME
    #[arg(short = 'p', long = "pid", value_name = "PID|NAME", conflicts_with = "program")]
    pub named: Option<Program>,
    /// Format of the dump [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<TableFormat>,
    /// Print every task and every frame; by default, equal tasks are one entry
    #[arg(long)]
    pub all: bool,
    /// Write to this file, which must not exist; `-` is stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The options for reading the program.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Options of `customers`, which only the lab runs.
#[derive(Args, Clone, Debug)]
pub struct CustomersArgs {
    /// Address of the service
    #[arg(long, value_name = "ADDR")]
    pub at: SocketAddr,
    /// Average pause of a client after each response
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub every: Duration,
}

impl CompareArgs {
    /// The comparison that these flags select.
    pub fn options(&self) -> compare::Options {
        let connections = self.connections.iter().map(|n| *n as usize).collect();
        compare::Options { connections, duration: self.run_time }
    }

    /// The settings of the screen. `no_color` is the setting of the environment.
    pub fn settings(&self, no_color: bool) -> Settings {
        let theme = if self.no_color || no_color { ThemeName::Mono } else { ThemeName::Default };
        Settings { theme, ascii: self.ascii, ..Settings::default() }
    }
}

impl LabArgs {
    /// The options of a lab with this scenario.
    ///
    /// # Errors
    /// If the scenario does not exist, or its file is invalid.
    pub fn options(&self, scenario: &str) -> Result<LabOptions, LabError> {
        let mut options = LabOptions::new(Scenario::load(scenario)?);
        options.workers = self.workers;
        // A number of workers implies multi-thread.
        options.flavor = self.flavor.or(self.workers.map(|_| Flavor::MultiThread));
        if let Some(hog) = &self.hog {
            options.hog = HogOptions { hold: options.hog.hold, ..hog.clone() };
        }
        if let Some(Hold(hold)) = self.hog_hold {
            options.hog.hold = hold;
        }
        Ok(options)
    }

    /// The address on which to serve the lab to tokio-console.
    pub fn console(&self) -> Option<ConsoleAddress> {
        self.console.map(|socket| ConsoleAddress { socket, allow_remote: self.console_open })
    }

    /// These flags; those that are not given have the value of the configuration.
    pub fn over(self, config: LabArgs) -> LabArgs {
        // A number of workers on the command line implies multi-thread.
        let flavor = config.flavor.filter(|_| self.workers.is_none());
        self.or(LabArgs { flavor, ..config })
    }

    /// These flags; those that are not given have the value in `outer`.
    pub(super) fn or(self, outer: LabArgs) -> LabArgs {
        LabArgs {
            flavor: self.flavor.or(outer.flavor),
            workers: self.workers.or(outer.workers),
            hog: self.hog.or(outer.hog),
            hog_hold: self.hog_hold.or(outer.hog_hold),
            console: self.console.or(outer.console),
            console_open: self.console_open || outer.console_open,
            no_timeline: self.no_timeline || outer.no_timeline,
        }
    }
}

impl WatchArgs {
    /// These flags; those that are not given have the value in `outer`.
    pub(super) fn or(self, outer: WatchArgs) -> WatchArgs {
        WatchArgs {
            headless: self.headless || outer.headless,
            run_time: self.run_time.or(outer.run_time),
            format: self.format.or(outer.format),
            config: self.config.or(outer.config),
            interval: self.interval.or(outer.interval),
            theme: self.theme.or(outer.theme),
            no_color: self.no_color || outer.no_color,
            ascii: self.ascii || outer.ascii,
            no_mouse: self.no_mouse || outer.no_mouse,
            summary: self.summary || outer.summary,
            // Later ones take precedence.
            thresholds: [outer.thresholds, self.thresholds].concat(),
            fail_on: [outer.fail_on, self.fail_on].concat(),
            columns: outer.columns.into_iter().chain(self.columns).collect(),
        }
    }

    /// These flags; those that are not given have the value of the environment (`no_color`), then
    /// that of the configuration.
    pub fn over(self, config: WatchArgs, no_color: bool) -> WatchArgs {
        let theme = config.theme.filter(|_| !no_color);
        // A theme on the command line takes precedence over `color = false` in the file.
        let no_color = config.no_color && self.theme.is_none();
        self.or(WatchArgs { theme, no_color, ..config })
    }

    /// Whether to show a screen. Without a terminal as stdout there is none.
    pub fn wants_screen(&self, is_terminal: bool) -> bool {
        is_terminal && !self.headless && self.format.is_none() && self.fail_on.is_empty()
    }

    /// The options of the dashboard. `hog` starts the hog automatically; `no_color` is the setting
    /// of the environment, over which flags take precedence.
    pub fn dashboard(&self, hog: bool, no_color: bool) -> dashboard::Options {
        let default = if no_color { ThemeName::Mono } else { ThemeName::Default };
        let theme = if self.no_color { ThemeName::Mono } else { self.theme.unwrap_or(default) };
        dashboard::Options {
            settings: Settings { theme, ascii: self.ascii, ..Settings::default() },
            mouse: !self.no_mouse,
            summary: self.summary,
            interval: self.interval(),
            run_time: self.run_time,
            thresholds: self.thresholds(),
            columns: self.columns.clone(),
            hog,
            message: None,
        }
    }

    /// The sampling interval.
    pub fn interval(&self) -> Duration {
        self.interval.unwrap_or(Duration::from_millis(250))
    }

    /// The plan of a run without a screen. `hog` starts the hog automatically.
    pub fn plan(&self, hog: bool) -> Plan {
        let format = self.format.unwrap_or_default();
        let run_time = match format {
            Format::Jsonl => self.run_time,
            _ => self.run_time.or(Some(Duration::from_secs(3))),
        };
        Plan {
            run_time,
            hog,
            is_command: false,
            interval: self.interval(),
            format,
            ascii: self.ascii,
            thresholds: self.thresholds(),
            fail_on: self.fail_on.clone(),
        }
    }

    /// The options of a watchdog that detects polls at the thresholds.
    pub fn watchdog_options(&self) -> WatchOptions {
        let thresholds = self.thresholds();
        let length = |rule, default| thresholds.get(rule).map_or(default, Duration::from_nanos);
        let default = WatchOptions::default();
        let blocking_poll = length(RuleId::WorkerHeld, default.blocking_poll);
        let long_poll = length(RuleId::LongPoll, default.long_poll).min(blocking_poll);
        WatchOptions { long_poll, blocking_poll, ..default }
    }

    /// The thresholds at which rules fire.
    pub fn thresholds(&self) -> Thresholds {
        let mut thresholds = Thresholds::default();
        for SetThreshold(rule, value) in &self.thresholds {
            thresholds.set(*rule, *value);
        }
        Gate::set_thresholds(&self.fail_on, &mut thresholds);
        thresholds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn color_flags_take_precedence_over_the_environment() {
        let theme = |theme, no_color, by_environment| {
            let flags = WatchArgs { theme, no_color, ..WatchArgs::default() };
            flags.dashboard(false, by_environment).settings.theme
        };
        assert_eq!(theme(None, false, false), ThemeName::Default);
        assert_eq!(theme(None, false, true), ThemeName::Mono);
        assert_eq!(theme(Some(ThemeName::Default), false, true), ThemeName::Default);
        assert_eq!(theme(Some(ThemeName::Mono), false, false), ThemeName::Mono);
        assert_eq!(theme(None, true, false), ThemeName::Mono);
    }

    #[test]
    fn only_jsonl_runs_without_limit_by_default() {
        let run_time = |format, run_time| {
            WatchArgs { format, run_time, ..WatchArgs::default() }.plan(false).run_time
        };
        assert_eq!(run_time(None, None), Some(Duration::from_secs(3)));
        assert_eq!(run_time(Some(Format::Jsonl), None), None);
        let given = Some(Duration::from_secs(9));
        assert_eq!(run_time(Some(Format::Jsonl), given), given);
    }
}
