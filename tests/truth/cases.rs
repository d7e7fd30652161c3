//! Programs with known culprits, and the findings about them.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use asynctop::{
    model::{Finding, FindingSubject, Model, RuleId, Severity},
    probe::Registry,
    snapshot::{Snapshot, Subscription},
    watch::{WatchOptions, Watchdog},
};
use asynctop_lab::{HogKind, HogOptions, Lab, LabCommand, LabOptions, LabSampler, Scenario};

/// The sampling interval, which is the default of the dashboard.
const INTERVAL: Duration = Duration::from_millis(250);

/// A program with or without a culprit.
pub struct Case {
    pub name: String,
    /// The text of the scenario file.
    pub text: String,
    pub hog: Option<HogKind>,
    /// The rules of which one has to fire; none in a healthy program.
    pub rules: &'static [&'static str],
    /// The groups of the culprit tasks.
    culprits: &'static [&'static str],
    /// The functions of which one has to be named, each with its file below
    /// `crates/asynctop-lab/src/workload`; none if no line blocks.
    functions: &'static [(&'static str, &'static str)],
}

/// The findings in a case.
#[derive(Default)]
pub struct Outcome {
    /// The rule that fired for a culprit, and the location that it named.
    pub found: Option<(&'static str, String)>,
    /// Whether the location is in one of the expected functions.
    pub is_expected_location: bool,
    /// Findings about bystanders.
    pub false_findings: Vec<String>,
    /// The machine was overloaded: then the culprit may get too little CPU to be noticed.
    pub is_machine_overloaded: bool,
}

/// Tasks that are affected by a culprit.
const BYSTANDERS: &str = "
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
    format!("[runtime]\nflavor = '{flavor}'\n{BYSTANDERS}{workloads}")
}

fn hog(kind: HogKind) -> Case {
    let flavor = if kind.needs_multi_thread() { "multi-thread" } else { "current-thread" };
    let is_fix = kind.info().is_fix;
    Case {
        name: format!("hog {}", kind.as_str()),
        text: scenario(flavor, ""),
        hog: Some(kind),
        rules: if is_fix { &[] } else { &["worker-held"] },
        culprits: match kind {
            // They keep their worker busy all the time, as worker-saturated may report.
            HogKind::Yield | HogKind::Budget => &["hog"],
            _ if is_fix => &[],
            _ => &["hog"],
        },
        functions: match kind {
            HogKind::Spin => &[("hog/mod.rs", "fn spin(")],
            HogKind::Block => &[("hog/mod.rs", "fn block(")],
            HogKind::Lock => &[("hog/mod.rs", "fn wait_for_lock(")],
            HogKind::Io => &[("hog/io.rs", "fn burst("), ("hog/mod.rs", "fn write_and_sync(")],
            HogKind::Db => &[("db.rs", "fn scan("), ("db.rs", "fn get(")],
            _ => &[],
        },
    }
}

fn problem(
    workload: &str,
    rules: &'static [&'static str],
    culprits: &'static [&'static str],
    functions: &'static [(&'static str, &'static str)],
) -> Case {
    let (kind, settings) = workload.split_once(' ').unwrap_or((workload, ""));
    let settings = settings.replace(", ", "\n");
    let workload = format!("[[workload]]\nkind = '{kind}'\n{settings}\n");
    let text = scenario("multi-thread", &workload);
    Case { name: kind.to_owned(), text, hog: None, rules, culprits, functions }
}

fn healthy(name: &str) -> Case {
    let built_in = asynctop_lab::BuiltInScenario::find(name).expect("built in");
    let text = built_in.text.to_owned();
    Case { name: name.to_owned(), text, hog: None, rules: &[], culprits: &[], functions: &[] }
}

/// All cases.
pub fn all() -> Vec<Case> {
    let hogs = HogKind::ALL.iter().map(|kind| hog(*kind));
    let problems = [
        problem(
            "self-waker",
            &["busy-self-waker"],
            &["self-waker"],
            &[("self_waker.rs", "fn start(")],
        ),
        problem("leak every = '50ms'", &["leak"], &["leaked"], &[("leak.rs", "fn start(")]),
        problem(
            "mutex-held hold = '30ms'",
            &["long-poll", "worker-held"],
            &["holds-mutex", "locks-mutex"],
            &[("compute.rs", "fn compute("), ("mutex_held.rs", "async fn lock_briefly(")],
        ),
        // The finding is based on the length of the queue; no line blocks.
        problem("slow-consumer", &["queue-growing"], &["slow-consumer"], &[]),
        problem("lost-waker", &["lost-waker"], &["lost"], &[("lost_waker.rs", "fn start(")]),
        problem(
            "storm burst = 4000, every = '100ms'",
            &["spawn-storm"],
            &["short", "storm"],
            &[("storm.rs", "fn start(")],
        ),
        problem(
            "panic after = '100ms'",
            &["task-panicked"],
            &["panic"],
            &[("panic.rs", "fn start(")],
        ),
    ];
    let scenarios = ["mixed", "hello", "lazy", "threads", "web"].map(healthy);
    hogs.chain(problems).chain(scenarios).collect()
}

