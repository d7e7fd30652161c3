//! The origin of a frame's code, and short names and paths.

use asynctop_snapshot::FrameKind;

/// Crates whose code runs tasks, rather than being part of one.
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

/// Crates of the probe, whose frames are between the runtime and the task.
const PROBE: [&str; 3] = ["asynctop-probe", "asynctop-snapshot", "asynctop-stack"];

/// Demangles a symbol, without its hash.
pub(super) fn full_name(symbol: &str) -> String {
    addr2line::demangle_auto(symbol.into(), None).into_owned()
}

/// The origin of the code of a function in this source file.
pub(super) fn kind(function: &str, file: Option<&str>) -> FrameKind {
    let root = function.trim_start_matches(['<', '&', ' ']);
    // The probe is recognized by its folder, because an inlined function has no path if there are
    // line tables only, and by its name, because the folder may have any name.
    let name = root.split("::").next().unwrap_or(root);
    if file.is_some_and(is_probe_source) || is_probe(&name.replace('_', "-")) {
        return FrameKind::Probe;
    }
    if let Some(file) = file {
        if is_std(file) {
            return FrameKind::Std;
        }
        if let Some(name) = package(file).map(without_version) {
            return kind_of_dependency(name);
        }
        return if file.ends_with(".rs") { FrameKind::User } else { FrameKind::Native };
    }
    // Without line information, the name decides.
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

fn kind_of_dependency(name: &str) -> FrameKind {
    match name {
        // The workloads of the lab are the code that asynctop watches.
        "asynctop" | "asynctop-lab" => FrameKind::User,
        _ if is_runtime(name) => FrameKind::Runtime,
        _ => FrameKind::Dependency,
    }
}

fn is_probe(name: &str) -> bool {
    PROBE.contains(&name)
}

/// Whether a file is in the folder `src` of a crate of the probe: in a workspace, a checkout, a
/// vendored folder, or a registry, where the folder name has a version.
fn is_probe_source(file: &str) -> bool {
    let folders = file.match_indices("/src/").map(|(at, _)| &file[..at]);
    folders.filter_map(|path| path.rsplit('/').next()).any(|name| is_probe(without_version(name)))
}

fn is_runtime(name: &str) -> bool {
    RUNTIME.contains(&name) || name == "futures" || name.starts_with("futures-")
}

/// The position in `file` of the folder of a dependency, which is `name-version`.
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

/// A short path: `src/main.rs` below the current directory, `app/src/main.rs` elsewhere,
/// `tokio-1.54.0/src/task/mod.rs`, `std/src/thread/mod.rs`.
pub(super) fn short_path<'a>(file: &'a str, current_dir: &str) -> &'a str {
    if is_std(file) {
        return file.split_once("/library/").map_or(file, |(_, path)| path);
    }
    if let Some(at) = package_at(file) {
        return &file[at..];
    }
    let below = file.strip_prefix(current_dir).and_then(|path| path.strip_prefix('/'));
    if let (Some(path), false) = (below, current_dir.is_empty()) {
        return path.trim_start_matches("./");
    }
    let marks = ["/src/", "/tests/", "/examples/", "/benches/"];
    let Some(at) = marks.iter().filter_map(|mark| file.rfind(mark)).max() else {
        return file;
    };
    file[..at].rfind('/').map_or(file, |slash| &file[slash + 1..])
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
    use asynctop_snapshot::FrameKind::*;

    const REGISTRY: &str = "/home/u/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f";

    #[test]
    fn kind_follows_the_path_of_the_file() {
        let of = |function, file: &str| kind(function, Some(file));
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
    fn kind_distinguishes_probe_and_lab_in_any_checkout() {
        let checkout = "/home/u/.cargo/git/checkouts/asynctop-3fa2b1c/1234567";
        for folder in [
            "/w/asynctop/crates/asynctop-*",
            "crates/asynctop-*",
            &format!("{REGISTRY}/asynctop-*-0.1.0"),
            &format!("{checkout}/crates/asynctop-*"),
            "/w/app/vendor/asynctop-*",
        ] {
            let of = |name, file| {
                kind("poll<x>", Some(&format!("{}/src/{file}", folder.replace('*', name))))
            };
            assert_eq!(of("probe", "accounting/instrument.rs"), Probe, "{folder}");
            assert_eq!(of("lab", "workload/hog/mod.rs"), User, "{folder}");
        }
        let test = kind("watch::spin", Some("/w/asynctop/crates/asynctop-probe/tests/watch.rs"));
        assert_eq!(test, User, "tests of the probe are user code");
        let other = kind("poll", Some("/w/app/src/probe/x.rs"));
        assert_eq!(other, User, "another program may have a module `probe`");
    }

    #[test]
    fn kind_recognizes_the_probe_by_name_in_any_folder() {
        let poll = "<asynctop_probe::instrument::Instrumented<F> as Future>::poll";
        assert_eq!(kind(poll, None), Probe);
        assert_eq!(kind(poll, Some("/w/app/third_party/probe/src/instrument.rs")), Probe);
        assert_eq!(kind("asynctop_lab::workload::hog::spin", None), User);
    }

    #[test]
    fn kind_follows_the_name_without_line_information() {
        let kind = |function| super::kind(function, None);
        assert_eq!(kind("core::hash::Hash::hash"), Std);
        assert_eq!(kind("<tokio::runtime::x as core::y>::poll"), Runtime);
        assert_eq!(kind("<app::Fetch as core::future::Future>::poll"), User);
        assert_eq!(kind("clock_nanosleep"), Native);
        assert_eq!(kind("[vdso]"), Native);
    }

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
        let here = "/home/u/app";
        assert_eq!(short_path("/home/u/app/src/main.rs", here), "src/main.rs");
        assert_eq!(short_path("/home/u/app/./src/main.rs", here), "src/main.rs");
        assert_eq!(short_path("/home/u/apple/src/main.rs", here), "apple/src/main.rs");
        assert_eq!(short_path("/home/u/app/src/main.rs", ""), "app/src/main.rs");
        assert_eq!(short_path("src/main.rs", here), "src/main.rs");
        let std = "/rustc/0a1b/library/std/src/thread/mod.rs";
        assert_eq!(short_path(std, here), "std/src/thread/mod.rs");
        let tokio = format!("{REGISTRY}/tokio-1.54.0/src/lib.rs");
        assert_eq!(short_path(&tokio, here), "tokio-1.54.0/src/lib.rs");
    }
}
