//! Inspects one program with several versions of Tokio in several builds, checks that all tasks are
//! found, and prints the capabilities of each.
//!
//! Everything is built in `target/breadth`, which takes some 20 minutes the first time.

mod shown;

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};

use crate::build::{Build, target_folder};
use shown::{BY_BUILD, BY_VERSION, Capabilities};

const VERSIONS: [&str; 8] =
    ["1.24.1", "1.28.0", "1.32.0", "1.37.0", "1.38.0", "1.44.2", "1.47.1", "1.54.1"];

const RELEASE: Build = Build {
    name: "release",
    profile: "release",
    settings: "",
    flags: "",
    target: None,
    is_library: false,
};
const LINES: &str = "debug = \"line-tables-only\"";
const SMALL: &str = "strip = true\nlto = \"fat\"\ncodegen-units = 1\npanic = \"abort\"";

/// All but the first one are release builds.
const BUILDS: [Build; 9] = [
    Build { name: "dev", profile: "dev", ..RELEASE },
    RELEASE,
    Build { name: "line tables", settings: LINES, ..RELEASE },
    Build { name: "debug = 2", settings: "debug = 2", ..RELEASE },
    Build {
        name: "debug = 2, split",
        settings: "debug = 2\nsplit-debuginfo = \"packed\"",
        ..RELEASE
    },
    Build { name: "tokio_unstable", settings: LINES, flags: "--cfg tokio_unstable", ..RELEASE },
    Build {
        name: "no PIE, v0 names",
        settings: LINES,
        flags: "-C relocation-model=static -C symbol-mangling-version=v0",
        // With a target, the flags are not those of procedural macros, which would not link.
        target: Some("x86_64-unknown-linux-gnu"),
        ..RELEASE
    },
    Build { name: "stripped, fat LTO", settings: SMALL, ..RELEASE },
    Build {
        name: "static musl, stripped",
        settings: SMALL,
        target: Some("x86_64-unknown-linux-musl"),
        ..RELEASE
    },
];

/// Versions of Tokio to compare.
#[derive(clap::Args)]
pub struct Options {
    /// Only these versions
    versions: Vec<String>,
    /// Only builds whose name contains this
    #[arg(long, value_name = "NAME")]
    build: Option<String>,
}

/// Prints what can be shown for each version, and for each build.
///
/// # Errors
/// If a program does not build, or its tasks are not all found.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let folder = target_folder("breadth")?;
    let versions: Vec<&str> = match options.versions.is_empty() {
        true => VERSIONS.to_vec(),
        false => options.versions.iter().map(String::as_str).collect(),
    };
    let is_wanted =
        |build: &&Build| options.build.as_ref().is_none_or(|name| build.name.contains(&**name));
    let builds: Vec<&Build> = BUILDS.iter().filter(is_wanted).collect();
    let mut results = BTreeMap::new();
    let mut errors = Vec::new();
    for build in &builds {
        for version in &versions {
            // The whole takes long.
            let _ = writeln!(io::stderr(), "Tokio {version}, {}", build.name);
            match examine(&folder, build, version) {
                Ok(shown) => drop(results.insert((build.name, *version), shown)),
                Err(error) => errors.push(format!("Tokio {version}, {}: {error:#}", build.name)),
            }
        }
    }
    println!("| Tokio | {} |", BY_VERSION.join(" | "));
    println!("|---{}|", "|---".repeat(BY_VERSION.len()));
    for version in &versions {
        let own = builds.iter().map(|build| (build.name, results.get(&(build.name, *version))));
        println!("| {version} | {} |", cells(&BY_VERSION, &own.collect::<Vec<_>>()));
    }
    println!("\n| build | {} |", BY_BUILD.join(" | "));
    println!("|---{}|", "|---".repeat(BY_BUILD.len()));
    for build in &builds {
        let own = versions.iter().map(|version| (*version, results.get(&(build.name, *version))));
        println!("| {} | {} |", build.name, cells(&BY_BUILD, &own.collect::<Vec<_>>()));
    }
    ensure!(errors.is_empty(), "{}", errors.join("\n"));
    Ok(())
}

/// For each capability: whether all of these programs have it, or which ones have it or lack it.
fn cells(capabilities: &[&str], programs: &[(&str, Option<&Capabilities>)]) -> String {
    let cell = |capability: &&str| {
        let has = |shown: Option<&Capabilities>| shown.is_some_and(|it| it.contains(capability));
        let (with, without): (Vec<_>, Vec<_>) = programs.iter().partition(|(_, shown)| has(*shown));
        let names = |programs: Vec<&(&str, _)>| {
            programs.into_iter().map(|(name, _)| *name).collect::<Vec<_>>().join("; ")
        };
        match (with.len(), without.len()) {
            (0, _) => "–".to_owned(),
            (_, 0) => "yes".to_owned(),
            (some, few) if few < some => format!("all but: {}", names(without)),
            _ => names(with),
        }
    };
    capabilities.iter().map(cell).collect::<Vec<_>>().join(" | ")
}

/// A program that is killed when it is dropped.
struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // Either fails only if it has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn examine(folder: &Path, build: &Build, version: &str) -> anyhow::Result<Capabilities> {
    let mut command = Command::new(build.any_version(folder, version)?);
    let mut running = KillOnDrop(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let output = running.0.stdout.take().context("it has no output")?;
    let mut wakers: Vec<[u64; 2]> = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        if line == "ready" {
            break;
        }
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ["waker", _, first, second] = fields[..] else { continue };
        let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16);
        wakers.push([hex(first)?, hex(second)?]);
    }
    shown::of(running.0.id(), &wakers)
}
