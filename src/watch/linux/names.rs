//! Whose code a frame is, and names and paths as people write them. Pure.

use crate::watch::FrameKind;

/// Crates that run tasks rather than being what a task does.
const RUNTIME: [&str; 12] = [
    "async-executor",
    "async-io",
    "async-std",
    "async-task",
    "console-subscriber",
    "mio",
    "smol",
    "tokio",
    "tokio-stream",
    "tokio-util",
    "tracing",
    "tracing-core",
];

/// Folders in which a file is no stranger's.
#[derive(Default)]
pub(super) struct Here {
    /// The current directory, without a slash at its end.
    pub program: String,
    /// asynctop's own sources, with a slash at the end; empty if that is not known.
    pub own: Option<String>,
}

/// A symbol, demangled, without its hash.
pub(super) fn full_name(symbol: &str) -> String {
    addr2line::demangle_auto(symbol.into(), None).into_owned()
}

/// Whose code `function` is, whose source is `file`.
pub(super) fn kind(function: &str, file: Option<&str>, here: &Here) -> FrameKind {
    let root = function.trim_start_matches(['<', '&', ' ']);
    let own = here.own.as_deref().filter(|own| !own.is_empty());
    if let Some(ours) = own.and_then(|own| file?.strip_prefix(own)) {
        let harness = ours.starts_with("probe/") || ours.starts_with("watch/");
        return if harness { FrameKind::Harness } else { FrameKind::User };
    }
    if root.starts_with("asynctop::lab::") {
        return FrameKind::User;
    }
    if root.starts_with("asynctop::probe::") {
        return FrameKind::Harness;
    }
    if let Some(file) = file {
        if is_std(file) {
            return FrameKind::Std;
        }
        if let Some(name) = package(file).map(without_version) {
            return of_crate(name);
        }
        return if file.ends_with(".rs") { FrameKind::User } else { FrameKind::Native };
    }
    // No line information: the name is all there is.
    let name = root.split("::").next().unwrap_or(root);
    match name {
        "core" | "alloc" | "std" | "__rustc" => FrameKind::Std,
        _ if name.len() == root.len() => FrameKind::Native,
        _ if is_runtime(&name.replace('_', "-")) => FrameKind::Runtime,
        _ => FrameKind::User,
    }
}

fn is_std(file: &str) -> bool {
    (file.starts_with("/rustc/") && file.contains("/library/"))
        || file.contains("/lib/rustlib/src/rust/library/")
}

fn of_crate(name: &str) -> FrameKind {
    match name {
        "asynctop" => FrameKind::Harness,
        _ if is_runtime(name) => FrameKind::Runtime,
        _ => FrameKind::Dependency,
    }
}

fn is_runtime(name: &str) -> bool {
    RUNTIME.contains(&name) || name == "futures" || name.starts_with("futures-")
}

/// Where in `file` the folder of a foreign package begins, which is `name-version`.
fn package_at(file: &str) -> Option<usize> {
    let after = |mark: &str| file.find(mark).map(|at| at + mark.len());
    // Below `src` and `checkouts` there is one folder for each registry or repository.
    if let Some(at) = after("/registry/src/") {
        return file[at..].find('/').map(|slash| at + slash + 1);
    }
    after("/git/checkouts/").or_else(|| after("/vendor/"))
}

fn package(file: &str) -> Option<&str> {
    file[package_at(file)?..].split('/').next()
}

/// `tokio-util` from `tokio-util-0.7.1`; a checkout's `tokio-3fa2b1c` gives `tokio`.
fn without_version(package: &str) -> &str {
    let digit = |at: usize| package[at + 1..].starts_with(|c: char| c.is_ascii_digit());
    let version = package.match_indices('-').find(|(at, _)| digit(*at));
    let hash = package
        .rsplit_once('-')
        .filter(|(_, tail)| tail.len() >= 7 && tail.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match (version, hash) {
        (Some((at, _)), _) => &package[..at],
        (None, Some((name, _))) => name,
        (None, None) => package,
    }
}

/// A path as people write it: `src/main.rs` below `here`, `std/src/thread/mod.rs`,
/// `tokio-1.54.0/src/task/mod.rs`, `app/src/main.rs` elsewhere.
pub(super) fn short_path<'a>(file: &'a str, here: &Here) -> &'a str {
    if is_std(file) {
        return file.split_once("/library/").map_or(file, |(_, path)| path);
    }
    if let Some(at) = package_at(file) {
        return &file[at..];
    }
    let below = file.strip_prefix(&*here.program).and_then(|path| path.strip_prefix('/'));
    if let (Some(path), false) = (below, here.program.is_empty()) {
        return path.trim_start_matches("./");
    }
    let marks = ["/src/", "/tests/", "/examples/", "/benches/"];
    let Some(at) = marks.iter().filter_map(|mark| file.rfind(mark)).max() else {
        return file;
    };
    file[..at].rfind('/').map_or(file, |slash| &file[slash + 1..])
}

