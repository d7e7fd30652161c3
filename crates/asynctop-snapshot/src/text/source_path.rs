//! Paths of source files.

/// Shortens the path of a source file, as the compiler records it. Relative paths, those of the
/// program's own crate, are unchanged; absolute ones are shortened to start with the folder of their
/// crate.
///
/// ```
/// use asynctop_snapshot::text::short_source_path;
/// let path = "/home/me/.cargo/registry/src/index-1/hyper-1.6.0/src/rt.rs";
/// assert_eq!(short_source_path(path), "hyper-1.6.0/src/rt.rs");
/// ```
pub fn short_source_path(path: &str) -> &str {
    let is_separator = |c| c == '/' || c == '\\';
    let absolute = path.starts_with(is_separator) || path.get(1..2) == Some(":");
    if !absolute {
        return path;
    }
    let source = ["/src/", "\\src\\"].iter().filter_map(|src| path.rfind(src)).max();
    let Some(source) = source else { return path };
    path[..source].rfind(is_separator).map_or(path, |parent| &path[parent + 1..])
}

#[cfg(test)]
mod tests {
    use super::short_source_path;

    #[test]
    fn short_source_path_starts_with_the_folder_of_the_crate() {
        for (path, short) in [
            ("src/main.rs", "src/main.rs"),
            ("examples/web.rs", "examples/web.rs"),
            ("crates/app/src/main.rs", "crates/app/src/main.rs"),
            ("/home/me/app/src/main.rs", "app/src/main.rs"),
            ("/home/me/.cargo/registry/src/index-1/hyper-1.6.0/src/rt.rs", "hyper-1.6.0/src/rt.rs"),
            ("C:\\code\\app\\src\\main.rs", "app\\src\\main.rs"),
            ("/opt/main.rs", "/opt/main.rs"),
            ("/src/main.rs", "/src/main.rs"),
            ("", ""),
        ] {
            assert_eq!(short_source_path(path), short, "{path}");
        }
    }
}
