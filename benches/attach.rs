//! Compares `asynctop attach` with tokio-console on the same program:
//! `cargo bench --bench attach [-- TASKS…]`.
//!
//! For each number of tasks, both clients watch a target in turn from a pseudo-terminal of 120×40,
//! then again in reverse order. Each run has a new target process: a target with many tasks does not
//! send them to a second client, because its first update would exceed the size limit. While a client
//! fills its table, another client without a screen counts the tasks that the target sends; a client
//! misses tasks that were sent and are not in its table. tokio-console is the program in the
//! environment variable TOKIO_CONSOLE, or the one in the path (`cargo install tokio-console --version
//! 0.1.14 --locked`).

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may fail")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    collections::HashSet,
    env,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use console_api::instrument::{InstrumentRequest, instrument_client::InstrumentClient};
use console_subscriber::ConsoleLayer;
use support::pty::Terminal;
use tokio::sync::oneshot;
use tracing_subscriber::prelude::*;

/// The published results are for 1,000 and 10,000.
const TASKS: [u64; 3] = [1_000, 10_000, 50_000];
/// Time for a client to fill its table.
const FILL_TIME: Duration = Duration::from_secs(10);
/// Time over which the CPU time is measured.
const CPU_WINDOW: Duration = Duration::from_secs(10);
/// Number of keys that are measured.
const KEYS: usize = 20;
/// Maximum time for the effect of a key.
const KEY_TIMEOUT: Duration = Duration::from_secs(5);

fn main() {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [flag, address, tasks] = &args[..]
        && flag == "--target"
    {
        return target(address, tasks.parse().unwrap());
    }
    let given: Vec<u64> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let counts = if given.is_empty() { TASKS.to_vec() } else { given };
    println!(
        "| tasks | client | table complete after | missing of those sent in 10 s | CPU | memory | key to screen, median | worst |"
    );
    println!("|--:|---|--:|--:|--:|--:|--:|--:|");
    for tasks in counts {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for ours_first in [true, false] {
            for is_ours in [ours_first, !ours_first] {
                let (client, runs) = match is_ours {
                    true => (Client::ours(), &mut ours),
                    false => (Client::reference(), &mut theirs),
                };
                runs.push(Results::of(&client, &Target::start(tasks)));
            }
        }
        let (ours, theirs) = (Results::mean(ours), Results::mean(theirs));
        ours.print(tasks, "asynctop attach");
        theirs.print(tasks, "tokio-console");
        println!(
            "| | ratio | | | 1/{:.1} | 1/{:.1} | 1/{:.1} | 1/{:.1} |",
            theirs.cpu / ours.cpu,
            theirs.memory_mb / ours.memory_mb,
            theirs.key().as_secs_f64() / ours.key().as_secs_f64(),
            theirs.worst().as_secs_f64() / ours.worst().as_secs_f64(),
        );
    }
}

/// The watched program: tasks that sleep repeatedly for a second.
fn target(address: &str, tasks: u64) {
    let layer = ConsoleLayer::builder()
        .retention(Duration::from_secs(60))
        .server_addr(address.parse::<std::net::SocketAddr>().unwrap());
    tracing_subscriber::registry().with(layer.spawn()).init();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.unwrap().block_on(async {
        for n in 0..tasks {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_micros(n % 1_000 * 1_000)).await;
                let mut ticks = tokio::time::interval(Duration::from_secs(1));
                loop {
                    ticks.tick().await;
                }
            });
            if n % 1_000 == 999 {
                tokio::task::yield_now().await;
            }
        }
        println!("ready");
        std::future::pending::<()>().await;
    });
}

/// A running target, which is killed when this is dropped.
struct Target {
    child: Child,
    address: String,
}

impl Target {
    fn start(tasks: u64) -> Target {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let address = free.to_string();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--target", &address, &tasks.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        // Until each task has slept once, so that all are in the next update.
        thread::sleep(Duration::from_secs(3));
        Target { child, address }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client {
    program: PathBuf,
    /// The arguments before the address.
    args: &'static [&'static str],
    /// A text that is only on the help screen.
    help: &'static str,
}

impl Client {
    fn ours() -> Client {
        Client {
            program: env!("CARGO_BIN_EXE_asynctop").into(),
            args: &["attach"],
            help: "freeze or resume the screen",
        }
    }

    fn reference() -> Client {
        let program = env::var_os("TOKIO_CONSOLE").map_or("tokio-console".into(), PathBuf::from);
        Client { program, args: &[], help: "╭Help" }
    }
}

/// Counts the tasks that a target sends.
struct TaskCounter {
    seen: Arc<Mutex<HashSet<u64>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TaskCounter {
    fn start(url: String) -> TaskCounter {
        let (stop, stopped) = oneshot::channel();
        let seen = Arc::new(Mutex::new(HashSet::new()));
        let all = Arc::clone(&seen);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                tokio::select! {
                    () = listen(url, &all) => panic!("the target has closed the connection"),
                    _ = stopped => {}
                }
            });
        });
        TaskCounter { seen, stop: Some(stop), thread: Some(thread) }
    }

    /// Number of tasks sent so far.
    fn sent(&self) -> u64 {
        self.seen.lock().unwrap().len() as u64
    }
}

