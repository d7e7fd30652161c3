//! Short names of functions and paths of files.

use std::path::Path;

use crate::origin::{is_std, package_at};

/// Demangles a symbol, without its hash.
pub(super) fn full_name(symbol: &str) -> String {
    addr2line::demangle_auto(symbol.into(), None).into_owned()
}

/// A short path: `src/main.rs` from the root of its workspace on, as in the location of a task,
/// `app/src/main.rs` where the sources are not on this machine, `tokio-1.54.0/src/task/mod.rs`,
/// `std/src/thread/mod.rs`.
pub(super) fn short_path(file: &str) -> &str {
    if is_std(file) {
        return file.split_once("library/").map_or(file, |(_, path)| path);
    }
    if let Some(at) = package_at(file) {
        return &file[at..];
    }
    if let Some(path) = below_workspace(file) {
        return path;
    }
    let marks = ["/src/", "/tests/", "/examples/", "/benches/"];
    let Some(at) = marks.iter().filter_map(|mark| file.rfind(mark)).max() else {
        return file;
    };
    file[..at].rfind('/').map_or(file, |slash| &file[slash + 1..])
}

/// The path from the root of the workspace, which the nearest `Cargo.lock` marks. Cargo runs the
/// compiler there, so `Location::caller` has the same path.
fn below_workspace(file: &str) -> Option<&str> {
    let mut folders = Path::new(file).ancestors().skip(1).filter(|folder| folder.is_absolute());
    let root = folders.find(|folder| folder.join("Cargo.lock").is_file())?;
    let below = file.strip_prefix(root.to_str()?)?.trim_start_matches('/');
    Some(below.trim_start_matches("./"))
}

/// The short name of a function: the last module or type and the function, without generics, closures
/// and traits, such as `hog::spin` or `Parser::next`. A function without a path (inlined, with line
/// tables only) gets the module of its file.
pub(super) fn short_name(function: &str, file: Option<&str>) -> String {
    let (self_type, rest) = match function.strip_prefix('<').and_then(split_impl) {
        Some((on, rest)) => (Some(last_part(&without_generics(on)).to_owned()), rest),
        None => (None, function),
    };
    let rest = without_generics(rest);
    let has_name = |part: &&str| !part.is_empty() && !part.starts_with('{');
    let mut parts: Vec<&str> = rest.split("::").filter(has_name).collect();
    if let Some(self_type) = &self_type {
        parts.insert(0, self_type);
    }
    if parts.is_empty() {
        // A closure without a path.
        parts.push(if rest.is_empty() { function } else { &rest });
    }
    if let ([_], Some(module)) = (&*parts, file.and_then(module_of)) {
        parts.insert(0, module);
    }
    parts[parts.len().saturating_sub(2)..].join("::")
}

/// `hog` for `src/hog.rs` and for `src/hog/mod.rs`.
fn module_of(file: &str) -> Option<&str> {
    let mut parts = file.strip_suffix(".rs")?.rsplit('/');
    parts.find(|part| !matches!(*part, "mod" | "lib" | "main" | "src"))
}

fn last_part(path: &str) -> &str {
    let parts = path.split("::").filter(|part| !part.starts_with('{'));
    parts.last().unwrap_or(path)
}

/// Splits `T as Trait>::rest` or `T>::rest` into `T` and `::rest`.
fn split_impl(after: &str) -> Option<(&str, &str)> {
    let mut depth = 1_usize;
    let mut end_of_type = None;
    let mut previous = ' ';
    for (at, c) in after.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if previous != '-' => depth -= 1,
            ' ' if depth == 1 && after[at..].starts_with(" as ") => {
                end_of_type.get_or_insert(at);
            }
            _ => {}
        }
        if depth == 0 {
            return Some((&after[..end_of_type.unwrap_or(at)], &after[at + 1..]));
        }
        previous = c;
    }
    None
}

fn without_generics(path: &str) -> String {
    let mut depth = 0_usize;
    let mut previous = ' ';
    let mut kept = String::with_capacity(path.len());
    for c in path.chars() {
        match c {
            '<' => depth += 1,
            '>' if previous != '-' => depth = depth.saturating_sub(1),
            _ if depth == 0 => kept.push(c),
            _ => {}
        }
        previous = c;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTRY: &str = "/home/u/.cargo/registry/src/index-1949cf8c6b5b557f";

    #[test]
    fn short_name_is_the_last_two_parts() {
        let short_name = |function| super::short_name(function, None);
        assert_eq!(short_name("app::hog::spin"), "hog::spin");
        assert_eq!(short_name("app::fetch::{{closure}}"), "app::fetch");
        assert_eq!(short_name("app::fetch::{closure#0}::{closure#1}"), "app::fetch");
        assert_eq!(short_name("alloc::vec::Vec<T,A>::push"), "Vec::push");
        let poll = "<app::net::Fetch<fn() -> u8> as core::future::future::Future>::poll";
        assert_eq!(short_name(poll), "Fetch::poll");
        assert_eq!(short_name("<app::Parser>::next::<u8>"), "Parser::next");
        assert_eq!(short_name("clock_nanosleep"), "clock_nanosleep");
        assert_eq!(short_name("<"), "<");
    }

    #[test]
    fn short_name_without_a_path_gets_the_module_of_the_file() {
        let of = |file| short_name("spin<u64>", Some(file));
        assert_eq!(of("/w/src/hog.rs"), "hog::spin");
        assert_eq!(of("/w/src/hog/mod.rs"), "hog::spin");
        assert_eq!(of("/w/app/src/main.rs"), "app::spin");
        assert_eq!(of("x.c"), "spin");
        assert_eq!(short_name("app::spin", Some("/w/src/hog.rs")), "app::spin");
        assert_eq!(short_name("{closure#0}<u8>", Some("/w/src/hog.rs")), "hog::{closure#0}");
    }

    #[test]
    fn short_path_starts_with_the_crate_or_src() {
        assert_eq!(short_path("/nowhere/apple/src/main.rs"), "apple/src/main.rs");
        assert_eq!(short_path("src/main.rs"), "src/main.rs");
        let std = "/rustc/0a1b/library/std/src/thread/mod.rs";
        assert_eq!(short_path(std), "std/src/thread/mod.rs");
        let tokio = format!("{REGISTRY}/tokio-1.54.0/src/lib.rs");
        assert_eq!(short_path(&tokio), "tokio-1.54.0/src/lib.rs");
    }

    #[test]
    fn short_path_in_a_workspace_is_that_of_a_location() {
        let here = std::panic::Location::caller().file();
        let package = env!("CARGO_MANIFEST_DIR");
        assert_eq!(short_path(&format!("{package}/src/names.rs")), here);
        let dotted = format!("{package}/./src/names.rs");
        assert_eq!(short_path(&dotted).replace("/./", "/"), here);
    }
}
