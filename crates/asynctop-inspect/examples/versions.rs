//! Builds one program with several versions of Tokio and compares each inspection with the known
//! contents of the program: `versions [VERSION…]`. Requires access to the crate registry and takes
//! a few minutes. Prints a table; exits with 1 if anything differs.

use std::{
    collections::BTreeSet,
    error::Error,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use asynctop_inspect::{Inspection, Options, Process, TaskKind, tokio::task::StateKind};

const VERSIONS: [&str; 8] =
    ["1.24.1", "1.28.0", "1.32.0", "1.37.0", "1.38.0", "1.44.2", "1.47.1", "1.54.1"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let versions: Vec<&str> = match arguments.as_slice() {
        [] => VERSIONS.to_vec(),
        some => some.iter().map(String::as_str).collect(),
    };
    println!(
        "| Tokio | tasks | counted | local | blocking | current task | workers | queues | pools |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut result = ExitCode::SUCCESS;
    for version in versions {
        match examine(version) {
            Ok(row) => println!("| {version} | {row} |"),
            Err(error) => {
                println!("| {version} | {error} |");
                result = ExitCode::FAILURE;
            }
        }
    }
    result
}

fn examine(version: &str) -> Result<String, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::temp_dir().join(format!("asynctop-inspect-tokio-{version}"));
    fs::create_dir_all(&folder)?;
    let source = root.join("fixtures/src/bin/any_version.rs");
    let manifest = format!(
        "[workspace]\n[package]\nname = \"any\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
         [[bin]]\nname = \"any\"\npath = {source:?}\n[dependencies]\n\
         tokio = {{ version = \"={version}\", features = [\"rt-multi-thread\", \"sync\", \"time\"] }}\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--release"])
        .current_dir(&folder)
        .env("RUSTFLAGS", "")
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .status()?;
    if !status.success() {
        return Err("it does not build".into());
    }
    let mut child = Command::new(folder.join("target/release/any"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let row = compare(&mut child);
    child.kill()?;
    child.wait()?;
    row
}

fn compare(child: &mut std::process::Child) -> Result<String, Box<dyn Error>> {
    let stdout = child.stdout.take().ok_or("no output")?;
    let mut wakers: Vec<(String, [u64; 2])> = Vec::new();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        if line == "ready" {
            break;
        }
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ["waker", name, first, second] = fields[..] else { continue };
        let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16);
        wakers.push((name.to_owned(), [hex(first)?, hex(second)?]));
    }
    let inspection = Process::open(child.id())?.inspect(&Options::default())?;
    check(&inspection, &wakers)
}

fn check(inspection: &Inspection, wakers: &[(String, [u64; 2])]) -> Result<String, Box<dyn Error>> {
    let of_kind = |kind| inspection.tasks.iter().filter(move |task| task.kind == kind);
    let addresses: BTreeSet<u64> = inspection.tasks.iter().map(|task| task.address).collect();
    let missing = wakers
        .iter()
        .filter(|(_, words)| !words.iter().any(|word| addresses.contains(word)))
        .count();
    // Before Tokio 1.35, a local set cannot be distinguished from a runtime.
    let (tasks, local) = (of_kind(TaskKind::Task).count(), of_kind(TaskKind::Local).count());
    if missing > 0 || tasks + local != 106 {
        return Err(format!(
            "{missing} are missing; {tasks} tasks and {local} local tasks were found"
        )
        .into());
    }
    let running: Vec<_> =
        of_kind(TaskKind::Task).filter(|task| task.state == StateKind::Running).collect();
    let [running] = running[..] else {
        return Err(format!("{} tasks are running instead of 1", running.len()).into());
    };
    let polled_by = inspection.threads.iter().find(|thread| thread.task == Some(running.id));
    let current = match polled_by {
        Some(thread) if thread.name == "spinning" => "yes",
        Some(thread) => return Err(format!("thread {} polls it", thread.name).into()),
        None => "–",
    };
    let counted: u64 = inspection.runtimes.iter().filter_map(|runtime| runtime.alive).sum();
    let workers: usize = inspection.runtimes.iter().map(|runtime| runtime.workers.len()).sum();
    let queues = inspection.runtimes.iter().filter(|runtime| runtime.queues.is_some()).count();
    let pools = inspection.runtimes.iter().filter(|runtime| runtime.pool.is_some()).count();
    let or_none = |number: u64| if number == 0 { "–".to_owned() } else { number.to_string() };
    Ok(format!(
        "{tasks} | {} | {local} | {} | {current} | {} | {} | {}",
        or_none(counted),
        of_kind(TaskKind::Blocking).count(),
        or_none(workers as u64),
        or_none(queues as u64),
        or_none(pools as u64),
    ))
}
