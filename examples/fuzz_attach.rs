//! Feeds hostile updates to what is known of a target, and draws what comes of it.
//!
//! ```sh
//! cargo run --release --example fuzz_attach -- 1000000 1   # inputs, seed
//! ```
//!
//! An input is a real update with odd figures (ids that repeat, times out of order, huge
//! counts, control characters), with some of its bytes changed, or plain noise. Whatever
//! comes: no panic, the parts of each life add up, the limits hold, and no control character
//! reaches a cell of the screen or a report. A short run is among the tests.

use std::{env, process, sync::Arc, time::Duration};

use asynctop::{
    app::{App, Settings},
    model::{Model, Target},
    report::{Summary, csv, json, text},
    source::attach::{Program, limits, picture},
    view,
};
use console_api::{
    Attribute, Field, Id, Location, PollStats,
    async_ops::{self, AsyncOp, AsyncOpUpdate},
    field::Value,
    instrument::Update,
    resources::{self, PollOp, Resource, ResourceUpdate},
    tasks::{self, TaskUpdate},
};
use prost::Message;
use prost_types::Timestamp;
use ratatui::{Terminal, backend::TestBackend, layout::Size};

fn main() {
    let number = |text: Option<String>, usual| text.map_or(Some(usual), |text| text.parse().ok());
    let mut args = env::args().skip(1);
    let (Some(inputs), Some(seed)) = (number(args.next(), 20_000), number(args.next(), 1)) else {
        println!("usage: fuzz_attach [INPUTS [SEED]]");
        process::exit(2);
    };
    let (updates, screens) = run(inputs, seed);
    println!("{inputs} inputs from seed {seed}: {updates} were updates, {screens} screens drawn");
}

/// Returns how many inputs could be read, and how many screens were drawn.
pub fn run(inputs: u64, seed: u64) -> (u64, u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut updates, mut screens) = (0, 0);
    let mut target = Program::new("t", 0);
    for nth in 0..inputs {
        if nth % 300 == 0 {
            target = Program::new("t", dice.below(3) as u16);
        }
        let bytes = input(&mut dice);
        let ours = dice.time();
        updates += u64::from(target.apply(&bytes, ours).is_ok());
        if dice.one_in(40) {
            target.connected();
        }
        if dice.one_in(60) {
            draw(&target, &mut dice);
            screens += 1;
        }
    }
    (updates, screens)
}

/// Draws some screens of what is known and looks for what must not be there.
fn draw(target: &Program, dice: &mut Dice) {
    let mut app = App::new(Settings::default(), Duration::from_millis(250));
    let mut model = Model::default();
    for _ in 0..2 {
        let snapshot = Arc::new(picture(target, dice.time()));
        check(&snapshot);
        model.advance(snapshot.clone());
        app.advance(snapshot, Duration::ZERO);
    }
    report(&model);
    let (width, height) = (1 + dice.below(160) as u16, 1 + dice.below(50) as u16);
    let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
    for key in ['1', '2', '7', 'j', '\n', '?', '1', 'j', '\n'] {
        let code = match key {
            '\n' => crossterm::event::KeyCode::Enter,
            key => crossterm::event::KeyCode::Char(key),
        };
        app.key(crossterm::event::KeyEvent::from(code), Duration::from_secs(1));
        app.set_viewport(view::viewport(&app, Size::new(width, height)));
        let Ok(frame) = terminal.draw(|frame| view::render(&app, frame));
        let cells = frame.buffer.content();
        assert!(!cells.iter().any(|cell| cell.symbol().contains(is_harmful)));
    }
}

