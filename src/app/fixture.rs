//! A dashboard over a made-up lab, for tests: snapshots and keys go in, screens come out.

use std::{sync::Arc, time::Duration};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};

use super::{App, Effect, Settings};
use crate::{
    Histogram,
    histogram::{BUCKETS, bucket_of},
    model::{
        CurrentPoll, Distributions, Figure, Flavor, Interest, LabFigures, Snapshot, Subject,
        TaskFigures, TaskMeta, WorkerFigures, testing,
    },
    probe::State,
    view,
};

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const S: u64 = 1_000_000_000;
/// Time between two snapshots.
const STEP: u64 = 250 * MS;

/// A lab in which every step is like the one before, but for the hog.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub now: u64,
    pub workers: usize,
    pub hog_since: Option<u64>,
    pub interest: Interest,
    /// Time that the hog has stolen from everybody so far.
    pub stolen: u64,
    pub counters: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        World {
            now: 80 * S,
            workers: 1,
            hog_since: None,
            interest: Interest::default(),
            stolen: 0,
            counters: true,
        }
    }

    pub(crate) fn step(&mut self) -> Arc<Snapshot> {
        self.now += STEP;
        if self.hog_since.is_some() && self.workers == 1 {
            self.stolen += STEP;
        }
        Arc::new(self.snapshot())
    }

    fn snapshot(&self) -> Snapshot {
        let mut tasks = self.tasks();
        if let Some(since) = self.hog_since {
            tasks.push(self.hog(since));
        }
        let mut snapshot = testing::snapshot(self.now, tasks);
        snapshot.source = "lab:mixed".into();
        snapshot.runtime.flavor =
            if self.workers == 1 { Flavor::CurrentThread } else { Flavor::MultiThread };
        snapshot.runtime.uptime_ns = self.now - S;
        let alive = snapshot.tasks.iter().filter(|task| !task.state.is_done()).count();
        snapshot.runtime.measured_tasks = alive as u64;
        snapshot.runtime.alive_tasks = self.counter(alive as u64);
        let none = self.counter(0);
        snapshot.runtime.remote_schedules = none;
        snapshot.runtime.budget_forced_yields = none;
        snapshot.runtime.blocking_queue = none;
        snapshot.runtime.global_queue = self.counter(if self.hog_since.is_some() { 12 } else { 0 });
        snapshot.runtime.blocking_threads = self.counter(1);
        snapshot.runtime.idle_blocking_threads = self.counter(1);
        snapshot.workers = (0..self.workers).map(|index| self.worker(index)).collect();
        snapshot.delays = histogram(&[(20_000, self.worked() / MS), (90_000, self.worked() / S)]);
        snapshot.lab = Some(self.lab());
        self.distributions(&mut snapshot);
        snapshot
    }

    /// Time in which work was done.
    fn worked(&self) -> u64 {
        self.now - S - self.stolen
    }

    fn counter(&self, n: u64) -> Figure<u64> {
        if self.counters {
            Figure::Measured(n)
        } else {
            Figure::Unavailable("needs tokio_unstable")
        }
    }

    fn tasks(&self) -> Vec<TaskFigures> {
        let mut tasks = vec![self.task(1, "accept", "net.rs:21", 2, 9_000, State::Idle)];
        for n in 1..=6 {
            let name = format!("heartbeat-{n}");
            tasks.push(self.task(1 + n, &name, "pulse.rs:18", 100, 14_000 + 700 * n, State::Idle));
        }
        for n in 1..=12 {
            let name = format!("conn-{n}");
            tasks.push(self.task(7 + n, &name, "net.rs:44", 55 + n, 31_000, State::Idle));
        }
        for n in 1..=4 {
            let name = format!("ping-{n}");
            tasks.push(self.task(19 + n, &name, "table.rs:30", 900, 3_100, State::Scheduled));
        }
        let cruncher = self.task(24, "cruncher", "crunch.rs:12", 1_000, 104_000, State::Scheduled);
        tasks.push(cruncher);
        let mut done = self.task(25, "job-1", "net.rs:90", 1, 21_000, State::Completed);
        (done.idle_ns, done.scheduled_ns, done.polls, done.busy_ns) = (3 * S, 41_000, 12, 252_000);
        done.lifetime_ns = done.busy_ns + done.idle_ns + done.scheduled_ns;
        tasks.push(done);
        tasks
    }

    /// A task that is polled `rate` times a second, for `poll` ns each time.
    fn task(
        &self,
        id: u64,
        name: &str,
        place: &str,
        rate: u64,
        poll: u64,
        state: State,
    ) -> TaskFigures {
        let lifetime = self.now - S;
        let polls = self.worked() * rate / S;
        let busy = polls * poll;
        let waits = polls * 21_000;
        // In a standstill all but the idlest wait for the worker.
        let stuck = self.stolen > 0 && rate > 50 && !state.is_done();
        let stolen = if stuck { self.stolen } else { 0 };
        let state = if stuck { State::Scheduled } else { state };
        let mut task = testing::task(id, name);
        let location = format!("src/lab/workload/{place}");
        task.meta = Arc::new(TaskMeta {
            id,
            name: name.into(),
            group: crate::model::group_name(name).into(),
            location: location.into(),
            future_size: 312,
        });
        task.state = state;
        task.since_ns = self.now - if stuck { self.stolen } else { 7 * MS };
        task.lifetime_ns = lifetime;
        task.busy_ns = busy;
        task.scheduled_ns = waits + stolen;
        task.idle_ns = lifetime.saturating_sub(busy + waits + stolen);
        task.polls = polls;
        task.wakes = polls;
        task.self_wakes = if name == "cruncher" { polls } else { 0 };
        task.max_poll_ns = poll * 10;
        task.max_delay_ns = 210_000 + stolen;
        task.stage = match name.split('-').next() {
            Some("conn") => Some("waits for a request"),
            Some("heartbeat") => Some("waits for the timer"),
            Some("cruncher") => Some("crunches numbers"),
            _ => None,
        };
        task
    }

    fn hog(&self, since: u64) -> TaskFigures {
        let mut hog = self.task(26, "hog", "hog.rs:42", 0, 0, State::Polling);
        let held = self.now - since;
        (hog.state, hog.since_ns, hog.stage) = (State::Polling, since, Some("spins"));
        (hog.polls, hog.wakes) = (1, 0);
        (hog.busy_ns, hog.scheduled_ns, hog.idle_ns) = (held, 12_000, 0);
        hog.lifetime_ns = held + 12_000;
        (hog.max_poll_ns, hog.max_delay_ns) = (held, 12_000);
        hog
    }

    fn worker(&self, index: usize) -> WorkerFigures {
        let held = self.hog_since.filter(|_| index == 0);
        let busy = match held {
            Some(since) => self.now - since + self.worked() / 5,
            None => self.worked() / (5 + index as u64),
        };
        WorkerFigures {
            index,
            thread: format!("lab-{index}").into(),
            current: held.map(|since_ns| CurrentPoll { key: 26, since_ns }),
            poll_ns: Figure::Measured(busy),
            busy_ns: self.counter(busy),
            polls: Figure::Measured(self.worked() / S * 6_200),
            parks: self.counter(self.worked() / S * 410),
            steals: self.counter(index as u64 * 3),
            overflows: self.counter(0),
            local_queue: self.counter(if held.is_some() { 17 } else { 1 }),
        }
    }

    fn lab(&self) -> LabFigures {
        let done = self.worked() / MS;
        let mut lab = testing::lab([
            ("heartbeat", 6, Some("beat"), done * 6 / 10),
            ("net", 12, Some("request"), done * 7 / 10),
            ("ping", 4, Some("volley"), done * 2),
            ("cruncher", 1, None, 0),
        ]);
        lab.scenario = "mixed".into();
        lab.lesson = "Press b and watch the header: one task that never awaits takes the worker, \
                      and everybody else waits.\nPress [ until the hog gives way after 10 ms: \
                      work comes back, slower."
            .into();
        lab.hog.on_since_ns = self.hog_since;
        lab
    }

    fn distributions(&self, snapshot: &mut Snapshot) {
        let of = |task: &TaskFigures| Distributions {
            poll_times: histogram(&[
                (900, task.polls / 50),
                (task.max_poll_ns / 12, task.polls / 3),
                (task.max_poll_ns / 10, task.polls / 2),
                (task.max_poll_ns, 3),
            ]),
            delays: histogram(&[(2_000, task.polls / 9), (21_000, task.polls), (210_000, 2)]),
        };
        for task in &snapshot.tasks {
            let asked = self.interest.task == Some(task.key);
            if asked {
                snapshot.distributions.push((Subject::Task(task.key), of(task)));
            }
            let group = Subject::Group(task.meta.group.clone());
            let known = snapshot.distributions.iter().any(|(subject, _)| *subject == group);
            if self.interest.groups && !known {
                snapshot.distributions.push((group, of(task)));
            }
        }
    }
}

