//! Untrusted text: from another process or its files.

/// A symbol as Rust source has it, without its hash.
pub(crate) fn demangle(symbol: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(symbol))
}

/// Replaces control characters, which a terminal would interpret, and limits the length.
pub(crate) fn sanitize(text: &str) -> String {
    const MAX_CHARACTERS: usize = 4096;
    text.chars()
        .take(MAX_CHARACTERS)
        .map(|c| if c.is_control() || is_bidirectional(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Characters that change the direction of the text around them.
fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced_and_length_is_limited() {
        assert_eq!(sanitize("a\x1b[2Jb\nc\u{202e}d ä"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d ä");
        assert_eq!(sanitize(&"x".repeat(10_000)).len(), 4096);
    }
}
