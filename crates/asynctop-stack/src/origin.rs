//! The origin of a frame's code: the program, a dependency, the runtime, the standard library.

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

/// The origin of the code of a function, by its source file, or by its name if there is none.
///
/// ```
/// use asynctop_snapshot::FrameKind;
/// use asynctop_stack::frame_kind;
/// let file = "/home/me/.cargo/registry/src/index-1/hyper-1.6.0/src/rt.rs";
/// assert_eq!(frame_kind("hyper::rt::run", Some(file)), FrameKind::Dependency);
/// assert_eq!(frame_kind("server::main", Some("src/main.rs")), FrameKind::User);
/// assert_eq!(frame_kind("tokio::task::spawn", None), FrameKind::Runtime);
/// ```
pub fn frame_kind(function: &str, file: Option<&str>) -> FrameKind {
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

/// Whether a file is in the sources of the standard library, whose path may be relative to them.
pub(super) fn is_std(file: &str) -> bool {
    (file.starts_with("/rustc/") && file.contains("/library/"))
        || file.contains("/lib/rustlib/src/rust/library/")
        || ["library/core/", "library/alloc/", "library/std/"]
            .iter()
            .any(|root| file.starts_with(root))
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
pub(super) fn package_at(file: &str) -> Option<usize> {
    let after = |mark: &str| file.find(mark).map(|at| at + mark.len());
    // Below `src` and `checkouts` there is one folder for each registry or repository.
    if let Some(at) = after("/registry/src/") {
        return file[at..].find('/').map(|slash| at + slash + 1);
    }
    // The last one has the dependencies of the standard library.
    ["/git/checkouts/", "/vendor/", "/rust/deps/"].into_iter().find_map(after)
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

#[cfg(test)]
mod tests {
    use super::{frame_kind, frame_kind as kind};
    use asynctop_snapshot::FrameKind::*;

    const REGISTRY: &str = "/home/u/.cargo/registry/src/index-1949cf8c6b5b557f";

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
        assert_eq!(
            of("hashbrown::raw::x", "/rust/deps/hashbrown-0.15.5/src/raw/mod.rs"),
            Dependency
        );
        assert_eq!(of("core::ops::x", "library/core/src/ops/function.rs"), Std);
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
        let kind = |function| frame_kind(function, None);
        assert_eq!(kind("core::hash::Hash::hash"), Std);
        assert_eq!(kind("<tokio::runtime::x as core::y>::poll"), Runtime);
        assert_eq!(kind("<app::Fetch as core::future::Future>::poll"), User);
        assert_eq!(kind("clock_nanosleep"), Native);
        assert_eq!(kind("[vdso]"), Native);
    }
}