/// A character that a terminal obeys, or that changes the direction of text.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes a report in each format and looks for what must not be there.
fn report(model: &Model) {
    let written = |write: &dyn Fn(&mut Vec<u8>) -> std::io::Result<()>| {
        let mut out = Vec::new();
        write(&mut out).expect("a Vec takes everything");
        String::from_utf8(out).expect("UTF-8")
    };
    let summary = Summary::default();
    let text = written(&|out| text::write(model, &summary, out));
    let json = written(&|out| json::write(model, &summary, out));
    let line = written(&|out| json::write_line(model, &summary, out));
    let csv = written(&|out| csv::write(model, out));
    assert_eq!(line.lines().count(), 1);
    let tasks = model.snapshot().map_or(0, |snapshot| snapshot.tasks.len());
    assert_eq!(csv.lines().count(), 1 + tasks);
    let formula = |field: &str| field.starts_with(['=', '+', '-', '@']);
    assert!(!csv.split([',', '"', '\n']).any(formula), "{csv}");
    for report in [text, json, line, csv.replace("\r\n", "\n")] {
        assert!(!report.replace('\n', "").contains(is_harmful), "{report:?}");
    }
}

fn check(snapshot: &Target) {
    assert!(snapshot.tasks.len() <= limits::TASKS);
    assert!(snapshot.tasks.is_sorted_by_key(|task| task.key));
    for task in &snapshot.tasks {
        let parts = [task.busy_ns, task.scheduled_ns, task.idle_ns];
        assert_eq!(parts.iter().sum::<u64>(), task.lifetime_ns);
        assert!(task.meta.name.len() <= limits::NAME_BYTES);
    }
}

/// The bytes of an input.
fn input(dice: &mut Dice) -> Vec<u8> {
    if dice.one_in(10) {
        let length = dice.below(300);
        return (0..length).map(|_| dice.next() as u8).collect();
    }
    let mut bytes = update(dice).encode_to_vec();
    if dice.one_in(3) && !bytes.is_empty() {
        for _ in 0..=dice.below(6) {
            let at = dice.below(bytes.len() as u64) as usize;
            bytes[at] = dice.next() as u8;
        }
    }
    if dice.one_in(10) {
        bytes.truncate(dice.below(bytes.len() as u64 + 1) as usize);
    }
    bytes
}

fn update(dice: &mut Dice) -> Update {
    let task_update = TaskUpdate {
        new_tasks: dice.some(|dice| tasks::Task {
            id: dice.id(),
            fields: dice.some(field),
            location: dice.maybe(location),
            ..tasks::Task::default()
        }),
        stats_update: dice.some(|dice| (dice.below(20), stats(dice))).into_iter().collect(),
        dropped_events: dice.count(),
    };
    let resource_update = ResourceUpdate {
        new_resources: dice.some(|dice| Resource {
            id: dice.id(),
            concrete_type: dice.text(),
            parent_resource_id: dice.id(),
            is_internal: dice.one_in(2),
            location: dice.maybe(location),
            ..Resource::default()
        }),
        stats_update: dice
            .some(|dice| (dice.below(20), resource_stats(dice)))
            .into_iter()
            .collect(),
        new_poll_ops: dice.some(|dice| PollOp {
            resource_id: dice.id(),
            task_id: dice.id(),
            async_op_id: dice.id(),
            is_ready: dice.one_in(2),
            ..PollOp::default()
        }),
        dropped_events: dice.count(),
    };
    let async_op_update = AsyncOpUpdate {
        new_async_ops: dice.some(|dice| AsyncOp {
            id: dice.id(),
            source: dice.text(),
            resource_id: dice.id(),
            parent_async_op_id: dice.id(),
            ..AsyncOp::default()
        }),
        stats_update: dice.some(|dice| (dice.below(20), op_stats(dice))).into_iter().collect(),
        dropped_events: dice.count(),
    };
    Update {
        now: dice.moment(),
        task_update: dice.maybe(|_| task_update),
        resource_update: dice.maybe(|_| resource_update),
        async_op_update: dice.maybe(|_| async_op_update),
        new_metadata: None,
    }
}

fn field(dice: &mut Dice) -> Field {
    let names = ["task.name", "task.id", "kind", "size.bytes", "fn", "locked", "x\u{1b}[2J"];
    let value = match dice.below(5) {
        0 => Value::U64Val(dice.count()),
        1 => Value::I64Val(dice.next() as i64),
        2 => Value::BoolVal(dice.one_in(2)),
        3 => Value::StrVal(dice.text()),
        _ => Value::DebugVal(dice.text()),
    };
    let name = names[dice.below(names.len() as u64) as usize];
    Field { name: Some(name.into()), value: dice.maybe(|_| value), metadata_id: None }
}

