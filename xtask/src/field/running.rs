//! Running programs and the load on them. Everything ends when it is dropped.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use asynctop_inspect::{Options, Process, ps};

use super::Folder;

/// A request that the servers here never answer.
pub(super) const REQUEST: &str = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
/// Maximum time until a program does what it must do.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(100);

/// What a fixture prints about itself: its facts, and the ids of its tasks by name.
pub type Facts = BTreeMap<String, u64>;

/// The tasks that a program must have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Truth {
    /// This many tasks, and this many in local sets.
    Tasks(usize, usize),
    /// This many tasks of one type, besides others.
    Alike(usize),
    /// This many tasks whose future's name contains this, besides others.
    Named(usize, &'static str),
}

/// A program under load.
pub(super) struct Running {
    pub truth: Truth,
    /// A remark about what has been observed before.
    pub remark: Option<String>,
    pid: Option<u32>,
    // In the order in which they end.
    connections: Vec<TcpStream>,
    _listeners: Vec<TcpListener>,
    programs: Vec<Started>,
}

/// A program that ends when it is dropped, with the programs that it has started.
pub struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let descendants = ps::descendants(self.0.id()).unwrap_or_default();
        // Either fails only if it has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
        for pid in descendants {
            let _ =
                Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        }
    }
}

impl Started {
    /// Starts a program whose output goes to a file.
    pub(super) fn start(folder: &Folder, command: &mut Command) -> anyhow::Result<Started> {
        let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_owned();
        let log = File::create(folder.path("output.txt"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn();
        Ok(Started(child.with_context(|| format!("cannot start {}", name.display()))?))
    }

    /// Starts a program that prints facts and then `ready`, once it has its tasks. It ends when
    /// its standard input is closed.
    pub(super) fn start_until_ready(command: &mut Command) -> anyhow::Result<(Started, Facts)> {
        let (started, facts, _) = Started::with_output(command)?;
        Ok((started, facts))
    }

    /// Like [`Started::start_until_ready`], with the rest of its output.
    pub fn with_output(
        command: &mut Command,
    ) -> anyhow::Result<(Started, Facts, BufReader<ChildStdout>)> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut started = Started(child.context("cannot start it")?);
        let output = started.0.stdout.take().context("it has no output")?;
        let mut output = BufReader::new(output);
        let facts = facts(&mut output)?;
        Ok((started, facts, output))
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Writes a line to its standard input.
    pub fn write(&mut self, line: &str) -> anyhow::Result<()> {
        let input = self.0.stdin.as_mut().context("its input is closed")?;
        Ok(writeln!(input, "{line}")?)
    }
}

/// The facts that a fixture prints up to the line `ready`.
pub fn facts(output: &mut impl BufRead) -> anyhow::Result<Facts> {
    let mut facts = Facts::new();
    for line in output.lines() {
        let line = line?;
        match line.split_ascii_whitespace().collect::<Vec<_>>()[..] {
            ["ready"] => return Ok(facts),
            ["fact", name, number] | ["task", name, "id", number, ..] => {
                facts.insert(name.to_owned(), number.parse()?);
            }
            _ => {}
        }
    }
    bail!("it has ended before it was ready")
}

impl Running {
    /// These programs, of which the first one, or one that it has started, contains the runtime to
    /// inspect.
    pub(super) fn new(programs: Vec<Started>, truth: Truth) -> Running {
        Running {
            truth,
            remark: None,
            pid: None,
            connections: Vec::new(),
            _listeners: Vec::new(),
            programs,
        }
    }

    /// The process to inspect, if the first program has not started it as a descendant.
    pub(super) fn with_pid(self, pid: u32) -> Running {
        Running { pid: Some(pid), ..self }
    }

    /// The process with the runtime, once it is found. A runtime without tasks is not recognized in
    /// every version of Tokio.
    pub(super) fn pid(&self) -> anyhow::Result<u32> {
        let first = || self.programs.first().and_then(|first| find_runtime(first.pid()));
        if let Some(pid) = self.pid.or_else(|| wait_for(first)) {
            return Ok(pid);
        }
        let first = self.programs.first().context("it has no process")?;
        Process::open(first.pid())?;
        bail!("no Tokio runtime was found in it")
    }

    /// Opens connections and keeps them.
    pub(super) fn hold(
        mut self,
        connections: usize,
        port: u16,
        request: &str,
    ) -> anyhow::Result<Self> {
        for _ in 0..connections {
            let mut stream = connect(port)?;
            stream.write_all(request.as_bytes())?;
            self.connections.push(stream);
        }
        Ok(self)
    }

    pub(super) fn keep(mut self, listener: TcpListener) -> Self {
        self._listeners.push(listener);
        self
    }

    pub(super) fn remark(self, remark: impl Into<String>) -> Self {
        Running { remark: Some(remark.into()), ..self }
    }
}

/// The process, or the first one that it has started, with a runtime.
fn find_runtime(pid: u32) -> Option<u32> {
    let has_runtime = |pid: &u32| {
        // A local set, as actix has them, is found by a scan.
        let mut options = Options::states_only();
        options.scan = true;
        let inspect = |mut process: Process| process.inspect(&options).ok();
        let inspection = Process::open(*pid).ok().and_then(inspect);
        inspection.is_some_and(|inspection| !inspection.runtimes.is_empty())
    };
    let descendants = ps::descendants(pid).unwrap_or_default();
    std::iter::once(pid).chain(descendants).find(has_runtime)
}

/// Waits until `find` returns a value, at most for `TIMEOUT`.
pub fn wait_for<T>(mut find: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = find() {
            return Some(found);
        }
        if began.elapsed() > TIMEOUT {
            return None;
        }
        thread::sleep(STEP);
    }
}

/// A port that no program uses.
pub(super) fn free_port() -> anyhow::Result<u16> {
    Ok(listen()?.local_addr()?.port())
}

/// A server that accepts connections and never answers.
pub(super) fn listen() -> anyhow::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0").context("cannot listen")
}

pub(super) fn connect(port: u16) -> anyhow::Result<TcpStream> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    wait_for(|| TcpStream::connect(address).ok())
        .with_context(|| format!("no server at port {port}"))
}
