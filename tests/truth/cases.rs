//! Programs of which it is known who is guilty, and what the findings make of them.

use std::{
    thread,
    time::{Duration, Instant},
};

use asynctop::{
    lab::{Command, HogKind, HogOptions, Lab, LabOptions, Scenario},
    model::{Finding, Interest, Model, Severity, Suspect},
    probe::Registry,
    source::{LiveSource, Source},
    watch::{WatchOptions, Watchdog},
};

/// Time between two looks, as the dashboard has it.
const INTERVAL: Duration = Duration::from_millis(250);

/// A program with somebody guilty in it, or nobody.
pub struct Case {
    pub name: String,
    /// The scenario's file.
    text: String,
    hog: Option<HogKind>,
    /// The rules of which one has to speak; none for a program in which all is well.
    pub rules: &'static [&'static str],
    /// The groups of tasks that are to blame.
    guilty: &'static [&'static str],
    /// The source file that is to be named.
    file: &'static str,
}

/// What was found in a case.
pub struct Outcome {
    /// The rule that spoke of the guilty, and the place that it named.
    pub found: Option<(&'static str, String)>,
    /// Whether the place is in the guilty's file.
    pub right_place: bool,
    /// What was said of those who have done nothing.
    pub accused: Vec<String>,
}

/// Tasks that suffer and have done nothing.
const INNOCENT: &str = "
[[workload]]
kind = 'tcp'
count = 8
[[workload]]
kind = 'pingpong'
count = 2
[[workload]]
kind = 'heartbeats'
count = 4
";

fn scenario(flavor: &str, workloads: &str) -> String {
    format!("[runtime]\nflavor = '{flavor}'\n{INNOCENT}{workloads}")
}

fn hog(kind: HogKind) -> Case {
    let flavor = if kind.needs_multi_thread() { "multi-thread" } else { "current-thread" };
    let cure = kind.about().cure;
    Case {
        name: format!("hog {}", kind.as_str()),
        text: scenario(flavor, ""),
        hog: Some(kind),
        rules: if cure { &[] } else { &["worker-held"] },
        guilty: if cure { &[] } else { &["hog"] },
        file: "lab/workload/",
    }
}

fn trouble(
    workload: &str,
    rules: &'static [&'static str],
    guilty: &'static [&'static str],
    file: &'static str,
) -> Case {
    let (kind, settings) = workload.split_once(' ').unwrap_or((workload, ""));
    let settings = settings.replace(", ", "\n");
    let workload = format!("[[workload]]\nkind = '{kind}'\n{settings}\n");
    let text = scenario("multi-thread", &workload);
    Case { name: kind.to_owned(), text, hog: None, rules, guilty, file }
}

fn healthy(name: &str) -> Case {
    let built_in = asynctop::lab::builtin(name).expect("built in");
    let text = built_in.text.to_owned();
    Case { name: name.to_owned(), text, hog: None, rules: &[], guilty: &[], file: "" }
}

/// All of them.
pub fn all() -> Vec<Case> {
    let hogs = HogKind::ALL.iter().map(|kind| hog(*kind));
    let troubles = [
        trouble("self-waker", &["busy-self-waker"], &["self-waker"], "self_waker.rs"),
        trouble("leak every = '50ms'", &["leak"], &["leaked"], "leak.rs"),
        trouble(
            "mutex-held hold = '30ms'",
            &["long-poll", "worker-held"],
            &["holds-mutex", "glances"],
            "mutex_held.rs",
        ),
        // It tells how long its queue is, and has no line that is to blame.
        trouble("slow-consumer", &["queue-growing"], &["slow-consumer"], ""),
        trouble("lost-waker", &["lost-waker"], &["lost"], "lost_waker.rs"),
        trouble(
            "storm burst = 4000, every = '100ms'",
            &["spawn-storm"],
            &["short", "storm"],
            "storm.rs",
        ),
        trouble("panic after = '100ms'", &["task-panicked"], &["panic"], "panic.rs"),
    ];
    let well = ["mixed", "hello", "lazy", "threads", "web"];
    let well = well.iter().filter(|name| cfg!(feature = "web") || **name != "web");
    let well = well.map(|name| healthy(name));
    hogs.chain(troubles).chain(well).collect()
}

impl Case {
    /// Whether there is anybody to be found.
    pub fn is_guilty(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Runs it for `least`, and longer, until the guilty is found or patience is at its end.
    pub fn run(&self, least: Duration, patience: Duration) -> Outcome {
        let scenario = Scenario::parse(&self.name, "case.toml", &self.text).expect("a scenario");
        let registry = Registry::leak();
        let watchdog = Watchdog::start(registry, WatchOptions::default()).expect("a thread");
        let hold = Some(Duration::from_millis(400));
        let hog = HogOptions { kind: self.hog.unwrap_or(HogKind::Spin), count: 1, hold };
        let lab = Lab::start(LabOptions { registry, hog, ..LabOptions::new(scenario) });
        let lab = lab.expect("it starts");
        let mut source = LiveSource::of_lab(&lab).with_watchdog(watchdog.handle().clone());
        let mut model = Model::default();
        if self.hog.is_some() {
            lab.execute(Command::ToggleHog);
        }
        let begin = Instant::now();
        let mut outcome = Outcome { found: None, right_place: false, accused: Vec::new() };
        loop {
            thread::sleep(INTERVAL);
            model.advance(source.snapshot(&Interest::default()).into());
            for finding in model.all_findings() {
                self.judge(finding, &mut outcome);
            }
            let over = begin.elapsed() >= least && (outcome.right_place || !self.is_guilty());
            if over || begin.elapsed() >= patience {
                return outcome;
            }
        }
    }

    fn judge(&self, finding: &Finding, outcome: &mut Outcome) {
        let guilty = match &finding.suspect {
            Suspect::Group(group) => self.guilty.contains(&&**group),
            _ => false,
        };
        if guilty && self.rules.contains(&finding.rule) {
            let place = finding.place().unwrap_or("–").to_owned();
            let stack = finding.evidence.as_ref().and_then(|evidence| evidence.stack.as_ref());
            let mut frames = stack.iter().flat_map(|stack| stack.task_frames());
            let named = |place: &str| place.contains(self.file);
            let in_stack = frames.any(|frame| frame.path.as_deref().is_some_and(named));
            outcome.right_place |= named(&place) || in_stack;
            outcome.found = Some((finding.rule, place));
        } else if !guilty && finding.severity >= Severity::Warning {
            let who = format!("{} of {}: ", finding.rule, finding.suspect);
            if !outcome.accused.iter().any(|known| known.starts_with(&who)) {
                outcome.accused.push(format!("{who}{}", finding.sentence));
            }
        }
    }
}
