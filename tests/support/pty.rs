//! A program in a pseudo-terminal: input is written, and the screen is parsed.

use std::{
    fmt::Debug,
    fs,
    io::{Read, Write},
    num::NonZeroU16,
    process::Command,
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use vt100::{MouseProtocolMode, Screen};

use super::{NO_CONFIG, TIMEOUT, program, wait_until};

/// The flag for a runtime with one worker.
pub const ONE_WORKER: [&str; 2] = ["--flavor", "current-thread"];

/// The task of the lab that is busiest by far: the first row on any screen that shows tasks. Which of
/// the others are among the first rows depends on the machine's load.
pub const BUSIEST: &str = "cruncher-1";

/// The program in a terminal with space for every task of the lab, after it shows the first ones.
pub fn dashboard(args: &[&str]) -> Terminal {
    let terminal = Terminal::sized(args, 120, 120);
    terminal.wait_for_text("heartbeat-");
    terminal
}

/// A terminal and the program that runs in it.
pub struct Terminal {
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    reader: Option<JoinHandle<()>>,
    child: Box<dyn Child + Send + Sync>,
    output: Arc<Output>,
    /// The modes of the terminal before the program started.
    modes: Box<dyn Debug>,
}

/// The output of the program so far.
struct Output {
    state: Mutex<OutputState>,
    changed: Condvar,
    /// Stops the reader, so that the terminal can be closed.
    stop: AtomicBool,
}

struct OutputState {
    parser: vt100::Parser,
    raw: Vec<u8>,
    /// Whether the program has closed the terminal.
    ended: bool,
}

impl Terminal {
    /// The program in a terminal of 80 columns and 24 rows.
    pub fn start(args: &[&str]) -> Terminal {
        Terminal::sized(args, 80, 24)
    }

    /// The program in a terminal of this size.
    pub fn sized(args: &[&str], columns: u16, rows: u16) -> Terminal {
        Terminal::of(program().args(args), columns, rows)
    }

    /// A command in a terminal of this size.
    pub fn of(command: &Command, columns: u16, rows: u16) -> Terminal {
        Terminal::open(command, size(columns, rows), columns, rows)
    }

    /// A line of shell script, which finds the program as `$ASYNCTOP`.
    pub fn shell(script: &str) -> Terminal {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).env("ASYNCTOP", program().get_program());
        Terminal::of(&shell, 80, 24)
    }

    /// The program in a terminal that reports no size.
    pub fn without_size(args: &[&str]) -> Terminal {
        Terminal::open(program().args(args), size(0, 0), 80, 24)
    }

    fn open(command: &Command, size: PtySize, columns: u16, rows: u16) -> Terminal {
        let pair = native_pty_system().openpty(size).unwrap();
        let mut run = CommandBuilder::new(command.get_program());
        run.args(command.get_args());
        let terminal =
            [("TERM", "xterm-256color"), ("LC_ALL", "C.UTF-8"), ("XDG_CONFIG_HOME", NO_CONFIG)];
        terminal.iter().for_each(|(name, value)| run.env(name, value));
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => run.env(name, value),
                None => run.env_remove(name),
            }
        }
        let modes = Box::new(pair.master.get_termios());
        let child = pair.slave.spawn_command(run).unwrap();
        let parser = vt100::Parser::new(cells(rows), cells(columns), 0);
        let state = Mutex::new(OutputState { parser, raw: Vec::new(), ended: false });
        let output =
            Arc::new(Output { state, changed: Condvar::new(), stop: AtomicBool::new(false) });
        let reader = {
            let (from, to) = (pair.master.try_clone_reader().unwrap(), Arc::clone(&output));
            thread::spawn(move || to.read(from))
        };
        Terminal {
            writer: Some(pair.master.take_writer().unwrap()),
            master: Some(pair.master),
            reader: Some(reader),
            child,
            output,
            modes,
        }
    }

    /// Types these keys.
    pub fn keys(&mut self, keys: &str) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    /// Waits until the condition holds, and returns the text of the screen.
    #[track_caller]
    pub fn wait_for(&self, expected: &str, mut holds: impl FnMut(&Screen) -> bool) -> String {
        let begin = Instant::now();
        let mut state = self.output.lock();
        loop {
            let screen = state.parser.screen();
            if holds(screen) {
                return screen.contents();
            }
            let Some(left) = TIMEOUT.checked_sub(begin.elapsed()) else {
                panic!("waited in vain for {expected}; the screen:\n{}", screen.contents());
            };
            if state.ended {
                panic!("the program ended before {expected}; the screen:\n{}", screen.contents());
            }
            let left = left.min(Duration::from_secs(1));
            state = self.output.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits until the screen shows a text.
    #[track_caller]
    pub fn wait_for_text(&self, text: &str) -> String {
        self.wait_for(&format!("{text:?}"), |screen| screen.contents().contains(text))
    }

    /// Waits until a line of the screen contains all these texts.
    #[track_caller]
    pub fn wait_for_line(&self, texts: &[&str]) -> String {
        self.wait_for(&format!("a line with {texts:?}"), |screen| {
            let text = screen.contents();
            text.lines().any(|line| texts.iter().all(|text| line.contains(text)))
        })
    }

    /// Waits for any further output of the program.
    #[track_caller]
    pub fn wait_for_output(&self) {
        let before = self.output.lock().raw.len();
        let begin = Instant::now();
        let mut state = self.output.lock();
        while state.raw.len() == before {
            let screen = state.parser.screen();
            let is_over = state.ended || begin.elapsed() > TIMEOUT;
            assert!(!is_over, "the program draws nothing; the screen:\n{}", screen.contents());
            state = self.output.changed.wait_timeout(state, Duration::from_secs(1)).unwrap().0;
        }
    }

    /// The current text of the screen.
    pub fn text(&self) -> String {
        self.output.lock().parser.screen().contents()
    }

    /// The output of the program so far, including escape sequences.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().raw).into_owned()
    }

    /// Changes the size of the terminal.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        let mut state = self.output.lock();
        state.parser.screen_mut().set_size(cells(rows), cells(columns));
        self.master.as_ref().unwrap().resize(size(columns, rows)).unwrap();
    }

    /// The process ID of the program.
    pub fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.process_id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits until the program is stopped, as by Ctrl-Z.
    #[track_caller]
    pub fn wait_until_stopped(&self) {
        wait_until_stopped(self.pid());
    }

    /// Sets the terminal to the mode of a shell: lines are edited, and sent by Enter.
    pub fn make_cooked(&self) {
        let name = self.master.as_ref().unwrap().tty_name().unwrap();
        let status = Command::new("stty").arg("-F").arg(name).arg("sane").status().unwrap();
        assert!(status.success());
    }

    /// Waits until the program has ended.
    #[track_caller]
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let mut ended = None;
        wait_until("the program ends", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        // The reader may not have read the last output yet.
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        ended.unwrap()
    }

    /// Asserts that the program has restored the modes of the terminal device.
    #[track_caller]
    pub fn assert_cooked(&self) {
        let modes = self.master.as_ref().unwrap().get_termios();
        assert_eq!(format!("{modes:?}"), format!("{:?}", self.modes), "raw mode is off");
    }

    /// Asserts that the program has restored the terminal.
    #[track_caller]
    pub fn assert_restored(&self) {
        let state = self.output.lock();
        let screen = state.parser.screen();
        assert!(!screen.alternate_screen(), "the alternate screen is left");
        assert!(!screen.hide_cursor(), "the cursor is shown");
        assert_eq!(screen.mouse_protocol_mode(), MouseProtocolMode::None);
        assert!(!screen.bracketed_paste());
        self.assert_cooked();
    }

    /// Stops reading the program's output, like a terminal that hangs.
    pub fn stop_reading(&mut self) {
        self.output.stop.store(true, Ordering::Relaxed);
        // The next drawing of the program wakes the reader.
        self.reader.take().unwrap().join().unwrap();
    }

    /// Closes the terminal, as by closing its window.
    pub fn close(&mut self) {
        self.stop_reading();
        self.writer = None;
        self.master = None;
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, OutputState> {
        self.state.lock().unwrap()
    }

    /// Reads until the program has ended, when reading fails.
    fn read(&self, mut from: Box<dyn Read + Send>) {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let mut state = self.lock();
            state.parser.process(&buffer[..length]);
            state.raw.extend_from_slice(&buffer[..length]);
            self.changed.notify_all();
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

/// Waits until a process is stopped.
#[track_caller]
pub fn wait_until_stopped(pid: u32) {
    wait_until("the program is stopped", || {
        // "pid (name) state …"
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        text.rsplit(')').next().unwrap().trim_start().starts_with('T')
    });
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}
