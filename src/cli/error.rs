//! Errors of the command line, in one sentence.

use std::num::ParseIntError;

use clap::{
    CommandFactory,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::Cli;
use crate::text::{closest_match, excerpt, sanitize};

/// A command line that is not a [`Request`](super::Request).
#[derive(Debug)]
pub enum CliError {
    /// The text of `--help` or `--version`, for stdout.
    Help(clap::Error),
    /// An invalid command line: one sentence without control characters with the argument, the
    /// problem and the remedy.
    Usage(String),
}

impl CliError {
    pub(super) fn new(error: clap::Error) -> Self {
        if error.use_stderr() { CliError::Usage(sentence(&error)) } else { CliError::Help(error) }
    }
}

impl std::fmt::Display for CliError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CliError::Help(help) => help.fmt(f),
            CliError::Usage(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for CliError {}

/// Converts clap's error to one sentence: the form of clap is several lines with the usage, which
/// hide the reason.
fn sentence(error: &clap::Error) -> String {
    let mut sentence = problem(error);
    let suggested = [
        (ContextKind::SuggestedSubcommand, "subcommand"),
        (ContextKind::SuggestedArg, "argument"),
        (ContextKind::SuggestedValue, "value"),
    ];
    for (kind, noun) in suggested {
        match &*texts(error, kind) {
            [] => {}
            [one] => sentence += &format!("; a similar {noun} exists: '{one}'"),
            several => sentence += &format!("; similar {noun}s exist: {}", several.join(", ")),
        }
    }
    // clap's measure of similarity misses transposed letters in a short name, such as `lba`.
    if error.kind() == ErrorKind::InvalidSubcommand && !sentence.contains(';') {
        let given = texts(error, ContextKind::InvalidSubcommand).concat();
        let command = Cli::command();
        let names = command.get_subcommands().filter(|command| !command.is_hide_set());
        if let Some(name) = closest_match(&given, names.map(|command| command.get_name())) {
            sentence += &format!("; a similar subcommand exists: '{name}'");
        }
    }
    let valid = [texts(error, ContextKind::ValidValue), texts(error, ContextKind::ValidSubcommand)];
    if let Some(values) = valid.into_iter().find(|values| !values.is_empty()) {
        sentence += &format!("; possible values: {}", values.join(", "));
    }
    if !sentence.contains(';') {
        sentence += "; see `asynctop --help`";
    }
    sanitize(&sentence).into_owned()
}

/// The problem, with a remedy only if the parser of the value provides one.
fn problem(error: &clap::Error) -> String {
    let quoted = |kind| texts(error, kind).join(" ");
    let (arg, value) = (quoted(ContextKind::InvalidArg), quoted(ContextKind::InvalidValue));
    match error.kind() {
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("a value is required for '{arg}' but none was supplied")
        }
        ErrorKind::InvalidValue => format!("invalid value '{value}' for '{arg}'"),
        ErrorKind::ValueValidation => {
            let source = std::error::Error::source(error);
            let is_number = source.is_some_and(|source| source.is::<ParseIntError>());
            let reason = match source {
                Some(_) if is_number => "not a whole number; write one such as 2".to_owned(),
                source => source.map(ToString::to_string).unwrap_or_default(),
            };
            format!("invalid value '{value}' for '{arg}': {reason}")
        }
        ErrorKind::UnknownArgument => format!("unexpected argument '{arg}' found"),
        ErrorKind::InvalidSubcommand => {
            format!("unrecognized subcommand '{}'", quoted(ContextKind::InvalidSubcommand))
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = texts(error, ContextKind::InvalidArg).join(", ");
            format!("the following required arguments were not provided: {missing}")
        }
        ErrorKind::ArgumentConflict => match &*quoted(ContextKind::PriorArg) {
            prior if prior == arg => format!("the argument '{arg}' cannot be used multiple times"),
            prior => format!("the argument '{arg}' cannot be used with '{prior}'"),
        },
        ErrorKind::TooManyValues => {
            format!("unexpected value '{value}' for '{arg}' found; no more were expected")
        }
        kind => kind.as_str().unwrap_or("invalid command line").to_owned(),
    }
}

/// The context of this kind in an error, each text shortened.
fn texts(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![excerpt(text)],
        Some(ContextValue::Strings(texts)) => texts.iter().map(|text| excerpt(text)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::{CliError, parse};

    #[test]
    fn errors_are_one_sentence_with_a_remedy() {
        let expected = [
            (
                &["--flavor", "green"][..],
                "invalid value 'green' for '--flavor <FLAVOR>'; \
                 possible values: current-thread, multi-thread",
            ),
            (
                &["--hogg", "spin"],
                "unexpected argument '--hogg' found; a similar argument exists: '--hog'",
            ),
            (
                &["scenarioz"],
                "unrecognized subcommand 'scenarioz'; a similar subcommand exists: 'scenarios'",
            ),
            (&["lba"], "unrecognized subcommand 'lba'; a similar subcommand exists: 'lab'"),
            (
                &["--for"],
                "a value is required for '--for <DURATION>' but none was supplied; \
                 see `asynctop --help`",
            ),
            (
                &["--console-open"],
                "the following required arguments were not provided: --console [<ADDR>]; \
                 see `asynctop --help`",
            ),
            (
                &["--for", "3"],
                "invalid value '3' for '--for <DURATION>': it has no unit; \
                 write a number and a unit, such as 500ms, 3s or 2m",
            ),
            (
                &["--interval", "1h"],
                "invalid value '1h' for '--interval <DURATION>': out of range; \
                 use 100ms to 10s",
            ),
            (
                &["compare", "--hog", "spin"],
                "--hog applies only to the lab; leave it out, or use `asynctop lab`",
            ),
            (
                &["compare", "--workers", "2"],
                "--workers applies only to the lab; leave it out, or use `asynctop lab`",
            ),
            #[cfg(feature = "attach")]
            (
                &["--hog", "spin", "attach"],
                "--hog applies only to the lab; leave it out, or use `asynctop lab`",
            ),
            #[cfg(feature = "attach")]
            (
                &["attach", "--hog", "spin"],
                "--hog applies only to the lab; leave it out, or use `asynctop lab`",
            ),
            (
                &["--workers", "two"],
                "invalid value 'two' for '--workers <N>': not a whole number; write one such as 2",
            ),
            (
                &["--headless", "man"],
                "flags before this command apply only to `lab`, `attach` and `run`; leave them out here",
            ),
        ];
        for (args, expected) in expected {
            let error = parse(["asynctop"].iter().chain(args)).expect_err(expected);
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn quoted_arguments_are_sanitized_and_shortened() {
        let hostile = format!("\x1b[2J\n\u{202e}{}", "x".repeat(100_000));
        let long_flag = format!("--{hostile}");
        for args in [
            &["--flavor", &hostile][..],
            &["--for", &hostile],
            &["--fail-on", &hostile],
            &["--threshold", &hostile],
            &["--threshold", &format!("leak={hostile}")],
            &["--hog", &hostile],
            &["--theme", &hostile],
            &[&long_flag],
            &[&hostile],
            &["attach", &hostile],
            &["attach", &format!("unix:/{hostile}")],
            &["compare", "--connections", &hostile],
        ] {
            let error = parse(["asynctop"].iter().copied().chain(args.iter().copied()));
            let error = error.expect_err("invalid");
            assert!(matches!(error, CliError::Usage(_)), "{error:?}");
            let error = error.to_string();
            assert!(!error.contains(crate::text::is_control), "{error:?}");
            assert!(error.len() < 1_000, "{} bytes: {error}", error.len());
        }
    }
}
