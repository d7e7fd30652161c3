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

/// A block whose height is a number of eighths of a line.
pub fn level(theme: Theme, eighths: usize) -> char {
    let levels = if theme.ascii { &ASCII_LEVELS } else { &LEVELS };
    levels[eighths.min(8)].chars().next().unwrap_or(' ')
}

/// The last `width` shares, oldest first.
pub fn history(theme: Theme, shares: &[f64], width: usize) -> String {
    let levels = if theme.ascii { &ASCII_LEVELS } else { &LEVELS };
    let shown = &shares[shares.len().saturating_sub(width)..];
    // A small share is visible.
    let level = |share: f64| (share.clamp(0.0, 1.0) * 8.0).round() as usize;
    let level = |share: f64| level(share).max(usize::from(share > 0.001));
    shown.iter().map(|share| levels[level(*share)]).collect()
}
