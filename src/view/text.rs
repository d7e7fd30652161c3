//! Figures and names as text: durations and counts with three digits that count, and
//! nothing from outside that could move the terminal's cursor.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::plain::is_obeyed;

/// A duration of so many nanoseconds, in at most seven characters.
pub(super) fn duration(nanos: u64) -> String {
    let scaled = |unit: f64, name: &str| {
        let value = nanos as f64 / unit;
        match value {
            v if v < 9.995 => format!("{v:.2}{name}"),
            v if v < 99.95 => format!("{v:.1}{name}"),
            v => format!("{v:.0}{name}"),
        }
    };
    let seconds = nanos.saturating_add(500_000_000) / 1_000_000_000;
    match nanos {
        0 => "0".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..999_500 => scaled(1e3, "µs"),
        999_500..999_500_000 => scaled(1e6, "ms"),
        999_500_000..59_950_000_000 => scaled(1e9, "s"),
        _ if seconds < 3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ if seconds < 86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ if seconds < 8_640_000 => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A count in at most five characters.
pub(super) fn count(n: u64) -> String {
    let scaled = |unit: f64, name: &str| {
        let value = n as f64 / unit;
        if value < 9.995 {
            format!("{value:.2}{name}")
        } else if value < 99.95 {
            format!("{value:.1}{name}")
        } else {
            format!("{value:.0}{name}")
        }
    };
    match n {
        0..10_000 => n.to_string(),
        10_000..999_500 => scaled(1e3, "k"),
        999_500..999_500_000 => scaled(1e6, "M"),
        999_500_000..999_500_000_000 => scaled(1e9, "G"),
        _ => scaled(1e12, "T"),
    }
}

/// Time of many tasks together: it may be more than the clock has seen, so it is no time of day.
pub(super) fn task_seconds(nanos: u64) -> String {
    match nanos as f64 / 1e9 {
        seconds if seconds < 9.995 => format!("{seconds:.2}"),
        seconds => count(seconds.round() as u64),
    }
}

/// A rate for each second.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        r if r > 0.0 && r < 10.0 => format!("{r:.1}"),
        r => count(r.round() as u64),
    }
}

/// A share of one, in percent.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 99.95 { format!("{percent:.0}") } else { format!("{percent:.1}") }
}

/// The factor of a slowdown.
pub(super) fn factor(n: f64) -> String {
    match n {
        n if n < 9.95 => format!("{n:.1}"),
        n => count(n.round() as u64),
    }
}

/// Text of the program that is watched, made harmless: control characters, escape
/// sequences and marks that turn the direction of writing become `�`.
pub(super) fn harmless(text: &str, ascii: bool) -> Cow<'_, str> {
    let harmful = |c: char| is_obeyed(c) || (ascii && !c.is_ascii());
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let sign = |c| match c {
        _ if !ascii => '�',
        '–' => '-',
        'µ' => 'u',
        '×' => 'x',
        _ => '?',
    };
    Cow::Owned(text.chars().map(|c| if harmful(c) { sign(c) } else { c }).collect())
}

/// As much of a text as fits into `width` columns, with a sign where something is missing.
pub(super) fn fit<'a>(text: &'a str, width: usize, ascii: bool) -> Cow<'a, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let sign = if ascii { "~" } else { "…" };
    let mut left = width.saturating_sub(1);
    let kept: String = text
        .chars()
        .take_while(|c| {
            let wide = c.width().unwrap_or(0);
            let fits = wide <= left;
            left = left.saturating_sub(wide);
            fits
        })
        .collect();
    Cow::Owned(if width == 0 { String::new() } else { kept + sign })
}

/// As much of a path as fits into `width` columns: its end, which says most, and whole
/// parts of it if possible.
pub(super) fn fit_path(path: &str, width: usize, ascii: bool) -> Cow<'_, str> {
    if path.width() <= width {
        return Cow::Borrowed(path);
    }
    if width == 0 {
        return Cow::Borrowed("");
    }
    let sign = if ascii { "~" } else { "…" };
    let parts = path.match_indices('/').map(|(at, _)| at);
    for at in parts {
        if path[at..].width() < width {
            return Cow::Owned(format!("{sign}{}", &path[at..]));
        }
        if path[at + 1..].width() <= width {
            return Cow::Borrowed(&path[at + 1..]);
        }
    }
    let mut left = width.saturating_sub(1);
    let kept = path.char_indices().rev().take_while(|(_, c)| {
        let wide = c.width().unwrap_or(0);
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    });
    match kept.last() {
        Some((at, _)) => Cow::Owned(format!("{sign}{}", &path[at..])),
        None => Cow::Borrowed(sign),
    }
}

