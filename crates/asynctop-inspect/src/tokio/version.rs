//! The version of Tokio, from the paths of its source files in panic messages. Stripped programs
//! have them too.

use std::collections::HashMap;

use memchr::memmem;

/// The version in the path of a source file of Tokio, for example `1.54.1`. The most frequent one
/// in `text`, which is read-only data of one module.
pub fn find(text: &[u8]) -> Option<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for at in memmem::find_iter(text, b"/tokio-1.") {
        let rest = &text[at + "/tokio-".len()..];
        let end = rest.iter().take(24).position(|byte| *byte == b'/');
        let Some(version) = end.and_then(|end| std::str::from_utf8(&rest[..end]).ok()) else {
            continue;
        };
        if is_version(version) {
            *counts.entry(version).or_default() += 1;
        }
    }
    let most = counts.into_iter().max_by_key(|&(version, count)| (count, version))?;
    Some(most.0.to_owned())
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
    fn the_most_frequent_path_wins() {
        let text = b"x/tokio-1.54.1/src/a.rs/tokio-1.54.1/src/b.rs/tokio-1.38.0/src/c.rs";
        assert_eq!(find(text).as_deref(), Some("1.54.1"));
        let others: [&[u8]; 5] =
            [b"", b"/tokio-1.", b"/tokio-1.5/", b"/tokio-1.x.y/", b"/tokio-util-0.7.1/src"];
        for text in others {
            assert_eq!(find(text), None);
        }
    }
}
