//! Programs of which it is known who is guilty, and what the findings make of them.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use asynctop::{
    model::{Finding, FindingSubject, Model, Severity},
    probe::Registry,
    snapshot::Subscription,
    watch::{WatchOptions, Watchdog},
};
use asynctop_lab::{Command, HogKind, HogOptions, Lab, LabOptions, LabSampler, Scenario};

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
    /// The functions that are to be named, each with its file below `crates/asynctop-lab/src/workload`; none
    /// if there is no line that is to blame.
    places: &'static [(&'static str, &'static str)],
}

/// What was found in a case.
pub struct Outcome {
    /// The rule that spoke of the guilty, and the place that it named.
    pub found: Option<(&'static str, String)>,
    /// Whether the line is one of the guilty's function.
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
    let is_fix = kind.about().is_fix;
    Case {
        name: format!("hog {}", kind.as_str()),
        text: scenario(flavor, ""),
        hog: Some(kind),
        rules: if is_fix { &[] } else { &["worker-held"] },
        guilty: match kind {
            // They keep their worker busy all the time, as worker-saturated may report.
            HogKind::Yield | HogKind::Budget => &["hog"],
            _ if is_fix => &[],
            _ => &["hog"],
        },
        places: match kind {
            HogKind::Spin => &[("hog/mod.rs", "fn spin(")],
            HogKind::Block => &[("hog/mod.rs", "fn block(")],
            HogKind::Lock => &[("hog/mod.rs", "fn wait_for_lock(")],
            HogKind::Io => &[("hog/io.rs", "fn round("), ("hog/mod.rs", "fn write_and_sync(")],
            HogKind::Db => &[("db.rs", "fn scan("), ("db.rs", "fn get(")],
            _ => &[],
        },
    }
}

fn trouble(
    workload: &str,
    rules: &'static [&'static str],
    guilty: &'static [&'static str],
    places: &'static [(&'static str, &'static str)],
) -> Case {
    let (kind, settings) = workload.split_once(' ').unwrap_or((workload, ""));
    let settings = settings.replace(", ", "\n");
    let workload = format!("[[workload]]\nkind = '{kind}'\n{settings}\n");
    let text = scenario("multi-thread", &workload);
    Case { name: kind.to_owned(), text, hog: None, rules, guilty, places }
}

fn healthy(name: &str) -> Case {
    let built_in = asynctop_lab::builtin(name).expect("built in");
    let text = built_in.text.to_owned();
    Case { name: name.to_owned(), text, hog: None, rules: &[], guilty: &[], places: &[] }
}

/// All of them.
pub fn all() -> Vec<Case> {
    let hogs = HogKind::ALL.iter().map(|kind| hog(*kind));
    let troubles = [
        trouble(
            "self-waker",
            &["busy-self-waker"],
            &["self-waker"],
            &[("self_waker.rs", "fn start(")],
        ),
        trouble("leak every = '50ms'", &["leak"], &["leaked"], &[("leak.rs", "fn start(")]),
        trouble(
            "mutex-held hold = '30ms'",
            &["long-poll", "worker-held"],
            &["holds-mutex", "glances"],
            &[("compute.rs", "fn compute("), ("mutex_held.rs", "async fn glances(")],
        ),
        // It reports the length of its queue; no line is at fault.
        trouble("slow-consumer", &["queue-growing"], &["slow-consumer"], &[]),
        trouble("lost-waker", &["lost-waker"], &["lost"], &[("lost_waker.rs", "fn start(")]),
        trouble(
            "storm burst = 4000, every = '100ms'",
            &["spawn-storm"],
            &["short", "storm"],
            &[("storm.rs", "fn start(")],
        ),
        trouble(
            "panic after = '100ms'",
            &["task-panicked"],
            &["panic"],
            &[("panic.rs", "fn start(")],
        ),
    ];
    let well = ["mixed", "hello", "lazy", "threads", "web"].map(healthy);
    hogs.chain(troubles).chain(well).collect()
}

impl Case {
    /// Whether a finding is required: in an anti-pattern, not in a fix or a healthy program.
    pub fn is_guilty(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Whether it runs a hog, of any kind, or a healthy scenario.
    #[allow(dead_code, reason = "only xtask scores")]
    pub fn is_scored_by_default(&self) -> bool {
        self.hog.is_some() || !self.is_guilty()
    }

    /// Runs it for `least`, and longer, until the guilty is found or patience is at its end.
    pub fn run(&self, least: Duration, patience: Duration) -> Outcome {
        let scenario = Scenario::parse(&self.name, "case.toml", &self.text).expect("a scenario");
        let registry = Registry::leak();
        let watchdog = Watchdog::start(registry, WatchOptions::default()).expect("a thread");
        let hold = Some(Duration::from_secs(1));
        let hog = HogOptions { kind: self.hog.unwrap_or(HogKind::Spin), count: 1, hold };
        let lab = Lab::start(LabOptions { registry, hog, ..LabOptions::new(scenario) });
        let lab = lab.expect("it starts");
        let mut source = LabSampler::new(&lab).with_watchdog(watchdog.handle().clone());
        let mut model = Model::default();
        if self.hog.is_some() {
            lab.execute(Command::ToggleHog);
        }
        let begin = Instant::now();
        let mut outcome = Outcome { found: None, right_place: false, accused: Vec::new() };
        loop {
            thread::sleep(INTERVAL);
            model.advance(&source.sample(&Subscription::default()).into());
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
        let guilty = match &finding.subject {
            FindingSubject::Group(group) => self.guilty.contains(&&**group),
            _ => false,
        };
        if guilty && self.rules.contains(&finding.rule.as_str()) {
            let place = finding.place().unwrap_or("–").to_owned();
            let mut functions = self.places.iter().map(|(file, start)| lines(file, start));
            outcome.right_place |=
                self.places.is_empty() || functions.any(|lines| lines.contains(&place));
            outcome.found = Some((finding.rule.as_str(), place));
        } else if !guilty && finding.severity >= Severity::Warning {
            // Info findings, such as machine-overloaded, have no culprit.
            let who = format!("{} of {}: ", finding.rule, finding.subject);
            if !outcome.accused.iter().any(|known| known.starts_with(&who)) {
                outcome.accused.push(format!("{who}{}", finding.sentence));
            }
        }
    }
}

/// The lines of a function of the lab's, as findings name them: from its signature to the brace
/// that closes it.
fn lines(file: &str, start: &str) -> Vec<String> {
    let path = format!("crates/asynctop-lab/src/workload/{file}");
    // The package of the tests, or of xtask below it.
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let source = folders.map(|folder| folder.join(&path)).find(|source| source.exists());
    let text = std::fs::read_to_string(source.expect("the lab's sources are here"));
    let text = text.expect("it can be read");
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| line.contains(start)).expect("the function is there");
    let indent = lines[first].len() - lines[first].trim_start().len();
    let close = format!("{}}}", &lines[first][..indent]);
    let length = lines[first..].iter().position(|line| *line == close).expect("it ends");
    (first..=first + length).map(|line| format!("{path}:{}", line + 1)).collect()
}
