//! Builds and starts the fixture programs, and parses the facts that they print.
#![allow(dead_code)]

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Mutex,
};

use asynctop_inspect::{Inspection, Options, Process, TaskInfo};

/// How the fixtures are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Build {
    /// Without optimization.
    Dev,
    /// Optimized, with symbols and line tables.
    Release,
    /// Stripped, fat LTO, one codegen unit, panic=abort.
    Small,
    /// Release with `tokio_unstable`.
    Unstable,
    /// Release at a fixed address, with v0 names of symbols.
    Fixed,
    /// The servers that others have written, without optimization.
    ThirdParty,
}

pub const ALL: [Build; 5] =
    [Build::Dev, Build::Release, Build::Small, Build::Unstable, Build::Fixed];

impl Build {
    /// Builds all fixtures once per run of the tests, and returns their directory.
    fn folder(self) -> PathBuf {
        static DONE: Mutex<Option<HashSet<Build>>> = Mutex::new(None);
        let (profile, folder, flags) = match self {
            Build::Dev | Build::ThirdParty => ("dev", "debug", ""),
            Build::Release => ("release", "release", ""),
            Build::Small => ("small", "small", ""),
            Build::Unstable => ("release", "release", "--cfg tokio_unstable"),
            // With a target, the flags are not those of procedural macros, which would not link.
            Build::Fixed => (
                "release",
                "x86_64-unknown-linux-gnu/release",
                "-C relocation-model=static -C symbol-mangling-version=v0",
            ),
        };
        // Other flags in the same directory would discard the other build.
        let name = match self {
            Build::Unstable => "fixtures-unstable",
            Build::Fixed => "fixtures-fixed",
            Build::ThirdParty => "third-party",
            _ => "fixtures",
        };
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut done = DONE.lock().expect("another test failed to build the fixtures");
        let done = done.get_or_insert_with(HashSet::new);
        if done.insert(self) {
            let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
            let manifest = match self {
                Build::ThirdParty => fixtures.join("third_party/Cargo.toml"),
                _ => fixtures.join("Cargo.toml"),
            };
            let status = Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--locked", "--profile", profile])
                .arg("--manifest-path")
                .arg(manifest)
                .arg("--target-dir")
                .arg(&target)
                .args((self == Build::Fixed).then_some("--target=x86_64-unknown-linux-gnu"))
                .env_remove("CARGO_ENCODED_RUSTFLAGS")
                .env("RUSTFLAGS", flags)
                .status()
                .expect("cargo runs");
            assert!(status.success(), "the fixtures do not build");
        }
        target.join(folder)
    }

    pub fn start(self, name: &str, arguments: &[&str]) -> Fixture {
        let mut child = Command::new(self.folder().join(name))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the fixture starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let truth = Truth::read(name, &mut stdout);
        Fixture { child, truth, stdout }
    }
}

impl Truth {
    /// The output of a fixture up to `ready`.
    fn read(name: &str, stdout: &mut impl BufRead) -> Truth {
        let mut truth = Truth::default();
        loop {
            let mut line = String::new();
            assert!(stdout.read_line(&mut line).expect("text") > 0, "{name} ended before `ready`");
            match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                ["ready"] => return truth,
                ["fact", name, value] => {
                    truth.facts.insert((*name).into(), value.parse().expect("a number"));
                }
                ["task", name, "id", id, "header", header] => {
                    let header = header.strip_prefix("0x").expect("hexadecimal");
                    truth.tasks.push(Announced {
                        name: (*name).into(),
                        id: id.parse().expect("a number"),
                        header: u64::from_str_radix(header, 16).expect("hexadecimal"),
                    });
                }
                other => panic!("{name} printed {other:?}"),
            }
        }
    }
}

/// The facts that a fixture printed.
#[derive(Debug, Default)]
pub struct Truth {
    pub facts: BTreeMap<String, u64>,
    pub tasks: Vec<Announced>,
}

#[derive(Debug)]
pub struct Announced {
    pub name: String,
    pub id: u64,
    pub header: u64,
}

impl Truth {
    pub fn fact(&self, name: &str) -> u64 {
        self.facts[name]
    }

    /// Ids and header addresses of the tasks announced with this name.
    pub fn tasks(&self, name: &str) -> BTreeSet<(u64, u64)> {
        let named = self.tasks.iter().filter(|task| task.name == name);
        named.map(|task| (task.id, task.header)).collect()
    }
}

/// A running fixture. Ends when dropped.
pub struct Fixture {
    pub child: Child,
    pub truth: Truth,
    /// Kept open, so that the fixture can continue to write.
    stdout: BufReader<ChildStdout>,
}

impl Fixture {
    pub fn open(&self) -> Process {
        Process::open(self.child.id()).expect("own child")
    }

    /// Sends a command, and returns the facts of the answer.
    pub fn ask(&mut self, command: &str) -> BTreeMap<String, u64> {
        let stdin = self.child.stdin.as_mut().expect("it is a pipe");
        writeln!(stdin, "{command}").expect("it reads commands");
        Truth::read(command, &mut self.stdout).facts
    }

    /// Inspects everything.
    pub fn inspect(&self) -> Inspection {
        self.open().inspect(&Options::default()).expect("it runs")
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ids and header addresses of tasks.
pub fn identities<'a>(tasks: impl IntoIterator<Item = &'a TaskInfo>) -> BTreeSet<(u64, u64)> {
    tasks.into_iter().map(|task| (task.id, task.address)).collect()
}

/// Asserts that all checks of an inspection passed.
pub fn assert_checked(inspection: &Inspection) {
    let failed: Vec<_> = inspection.checks.iter().filter(|check| !check.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
