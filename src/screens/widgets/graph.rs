//! Area charts of text: braille, two by four dots per character, or ASCII.

use crate::screens::theme::Theme;

/// How many values an area chart shows per character.
pub const VALUES_PER_CELL: usize = 2;

/// The dots of a character from bottom to top, of its left and its right column.
const DOTS: [[u8; 4]; VALUES_PER_CELL] = [[0x40, 0x04, 0x02, 0x01], [0x80, 0x20, 0x10, 0x08]];

/// The lines of an area chart, top line first, of values from 0 to 1. A `None` is a gap; 0 has the
/// lowest dot, so that it is not taken for a gap.
pub fn area(theme: Theme, values: &[Option<f64>], lines: usize) -> Vec<String> {
    let cells = values.chunks(VALUES_PER_CELL);
    let cell = if theme.ascii { ascii } else { braille };
    (0..lines)
        .rev()
        .map(|line| cells.clone().map(|values| cell(values, line, lines)).collect())
        .collect()
}

/// The height of a value above the bottom of a line, in `steps` per line; 0 to `steps`.
fn height(value: f64, line: usize, lines: usize, steps: usize) -> usize {
    let total = (value.clamp(0.0, 1.0) * (lines * steps) as f64).round() as usize;
    total.max(1).saturating_sub(line * steps).min(steps)
}

fn braille(values: &[Option<f64>], line: usize, lines: usize) -> char {
    let mut dots = 0;
    for (value, column) in values.iter().zip(DOTS) {
        let height = value.map_or(0, |value| height(value, line, lines, column.len()));
        dots |= column[..height].iter().fold(0, |dots, dot| dots | u32::from(*dot));
    }
    match dots {
        0 => ' ',
        dots => char::from_u32(0x2800 + dots).unwrap_or(' '),
    }
}

fn ascii(values: &[Option<f64>], line: usize, lines: usize) -> char {
    let highest = values.iter().flatten().copied().reduce(f64::max);
    let levels = [' ', '.', ':', '#'];
    levels[highest.map_or(0, |value| height(value, line, lines, levels.len() - 1))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Settings;

    fn chart(values: &[Option<f64>], lines: usize, ascii: bool) -> Vec<String> {
        area(Theme::new(Settings { ascii, ..Settings::default() }), values, lines)
    }

    #[test]
    fn values_are_columns_of_dots() {
        let rising: Vec<_> = (0..=8).map(|n| Some(f64::from(n) / 8.0)).collect();
        assert_eq!(chart(&rising, 2, false), ["  ⢀⣴⡇", "⣀⣴⣿⣿⡇"]);
        assert_eq!(chart(&rising, 2, true), ["  .:#", ".:###"]);
    }

    #[test]
    fn gap_is_blank_and_zero_is_not() {
        let values = [Some(0.0), None, None, None];
        assert_eq!(chart(&values, 1, false), ["⡀ "]);
        assert_eq!(chart(&values, 1, true), [". "]);
    }
}
