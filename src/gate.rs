//! The gate of a CI run: which findings make it fail.

use std::{io, str::FromStr, sync::Arc};

use crate::model::{Finding, FindingId, Model, RuleId, Severity, TargetModel, Thresholds};

/// What makes a run fail, as `RULE`, `RULE=VALUE` or `any`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// Any finding that is worse than worth knowing.
    Any,
    /// A finding of this rule, from this threshold on if one is given.
    Rule(RuleId, Option<u64>),
}

impl FromStr for FailOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        if name == "any" {
            let plain = value.is_none().then_some(FailOn::Any);
            return plain.ok_or("any has no threshold; write any, or RULE=VALUE".to_owned());
        }
        let id: RuleId = name.parse()?;
        let Some(value) = value else { return Ok(FailOn::Rule(id, None)) };
        match id.rule().parse(value)? {
            Some(value) => Ok(FailOn::Rule(id, Some(value))),
            None => Err(format!("a rule that is off cannot fire; leave {name} out")),
        }
    }
}

/// A threshold of the command line: `RULE=VALUE` or `RULE=off`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetThreshold(pub RuleId, pub Option<u64>);

impl FromStr for SetThreshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, value)) = text.split_once('=') else {
            return Err("write RULE=VALUE, such as worker-held=200ms, or RULE=off".to_owned());
        };
        let id: RuleId = name.parse()?;
        Ok(SetThreshold(id, id.rule().parse(value)?))
    }
}

/// Watches a model for what makes a run fail, and keeps it: a finding may be over, and
/// forgotten, when the run ends.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    rules: Vec<FailOn>,
    fired: Vec<(FindingId, Arc<Finding>)>,
}

/// So many findings are kept.
const MOST: usize = 50;

impl Gate {
    /// A gate for these.
    pub fn new(rules: Vec<FailOn>) -> Self {
        Gate { rules, fired: Vec::new() }
    }

    /// Sets the thresholds that the gate has of its own.
    pub fn set(rules: &[FailOn], thresholds: &mut Thresholds) {
        for rule in rules {
            if let FailOn::Rule(rule, Some(value)) = rule {
                thresholds.set(*rule, Some(*value));
            }
        }
    }

    /// Records the findings of a model that fail the run.
    pub fn look(&mut self, model: &Model) {
        if self.rules.is_empty() {
            return;
        }
        let thresholds = model.thresholds();
        for finding in model.all_findings().iter().chain(model.partial_findings()) {
            if self.fails(finding, thresholds) {
                let id = finding.id();
                match self.position(&id) {
                    Some(at) => self.fired[at].1 = finding.clone(),
                    None if self.fired.len() < MOST => self.fired.push((id, finding.clone())),
                    None => {}
                }
            }
        }
        for finding in model.targets().iter().flat_map(TargetModel::worker_held_findings) {
            let id = finding.id();
            let is_new = self.position(&id).is_none() && self.fired.len() < MOST;
            if is_new && self.fails(&finding, thresholds) {
                self.fired.push((id, Arc::new(finding)));
            }
        }
    }

    fn position(&self, id: &FindingId) -> Option<usize> {
        self.fired.iter().position(|(known, _)| known == id)
    }

    fn fails(&self, finding: &Finding, thresholds: &Thresholds) -> bool {
        self.rules.iter().any(|fail_on| match fail_on {
            FailOn::Any => finding.severity >= Severity::Warning && finding.part_of.is_none(),
            FailOn::Rule(rule, _) if *rule == finding.rule => true,
            FailOn::Rule(rule, _) => {
                let is_reached =
                    thresholds.get(*rule).is_some_and(|least| finding.measure >= least);
                is_reached && finding.rule.rule().implies.contains(rule)
            }
        })
    }

    /// What has failed the run, in the order in which it came.
    pub fn fired(&self) -> impl Iterator<Item = &Arc<Finding>> {
        self.fired.iter().map(|(_, finding)| finding)
    }

    /// Whether the run has passed.
    pub fn is_open(&self) -> bool {
        self.fired.is_empty()
    }

    /// Says what has failed, each with where and why.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn tell(&self, out: &mut impl io::Write) -> io::Result<()> {
        for finding in self.fired() {
            let times = match finding.count {
                0 | 1 => String::new(),
                n => format!(" ({n} times)"),
            };
            let text = format!("failed: {}: {}{times}", finding.rule, finding.sentence);
            writeln!(out, "{text}")?;
            if let Some(location) = &finding.location {
                writeln!(out, "  spawned at {location}")?;
            }
            for line in finding.evidence.iter().flat_map(|evidence| evidence.lines()) {
                writeln!(out, "  {line}")?;
            }
            writeln!(out, "  {}", finding.fix)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::testing::{snapshot, task, with_watchdog},
        snapshot::{LongPoll, State},
    };

