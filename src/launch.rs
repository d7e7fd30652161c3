//! Starts the command of `asynctop run`, and ends it.
//!
//! This is the only program that asynctop signals; programs that were running before are only read.
//! Depends on `lock`, `private_file` and `text`.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, IsTerminal},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::{
    lock::lock,
    private_file,
    text::{excerpt, sanitize},
};

/// Time that a command has to end after SIGTERM, before it is killed.
const GRACE_PERIOD: Duration = Duration::from_secs(10);
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// The reason why a command could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The file for its output cannot be created.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// The program cannot be executed.
    #[error("cannot start {program}: {source}; check the command after `run --`")]
    Start {
        /// The program.
        program: String,
        /// The system's error.
        source: io::Error,
    },
}

/// A command that this process has started, in a process group of its own.
///
/// A terminal's Ctrl-C does not reach it: asynctop decides when it ends. Dropping this kills it,
/// unless it has ended.
#[derive(Debug)]
pub struct Launched {
    name: String,
    id: u32,
    output: PathBuf,
    /// Whether the output goes to a file for which no name was given.
    is_temporary: bool,
    child: Mutex<Child>,
}

/// The end of a command.
#[derive(Clone, Copy, Debug)]
pub struct End {
    status: ExitStatus,
    /// [`Launched::end`] has ended it.
    was_requested: bool,
}

impl Launched {
    /// Starts a command, whose first word is the program. Its standard output and error go to
    /// `output`, a new file, or else to one in the folder for temporary files. Its standard input is
    /// that of this process, or empty if that is a terminal.
    ///
    /// # Errors
    /// If the file cannot be created, or the program cannot be started.
    ///
    /// # Panics
    /// If `command` is empty.
    pub fn start(command: &[OsString], output: Option<&Path>) -> Result<Launched, LaunchError> {
        let (program, arguments) = command.split_first().expect("a program");
        let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
        let name = excerpt(&name);
        let is_temporary = output.is_none();
        let (file, output) = match output {
            Some(path) => (private_file::create(path)?, path.to_owned()),
            None => temporary_file(&name)?,
        };
        let input = if io::stdin().is_terminal() { Stdio::null() } else { Stdio::inherit() };
        let child = Command::new(program)
            .args(arguments)
            .stdin(input)
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .spawn();
        match child {
            Ok(child) => {
                let (id, child) = (child.id(), Mutex::new(child));
                Ok(Launched { name, id, output, is_temporary, child })
            }
            Err(source) => {
                // The file is empty. If it cannot be removed, it remains.
                let _ = fs::remove_file(output);
                Err(LaunchError::Start { program: excerpt(&program.to_string_lossy()), source })
            }
        }
    }

    /// The name of its program.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process ID, which is also the ID of its process group.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The location of its output, as a sentence.
    pub fn output(&self) -> String {
        let file = self.output.to_string_lossy();
        format!("the output of {} is in {}", self.name, sanitize(&file))
    }

    /// Its exit status; `None` while it runs.
    pub fn status(&self) -> Option<ExitStatus> {
        // Waiting for a child of this process fails only if other code has waited for it.
        lock(&self.child).try_wait().ok().flatten()
    }

    /// Its end as a predicate, such as `ended with exit code 1`; `None` while it runs.
    pub fn ending(&self) -> Option<String> {
        let status = self.status()?;
        Some(match (status.code(), status.signal().map(Signal::try_from)) {
            (Some(code), _) => format!("ended with exit code {code}"),
            (None, Some(Ok(signal))) => format!("was ended by {signal}"),
            (None, _) => format!("ended: {status}"),
        })
    }

    /// Waits until it has ended. If it runs, its process group gets SIGTERM, and SIGKILL after 10
    /// seconds.
    ///
    /// # Errors
    /// If the system cannot wait for it.
    pub fn end(&self) -> io::Result<End> {
        let mut child = lock(&self.child);
        if let Some(status) = child.try_wait()? {
            return Ok(End { status, was_requested: false });
        }
        self.signal(Signal::SIGTERM)?;
        let requested = Instant::now();
        while requested.elapsed() < GRACE_PERIOD {
            if let Some(status) = child.try_wait()? {
                return Ok(End { status, was_requested: true });
            }
            thread::sleep(CHECK_INTERVAL);
        }
        self.signal(Signal::SIGKILL)?;
        Ok(End { status: child.wait()?, was_requested: true })
    }

    /// Signals the processes of its group. A group without processes is not an error.
    fn signal(&self, signal: Signal) -> io::Result<()> {
        let group = Pid::from_raw(self.id.cast_signed());
        match killpg(group, signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        if self.status().is_none() {
            // `drop` cannot report an error.
            let _ = self.signal(Signal::SIGKILL);
        }
        if self.is_temporary && fs::metadata(&self.output).is_ok_and(|file| file.len() == 0) {
            // If it cannot be removed, it remains.
            let _ = fs::remove_file(&self.output);
        }
    }
}

impl End {
    /// The exit code of the command, or 128 and the number of its signal, as in a shell. It is 0 if
    /// the command was ended on request.
    pub fn exit_code(self) -> u8 {
        let of_signal = |signal: i32| 128_u8.saturating_add(signal.try_into().unwrap_or(u8::MAX));
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => code.try_into().unwrap_or(u8::MAX),
            (None, Some(_)) if self.was_requested => 0,
            (None, signal) => of_signal(signal.unwrap_or_default()),
        }
    }
}

/// A new file that only its owner can read.
fn temporary_file(name: &str) -> io::Result<(File, PathBuf)> {
    let folder = std::env::temp_dir();
    let prefix = format!("asynctop-{}-", name.replace('/', "_"));
    let created = tempfile::Builder::new().prefix(&prefix).suffix(".log").tempfile_in(&folder);
    let kept = created.and_then(|file| file.keep().map_err(|error| error.error));
    kept.map_err(|error| {
        let folder = folder.display();
        io::Error::new(
            error.kind(),
            format!("cannot create a file for its output in {folder}: {error}; name one with -o"),
        )
    })
}