/// A function's name as people say it: the last module or type and the function,
/// without generics, closures and traits: `hog::spin`, `Parser::next`. A function
/// without a path (inlined, with line tables only) gets that of its file.
pub(super) fn short_name(function: &str, file: Option<&str>) -> String {
    let (on, rest) = match function.strip_prefix('<').and_then(split_impl) {
        Some((on, rest)) => (Some(last(&without_generics(on)).to_owned()), rest),
        None => (None, function),
    };
    let rest = without_generics(rest);
    let named = |part: &&str| !part.is_empty() && !part.starts_with('{');
    let mut parts: Vec<&str> = rest.split("::").filter(named).collect();
    if let Some(on) = &on {
        parts.insert(0, on);
    }
    if parts.is_empty() {
        // A closure, and that is all there is.
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

fn last(path: &str) -> &str {
    let parts = path.split("::").filter(|part| !part.starts_with('{'));
    parts.last().unwrap_or(path)
}

/// `T as Trait>::rest` or `T>::rest` into `T` and `rest`.
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
    use crate::watch::FrameKind::*;

    const REGISTRY: &str = "/home/u/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f";

    #[test]
    fn the_path_says_whose_code_it_is() {
        let of = |function, file: &str| kind(function, Some(file), &Here::default());
        assert_eq!(of("app::burn", "/home/u/app/src/main.rs"), User);
        assert_eq!(of("app::burn", "src/main.rs"), User);
        assert_eq!(of("std::thread::sleep", "/rustc/0a1b/library/std/src/thread/mod.rs"), Std);
        let tokio = format!("{REGISTRY}/tokio-1.54.0/src/runtime/task/core.rs");
        assert_eq!(of("tokio::runtime::task::core::poll", &tokio), Runtime);
        let util = format!("{REGISTRY}/futures-util-0.3.31/src/lib.rs");
        assert_eq!(of("futures_util::x", &util), Runtime);
        assert_eq!(of("x::y", &format!("{REGISTRY}/serde_json-1.0.1/src/de.rs")), Dependency);
        let checkout = "/home/u/.cargo/git/checkouts/mio-0a1b2c3d4e5f/1234567/src/lib.rs";
        assert_eq!(of("mio::x", checkout), Runtime);
        assert_eq!(of("__GI___nanosleep", "./nptl/nanosleep.c"), Native);
    }

    #[test]
    fn the_probe_is_harness_and_the_lab_is_user_code_wherever_they_are_built() {
        let registry = format!("{REGISTRY}/asynctop-0.1.0/src/");
        for own in ["/w/asynctop/src/", &registry] {
            let here = Here { own: Some(own.to_owned()), ..Here::default() };
            let of = |file| kind("poll<x>", Some(&format!("{own}{file}")), &here);
            assert_eq!(of("lab/hog.rs"), User);
            assert_eq!(of("probe/instrument.rs"), Harness);
        }
        let poll = "<asynctop::probe::instrument::Instrumented<F> as Future>::poll";
        assert_eq!(kind(poll, None, &Here::default()), Harness);
        assert_eq!(kind("asynctop::lab::hog::spin", None, &Here::default()), User);
        let stranger = kind("poll", Some("/w/app/src/probe/x.rs"), &Here::default());
        assert_eq!(stranger, User, "another program may have a probe, too");
    }

    #[test]
    fn without_lines_the_name_says_it() {
        let kind = |function| kind(function, None, &Here::default());
        assert_eq!(kind("core::hash::Hash::hash"), Std);
        assert_eq!(kind("<tokio::runtime::x as core::y>::poll"), Runtime);
        assert_eq!(kind("<app::Fetch as core::future::Future>::poll"), User);
        assert_eq!(kind("clock_nanosleep"), Native);
        assert_eq!(kind("[vdso]"), Native);
    }

    #[test]
    fn names_are_short() {
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
    fn a_name_without_a_path_gets_that_of_its_file() {
        let of = |file| short_name("spin<u64>", Some(file));
        assert_eq!(of("/w/src/hog.rs"), "hog::spin");
        assert_eq!(of("/w/src/hog/mod.rs"), "hog::spin");
        assert_eq!(of("/w/app/src/main.rs"), "app::spin");
        assert_eq!(of("x.c"), "spin");
        assert_eq!(short_name("app::spin", Some("/w/src/hog.rs")), "app::spin");
        assert_eq!(short_name("{closure#0}<u8>", Some("/w/src/hog.rs")), "hog::{closure#0}");
    }

    #[test]
    fn paths_are_short() {
        let here = &Here { program: "/home/u/app".into(), own: None };
        assert_eq!(short_path("/home/u/app/src/main.rs", here), "src/main.rs");
        assert_eq!(short_path("/home/u/app/./src/main.rs", here), "src/main.rs");
        assert_eq!(short_path("/home/u/apple/src/main.rs", here), "apple/src/main.rs");
        assert_eq!(short_path("/home/u/app/src/main.rs", &Here::default()), "app/src/main.rs");
        assert_eq!(short_path("src/main.rs", here), "src/main.rs");
        let std = "/rustc/0a1b/library/std/src/thread/mod.rs";
        assert_eq!(short_path(std, here), "std/src/thread/mod.rs");
        let tokio = format!("{REGISTRY}/tokio-1.54.0/src/lib.rs");
        assert_eq!(short_path(&tokio, here), "tokio-1.54.0/src/lib.rs");
    }
}
