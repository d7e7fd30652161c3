//! Environment variables about the terminal.

use std::env;

use termini::{NumberCapability, TermInfo, Value};

use crate::app::ColorDepth;

/// Whether `NO_COLOR` is set.
pub fn no_color() -> bool {
    variable("NO_COLOR").is_some()
}

/// Whether a locale is set that is not UTF-8, so only ASCII is reliable. Without a locale, as in
/// most containers, UTF-8 is assumed.
pub fn is_ascii_locale() -> bool {
    is_ascii(variable)
}

/// Whether `TERM` is `dumb` or empty: the terminal cannot move its cursor, as far as is known.
pub fn is_dumb_terminal() -> bool {
    variable("TERM").is_none_or(|kind| kind == "dumb")
}

/// Whether the terminal is the console of Linux, whose fonts lack most symbols.
pub fn is_linux_console() -> bool {
    variable("TERM").is_some_and(|kind| kind == "linux")
}

/// The colors of the terminal, by `COLORTERM`, else by its entry in the terminfo database, else by its
/// name.
pub fn color_depth() -> ColorDepth {
    let entry = TermInfo::from_env().ok();
    let described = entry.map(|entry| {
        let has = |name| matches!(entry.extended_cap(name), Some(Value::True));
        match entry.number_cap(NumberCapability::MaxColors) {
            _ if has("Tc") || has("RGB") => ColorDepth::True,
            Some(256..) => ColorDepth::Indexed,
            Some(8..) => ColorDepth::Sixteen,
            _ => ColorDepth::None,
        }
    });
    depth(variable, described)
}

fn depth(variable: impl Fn(&str) -> Option<String>, described: Option<ColorDepth>) -> ColorDepth {
    let is = |name, known: &[&str]| variable(name).is_some_and(|it| known.contains(&&*it));
    if is("COLORTERM", &["truecolor", "24bit"]) {
        return ColorDepth::True;
    }
    let has_256 = variable("TERM").is_some_and(|name| name.ends_with("-256color"));
    let by_name = if has_256 { ColorDepth::Indexed } else { ColorDepth::Sixteen };
    described.unwrap_or(by_name)
}

fn is_ascii(variable: impl Fn(&str) -> Option<String>) -> bool {
    // The first one that is set decides, as in the C library.
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
    let is_utf8 = |locale: String| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    };
    locale.is_some_and(|locale| !is_utf8(locale))
}

/// The value of a variable, unless it is empty.
fn variable(name: &str) -> Option<String> {
    let value = env::var_os(name).filter(|value| !value.is_empty())?;
    Some(value.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::{ColorDepth, depth, is_ascii};

    #[test]
    fn colors_are_those_of_the_terminal() {
        let of = |term: &str, colorterm: &str, described| {
            let variable = |name: &str| match name {
                "TERM" => Some(term.to_owned()),
                _ => Some(colorterm.to_owned()),
            };
            depth(variable, described)
        };
        assert_eq!(of("vt100", "", Some(ColorDepth::None)), ColorDepth::None);
        assert_eq!(of("xterm", "truecolor", Some(ColorDepth::Sixteen)), ColorDepth::True);
        assert_eq!(of("xterm", "yes", Some(ColorDepth::Sixteen)), ColorDepth::Sixteen);
        // Without an entry in the database.
        assert_eq!(of("new-256color", "", None), ColorDepth::Indexed);
        assert_eq!(of("new", "", None), ColorDepth::Sixteen);
    }

    #[test]
    fn locale_that_is_not_utf8_is_ascii() {
        for (set, expected) in [
            (&[][..], false),
            (&[("LANG", "C.UTF-8")], false),
            (&[("LANG", "en_US.utf8")], false),
            (&[("LC_CTYPE", "UTF-8")], false),
            (&[("LANG", "C")], true),
            (&[("LANG", "en_US.ISO-8859-1")], true),
            (&[("LC_ALL", "POSIX"), ("LANG", "C.UTF-8")], true),
            (&[("LC_ALL", "C.UTF-8"), ("LC_CTYPE", "C")], false),
        ] {
            let variable = |name: &str| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(is_ascii(variable), expected, "{set:?}");
        }
    }
}
