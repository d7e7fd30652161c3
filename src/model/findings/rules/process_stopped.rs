//! The whole process was stopped from outside. That time is not attributed to any task.

use crate::model::findings::{
    Finding, FindingSubject, RuleContext, RuleId, Severity,
    rule::{Check, Rule, Unit},
};
use crate::snapshot::FieldId;
use crate::text::duration;

pub(super) static RULE: Rule = Rule {
    id: RuleId::ProcessStopped,
    name: "process-stopped",
    meaning: "the whole process was stopped: by SIGSTOP, a debugger or a paused virtual machine",
    severity: Severity::Info,
    unit: Unit::Time,
    default: 100_000_000,
    measure: "one stop",
    raise_ns: 0,
    clear_ns: 0,
    fix: "This time is deducted from polls, delays, impact and rates; distributions leave out the \
          polls and delays that contain it. If you did not stop the program, look for a debugger, \
          a suspended container or a paused virtual machine.",
    needs: &[FieldId::Machine],
    covers: &[],
    implies: &[],
    check: Check::Snapshot(check),
};

/// The fix while a stop lasts.
const LASTS: &str = "Send it SIGCONT (kill -CONT), or detach the debugger or tracer that stopped it. \
                     While it is stopped, its tasks keep the states that they had.";

fn check(ctx: &RuleContext<'_>) -> Vec<Finding> {
    let Some(machine) = &ctx.target.machine else { return Vec::new() };
    if let Some(since_ns) = machine.stopped_since_ns {
        let length_ns = ctx.now().saturating_sub(since_ns);
        let sentence =
            format!("the process is stopped, for {} so far: no task runs", duration(length_ns));
        let candidate = RULE.candidate(ctx.now(), FindingSubject::Machine, length_ns, sentence);
        let (first_seen_ns, severity, fix) = (since_ns, Severity::Warning, LASTS);
        return vec![Finding { first_seen_ns, severity, fix, ..candidate }];
    }
    let Some(previous_ns) = ctx.previous_ns else { return Vec::new() };
    let new = || machine.stops.iter().filter(|stop| stop.to_ns > previous_ns);
    let longest = new().max_by_key(|stop| stop.to_ns - stop.from_ns);
    let candidate = longest.map(|stop| {
        let length_ns = stop.to_ns - stop.from_ns;
        let sentence = format!(
            "the process was stopped for {}; this time is not attributed to any task",
            duration(length_ns)
        );
        Finding {
            first_seen_ns: stop.from_ns,
            count: new().count() as u64,
            ..RULE.candidate(ctx.now(), FindingSubject::Machine, length_ns, sentence)
        }
    });
    candidate.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use crate::model::findings::Severity;
    use crate::model::findings::testing::{S, empty, findings_of};
    use crate::snapshot::{MachineStats, Stop};

    /// A stop that was observed from outside, while it lasted and after it.
    #[test]
    fn lasting_stop_is_active_and_counts_once() {
        let snapshot = |at: u64| {
            let mut now = empty(at);
            let stop = Stop { from_ns: S, to_ns: 4 * S };
            now.machine = Some(MachineStats {
                stopped_since_ns: (at < stop.to_ns).then_some(stop.from_ns),
                stops: if at < stop.to_ns { Vec::new() } else { vec![stop] },
                ..MachineStats::default()
            });
            now
        };
        let lasting = findings_of("process-stopped", [2 * S, 3 * S].map(snapshot));
        assert_eq!(lasting[0].sentence, "the process is stopped, for 2.00s so far: no task runs");
        assert_eq!(
            (lasting[0].active, lasting[0].severity, lasting[0].count),
            (true, Severity::Warning, 1)
        );
        let ended = findings_of("process-stopped", [2 * S, 3 * S, 5 * S, 6 * S].map(snapshot));
        assert_eq!((ended.len(), ended[0].active, ended[0].count), (1, false, 1));
        assert!(ended[0].sentence.starts_with("the process was stopped for 3.00s"));
    }

    #[test]
    fn each_stop_is_reported_once() {
        let snapshot = |at: u64| {
            let mut now = empty(at);
            let stops = [Stop { from_ns: S, to_ns: 4 * S }, Stop { from_ns: 6 * S, to_ns: 8 * S }];
            let stops = stops.into_iter().filter(|stop| stop.to_ns <= at).collect();
            now.machine = Some(MachineStats { stops, ..MachineStats::default() });
            now
        };
        let found = findings_of("process-stopped", [S / 2, 5 * S, 5 * S + 1].map(snapshot));
        assert_eq!(
            found[0].sentence,
            "the process was stopped for 3.00s; this time is not attributed to any task"
        );
        assert_eq!((found.len(), found[0].count), (1, 1));
        let found = findings_of("process-stopped", [S / 2, 5 * S].map(snapshot));
        assert!(!found[0].active, "the process is running");
        assert_eq!(
            findings_of("process-stopped", [S / 2, 5 * S, 9 * S, 10 * S].map(snapshot))[0].count,
            2
        );
        assert!(findings_of("process-stopped", [S / 2, S].map(snapshot)).is_empty());
    }
}
