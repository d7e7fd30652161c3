//! The machine gives the workers too little CPU: no task is the cause.

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
    needs: &[FieldId::CpuSupply],
    covers: &[],
    implies: &[],
    check: Check::Snapshot(check),
};

/// The fix if most of the time is throttled.
const THROTTLED: &str = "Raise the CPU quota of the container, or use no more workers and threads \
                         than it has CPUs. This time is deducted from long polls.";
/// The fix if most of the time is steal time.
const STOLEN: &str = "The hypervisor gives the CPUs to other virtual machines: use dedicated CPUs \
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
    let throttled = machine.throttled.filter(|share| *share > 0.0);
    let is_largest = |share: Option<f64>| share == Some(machine.largest_share());
    let fix = if is_largest(machine.throttled) {
        THROTTLED
    } else if is_largest(machine.steal) {
        STOLEN
    } else {
        RULE.fix
    };
    let throttled =
        throttled.map(|share| format!("throttled by its CPU quota for {}", whole_percent(share)));
    let parts: Vec<_> = [Some(run_delay), load, steal, throttled].into_iter().flatten().collect();
    let finding = RULE.candidate(ctx.now(), FindingSubject::Machine, largest, parts.join("; "));
    vec![Finding { fix, ..finding }]
}

#[cfg(test)]
mod tests {
    use crate::model::findings::testing::{S, of, when};
    use crate::snapshot::{MachineStats, MachineTimes, Target};

    const MS: u64 = 1_000_000;

    /// Four seconds at 4 Hz, with this run-queue delay of a worker, steal time and throttled time
    /// per second.
    fn run(run_delay_ms: u64, steal_ms: u64, throttled_ms: u64) -> Vec<Target> {
        let moment = |quarter: u64| {
            let mut now = when(quarter * S / 4);
            let total = |per_second: u64| quarter * per_second * MS / 4;
            now.workers[0].run_delay_ns = Some(total(run_delay_ms));
            let times = MachineTimes {
                cpus: 2,
                load: Some(4.25),
                steal_ns: Some(total(steal_ms)),
                throttled_ns: Some(total(throttled_ms)),
            };
            let run_delay_ns = Some(total(run_delay_ms));
            now.machine = Some(MachineStats { times, run_delay_ns, stops: Vec::new() });
            now
        };
        (0..=16).map(moment).collect()
    }

    #[test]
    fn worker_without_a_cpu_is_an_overloaded_machine() {
        let found = of("machine-overloaded", run(400, 40, 0));
        assert_eq!(
            found[0].sentence,
            "worker 0 was runnable without a CPU for 40% of the last 3.00s; load 4.2 on 2 CPUs; \
             steal time 2%"
        );
        assert_eq!((found.len(), found[0].count), (1, 1));
    }

    #[test]
    fn steal_time_and_throttling_count_too() {
        assert_eq!(of("machine-overloaded", run(0, 800, 0)).len(), 1, "of two CPUs");
        let found = of("machine-overloaded", run(0, 0, 500));
        assert!(found[0].sentence.ends_with("throttled by its CPU quota for 50%"));
    }

    #[test]
    fn fix_matches_the_largest_share() {
        for (run, fix) in [
            (run(400, 40, 100), "stop other programs"),
            (run(0, 800, 100), "The hypervisor"),
            (run(300, 40, 500), "Raise the CPU quota"),
        ] {
            let found = of("machine-overloaded", run);
            assert!(found[0].fix.contains(fix), "{fix}: {}", found[0].fix);
        }
    }

    #[test]
    fn a_machine_with_enough_cpu_is_not_reported() {
        assert!(of("machine-overloaded", run(150, 300, 100)).is_empty());
        assert!(of("machine-overloaded", run(900, 0, 0).into_iter().take(4)).is_empty(), "so soon");
        assert!(of("machine-overloaded", (0..9).map(|n| when(n * S))).is_empty(), "unknown");
    }
}
