//! The workers lack CPU time because of the machine, not because of a task.

use crate::model::findings::{
    Finding, FindingSubject, RuleContext, RuleId, Severity,
    rule::{Check, Rule, Unit},
};
use crate::snapshot::FieldId;
use crate::text::{duration, whole_percent};

pub(super) static RULE: Rule = Rule {
    id: RuleId::MachineOverloaded,
    name: "machine-overloaded",
    meaning: "workers are runnable without a CPU: the machine or its CPU quota is too small",
    severity: Severity::Info,
    unit: Unit::Percent,
    default: 25,
    measure: "run-queue delay of a worker, steal time or throttling, over three seconds",
    raise_ns: 0,
    clear_ns: 3_000_000_000,
    fix: "Give the program more CPU: stop other programs, or use fewer workers and threads. This \
          time is deducted from long polls.",
    needs: &[FieldId::Machine],
    covers: &[],
    implies: &[],
    check: Check::Snapshot(check),
};

/// The fix if throttling is the largest share.
const THROTTLED: &str = "Raise the CPU quota of the container, or use no more workers and threads \
                         than it has CPUs. This time is deducted from long polls.";
/// The fix if steal time is the largest share.
const STEAL: &str = "The hypervisor gives the CPUs to other virtual machines: use dedicated CPUs \
                      or another host. This time is deducted from long polls.";

fn check(ctx: &RuleContext<'_>) -> Vec<Finding> {
    let Some(machine) = ctx.machine else { return Vec::new() };
    let largest = (machine.largest_share() * 100.0) as u64;
    if largest < ctx.threshold(RULE.id) {
        return Vec::new();
    }
    let span = duration(machine.span_ns);
    let cpus = machine.cpus;
    let run_delay = machine.run_delay.map_or_else(
        || "run-queue delay –".to_owned(),
        |(index, share)| {
            let share = whole_percent(share);
            format!("worker {index} was runnable without a CPU for {share} of the last {span}")
        },
    );
    let load = machine.load.map(|load| format!("load {load:.1} on {cpus} CPUs"));
    let steal = machine.steal.map(|share| format!("steal time {}", whole_percent(share)));
    let pressure = machine.pressure.map(|share| format!("CPU pressure {}", whole_percent(share)));
    let throttled = machine.throttled.filter(|share| *share > 0.0);
    let is_largest = |share: Option<f64>| share == Some(machine.largest_share());
    let fix = if is_largest(machine.throttled) {
        THROTTLED
    } else if is_largest(machine.steal) {
        STEAL
    } else {
        RULE.fix
    };
    let throttled =
        throttled.map(|share| format!("throttled by its CPU quota for {}", whole_percent(share)));
    let parts = [Some(run_delay), load, pressure, steal, throttled];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    let finding = RULE.candidate(ctx.now(), FindingSubject::Machine, largest, parts.join("; "));
    vec![Finding { fix, ..finding }]
}

#[cfg(test)]
mod tests {
    use crate::model::findings::testing::{S, empty, findings_of};
    use crate::snapshot::{MachineStats, MachineTimes, Target};

    const MS: u64 = 1_000_000;

    /// Four seconds at 4 Hz, with this run-queue delay of a worker, steal time and throttled time
    /// per second.
    fn snapshots(run_delay_ms: u64, steal_ms: u64, throttled_ms: u64) -> Vec<Target> {
        let snapshot = |quarter: u64| {
            let mut now = empty(quarter * S / 4);
            let total = |per_second: u64| quarter * per_second * MS / 4;
            now.workers[0].run_delay_ns = Some(total(run_delay_ms));
            let times = MachineTimes {
                cpus: 2,
                load: Some(4.25),
                steal_ns: Some(total(steal_ms)),
                throttled_ns: Some(total(throttled_ms)),
                pressure_ns: Some(total(620)),
            };
            let run_delay_ns = Some(total(run_delay_ms));
            now.machine = Some(MachineStats { times, run_delay_ns, ..MachineStats::default() });
            now
        };
        (0..=16).map(snapshot).collect()
    }

    #[test]
    fn run_queue_delay_of_a_worker_is_reported() {
        let found = findings_of("machine-overloaded", snapshots(400, 40, 0));
        assert_eq!(
            found[0].sentence,
            "worker 0 was runnable without a CPU for 40% of the last 3.00s; load 4.2 on 2 CPUs; \
             CPU pressure 62%; steal time 2%"
        );
        assert_eq!((found.len(), found[0].count), (1, 1));
    }

    #[test]
    fn steal_time_and_throttling_are_reported() {
        assert_eq!(findings_of("machine-overloaded", snapshots(0, 800, 0)).len(), 1, "of two CPUs");
        let found = findings_of("machine-overloaded", snapshots(0, 0, 500));
        assert!(found[0].sentence.ends_with("throttled by its CPU quota for 50%"));
    }

    #[test]
    fn fix_matches_the_largest_share() {
        for (snapshots, fix) in [
            (snapshots(400, 40, 100), "stop other programs"),
            (snapshots(0, 800, 100), "The hypervisor"),
            (snapshots(300, 40, 500), "Raise the CPU quota"),
        ] {
            let found = findings_of("machine-overloaded", snapshots);
            assert!(found[0].fix.contains(fix), "{fix}: {}", found[0].fix);
        }
    }

    #[test]
    fn machine_with_enough_cpu_is_not_reported() {
        assert!(findings_of("machine-overloaded", snapshots(150, 300, 100)).is_empty());
        assert!(
            findings_of("machine-overloaded", snapshots(900, 0, 0).into_iter().take(4)).is_empty(),
            "too short"
        );
        assert!(
            findings_of("machine-overloaded", (0..9).map(|n| empty(n * S))).is_empty(),
            "unknown"
        );
    }

    #[test]
    fn pressure_alone_is_not_reported() {
        // Other programs may wait for a CPU while this one has enough.
        assert!(findings_of("machine-overloaded", snapshots(0, 0, 0)).is_empty());
    }
}
