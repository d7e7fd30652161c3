//! Arguments, untrusted text, and the input of a terminal.

use asynctop::{
    cli::{self, CliError},
    gate::{FailOn, SetThreshold},
    input::Parser,
    snapshot::text,
    source::Address,
};
use asynctop_lab::HogOptions;

/// Parses the bytes as durations, sizes, thresholds, hogs and addresses, and as a command line with
/// an argument per line.
pub fn arguments(data: &[u8]) -> usize {
    let given = String::from_utf8_lossy(data);
    let mut accepted = 0;
    let mut parsed = |error: Option<String>| match error {
        None => accepted += 1,
        Some(error) => super::assert_is_sentence(&error),
    };
    let duration = text::parse_duration(&given);
    if let Ok(duration) = &duration {
        assert_eq!(
            text::parse_duration(&text::duration_exact(*duration)),
            Ok(*duration),
            "{given:?}"
        );
    }
    parsed(duration.err());
    parsed(text::parse_bytes(&given).err());
    parsed(given.parse::<FailOn>().err());
    parsed(given.parse::<SetThreshold>().err());
    parsed(given.parse::<HogOptions>().err().map(|error| error.to_string()));
    parsed(given.parse::<Address>().err().map(|error| error.to_string()));
    match cli::parse(["asynctop"].into_iter().chain(given.split('\n'))) {
        Ok(_) | Err(CliError::Help(_)) => parsed(None),
        Err(CliError::Usage(sentence)) => parsed(Some(sentence)),
    }
    accepted
}

/// Sanitizes the bytes as text from a watched program.
pub fn text(data: &[u8]) -> usize {
    let given = String::from_utf8_lossy(data);
    let once = text::sanitize(&given);
    assert!(!once.contains(text::is_control), "{once:?}");
    assert_eq!(text::sanitize(&once), once);
    assert_eq!(once.chars().count(), given.chars().count());
    let excerpt = text::excerpt(&given);
    assert!(excerpt.chars().count() <= 41 && !excerpt.contains(text::is_control), "{excerpt:?}");
    once.len()
}

/// Parses the bytes as the input of a terminal, whole and byte by byte.
pub fn terminal_input(data: &[u8]) -> usize {
    let events = |packets: &mut dyn Iterator<Item = &[u8]>| {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        packets.for_each(|packet| parser.feed(packet, &mut events));
        parser.give_up(&mut events);
        assert_eq!(parser.wait(), None, "no sequence is unfinished");
        events
    };
    let whole = events(&mut [data].into_iter());
    assert_eq!(whole, events(&mut data.chunks(1)));
    whole.len()
}
