//! A histogram of durations with a logarithmic axis.
//!
//! ```text
//!  poll times  p50 ~28µs  p90 ~28µs  p99 ~28µs  max 310µs
//!                 ████
//!                 ████
//!  ▁▁▁▁           ████              ▁▁▁▁
//!  <1µs         10µs        100µs            1ms
//! ```

use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{bars::level, canvas::Spans};
use crate::{
    screens::theme::Theme,
    snapshot::{BUCKETS, Histogram, bucket_of},
    text::{bucket_duration, count, duration, optional},
};

/// The lines of the bars.
const LINES: usize = 3;
/// The lines of a histogram with its percentiles and its axis.
pub const HEIGHT: u16 = LINES as u16 + 2;
/// The maximum width of a bucket.
const MAX_WIDTH: usize = 4;
/// Powers of ten of a nanosecond at which the axis may begin and end.
const DECADES: std::ops::RangeInclusive<u32> = 3..=12;

/// The percentiles, the bars and the axis, in `available` columns.
pub fn lines(theme: Theme, name: &str, histogram: &Histogram, available: usize) -> Vec<Spans> {
    let title = (format!(" {name}"), theme.title());
    if histogram.count() == 0 {
        return vec![vec![title, ("  none yet".to_owned(), theme.dim())]];
    }
    let quantile = |q| optional(histogram.quantile(q), bucket_duration);
    let [p50, p90, p99] = [0.5, 0.9, 0.99].map(quantile);
    let max = optional(histogram.quantile(1.0), duration);
    let mut percentiles = format!("  p50 {p50}  p90 {p90}  p99 {p99}  max {max}");
    if title.0.width() + percentiles.width() > available {
        percentiles = format!("  p50 {p50}  p99 {p99}  max {max}");
    }
    let mut lines = vec![vec![title, (percentiles, Style::new())]];
    let mut counts = [0; BUCKETS];
    histogram.buckets().for_each(|(from, n)| counts[bucket_of(from).min(BUCKETS - 1)] += n);
    let first = counts.iter().position(|n| *n > 0).unwrap_or(0);
    let last = counts.iter().rposition(|n| *n > 0).unwrap_or(0);
    // Whole decades, so that the axis has a label at both ends.
    let decade = |exponent: u32| bucket_of(10_u64.pow(exponent)).min(BUCKETS - 1);
    let begin = DECADES.rev().find(|exponent| decade(*exponent) <= first).unwrap_or(3);
    let end = DECADES.clone().find(|exponent| decade(*exponent) >= last).unwrap_or(12);
    let shown = decade(begin)..=decade(end);
    let width = ((available.saturating_sub(2)) / shown.clone().count()).clamp(1, MAX_WIDTH);
    let largest = counts.iter().copied().max().unwrap_or(1).max(1);
    let height = |n: u64| {
        let eighths = (n as f64 / largest as f64 * (LINES * 8) as f64).round() as usize;
        // A rare duration is visible.
        eighths.max(usize::from(n > 0))
    };
    for line in (0..LINES).rev() {
        let bar = |n: &u64| {
            let part = height(*n).saturating_sub(line * 8).min(8);
            level(theme, part).to_string().repeat(width)
        };
        let bars: String = counts[shown.clone()].iter().map(bar).collect();
        lines.push(vec![(format!(" {}", bars.trim_end()), theme.busy())]);
    }
    let mut axis = String::new();
    for exponent in begin..=end {
        let column = (decade(exponent) - decade(begin)) * width;
        let used = axis.chars().count();
        let label = match exponent {
            3 => "<1µs".to_owned(),
            _ => short(10_u64.pow(exponent)),
        };
        if used == 0 || used < column {
            axis += &" ".repeat(column - used);
            axis += &label;
        }
    }
    let total = format!("  {} in total", count(histogram.count()));
    let total = if axis.width() + total.width() < available { total } else { String::new() };
    lines.push(vec![(format!(" {axis}{total}"), theme.dim())]);
    lines
}

/// A power of ten of a nanosecond without decimals.
fn short(nanos: u64) -> String {
    match nanos {
        0..1_000_000 => format!("{}µs", nanos / 1_000),
        1_000_000..1_000_000_000 => format!("{}ms", nanos / 1_000_000),
        _ => format!("{}s", nanos / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Settings;

    fn drawn(histogram: &Histogram, width: usize) -> Vec<String> {
        let text = |line: &Spans| line.iter().map(|(text, _)| text.as_str()).collect::<String>();
        let theme = Theme::new(Settings::default());
        lines(theme, "poll times", histogram, width).iter().map(text).collect()
    }

    #[test]
    fn axis_has_whole_decades_and_rare_durations_are_visible() {
        let mut histogram = Histogram::default();
        histogram.record_n(20_000, 10_000);
        histogram.record_n(60_000, 5_000);
        histogram.record(90_000_000);
        assert_eq!(
            drawn(&histogram, 60),
            [
                " poll times  p50 ~20µs  p90 ~56µs  p99 ~56µs  max 90.0ms",
                "     ██",
                "     ██    ▄▄",
                "     ██    ██                                        ▁▁",
                " 10µs          100µs       1ms           10ms        100ms",
            ]
        );
        assert_eq!(drawn(&Histogram::default(), 60), [" poll times  none yet"]);
    }

    #[test]
    fn widest_histogram_fits_into_half_a_screen() {
        let mut histogram = Histogram::default();
        histogram.record(1);
        histogram.record(200_000_000_000);
        let lines = drawn(&histogram, 56);
        assert!(lines[1..4].iter().all(|line| line.chars().count() <= 58), "{lines:?}");
    }
}
