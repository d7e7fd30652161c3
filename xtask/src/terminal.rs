//! A program in a pseudo-terminal of its own, and its screen.

use std::{
    io::{Read, Write},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::{Parser, Screen};

use crate::svg;

const TIMEOUT: Duration = Duration::from_secs(60);

/// A running program and its terminal. Dropping it kills the program.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    parser: Arc<Mutex<Parser>>,
    writer: Box<dyn Write + Send>,
    // Closing it would end the program.
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    pub fn start(
        program: &Path,
        args: &[&str],
        (columns, rows): (u16, u16),
    ) -> anyhow::Result<Self> {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size)?;
        // A relative path, unlike a name, is relative to the current folder.
        let absolute = std::path::absolute(program)?;
        let is_name = program.components().count() == 1;
        let mut command = CommandBuilder::new(if is_name { program } else { &absolute });
        command.args(args);
        // Otherwise it is the home folder.
        command.cwd(std::env::current_dir()?);
        command.env("TERM", "xterm-256color");
        command.env("LC_ALL", "C.UTF-8");
        // No configuration file of the user.
        command.env("XDG_CONFIG_HOME", "/nonexistent");
        let child = pair.slave.spawn_command(command);
        let child = child.with_context(|| format!("cannot start {}", program.display()))?;
        let empty = || anyhow::anyhow!("a terminal of {columns}x{rows} is empty");
        let (rows, columns) = (rows.try_into().map_err(|_| empty())?, columns.try_into());
        let parser = Parser::new(rows, columns.map_err(|_| empty())?, 0);
        let parser = Arc::new(Mutex::new(parser));
        let (mut from, to) = (pair.master.try_clone_reader()?, Arc::clone(&parser));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                to.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..read]);
            }
        });
        let writer = pair.master.take_writer()?;
        Ok(Terminal { child, parser, writer, _master: pair.master })
    }

    /// The process id of the program.
    pub fn pid(&self) -> Option<u32> {
        self.child.process_id()
    }

    pub fn keys(&mut self, keys: &str) -> anyhow::Result<()> {
        self.writer.write_all(keys.as_bytes())?;
        Ok(self.writer.flush()?)
    }

    pub fn wait_for(&self, text: &str) -> anyhow::Result<()> {
        let begin = Instant::now();
        while !self.with_screen(|screen| screen.contents().contains(text)) {
            if begin.elapsed() > TIMEOUT {
                bail!("the screen does not show {text:?}:\n{}", self.with_screen(Screen::contents));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The lines of the screen, for a picture.
    pub fn lines(&self) -> svg::Lines {
        self.with_screen(svg::lines)
    }

    fn with_screen<T>(&self, read: impl FnOnce(&Screen) -> T) -> T {
        read(self.parser.lock().unwrap_or_else(PoisonError::into_inner).screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Either fails only if the program has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
