//! The pictures of the documents, each from a real run of the program in a pseudo-terminal.
//!
//! `cargo build --release && cargo xtask pictures` makes all of them again.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::ensure;

use crate::{field::Folder, svg, terminal::Terminal};

/// The picture in README.
const DASHBOARD: &str = "dashboard";
const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets");
/// The other pictures: the book may only contain files below docs/.
const BOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/pictures");
const CONSOLE_ADDRESS: &str = "127.0.0.1:6670";

pub struct Programs {
    pub asynctop: PathBuf,
    pub tokio_console: PathBuf,
}

struct Picture {
    name: &'static str,
    args: &'static [&'static str],
    size: (u16, u16),
    steps: &'static [Step],
}

enum Step {
    Keys(&'static str),
    /// Until the screen shows this text.
    WaitFor(&'static str),
    /// Seconds, in which graphs fill and a hog runs.
    Wait(u64),
    /// The screens of this many seconds become an animation. Without it, the last screen is the
    /// picture.
    Record(u64),
}

use Step::{Keys, Record, Wait, WaitFor};

/// The time between two screens of an animation.
const FRAME: Duration = Duration::from_millis(500);
/// How long an animation shows its last screen.
const LAST_FRAME: Duration = Duration::from_secs(4);

const PICTURES: &[Picture] = &[
    Picture {
        name: DASHBOARD,
        args: &["lab", "mixed"],
        size: (116, 32),
        steps: &[Wait(20), Record(2), Keys("b"), Record(5), Keys("!"), Record(3)],
    },
    Picture {
        name: "finding",
        args: &["lab", "mixed"],
        size: (116, 36),
        steps: &[Wait(5), Keys("5b"), WaitFor("has blocked worker"), Wait(2), Keys("\r"), Wait(1)],
    },
    Picture {
        name: "timeline",
        args: &["lab", "mixed", "--workers", "2", "--hog-hold", "100ms"],
        size: (116, 24),
        steps: &[Keys("4"), Wait(7), Keys("b"), Wait(4), Keys(" "), Wait(1)],
    },
    Picture {
        name: "lab",
        args: &["lab", "mixed", "--hog-hold", "20ms"],
        size: (116, 44),
        steps: &[Keys("6"), Wait(5), Keys("b"), Wait(6), Keys("b"), Wait(1)],
    },
];

/// Makes the pictures with these names, or all of them.
pub fn make(names: &[String], programs: &Programs) -> anyhow::Result<()> {
    let others = ["console", "process"];
    let known: Vec<_> = PICTURES.iter().map(|picture| picture.name).chain(others).collect();
    for name in names {
        ensure!(known.contains(&&**name), "no picture {name}: there are {}", known.join(", "));
    }
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    for picture in PICTURES.iter().filter(|picture| is_wanted(picture.name)) {
        write(picture.name, &picture.take(&programs.asynctop)?, picture.size)?;
    }
    if is_wanted("console") {
        write("console", &[beside_tokio_console(programs)?], CONSOLE_SIZE)?;
    }
    if is_wanted("process") {
        let server = Folder::create()?.busy_mini_redis(30)?;
        write("process", &[dashboard_over(&programs.asynctop, server.pid())?], PROCESS_SIZE)?;
    }
    Ok(())
}

fn write(name: &str, frames: &[svg::Lines], size: (u16, u16)) -> anyhow::Result<()> {
    let svg = svg::picture(frames, size, FRAME.as_secs_f64(), LAST_FRAME.as_secs_f64());
    let folder = if name == DASHBOARD { ASSETS } else { BOOK };
    Ok(fs::write(Path::new(folder).join(name).with_extension("svg"), svg)?)
}

impl Picture {
    /// The screens: one, or those of an animation.
    fn take(&self, asynctop: &Path) -> anyhow::Result<Vec<svg::Lines>> {
        let mut terminal = Terminal::start(asynctop, self.args, self.size)?;
        terminal.wait_for("Tasks")?;
        let mut frames = Vec::new();
        for step in self.steps {
            match step {
                Keys(keys) => terminal.keys(keys)?,
                WaitFor(text) => terminal.wait_for(text)?,
                Wait(seconds) => thread::sleep(Duration::from_secs(*seconds)),
                Record(seconds) => {
                    for _ in 0..*seconds * 1_000 / FRAME.as_millis() as u64 {
                        thread::sleep(FRAME);
                        frames.push(terminal.lines());
                    }
                }
            }
        }
        if frames.is_empty() {
            frames.push(terminal.lines());
        }
        Ok(frames)
    }
}

/// The columns of each of the two terminals, and of the line between them.
const HALF: u16 = 100;
const BETWEEN: u16 = 3;
const CONSOLE_SIZE: (u16, u16) = (2 * HALF + BETWEEN, 24);

/// The lab on the left, and tokio-console connected to it on the right.
fn beside_tokio_console(programs: &Programs) -> anyhow::Result<svg::Lines> {
    let size = (HALF, CONSOLE_SIZE.1);
    // Few tasks, because tokio-console has no filter.
    let args = ["lab", "hello", &format!("--console={CONSOLE_ADDRESS}")];
    let mut lab = Terminal::start(&programs.asynctop, &args, size)?;
    lab.wait_for("Tasks")?;
    let address = format!("http://{CONSOLE_ADDRESS}");
    let console = Terminal::start(&programs.tokio_console, &[&address], size)?;
    console.wait_for("hello")?;
    // A baseline to compare with.
    thread::sleep(Duration::from_secs(4));
    lab.keys("b")?;
    lab.wait_for("has blocked worker")?;
    console.wait_for("hog")?;
    thread::sleep(Duration::from_secs(3));
    let pairs = lab.lines().into_iter().zip(console.lines());
    Ok(pairs.map(|(left, right)| left + &svg::moved(&right, HALF + BETWEEN)).collect())
}

const PROCESS_SIZE: (u16, u16) = (116, 30);

/// The dashboard over a program that was not prepared.
fn dashboard_over(asynctop: &Path, pid: u32) -> anyhow::Result<svg::Lines> {
    let terminal = Terminal::start(asynctop, &["-p", &pid.to_string()], PROCESS_SIZE)?;
    terminal.wait_for("Listener::run")?;
    // The histories fill.
    thread::sleep(Duration::from_secs(20));
    Ok(terminal.lines())
}
