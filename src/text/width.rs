//! Text in columns of a terminal.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// As much of a text as fits into `width` columns, with a sign where something is missing.
pub(crate) fn fit<'a>(text: &'a str, width: usize, ascii: bool) -> Cow<'a, str> {
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
pub(crate) fn fit_path(path: &str, width: usize, ascii: bool) -> Cow<'_, str> {
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
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_keep_their_end() {
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
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three\nfour", 8), ["one two", "three", "four"]);
        assert_eq!(wrap("a verylongword b", 4), ["a", "verylongword", "b"]);
    }

    proptest! {
        #[test]
        fn fitted_text_is_never_wider(text in "\\PC{0,40}", width in 0usize..30) {
            prop_assert!(fit(&text, width, false).width() <= width);
            prop_assert!(fit_path(&text, width, false).width() <= width);
        }
    }
}
