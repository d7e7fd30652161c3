//! The version of Tokio, from the paths of its source files in panic messages, which stripped
//! programs have too.

use std::collections::HashMap;

use memchr::memmem;

/// The most frequent version in paths of Tokio's source files in `text`, the read-only data of one
/// module. For example `1.54.1`.
pub fn find(text: &[u8]) -> Option<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for offset in memmem::find_iter(text, b"/tokio-1.") {
        let rest = &text[offset + "/tokio-".len()..];
        let end = rest.iter().take(24).position(|byte| *byte == b'/');
        let Some(version) = end.and_then(|end| std::str::from_utf8(&rest[..end]).ok()) else {
            continue;
        };
        if is_version(version) {
            *counts.entry(version).or_default() += 1;
        }
    }
    let (version, _) = counts.into_iter().max_by_key(|&(version, count)| (count, version))?;
    Some(version.to_owned())
}

fn is_version(text: &str) -> bool {
    let numbers = text.split(['-', '+']).next().unwrap_or_default();
    numbers.split('.').count() == 3
        && numbers.split('.').all(|part| part.parse::<u32>().is_ok())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_frequent_version_is_found() {
        let text = b"x/tokio-1.54.1/src/a.rs/tokio-1.54.1/src/b.rs/tokio-1.38.0/src/c.rs";
        assert_eq!(find(text).as_deref(), Some("1.54.1"));
        let others: [&[u8]; 5] =
            [b"", b"/tokio-1.", b"/tokio-1.5/", b"/tokio-1.x.y/", b"/tokio-util-0.7.1/src"];
        for text in others {
            assert_eq!(find(text), None);
        }
    }
}
