//! Bars with a resolution of one eighth of a character, and histories.

use crate::screens::theme::Theme;

const EIGHTHS: [&str; 9] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];
const LEVELS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII_LEVELS: [&str; 9] = [" ", ".", ".", ":", ":", "-", "=", "#", "#"];

/// A bar of `width` columns, filled up to `share`.
pub fn bar(theme: Theme, share: f64, width: usize) -> String {
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let (full, part) = (eighths / 8, eighths % 8);
    let blank = theme.glyph("░", ".");
    let mut bar = theme.glyph("█", "#").repeat(full);
    if part > 0 {
        bar += if theme.ascii { "." } else { EIGHTHS[part] };
    }
    bar + &blank.repeat(width - full - usize::from(part > 0))
}

/// Three texts of `width` columns together: two shares of a whole, and the rest.
pub fn parts_bar(theme: Theme, shares: [f64; 2], width: usize) -> (String, String, String) {
    let columns = |share: f64| (share.clamp(0.0, 1.0) * width as f64).round() as usize;
    let first = columns(shares[0]);
    let second = columns(shares[0] + shares[1]).max(first) - first;
    let glyphs = [theme.glyph("█", "#"), theme.glyph("▒", "="), theme.glyph("░", ".")];
    let rest = width - first - second;
    (glyphs[0].repeat(first), glyphs[1].repeat(second), glyphs[2].repeat(rest))
}

/// A block whose height is a number of eighths of a line.
pub fn level(theme: Theme, eighths: usize) -> char {
    let levels = if theme.ascii { &ASCII_LEVELS } else { &LEVELS };
    levels[eighths.min(8)].chars().next().unwrap_or(' ')
}

/// A block for each share, oldest first. A missing share is blank, and a share of 0 is not.
pub fn history(theme: Theme, shares: &[Option<f64>]) -> String {
    let eighths = |share: f64| ((share.clamp(0.0, 1.0) * 8.0).round() as usize).max(1);
    shares.iter().map(|share| share.map_or(' ', |share| level(theme, eighths(share)))).collect()
}