impl Drop for TaskCounter {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn listen(url: String, seen: &Mutex<HashSet<u64>>) {
    let client = InstrumentClient::connect(url).await.unwrap();
    let mut client = client.max_decoding_message_size(usize::MAX);
    let mut updates = client.watch_updates(InstrumentRequest {}).await.unwrap().into_inner();
    while let Ok(Some(update)) = updates.message().await {
        let new = update.task_update.into_iter().flat_map(|tasks| tasks.new_tasks);
        seen.lock().unwrap().extend(new.filter_map(|task| Some(task.id?.id)));
    }
}

struct Results {
    /// When the table was complete, if that was within ten seconds.
    complete: Option<Duration>,
    missing: u64,
    sent: u64,
    /// Share of one core.
    cpu: f64,
    memory_mb: f64,
    /// The times from a key to its effect on the screen, shortest first.
    keys: Vec<Duration>,
}

impl Results {
    fn of(client: &Client, target: &Target) -> Results {
        let url = format!("http://{}", target.address);
        let listener = TaskCounter::start(url.clone());
        let begin = Instant::now();
        let mut command = Command::new(&client.program);
        let mut terminal = Terminal::of(command.args(client.args).arg(&url), 120, 40);
        let (mut max, mut since) = (0, Duration::ZERO);
        terminal.wait_for("ten seconds", |screen| {
            let now = shown(&screen.contents());
            if now > max {
                (max, since) = (now, begin.elapsed());
            }
            begin.elapsed() > FILL_TIME
        });
        let sent = listener.sent();
        drop(listener);
        let missing = sent.saturating_sub(shown(&terminal.text()));

        let (before, from) = (cpu_time(terminal.pid()), Instant::now());
        thread::sleep(CPU_WINDOW);
        let spent = cpu_time(terminal.pid()) - before;
        let cpu = spent.as_secs_f64() / from.elapsed().as_secs_f64();
        let memory_mb = resident_mb(terminal.pid());

        let mut keys: Vec<Duration> =
            (0..KEYS).map(|n| key_to_screen(&mut terminal, client.help, n)).collect();
        keys.sort_unstable();
        let complete = Some(since).filter(|_| missing == 0 && sent > 0);
        Results { complete, missing, sent, cpu, memory_mb, keys }
    }

    /// Summarizes runs: means, the slowest table, the most missing tasks, and all keys.
    fn mean(runs: Vec<Results>) -> Results {
        let mean = |of: fn(&Results) -> f64| runs.iter().map(of).sum::<f64>() / runs.len() as f64;
        let mut keys: Vec<_> = runs.iter().flat_map(|run| run.keys.iter().copied()).collect();
        keys.sort_unstable();
        let all_complete = runs.iter().all(|run| run.complete.is_some());
        let missing = runs.iter().max_by_key(|run| run.missing).unwrap();
        Results {
            complete: runs.iter().filter_map(|run| run.complete).max().filter(|_| all_complete),
            missing: missing.missing,
            sent: missing.sent,
            cpu: mean(|run| run.cpu),
            memory_mb: mean(|run| run.memory_mb),
            keys,
        }
    }

    fn key(&self) -> Duration {
        self.keys[self.keys.len() / 2]
    }

    fn worst(&self) -> Duration {
        self.keys[self.keys.len() - 1]
    }

    fn print(&self, tasks: u64, client: &str) {
        let complete =
            self.complete.map_or("–".to_owned(), |t| format!("{:.2} s", t.as_secs_f64()));
        println!(
            "| {tasks} | {client} | {complete} | {} of {} | {:.1} % | {:.0} MB | {:.1} ms | {:.1} ms |",
            self.missing,
            self.sent,
            self.cpu * 100.0,
            self.memory_mb,
            self.key().as_secs_f64() * 1e3,
            self.worst().as_secs_f64() * 1e3,
        );
    }
}

/// The number of tasks in the heading of the table: `Tasks 1000` or `Tasks (1000)`.
fn shown(screen: &str) -> u64 {
    let after = screen.split("Tasks ").skip(1).filter_map(|rest| {
        let digits = rest.trim_start_matches('(');
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().ok()
    });
    after.max().unwrap_or(0)
}

/// Opens or closes the help; returns the time until the screen shows it.
fn key_to_screen(terminal: &mut Terminal, help: &str, nth: usize) -> Duration {
    let opens = nth.is_multiple_of(2);
    // Not in step with the redraws of the client.
    thread::sleep(Duration::from_millis(137 + 61 * nth as u64 % 400));
    let begin = Instant::now();
    terminal.keys("?");
    terminal.wait_for("the help", |screen| {
        screen.contents().contains(help) == opens || begin.elapsed() > KEY_TIMEOUT
    });
    begin.elapsed()
}

fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // USER_HZ is 100 on all common machines.
    Duration::from_millis(ticks * 10)
}

fn resident_mb(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}
