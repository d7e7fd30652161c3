//! Own programs in unusual situations. Each one prints the number of its tasks.

use std::process::Command;

use anyhow::{Context, ensure};
use asynctop_inspect::{InspectError, Options, Process};

use super::{
    Folder, Program,
    running::{Running, Started, Truth, facts},
};
use crate::build::Build;

/// The tasks of the fixture `unusual` that stay.
const STAYS: usize = 500;

pub(super) const ALL: &[Program] = &[
    Program { name: "own program, static musl", build: "fat LTO, panic=abort", start: musl },
    Program {
        name: "own program in another PID namespace",
        build: "",
        start: |folder| {
            let program = folder.fixture("unusual")?;
            let mut command = Command::new("unshare");
            unusual(command.args(["--pid", "--fork", "--mount-proc"]).arg(program))
        },
    },
    Program {
        name: "own program with 1,000 threads",
        build: "",
        start: |folder| unusual(Command::new(folder.fixture("unusual")?).args(["threads", "1000"])),
    },
    Program {
        name: "own program with a heap of 4 GB",
        build: "",
        start: |folder| unusual(Command::new(folder.fixture("unusual")?).args(["heap", "4"])),
    },
    Program { name: "own program that spawns all the time", build: "", start: storm },
    Program { name: "own program, child of a fork", build: "", start: fork },
    Program { name: "own program after exec", build: "", start: exec },
    Program { name: "three versions of Tokio in one process", build: "cdylibs", start: several },
];

/// The fixture `unusual`, with only the tasks that stay.
fn unusual(command: &mut Command) -> anyhow::Result<Running> {
    let (started, _) = Started::start_until_ready(command)?;
    Ok(Running::new(vec![started], Truth::Tasks(STAYS, 0)))
}

fn musl(folder: &Folder) -> anyhow::Result<Running> {
    let program = folder.stripped_fixture("unusual", "x86_64-unknown-linux-musl")?;
    unusual(&mut Command::new(program))
}

fn storm(folder: &Folder) -> anyhow::Result<Running> {
    let (started, facts) =
        Started::start_until_ready(Command::new(folder.fixture("unusual")?).arg("storm"))?;
    let rate = facts.get("per-second").context("it has printed no rate")?;
    let running = Running::new(vec![started], Truth::Named(STAYS, "::stays"));
    Ok(running.remark(format!("{rate} per second")))
}

fn fork(folder: &Folder) -> anyhow::Result<Running> {
    let (started, facts) =
        Started::start_until_ready(Command::new(folder.fixture("unusual")?).arg("fork"))?;
    let child = facts.get("child").context("it has printed no child")?;
    let child = u32::try_from(*child)?;
    Ok(Running::new(vec![started], Truth::Tasks(STAYS, 0)).with_pid(child))
}

/// Checks that a process opened before `exec` is not taken for the program after it.
fn exec(folder: &Folder) -> anyhow::Result<Running> {
    let mut command = Command::new(folder.fixture("unusual")?);
    let (mut started, _, mut output) = Started::with_output(command.arg("exec"))?;
    let mut before = Process::open(started.pid())?;
    before.inspect(&Options::default())?;
    started.write("again")?;
    facts(&mut output)?;
    let result = before.inspect(&Options::default());
    ensure!(
        matches!(result, Err(InspectError::Replaced { .. })),
        "the program before exec is taken for the one after it"
    );
    Ok(Running::new(vec![started], Truth::Tasks(STAYS, 0)))
}

/// The shared libraries of three versions, loaded by Python.
fn several(folder: &Folder) -> anyhow::Result<Running> {
    const VERSIONS: [&str; 3] = ["1.38.0", "1.47.1", "1.54.1"];
    const LIBRARY: Build = Build {
        name: "library",
        profile: "release",
        settings: "strip = true",
        flags: "",
        target: None,
        is_library: true,
    };
    const HOST: &str = "import ctypes, sys, time
for library in sys.argv[1:]:
    ctypes.CDLL(library).start()
time.sleep(3600)";
    let libraries: anyhow::Result<Vec<_>> =
        VERSIONS.iter().map(|version| LIBRARY.any_version(&folder.0, version)).collect();
    let mut command = Command::new("python3");
    command.args(["-c", HOST]).args(libraries?);
    // Each library prints, and would panic if nothing read it.
    let (started, _, mut output) = Started::with_output(&mut command)?;
    for _ in 1..VERSIONS.len() {
        facts(&mut output)?;
    }
    Ok(Running::new(vec![started], Truth::Tasks(3 * 105, 3)))
}
