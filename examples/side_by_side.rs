//! Makes the picture of the lab beside tokio-console that README shows, from a real run of
//! both, each in a pseudo-terminal:
//!
//! `cargo build --release && cargo run --release --example side_by_side > assets/console.svg`
//!
//! tokio-console is taken from the environment variable TOKIO_CONSOLE, or else from the path.

use std::{
    env,
    fmt::Write,
    io::{Read, Write as _},
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::{Color, Parser, Screen};

const ROWS: NonZero<u16> = NonZero::new(20).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(100).unwrap();
const SERVED_ON: &str = "127.0.0.1:6670";
const PATIENCE: Duration = Duration::from_secs(60);

/// A program in a terminal of its own; dropped, it is gone.
struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    parser: Arc<Mutex<Parser>>,
    master: Box<dyn MasterPty + Send>,
}

fn main() -> anyhow::Result<()> {
    let console = env::var("TOKIO_CONSOLE").unwrap_or_else(|_| "tokio-console".to_owned());
    let lab = env::current_exe()?.with_file_name("../asynctop");
    // Few tasks: the reference client has no filter.
    let args = ["lab", "hello", &format!("--console={SERVED_ON}")];
    let lab = Terminal::start(&lab.to_string_lossy(), &args)?;
    lab.wait_for("Tasks")?;
    let console = Terminal::start(&console, &[&format!("http://{SERVED_ON}")])?;
    console.wait_for("hello")?;
    // Long enough to compare with.
    thread::sleep(Duration::from_secs(4));
    lab.master.take_writer()?.write_all(b"b")?;
    lab.wait_for("has blocked worker")?;
    console.wait_for("hog")?;
    thread::sleep(Duration::from_secs(3));
    let (left, right) = (lab.lines(), console.lines());
    let mut text = String::new();
    for (left, right) in left.iter().zip(&right) {
        writeln!(text, "{left}\x1b[0m │ {right}\x1b[0m")?;
    }
    println!("{}", anstyle_svg::Term::new().render_svg(&text));
    Ok(())
}

impl Terminal {
    fn start(program: &str, args: &[&str]) -> anyhow::Result<Terminal> {
        let size =
            PtySize { rows: ROWS.get(), cols: COLUMNS.get(), pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size)?;
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command);
        let child = child.with_context(|| format!("cannot start {program}"))?;
        let parser = Arc::new(Mutex::new(Parser::new(ROWS, COLUMNS, 0)));
        let (mut from, to) = (pair.master.try_clone_reader()?, Arc::clone(&parser));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                to.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..read]);
            }
        });
        Ok(Terminal { child, parser, master: pair.master })
    }

    fn see<T>(&self, see: impl FnOnce(&Screen) -> T) -> T {
        see(self.parser.lock().unwrap_or_else(PoisonError::into_inner).screen())
    }

    fn wait_for(&self, text: &str) -> anyhow::Result<()> {
        let begin = Instant::now();
        while !self.see(|screen| screen.contents().contains(text)) {
            if begin.elapsed() > PATIENCE {
                bail!("waited in vain for {text}:\n{}", self.see(Screen::contents));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The lines of the screen, as wide as it is, with their colours.
    fn lines(&self) -> Vec<String> {
        self.see(|screen| (0..ROWS.get()).map(|row| line(screen, row)).collect())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line(screen: &Screen, row: u16) -> String {
    let mut line = String::new();
    for cell in (0..COLUMNS.get()).filter_map(|column| screen.cell(row, column)) {
        let mut codes = "0".to_owned();
        for (is, code) in [(cell.bold(), ";1"), (cell.dim(), ";2"), (cell.inverse(), ";7")] {
            codes += if is { code } else { "" };
        }
        codes += &match cell.fgcolor() {
            Color::Default => String::new(),
            Color::Idx(index) => format!(";38;5;{index}"),
            Color::Rgb(red, green, blue) => format!(";38;2;{red};{green};{blue}"),
        };
        let symbol = if cell.has_contents() { cell.contents() } else { " " };
        line += &format!("\x1b[{codes}m{symbol}");
    }
    line
}
