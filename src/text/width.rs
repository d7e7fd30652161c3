//! Fits text into columns of a terminal.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Truncates a text to `width` columns, with an ellipsis at the end.
pub(crate) fn fit<'a>(text: &'a str, width: usize, ascii: bool) -> Cow<'a, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let ellipsis = if ascii { "~" } else { "…" };
    let mut left = width.saturating_sub(1);
    let kept: String = text
        .graphemes(true)
        .take_while(|grapheme| {
            let wide = grapheme.width();
            let fits = wide <= left;
            left = left.saturating_sub(wide);
            fits
        })
        .collect();
    Cow::Owned(if width == 0 { String::new() } else { kept + ellipsis })
}

/// Truncates the name of a task, of which it keeps the number at its end, if it has one.
pub(crate) fn fit_name(name: &str, width: usize, ascii: bool) -> Cow<'_, str> {
    const MIN_HEAD: usize = 4;
    let head = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let head = head.strip_suffix('-').filter(|head| head.len() + 1 < name.len()).unwrap_or(name);
    let number = &name[head.len()..];
    if name.width() <= width || number.is_empty() || number.len() + MIN_HEAD > width {
        return fit(name, width, ascii);
    }
    Cow::Owned(fit(head, width - number.len(), ascii).into_owned() + number)
}

/// Truncates a path to `width` columns. Keeps its end, which is the most specific part, and whole
/// components if possible.
pub(crate) fn fit_path(path: &str, width: usize, ascii: bool) -> Cow<'_, str> {
    if path.width() <= width {
        return Cow::Borrowed(path);
    }
    if width == 0 {
        return Cow::Borrowed("");
    }
    let ellipsis = if ascii { "~" } else { "…" };
    for (slash, _) in path.match_indices('/') {
        if path[slash..].width() < width {
            return Cow::Owned(format!("{ellipsis}{}", &path[slash..]));
        }
        if path[slash + 1..].width() <= width {
            return Cow::Borrowed(&path[slash + 1..]);
        }
    }
    let mut left = width.saturating_sub(1);
    let kept = path.grapheme_indices(true).rev().take_while(|(_, grapheme)| {
        let wide = grapheme.width();
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    });
    match kept.last() {
        Some((start, _)) => Cow::Owned(format!("{ellipsis}{}", &path[start..])),
        None => Cow::Borrowed(ellipsis),
    }
}

/// The last two components of a path: a file alone may be any `mod.rs`.
pub(crate) fn file_and_folder(path: &str) -> &str {
    path.rmatch_indices('/').nth(1).map_or(path, |(slash, _)| &path[slash + 1..])
}

/// A sentence, and its beginnings that end before a clause, longest first.
pub(crate) fn clauses(sentence: &str) -> impl Iterator<Item = &str> {
    // Without what follows "but", a clause would mean something else.
    let ends =
        sentence.rmatch_indices(' ').filter(|(end, _)| !sentence[*end..].starts_with(" but "));
    let words = ends.map(|(end, _)| &sentence[..end]);
    std::iter::once(sentence).chain(words.filter_map(|part| part.strip_suffix([',', ';', ':'])))
}

/// Wraps a text between words to lines of at most `width` columns. A longer word gets its own line.
/// The line breaks of the text are kept.
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
    fn name_keeps_its_number() {
        for (width, expected) in [
            (30, "on-101-threads:client-12"),
            (14, "on-101-thr…-12"),
            (7, "on-…-12"),
            (6, "on-10…"),
        ] {
            assert_eq!(fit_name("on-101-threads:client-12", width, false), expected);
        }
        assert_eq!(fit_name("never-awaited", 8, false), "never-a…");
        assert_eq!(fit_name("task-", 4, false), "tas…");
    }

    #[test]
    fn fit_path_keeps_the_end() {
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
    fn file_and_folder_are_the_last_two_components() {
        for (path, shown) in [
            ("src/lab/hog/mod.rs:42", "hog/mod.rs:42"),
            ("src/main.rs:7", "src/main.rs:7"),
            ("main.rs:7", "main.rs:7"),
            ("", ""),
        ] {
            assert_eq!(file_and_folder(path), shown);
        }
    }

    #[test]
    fn clauses_are_dropped_from_the_end() {
        let sentence = "a poll took 1.2s (and 3ms without a CPU), computing; 2 tasks delayed";
        let expected = [
            sentence,
            "a poll took 1.2s (and 3ms without a CPU), computing",
            "a poll took 1.2s (and 3ms without a CPU)",
        ];
        assert_eq!(clauses(sentence).collect::<Vec<_>>(), expected);
        let sentence = "a poll took 12ms, runnable, but waiting for a CPU, in spin";
        let shorter = ["a poll took 12ms, runnable, but waiting for a CPU", "a poll took 12ms"];
        assert_eq!(clauses(sentence).skip(1).collect::<Vec<_>>(), shorter);
    }

    #[test]
    fn wrap_breaks_between_words() {
        assert_eq!(wrap("one two three\nfour", 8), ["one two", "three", "four"]);
        assert_eq!(wrap("a verylongword b", 4), ["a", "verylongword", "b"]);
    }

    /// A variation selector makes the character before it wide.
    #[test]
    fn graphemes_are_not_divided() {
        assert_eq!(fit(" 0\u{fe0f}A", 3, false), " …");
        assert_eq!(fit_path("A0\u{fe0f}B", 3, false), "…B");
    }

    proptest! {
        #[test]
        fn fit_does_not_exceed_the_width(text in "\\PC{0,40}", width in 0usize..30) {
            prop_assert!(fit(&text, width, false).width() <= width);
            prop_assert!(fit_path(&text, width, false).width() <= width);
        }
    }
}
