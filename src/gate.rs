//! The gate of a CI run: the findings that fail it.

use std::{io, str::FromStr, sync::Arc};

use crate::{
    model::{Finding, FindingId, Model, RULES, Rule, RuleId, Severity, TargetModel, Thresholds},
    snapshot::Description,
};

/// A condition that fails a run: `RULE`, `RULE=VALUE` or `any`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// A finding of severity warning or critical.
    Any,
    /// A finding of this rule, at this threshold if one is given.
    Rule(RuleId, Option<u64>),
}

impl FailOn {
    /// Why no finding of a target with this description can meet the condition; `None` if one can.
    /// If a rule lacks a field, a rule that implies it replaces it, but only for a value that is at
    /// least the threshold of the other rule.
    pub fn unsupported(
        &self,
        description: &Description,
        thresholds: &Thresholds,
    ) -> Option<String> {
        let FailOn::Rule(id, value) = self else { return None };
        let is_replaced_by = |other: &&Rule| {
            let from = thresholds.get(other.id).filter(|_| other.implies.contains(id));
            other.missing_field(description).is_none()
                && from.is_some_and(|from| value.is_some_and(|value| value >= from))
        };
        let field = id.rule().missing_field(description)?;
        let reason = description.reason(field)?;
        let is_replaced = RULES.iter().copied().any(|other| is_replaced_by(&other));
        (!is_replaced).then(|| format!("it needs `{}`: {reason}", field.path()))
    }
}

impl FailOn {
    /// The threshold of the rule, if a target with this description does not report polls of that
    /// length, and the length of the shortest that it reports; in nanoseconds.
    pub fn unobserved(
        &self,
        description: &Description,
        thresholds: &Thresholds,
    ) -> Option<(u64, u64)> {
        let FailOn::Rule(id @ (RuleId::WorkerHeld | RuleId::LongPoll), value) = *self else {
            return None;
        };
        let value = value.or(thresholds.get(id))?;
        let shortest = description.min_long_poll_ns;
        (value < shortest).then_some((value, shortest))
    }
}

impl FromStr for FailOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        if name == "any" {
            let any = value.is_none().then_some(FailOn::Any);
            return any.ok_or("any has no threshold; write any, or RULE=VALUE".to_owned());
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

/// Collects the findings that fail a run. They are kept because a finding may be resolved and
/// removed before the run ends.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    fail_on: Vec<FailOn>,
    failures: Vec<(FindingId, Arc<Finding>)>,
}

/// Maximum number of findings that are kept.
const MAX_FAILURES: usize = 50;

impl Gate {
    /// A gate with these conditions.
    pub fn new(fail_on: Vec<FailOn>) -> Self {
        Gate { fail_on, failures: Vec::new() }
    }

    /// Applies the thresholds of the conditions.
    pub fn set_thresholds(fail_on: &[FailOn], thresholds: &mut Thresholds) {
        for condition in fail_on {
            if let FailOn::Rule(rule, Some(value)) = condition {
                thresholds.set(*rule, Some(*value));
            }
        }
    }

    /// Records the findings of a model that fail the run.
    pub fn check(&mut self, model: &Model) {
        if self.fail_on.is_empty() {
            return;
        }
        let thresholds = model.thresholds();
        for finding in model.all_findings().iter().chain(model.covered_findings()) {
            if self.fails(finding, thresholds) {
                let id = finding.id();
                match self.position(&id) {
                    Some(index) => self.failures[index].1 = finding.clone(),
                    None if self.failures.len() < MAX_FAILURES => {
                        self.failures.push((id, finding.clone()));
                    }
                    None => {}
                }
            }
        }
        for finding in model.targets().iter().flat_map(TargetModel::worker_held_findings) {
            let id = finding.id();
            let is_new = self.position(&id).is_none() && self.failures.len() < MAX_FAILURES;
            if is_new && self.fails(&finding, thresholds) {
                self.failures.push((id, Arc::new(finding)));
            }
        }
    }

    fn position(&self, id: &FindingId) -> Option<usize> {
        self.failures.iter().position(|(known, _)| known == id)
    }

    fn fails(&self, finding: &Finding, thresholds: &Thresholds) -> bool {
        self.fail_on.iter().any(|condition| match condition {
            FailOn::Any => finding.severity >= Severity::Warning && finding.part_of.is_none(),
            FailOn::Rule(rule, _) if *rule == finding.rule => true,
            FailOn::Rule(rule, _) => {
                let is_reached =
                    thresholds.get(*rule).is_some_and(|value| finding.measure >= value);
                is_reached && finding.rule.rule().implies.contains(rule)
            }
        })
    }