fn histogram(counts: &[(u64, u64)]) -> Histogram {
    let mut buckets = [0; BUCKETS];
    for (nanos, count) in counts {
        buckets[bucket_of(*nanos)] += count;
    }
    Histogram::from_counts(buckets, counts.iter().map(|(nanos, _)| *nanos).max().unwrap_or(0))
}

/// A dashboard and the world that it looks at.
pub(crate) struct Stage {
    pub app: App,
    pub world: World,
    pub now: Duration,
    pub size: (u16, u16),
    pub effects: Vec<Effect>,
}

impl Stage {
    /// Three seconds into a quiet run.
    pub(crate) fn new() -> Self {
        Self::with(World::new(), Settings::default())
    }

    pub(crate) fn with(world: World, settings: Settings) -> Self {
        let app = App::new(settings, Duration::from_millis(250));
        let now = Duration::from_secs(3);
        let mut stage = Stage { app, world, now, size: (80, 24), effects: Vec::new() };
        stage.pass(3 * S);
        stage
    }

    /// Lets time go by.
    pub(crate) fn pass(&mut self, nanos: u64) -> &mut Self {
        for _ in 0..nanos / STEP {
            self.world.interest = self.app.interest();
            let snapshot = self.world.step();
            self.show(snapshot);
        }
        self
    }