impl Case {
    /// Whether a finding is required: in an anti-pattern, not in a fix or a healthy program.
    pub fn has_culprit(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Whether `cargo xtask score` with `--runs`, `--load` or `--pid` includes this case.
    #[allow(dead_code, reason = "only xtask scores")]
    pub fn is_hog_or_healthy(&self) -> bool {
        self.hog.is_some() || !self.has_culprit()
    }

    /// Runs the case for `min`, and then until the culprit is found, but no longer than `max`.
    pub fn run(&self, min: Duration, max: Duration) -> Outcome {
        let scenario = Scenario::parse(&self.name, "case.toml", &self.text).expect("a scenario");
        let registry = Registry::leak();
        let watchdog = Watchdog::start(registry, WatchOptions::default()).expect("a thread");
        let hold = Some(Duration::from_secs(1));
        let hog = HogOptions { kind: self.hog.unwrap_or(HogKind::Spin), count: 1, hold };
        let lab = Lab::start(LabOptions { registry, hog, ..LabOptions::new(scenario) });
        let lab = lab.expect("it starts");
        let mut sampler = LabSampler::new(&lab).with_watchdog(watchdog.handle().clone());
        if self.hog.is_some() {
            lab.execute(LabCommand::ToggleHog);
        }
        let is_found = |outcome: &Outcome| outcome.is_expected_location;
        let is_named = |group: &str, culprit: &str| group == culprit;
        let sample = || sampler.sample(&Subscription::default()).into();
        self.observe((min, max), is_named, is_found, sample)
    }

    /// Judges the findings for `min`, and then until `is_found`, but no longer than `max`.
    /// `is_named(group, culprit)` returns whether a group is that of a culprit.
    pub fn observe(
        &self,
        (min, max): (Duration, Duration),
        is_named: impl Fn(&str, &str) -> bool,
        is_found: impl Fn(&Outcome) -> bool,
        mut sample: impl FnMut() -> Snapshot,
    ) -> Outcome {
        let mut model = Model::default();
        let begin = Instant::now();
        let mut outcome = Outcome::default();
        loop {
            thread::sleep(INTERVAL);
            model.advance(&sample());
            for finding in model.all_findings() {
                self.judge(finding, &is_named, &mut outcome);
            }
            let is_found = !self.has_culprit() || is_found(&outcome);
            if is_found && begin.elapsed() >= min || begin.elapsed() >= max {
                return outcome;
            }
        }
    }

    fn judge(
        &self,
        finding: &Finding,
        is_named: impl Fn(&str, &str) -> bool,
        outcome: &mut Outcome,
    ) {
        outcome.is_machine_overloaded |= finding.rule == RuleId::MachineOverloaded;
        let is_culprit = match &finding.subject {
            FindingSubject::Group(group) => {
                self.culprits.iter().any(|culprit| is_named(group, culprit))
            }
            _ => false,
        };
        if is_culprit && self.rules.contains(&finding.rule.as_str()) {
            let location = finding.place().unwrap_or("–").to_owned();
            let mut functions = self.functions.iter().map(|(file, start)| lines(file, start));
            outcome.is_expected_location |=
                self.functions.is_empty() || functions.any(|lines| lines.contains(&location));
            outcome.found = Some((finding.rule.as_str(), location));
        } else if !is_culprit && finding.severity >= Severity::Warning {
            // Info findings, such as machine-overloaded, have no culprit.
            let prefix = format!("{} of {}: ", finding.rule, finding.subject);
            if !outcome.false_findings.iter().any(|known| known.starts_with(&prefix)) {
                outcome.false_findings.push(format!("{prefix}{}", finding.sentence));
            }
        }
    }
}

/// The lines of a function of the lab as locations: from its signature to its closing brace.
fn lines(file: &str, start: &str) -> Vec<String> {
    let path = format!("crates/asynctop-lab/src/workload/{file}");
    // The package of the tests, or of xtask below it.
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let source = folders.map(|folder| folder.join(&path)).find(|source| source.exists());
    let text = std::fs::read_to_string(source.expect("the sources of the lab"));
    let text = text.expect("it can be read");
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| line.contains(start)).expect("the function exists");
    let indent = lines[first].len() - lines[first].trim_start().len();
    let close = format!("{}}}", &lines[first][..indent]);
    let length = lines[first..].iter().position(|line| *line == close).expect("it ends");
    (first..=first + length).map(|line| format!("{path}:{}", line + 1)).collect()
}
