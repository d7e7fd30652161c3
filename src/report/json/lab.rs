//! What only the lab knows.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Gauge, GaugeValue, HogStats, LabStats, WorkloadStats};

#[derive(Serialize)]
pub(super) struct LabDoc<'a> {
    scenario: &'a str,
    workloads: Vec<WorkloadDoc<'a>>,
    hog: HogDoc<'a>,
    console: Option<ConsoleDoc>,
}

#[derive(Serialize)]
struct ConsoleDoc {
    address: String,
    added_ns_per_poll: u64,
}

#[derive(Serialize)]
struct WorkloadDoc<'a> {
    name: &'a str,
    count: usize,
    paused: Option<usize>,
    unit: Option<&'a str>,
    done: u64,
    /// The way of working, where there are several.
    mode: Option<&'a str>,
    /// Why it has failed, if it has.
    failure: Option<&'a str>,
    /// By name, with `_` for spaces.
    gauges: BTreeMap<String, GaugeDoc<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum GaugeDoc<'a> {
    Count(u64),
    Text(&'a str),
    Latency { p50_ns: Option<u64>, p99_ns: Option<u64>, max_ns: Option<u64>, waiting: u64 },
}

impl<'a> GaugeDoc<'a> {
    fn of(gauge: &'a Gauge) -> (String, Self) {
        let doc = match &gauge.value {
            GaugeValue::Count(count) => GaugeDoc::Count(*count),
            GaugeValue::Text(text) => GaugeDoc::Text(text),
            &GaugeValue::Latency { p50_ns, p99_ns, max_ns, waiting } => {
                GaugeDoc::Latency { p50_ns, p99_ns, max_ns, waiting }
            }
        };
        (gauge.name.replace(' ', "_"), doc)
    }
}

#[derive(Serialize)]
struct HogDoc<'a> {
    kind: &'a str,
    cure: bool,
    count: usize,
    hold_ns: Option<u64>,
    on: bool,
    on_ns: Option<u64>,
    unit: Option<&'a str>,
    done: Option<u64>,
    /// Why it has failed, if it has.
    failure: Option<&'a str>,
}

impl<'a> LabDoc<'a> {
    pub(super) fn of(lab: &'a LabStats, now_ns: u64) -> Self {
        let workloads = lab.workloads.iter().map(
            |WorkloadStats { name, count, paused, unit, done, mode, failure, gauges, .. }| {
                WorkloadDoc {
                    name,
                    count: *count,
                    paused: *paused,
                    unit: unit.as_deref(),
                    done: *done,
                    mode: mode.as_deref(),
                    failure: failure.as_deref(),
                    gauges: gauges.iter().map(GaugeDoc::of).collect(),
                }
            },
        );
        LabDoc {
            scenario: &lab.scenario,
            workloads: workloads.collect(),
            hog: HogDoc::of(&lab.hog, now_ns),
            console: lab.console.as_ref().map(|served| ConsoleDoc {
                address: served.address.to_string(),
                added_ns_per_poll: served.added_ns_per_poll,
            }),
        }
    }
}

impl<'a> HogDoc<'a> {
    fn of(hog: &'a HogStats, now_ns: u64) -> Self {
        let HogStats { cure, count, hold_ns, on_since_ns, done, .. } = *hog;
        HogDoc {
            kind: &hog.kind,
            cure,
            count,
            hold_ns,
            on: on_since_ns.is_some(),
            on_ns: on_since_ns.map(|since| now_ns.saturating_sub(since)),
            unit: hog.unit.as_deref(),
            done: hog.unit.as_ref().map(|_| done),
            failure: hog.failure.as_deref(),
        }
    }
}
