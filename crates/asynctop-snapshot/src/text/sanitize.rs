//! Sanitizes untrusted text: from the watched program, files and arguments. It may contain terminal
//! control sequences.

use std::borrow::Cow;

/// Whether a terminal interprets this character instead of displaying it: control characters, and
/// invisible ones that change the direction of text or join or hide their neighbors.
pub fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Replaces each control character with `�`.
///
/// Called where text enters the program, so that screens and reports need not do it.
pub fn sanitize(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let replaced = |c| if is_control(c) { char::REPLACEMENT_CHARACTER } else { c };
    Cow::Owned(text.chars().map(replaced).collect())
}

/// Maximum length of an excerpt, in characters.
const MAX_EXCERPT: usize = 40;

/// An excerpt for an error message: sanitized, and truncated with `…` after 40 characters.
pub fn excerpt(text: &str) -> String {
    let end = text.char_indices().nth(MAX_EXCERPT).map(|(end, _)| end);
    let start = sanitize(&text[..end.unwrap_or(text.len())]).into_owned();
    if end.is_some() { start + "…" } else { start }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_control_includes_escapes_and_direction_marks() {
        for c in
            ['\u{1b}', '\n', '\u{9b}', '\u{61c}', '\u{200e}', '\u{200f}', '\u{202e}', '\u{2067}']
        {
            assert!(is_control(c), "{c:?}");
        }
        for c in ['a', 'é', '漢', '×', '–', 'א', '█'] {
            assert!(!is_control(c), "{c}");
        }
    }

    #[test]
    fn sanitize_replaces_control_characters_and_borrows_other_text() {
        assert_eq!(sanitize("a\x1b[2Jb\u{202E}c\n"), "a�[2Jb�c�");
        assert!(matches!(sanitize("häuser 漢"), Cow::Borrowed("häuser 漢")));
    }

    #[test]
    fn excerpt_has_a_limited_length() {
        assert_eq!(excerpt("ähnlich\x1b[2J"), "ähnlich�[2J");
        assert_eq!(excerpt(&"ä".repeat(40)), "ä".repeat(40));
        assert_eq!(excerpt(&"ä".repeat(100_000)), "ä".repeat(40) + "…");
    }

    proptest::proptest! {
        #[test]
        fn sanitize_is_idempotent_and_removes_all_control_characters(
            text in "(.|[\u{0}-\u{9f}\u{200b}-\u{206f}\u{fff9}-\u{fffb}\n]){0,40}",
        ) {
            let once = sanitize(&text).into_owned();
            proptest::prop_assert!(!once.contains(is_control), "{:?}", once);
            proptest::prop_assert_eq!(&*sanitize(&once), &*once);
            proptest::prop_assert_eq!(once.chars().count(), text.chars().count());
            proptest::prop_assert!(excerpt(&text).chars().count() <= 41);
        }
    }
}
