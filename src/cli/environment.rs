//! Environment variables about the terminal.

use std::env;

/// Whether `NO_COLOR` is set.
pub fn no_color() -> bool {
    variable("NO_COLOR").is_some()
}

/// Whether a locale is set that is not UTF-8, so only ASCII is reliable. Without a locale, as in
/// most containers, UTF-8 is assumed.
pub fn is_ascii_locale() -> bool {
    is_ascii(variable)
}

/// Whether `TERM` is `dumb`: the terminal cannot move its cursor.
pub fn is_dumb_terminal() -> bool {
    variable("TERM").is_some_and(|kind| kind == "dumb")
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
    use super::is_ascii;

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
