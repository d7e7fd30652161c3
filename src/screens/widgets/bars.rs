//! Bars of eighths, and histories of them.

use crate::screens::theme::Look;

const EIGHTHS: [&str; 9] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];
const LEVELS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII_LEVELS: [&str; 9] = [" ", ".", ".", ":", ":", "-", "=", "#", "#"];

/// A bar of `width` columns, filled up to `share`.
pub fn bar(look: Look, share: f64, width: usize) -> String {
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let (full, part) = (eighths / 8, eighths % 8);
    let blank = look.glyph("░", ".");
    let mut bar = look.glyph("█", "#").repeat(full);
    if part > 0 {
        bar += if look.ascii { "." } else { EIGHTHS[part] };
    }
    bar + &blank.repeat(width - full - usize::from(part > 0))
}

/// A bar of `width` columns without a ground, for histograms.
pub fn mark(look: Look, share: f64, width: usize) -> String {
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).ceil() as usize;
    let (full, part) = (eighths / 8, eighths % 8);
    let rest = match part {
        0 => "",
        _ if look.ascii => "#",
        _ => EIGHTHS[part],
    };
    look.glyph("█", "#").repeat(full) + rest
}

/// A block of so many eighths of a line's height.
pub fn level(look: Look, eighths: usize) -> char {
    let levels = if look.ascii { &ASCII_LEVELS } else { &LEVELS };
    levels[eighths.min(8)].chars().next().unwrap_or(' ')
}

/// The last `width` shares, oldest first.
pub fn history(look: Look, shares: &[f64], width: usize) -> String {
    let levels = if look.ascii { &ASCII_LEVELS } else { &LEVELS };
    let shown = &shares[shares.len().saturating_sub(width)..];
    // A little is not nothing.
    let level = |share: f64| (share.clamp(0.0, 1.0) * 8.0).round() as usize;
    let level = |share: f64| level(share).max(usize::from(share > 0.001));
    shown.iter().map(|share| levels[level(*share)]).collect()
}