/// The words of a text in lines of at most `width` columns; a longer word has a line of
/// its own. Each line of the text begins a new one.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.width() + 1 + word.width() > width {
                lines.push(std::mem::take(&mut line));
            }
            line += if line.is_empty() { "" } else { " " };
            line += word;
        }
        lines.push(line);
    }
    lines
}

/// A count with all of its digits, in groups of three.
pub(super) fn digits(n: u64) -> String {
    let plain = n.to_string();
    let mut grouped = String::with_capacity(plain.len() * 4 / 3);
    for (at, digit) in plain.char_indices() {
        if at > 0 && (plain.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_show_three_digits() {
        for (nanos, shown) in [
            (0, "0"),
            (7, "7ns"),
            (999, "999ns"),
            (1_000, "1.00µs"),
            (310_000, "310µs"),
            (999_600, "1.00ms"),
            (1_240_000_000, "1.24s"),
            (59_940_000_000, "59.9s"),
            (59_990_000_000, "1m00s"),
            (3_599_900_000_000, "1h00m"),
            (83_000_000_000, "1m23s"),
            (7_500_000_000_000, "2h05m"),
            (90_000_000_000_000, "1d01h"),
        ] {
            assert_eq!(duration(nanos), shown);
        }
    }

    #[test]
    fn counts_and_shares_are_short() {
        assert_eq!(
            [0, 9_999, 12_345, 999_999, u64::MAX / 1_000_000].map(count).join(" "),
            "0 9999 12.3k 1.00M 18.4T"
        );
        assert_eq!([0.0, 0.4, 9.94, 250.0].map(rate).join(" "), "0 0.4 9.9 250");
        assert_eq!([0.0, 0.123, 0.9996, 1.0].map(percent).join(" "), "0.0 12.3 100 100");
        assert_eq!([1.0, 3.97, 38.2].map(factor).join(" "), "1.0 4.0 38");
    }

    #[test]
    fn nothing_reaches_the_terminal_that_could_steer_it() {
        assert_eq!(harmless("a\x1b[2Jb\u{202E}c\n", false), "a�[2Jb�c�");
        assert_eq!(harmless("häuser", true), "h?user");
        assert_eq!(harmless("häuser", false), "häuser");
    }

    #[test]
    fn of_a_path_the_end_stays() {
        let path = "src/lab/workload/hog.rs:42";
        for (width, shown) in [
            (26, path),
            (25, "…/lab/workload/hog.rs:42"),
            (22, "lab/workload/hog.rs:42"),
            (20, "…/workload/hog.rs:42"),
            (12, "…/hog.rs:42"),
            (9, "hog.rs:42"),
            (8, "…g.rs:42"),
            (1, "…"),
            (0, ""),
        ] {
            assert_eq!(fit_path(path, width, false), shown, "{width}");
        }
    }

    #[test]
    fn words_are_wrapped_and_digits_grouped() {
        assert_eq!(wrap("one two three\nfour", 8), ["one two", "three", "four"]);
        assert_eq!(wrap("a verylongword b", 4), ["a", "verylongword", "b"]);
        assert_eq!([0, 999, 1_000, 1_234_567].map(digits).join(" "), "0 999 1,000 1,234,567");
    }

    proptest! {
        #[test]
        fn what_is_made_to_fit_fits(text in "\\PC{0,40}", width in 0usize..30) {
            prop_assert!(fit(&text, width, false).width() <= width);
            prop_assert!(fit_path(&text, width, false).width() <= width);
        }

        #[test]
        fn figures_stay_in_their_columns(n in any::<u64>()) {
            prop_assert!(duration(n).chars().count() <= 7, "{}", duration(n));
            prop_assert!(n > 999_000_000_000_000 || count(n).len() <= 5, "{}", count(n));
        }
    }
}