    const S: u64 = 1_000_000_000;

    /// A task that has panicked, and then nothing for two minutes.
    fn run(fail_on: &[&str]) -> Gate {
        let rules: Vec<FailOn> = fail_on.iter().map(|text| text.parse().expect("a rule")).collect();
        let mut thresholds = Thresholds::default();
        Gate::set(&rules, &mut thresholds);
        let mut model = Model::with_thresholds(thresholds);
        let mut gate = Gate::new(rules);
        let mut broken = task(1, "broken");
        broken.state = State::Panicked;
        for moment in [snapshot(S, [broken]), snapshot(2 * S, []), snapshot(120 * S, [])] {
            model.advance(&moment.into());
            gate.look(&model);
        }
        gate
    }

    #[test]
    fn what_came_and_went_has_failed_the_run() {
        for fail_on in [&["any"][..], &["task-panicked"], &["leak", "task-panicked=1"]] {
            let gate = run(fail_on);
            assert!(!gate.is_open(), "{fail_on:?}");
            let mut text = Vec::new();
            gate.tell(&mut text).expect("a Vec takes everything");
            let text = String::from_utf8(text).expect("text");
            assert!(text.starts_with("failed: task-panicked: broken panicked"), "{text}");
            assert!(text.contains("spawned at src/main.rs:7"), "{text}");
        }
    }

    /// A run with a poll of this length, `run_delay_ns` of it without a CPU. The task has ended
    /// before the watchdog has judged the poll, so no finding becomes active.
    fn held(fail_on: &str, length_ns: u64, run_delay_ns: u64) -> Gate {
        let fail_on: FailOn = fail_on.parse().expect("a rule");
        let mut thresholds = Thresholds::default();
        Gate::set(std::slice::from_ref(&fail_on), &mut thresholds);
        let mut model = Model::with_thresholds(thresholds);
        let mut gate = Gate::new(vec![fail_on]);
        let mut poll = LongPoll::computing(7, S, length_ns);
        poll.without_cpu.run_delay_ns = run_delay_ns;
        let decided = poll.net_ns.map(|net_ns| net_ns - run_delay_ns);
        poll.net_ns = None;
        let mut now = snapshot(3 * S, [task(7, "hog")]);
        (now.description, now.long_polls) = (with_watchdog(), vec![Arc::new(poll.clone())]);
        model.advance(&now.into());
        gate.look(&model);
        assert!(gate.is_open(), "it may have been block_in_place");
        poll.net_ns = decided;
        poll.revision += 1;
        let mut now = snapshot(4 * S, []);
        (now.description, now.long_polls) = (with_watchdog(), vec![Arc::new(poll)]);
        model.advance(&now.into());
        assert!(model.all_findings().is_empty());
        gate.look(&model);
        gate
    }

    #[test]
    fn a_long_poll_in_the_impact_table_fails_the_run_without_a_finding() {
        for fail_on in ["any", "worker-held", "worker-held=1s", "long-poll", "long-poll=1s"] {
            let gate = held(fail_on, S + S / 10, 0);
            let mut text = Vec::new();
            gate.tell(&mut text).expect("a Vec takes everything");
            let text = String::from_utf8(text).expect("text");
            let first = "failed: worker-held: hog blocked its thread for 1.10s without yielding\n";
            assert!(text.starts_with(first), "{text}");
        }
        for (fail_on, length_ns, run_delay_ns) in [
            ("long-poll=2s", S, 0),
            ("never-yielded=10ms", S, 0),
            ("starvation", S, 0),
            ("worker-held=2s", S, 0),
            ("any", S / 20, 0),
            ("any", S, S - S / 20),
        ] {
            assert!(held(fail_on, length_ns, run_delay_ns).is_open(), "{fail_on} {length_ns}");
        }
    }

    #[test]
    fn other_rules_and_higher_thresholds_let_it_pass() {
        for fail_on in [&["leak"][..], &["task-panicked=2"], &[]] {
            assert!(run(fail_on).is_open(), "{fail_on:?}");
        }
    }

    #[test]
    fn what_is_no_gate_is_told_in_a_sentence() {
        for (text, part) in [
            ("nonsense", "did you mean `"),
            ("worker-hold", "did you mean `worker-held`?"),
            ("worker-held=5", "write it like 100ms"),
            ("worker-held=off", "cannot fire"),
            ("any=5", "no threshold"),
        ] {
            let error = text.parse::<FailOn>().expect_err(text);
            assert!(error.contains(part), "{error}");
        }
        assert!("worker-held".parse::<SetThreshold>().expect_err("no value").contains("RULE=off"));
        assert_eq!("leak=off".parse(), Ok(SetThreshold(RuleId::Leak, None)));
    }
}