    /// Whether no finding has failed the run.
    pub fn has_passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// Writes the findings that have failed the run, in the order in which they occurred.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        for (_, finding) in &self.failures {
            let times = match finding.count {
                0 | 1 => String::new(),
                n => format!(" ({n} times)"),
            };
            writeln!(out, "failed: {}: {}{times}", finding.rule, finding.sentence)?;
            if let Some(location) = &finding.location {
                writeln!(out, "  {} {location}", finding.location_label())?;
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

    /// The gate of a run in which a task panics, then nothing happens for two minutes.
    fn run(fail_on: &[&str]) -> Gate {
        let fail_on: Vec<FailOn> = fail_on.iter().map(|it| it.parse().expect("a rule")).collect();
        let mut thresholds = Thresholds::default();
        Gate::set_thresholds(&fail_on, &mut thresholds);
        let mut model = Model::with_thresholds(thresholds);
        let mut gate = Gate::new(fail_on);
        let mut broken = task(1, "broken");
        broken.state = State::Panicked;
        for moment in [snapshot(S, [broken]), snapshot(2 * S, []), snapshot(120 * S, [])] {
            model.advance(&moment.into());
            gate.check(&model);
        }
        gate
    }

    #[test]
    fn resolved_findings_fail_the_run() {
        for fail_on in [&["any"][..], &["task-panicked"], &["leak", "task-panicked=1"]] {
            let gate = run(fail_on);
            assert!(!gate.has_passed(), "{fail_on:?}");
            let mut text = Vec::new();
            gate.write(&mut text).expect("a Vec takes everything");
            let text = String::from_utf8(text).expect("text");
            assert!(text.starts_with("failed: task-panicked: broken panicked"), "{text}");
            assert!(text.contains("spawned at src/main.rs:7"), "{text}");
        }
    }

    /// The gate of a run with a poll of this length, which waits for a CPU for `run_delay_ns`. The
    /// task ends before the watchdog has classified the poll, so no finding becomes active.
    fn run_with_long_poll(fail_on: &str, length_ns: u64, run_delay_ns: u64) -> Gate {
        let fail_on: FailOn = fail_on.parse().expect("a rule");
        let mut thresholds = Thresholds::default();
        Gate::set_thresholds(std::slice::from_ref(&fail_on), &mut thresholds);
        let mut model = Model::with_thresholds(thresholds);
        let mut gate = Gate::new(vec![fail_on]);
        let mut poll = LongPoll::computing(7, S, length_ns);
        poll.without_cpu.run_delay_ns = run_delay_ns;
        let decided = poll.net_ns.map(|net_ns| net_ns - run_delay_ns);
        poll.net_ns = None;
        let mut now = snapshot(3 * S, [task(7, "hog")]);
        (now.description, now.long_polls) = (with_watchdog(), vec![Arc::new(poll.clone())]);
        model.advance(&now.into());
        gate.check(&model);
        assert!(gate.has_passed(), "the poll may be in block_in_place");
        poll.net_ns = decided;
        poll.revision += 1;
        let mut now = snapshot(4 * S, []);
        (now.description, now.long_polls) = (with_watchdog(), vec![Arc::new(poll)]);
        model.advance(&now.into());
        assert!(model.all_findings().is_empty());
        gate.check(&model);
        gate
    }

    #[test]
    fn long_poll_in_the_impact_table_fails_the_run_without_a_finding() {
        for fail_on in ["any", "worker-held", "worker-held=1s", "long-poll", "long-poll=1s"] {
            let gate = run_with_long_poll(fail_on, S + S / 10, 0);
            let mut text = Vec::new();
            gate.write(&mut text).expect("a Vec takes everything");
            let text = String::from_utf8(text).expect("text");
            let first = "failed: worker-held: hog blocked its thread for 1.10s\n";
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
            let gate = run_with_long_poll(fail_on, length_ns, run_delay_ns);
            assert!(gate.has_passed(), "{fail_on} {length_ns}");
        }
    }

    #[test]
    fn run_passes_with_other_rules_and_higher_thresholds() {
        for fail_on in [&["leak"][..], &["task-panicked=2"], &[]] {
            assert!(run(fail_on).has_passed(), "{fail_on:?}");
        }
    }

    #[test]
    fn invalid_conditions_are_explained() {
        for (text, part) in [
            ("nonsense", "the rules are worker-held, "),
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