    pub(crate) fn show(&mut self, snapshot: Arc<Snapshot>) {
        self.now += Duration::from_nanos(STEP);
        self.app.tick(self.now);
        self.effects.extend(self.app.advance(snapshot));
    }

    /// The hog comes on, and stays for so long.
    pub(crate) fn hog(&mut self, nanos: u64) -> &mut Self {
        self.world.hog_since = Some(self.world.now);
        self.pass(nanos)
    }

    /// Presses keys: characters for themselves, names in angle brackets, `^u` for Ctrl-u.
    pub(crate) fn keys(&mut self, keys: &str) -> &mut Self {
        let mut rest = keys;
        while let Some(first) = rest.chars().next() {
            let named = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
            let key = match (named, first) {
                (Some((name, after)), _) if !name.is_empty() => {
                    rest = after;
                    KeyEvent::from(named_key(name))
                }
                (_, '^') => {
                    let letter = rest.chars().nth(1).unwrap_or('^');
                    rest = &rest[1 + letter.len_utf8()..];
                    KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)
                }
                (_, other) => {
                    rest = &rest[other.len_utf8()..];
                    KeyEvent::from(KeyCode::Char(other))
                }
            };
            self.fit();
            self.effects.extend(self.app.key(key, self.now));
        }
        self
    }

    fn fit(&mut self) {
        self.app.size = self.size;
        let rows = view::rows(&self.app, self.size.0, self.size.1);
        self.app.resize(rows);
        self.app.scroll_at_most(view::scroll_limit(&self.app, self.size.0, self.size.1));
    }

    pub(crate) fn buffer(&mut self, width: u16, height: u16) -> Buffer {
        self.size = (width, height);
        self.fit();
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("no I/O");
        terminal.draw(|frame| view::render(&self.app, frame)).expect("no I/O");
        terminal.backend().buffer().clone()
    }

    /// What is on the screen.
    pub(crate) fn screen(&mut self, width: u16, height: u16) -> String {
        text(&self.buffer(width, height))
    }
}

fn named_key(name: &str) -> KeyCode {
    match name {
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Tab" => KeyCode::Tab,
        "BackTab" => KeyCode::BackTab,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "PgUp" => KeyCode::PageUp,
        "PgDn" => KeyCode::PageDown,
        "BS" => KeyCode::Backspace,
        other => panic!("no key {other}"),
    }
}

/// The characters of a buffer, line by line, without what is blank to the right.
pub(crate) fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let mut lines = String::new();
    for line in buffer.content().chunks(width.max(1)) {
        let mut hidden = 0;
        let mut drawn = String::new();
        for cell in line {
            // What lies under the second half of a wide character is not seen.
            if hidden == 0 {
                drawn += cell.symbol();
            }
            let wide = unicode_width::UnicodeWidthStr::width(cell.symbol());
            hidden = wide.max(hidden).saturating_sub(1);
        }
        lines += drawn.trim_end();
        lines.push('\n');
    }
    lines
}
