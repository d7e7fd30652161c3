//! Colors in the answers of a terminal.

/// The color of `rgb:RRRR/GGGG/BBBB`, with one to four hexadecimal digits each, from 0 to 1. An alpha
/// value may follow.
pub(super) fn parse(text: &[u8]) -> Option<[f32; 3]> {
    let text = std::str::from_utf8(text).ok()?;
    let levels = text.strip_prefix("rgb:").or_else(|| text.strip_prefix("rgba:"))?;
    let mut levels = levels.split('/').map(level);
    Some([levels.next()??, levels.next()??, levels.next()??])
}

fn level(digits: &str) -> Option<f32> {
    let is_number =
        (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let value = u16::from_str_radix(digits, 16).ok().filter(|_| is_number)?;
    let max = (1u32 << (4 * digits.len())) - 1;
    Some(f32::from(value) / max as f32)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn levels_have_one_to_four_digits() {
        assert_eq!(parse(b"rgb:ffff/0000/ffff"), Some([1.0, 0.0, 1.0]));
        assert_eq!(parse(b"rgb:f/00/fff"), Some([1.0, 0.0, 1.0]));
        assert_eq!(parse(b"rgba:ff/ff/ff/80"), Some([1.0, 1.0, 1.0]));
        for invalid in ["", "rgb:", "rgb:1/2", "rgb:+1/2/3", "rgb:12345/2/3", "#ffffff", "?"] {
            assert_eq!(parse(invalid.as_bytes()), None, "{invalid}");
        }
    }
}
