//! Text from outside may hold what a terminal obeys instead of showing it.

/// Whether terminals obey this character: controls, marks that turn the direction of text or
/// join and hide what is beside them, and what has no width of its own for other reasons.
pub(crate) fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_marks_of_direction_are_obeyed_and_letters_are_not() {
        for c in
            ['\u{1b}', '\n', '\u{9b}', '\u{61c}', '\u{200e}', '\u{200f}', '\u{202e}', '\u{2067}']
        {
            assert!(is_obeyed(c), "{c:?}");
        }
        for c in ['a', 'é', '漢', '×', '–', 'א', '█'] {
            assert!(!is_obeyed(c), "{c}");
        }
    }
}