fn location(dice: &mut Dice) -> Location {
    Location {
        file: dice.maybe(Dice::text),
        line: dice.maybe(|d| d.next() as u32),
        ..Location::default()
    }
}

fn attributes(dice: &mut Dice) -> Vec<Attribute> {
    dice.some(|dice| Attribute { field: dice.maybe(field), unit: dice.maybe(Dice::text) })
}

fn resource_stats(dice: &mut Dice) -> resources::Stats {
    resources::Stats {
        created_at: dice.moment(),
        dropped_at: dice.moment().filter(|_| dice.one_in(4)),
        attributes: attributes(dice),
    }
}

fn op_stats(dice: &mut Dice) -> async_ops::Stats {
    async_ops::Stats {
        created_at: dice.moment(),
        dropped_at: dice.moment().filter(|_| dice.one_in(4)),
        task_id: dice.id(),
        poll_stats: dice.maybe(polls),
        attributes: attributes(dice),
    }
}

fn polls(dice: &mut Dice) -> PollStats {
    PollStats {
        polls: dice.count(),
        first_poll: dice.moment(),
        last_poll_started: dice.moment(),
        last_poll_ended: dice.moment(),
        busy_time: dice.duration(),
    }
}

fn stats(dice: &mut Dice) -> tasks::Stats {
    tasks::Stats {
        created_at: dice.moment(),
        dropped_at: dice.moment().filter(|_| dice.one_in(4)),
        wakes: dice.count(),
        waker_clones: dice.count(),
        waker_drops: dice.count(),
        self_wakes: dice.count(),
        last_wake: dice.moment(),
        poll_stats: dice.maybe(polls),
        scheduled_time: dice.duration(),
    }
}

/// Numbers that follow from a seed (xorshift): a run can be repeated.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (!self.one_in(5)).then(|| make(self))
    }

    fn some<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.below(6);
        (0..count).map(|_| make(self)).collect()
    }

    /// Few of them: they shall repeat.
    fn id(&mut self) -> Option<Id> {
        let id = self.below(20);
        self.maybe(|_| Id { id })
    }

    fn count(&mut self) -> u64 {
        match self.below(8) {
            0 => u64::MAX,
            1 => self.next(),
            _ => self.below(1_000),
        }
    }

    fn text(&mut self) -> String {
        const WORDS: [&str; 12] = [
            "conn",
            "-1",
            "\u{1b}[31m",
            "\u{202e}",
            "漢字",
            "\n",
            "a\u{0301}",
            "\u{9b}2J",
            "=1+1",
            "\0",
            "\u{2066}",
            "\u{2028}\r",
        ];
        let most = if self.one_in(50) { 20_000 } else { 6 };
        let count = self.below(most);
        (0..count).map(|_| WORDS[self.below(WORDS.len() as u64) as usize]).collect()
    }

    /// A moment of our clock.
    fn time(&mut self) -> i64 {
        match self.below(20) {
            0 => self.next() as i64,
            _ => 1_000_000_000_000_000_000 + self.below(100_000_000_000) as i64,
        }
    }

    fn moment(&mut self) -> Option<Timestamp> {
        let time = self.time();
        let odd = self.one_in(30);
        let nanos = if odd { self.next() as i32 } else { (time % 1_000_000_000) as i32 };
        self.maybe(|_| Timestamp { seconds: time / 1_000_000_000, nanos })
    }

    fn duration(&mut self) -> Option<prost_types::Duration> {
        let (seconds, nanos) = (self.below(3) as i64, self.next() as i32 % 1_000_000_000);
        let seconds = if self.one_in(30) { self.next() as i64 } else { seconds };
        self.maybe(|_| prost_types::Duration { seconds, nanos })
    }
}
