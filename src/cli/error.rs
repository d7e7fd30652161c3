//! Errors in one sentence.

/// What clap has to say against a command line, as one sentence without its first word
/// (`error:`): what is wrong, what is like it, where to look.
///
/// clap's own way is a paragraph with the usage below, which drowns the reason.
///
/// ```
/// let error = asynctop::cli::parse(["asynctop", "--hugs"]).unwrap_err();
/// let sentence = asynctop::cli::sentence(&error);
/// assert!(sentence.starts_with("unexpected argument '--hugs' found"), "{sentence}");
/// assert!(!sentence.contains('\n'), "{sentence}");
/// ```
pub fn sentence(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let mut parts = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        let end = line.starts_with("Usage:") || line.starts_with("For more information");
        if end {
            break;
        }
        let line = line.strip_prefix("error: ").or(line.strip_prefix("tip: ")).unwrap_or(line);
        let bare = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'));
        parts.push(bare.unwrap_or(line));
    }
    parts.retain(|part| !part.is_empty());
    // Behind a colon stands what it announces.
    let mut sentence = parts.join("; ").replace(":; ", ": ");
    if !sentence.contains(';') {
        sentence.push_str("; `asynctop --help` lists what there is");
    }
    sentence
}

#[cfg(test)]
mod tests {
    use crate::cli::{parse, sentence};

    #[test]
    fn every_error_is_one_sentence_that_says_what_to_do() {
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
            (
                &["--for"],
                "a value is required for '--for <DURATION>' but none was supplied; \
                 `asynctop --help` lists what there is",
            ),
            (
                &["--console-open"],
                "the following required arguments were not provided: --console [<ADDR>]; \
                 `asynctop --help` lists what there is",
            ),
            (
                &["--for", "3"],
                "invalid value '3' for '--for <DURATION>': it has no unit; \
                 write a number and a unit, such as 500ms, 3s or 2m",
            ),
            (
                &["--interval", "1h"],
                "invalid value '1h' for '--interval <DURATION>': it is out of range; \
                 ask for 100ms to 10s",
            ),
            (
                &["compare", "--hog", "spin"],
                "hogs exist only in the lab; leave --hog out here, or run `asynctop lab` with it",
            ),
            (
                &["compare", "--workers", "2"],
                "it describes the runtime of the lab; leave --workers out here, or run \
                 `asynctop lab` with it",
            ),
            #[cfg(feature = "attach")]
            (
                &["--hog", "spin", "attach"],
                "hogs exist only in the lab; leave --hog out here, or run `asynctop lab` with it",
            ),
            #[cfg(feature = "attach")]
            (
                &["attach", "--hog", "spin"],
                "hogs exist only in the lab; leave --hog out here, or run `asynctop lab` with it",
            ),
            (
                &["--headless", "man"],
                "the flags before the command belong to `lab`; leave them out here",
            ),
        ];
        for (args, expected) in expected {
            let error = parse(["asynctop"].iter().chain(args)).expect_err(expected);
            assert_eq!(sentence(&error), expected);
        }
    }
}
