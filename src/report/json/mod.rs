//! One versioned JSON document.
//!
//! # The document `asynctop/2`
//! Within one version, fields are only ever added. Durations are integers in nanoseconds whose names
//! end in `_ns`, shares are 0 to 1, and totals count since the start of the task, worker or runtime. A
//! value is null if it is unavailable or there is none; `unavailable` has the reasons.
//!
//! | field | |
//! |---|---|
//! | `schema` | `"asynctop/2"` |
//! | `time` | when the document was written, in UTC, ISO 8601 |
//! | `targets` | the watched programs |
//!
//! Each target has these fields:
//!
//! | field | |
//! |---|---|
//! | `name` | the name of the target, such as `"lab:mixed"` or `"127.0.0.1:6669"` |
//! | `process_id` | its process |
//! | `epoch` | counts the processes of the target, or the runtimes of the lab: statistics of two epochs are not comparable; 0 until a target has sent its first update |
//! | `taken_ns` | when it was sampled, on the target's clock |
//! | `connection` | `"in-process"`, `"connecting"`, `"connected"`, `"stale"` or `"lost"` |
//! | `incomplete`, `losses` | whether tasks may be missing, and which data is |
//! | `rates_span_ns` | the time up to `taken_ns` that every `polls_per_second` and `busy_share` covers: the whole phase in the report at the end of a run, the time since the previous document in others; null: each rate covers the life of its task |
//! | `unavailable` | path of a field → why it is null, such as `"workers.steals": "…"`. What is computed from the field is null, too: `groups.polls` without `tasks.polls` |
//! | `accuracy` | path of a field → its accuracy, where it is less than exact: `"lower bound: …"`, `"upper bound: …"`, `"estimated …"` or `"sampled"` |
//! | `runtime` | `flavor`, `workers` (their number), `uptime_ns`, `alive_tasks`, `measured_tasks`, `injection_queue`, `blocking_threads`, `idle_blocking_threads`, `blocking_queue`, `budget_forced_yields`, `remote_schedules` |
//! | `scheduling_delay` | `p50_ns` and `p99_ns` of the time from wake to poll, over the last second |
//! | `runnable` | tasks that are scheduled now: their number `tasks`; the longest has been scheduled for `longest_ns` |
//! | `slowdown` | `factor` (null at a standstill), `standstill`, `standstill_ns` (for how long), `work` (of each closed-loop `workload`: `baseline_per_second`, `per_second`); null without a baseline |
//! | `phases` | parts of the run: `name`, `begin_ns`, `duration_ns`, `work` (of each closed-loop `workload`: `unit`, `done`, `per_second`), and at its end `scheduling_delay`, `runnable`, `slowdown` |
//! | `trials` | the kinds of hogs and modes of workloads that were tried: `hog` (null: only modes), `fix` (instead of an anti-pattern), `count`, `hold_ns` (null: never yields), `modes` (workload → mode), `flavor`, `workers`, `measured_ns`, `slowdown`, `standstill`, `delay_p99_ns`, `max_delay_ns`, `work_per_second` (of the hog) in its `unit` |
//! | `lab` | `scenario`; `workloads`: `name`, `count`, `paused`, `unit`, `done`, `mode`, `failure`, `gauges`; `hog`: `kind`, `fix`, `count`, `hold_ns`, `on`, `on_ns`, `unit`, `done`, `failure`; `console` (for tokio-console): `address`, `added_per_poll_ns`. A gauge is a number, a text, or `p50_ns`, `p99_ns`, `max_ns` and the number `in_progress` |
//! | `findings` | active ones, worst first, then resolved ones, then those that are part of another one: `rule`, `severity`, `active`, `part_of` (the rule that reports the same polls in more detail), `subject` (a group, or `"runtime"`, `"blocking pool"`, `"machine"`), `task` (a key), `task_id`, `sentence`, `measure` (in the unit of the rule's threshold), `first_seen_ns`, `last_seen_ns`, `count`, `affected_tasks` (their number), `affected` (those with the longest delay: `task` (a key), `name`, `delay_ns`), `location`, `blocked_at` (the line that blocks the worker), `kind` (as in `impact`), `cause` (`"computing"`, `"sleeping in …"`), `stack` (innermost first), `fix` |
//! | `impact` | long polls of the last minute by the delay of other tasks, worst first: `kind` (`"poll"`, or `"drop"` while the future of the task is dropped), `name`, `task` (the key of the latest), `function`, `blocked_at`, `polls`, `blocked_ns`, `delay_ns` (total scheduling delay of other tasks beyond their usual one), `delayed_tasks`, `exact` (the delay was caused by these polls; otherwise it occurred during them, while other workers polled) |
//! | `workers` | `index`, `thread`, `current` (the poll that it is in: `task` (a key), `name`, `kind` (as in `impact`), `elapsed_ns`), `busy_share`, `polls_per_second`, `poll_ns` (in polls of measured tasks), `busy_ns` (not parked), `polls`, `parks`, `steals`, `overflows`, `local_queue` |
//! | `groups` | tasks by the name of their group: `name`, `location` (of the first one), `tasks` (living), `ended`, `runnable`, `polling`, `poll_p99_ns`, `delay_p99_ns`, and sums of the fields of `tasks` (of `max_poll_ns`, the maximum) |
//! | `resources`, `async_ops` | what tasks wait for, if the reader of the target subscribes to it: `id`, `key`, `type_name`, `kind`, `location`, `state`, `parent` (a key), `internal`, `age_ns`, `dropped`, `taken`, `holder` (the key of a task); `id`, `key`, `source`, `resource`, `parent` and `task` (keys), `state`, `polls`, `busy_ns`, `age_ns`, `dropped`, `ready` |
//! | `tasks` | `id`, `key` (never used again), `name`, `group`, `location` (of the spawn), `state`, `state_ns` (for how long), `stage`, `polls`, `wakes`, `self_wakes`, `live_wakers`, `lifetime_ns` = `busy_ns` + `scheduled_ns` + `idle_ns`, `max_poll_ns`, `max_delay_ns`, `polls_per_second`, `busy_share`, `future_bytes`, `kind` |
//!
//! ```
//! use asynctop_lab::{Lab, LabOptions, LabSampler, find};
//! use asynctop::{model::{Model, Subscription}, report::{Summary, json}};
//!
//! let lab = Lab::start(LabOptions::new(find("mixed")?))?;
//! let mut model = Model::default();
//! model.advance(&LabSampler::new(&lab).sample(&Subscription::default()).into());
//!
//! let mut document = Vec::new();
//! json::write(&model, &Summary::default(), &mut document)?;
//! let document: serde_json::Value = serde_json::from_slice(&document)?;
//! assert_eq!(document["schema"], "asynctop/2");
//! for task in document["targets"][0]["tasks"].as_array().unwrap() {
//!     let ns = |name: &str| task[name].as_u64().unwrap();
//!     assert_eq!(ns("lifetime_ns"), ns("busy_ns") + ns("scheduled_ns") + ns("idle_ns"));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod document;
mod findings;
mod lab;

use std::io::{self, Write};

use self::document::Document;
use super::Summary;
use crate::model::Model;

/// Writes the document, indented; nothing before the first snapshot.
///
/// # Errors
/// If `out` cannot be written.
pub fn write(model: &Model, summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    let Some(document) = Document::of(model, summary) else { return Ok(()) };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// Writes the document in a single line (JSON Lines).
///
/// # Errors
/// If `out` cannot be written.
pub fn write_line(model: &Model, summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    let Some(document) = Document::of(model, summary) else { return Ok(()) };
    serde_json::to_writer(&mut *out, &document)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{
        model::testing::{snapshot, task},
        report::testing,
        snapshot::{Accuracy, Connection, FieldId},
    };

    fn written(model: &Model, summary: &Summary) -> String {
        let mut out = Vec::new();
        write(model, summary, &mut out).expect("a Vec takes everything");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    fn parse(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    /// The target of a run with this accuracy of a field.
    fn target_with(field: FieldId, accuracy: &Accuracy) -> Value {
        let (model, summary) = testing::described(|known| known.with(field, accuracy.clone()));
        parse(&written(&model, &summary))["targets"][0].take()
    }

    /// The values of a path, one for each row. Panics if a row does not have the field.
    fn values<'a>(target: &'a Value, path: &str) -> Vec<&'a Value> {
        path.split('.').fold(vec![target], |values, name| {
            let rows = values.into_iter().flat_map(|value| match value {
                Value::Array(rows) => rows.iter().collect(),
                row => vec![row],
            });
            rows.map(|row| row.get(name).unwrap_or_else(|| panic!("no {path}: {row:#}"))).collect()
        })
    }

    fn paths<'a>(target: &'a Value, list: &str) -> Vec<&'a str> {
        target[list].as_object().expect(list).keys().map(String::as_str).collect()
    }

    #[test]
    fn document_follows_the_schema() {
        let (model, summary) = testing::fixed();
        insta::assert_snapshot!(written(&model, &summary));
    }

    #[test]
    fn line_and_document_are_equal() {
        let (model, summary) = testing::fixed();
        let mut line = Vec::new();
        write_line(&model, &summary, &mut line).expect("a Vec takes everything");
        let line = String::from_utf8(line).expect("JSON is UTF-8");
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(parse(&line), parse(&written(&model, &summary)));
    }

    #[test]
    fn nothing_is_written_before_the_first_snapshot() {
        assert_eq!(written(&Model::default(), &Summary::default()), "");
    }

    #[test]
    fn unavailable_value_is_null_in_every_row() {
        let mut without_a_path = Vec::new();
        for field in FieldId::ALL {
            let target = target_with(field, &Accuracy::unavailable("off"));
            let stated = paths(&target, "unavailable");
            if stated.contains(&field.path()) {
                let values = values(&target, field.path());
                assert!(values.iter().all(|value| value.is_null()), "{field}: {values:?}");
                assert!(!values.is_empty(), "{field}");
                assert_eq!(target["unavailable"][field.path()], "off");
            } else {
                without_a_path.push(field);
            }
            stated.iter().for_each(|path| assert!(!values(&target, path).is_empty(), "{path}"));
        }
        use FieldId::{AwaitPoint, CpuSupply, LongPolls, Panics, Timeline};
        assert_eq!(without_a_path, [Timeline, CpuSupply, LongPolls, AwaitPoint, Panics]);
    }

    #[test]
    fn rates_are_null_without_a_connection() {
        let mut model = Model::default();
        let mut sample = snapshot(1_000_000_000, [task(1, "conn-1")]);
        sample.connection = Connection::Stale { since_ns: 500_000_000 };
        model.advance(&sample.into());
        let document = parse(&written(&model, &Summary::default()));
        for path in ["tasks.polls_per_second", "tasks.busy_share"] {
            let target = &document["targets"][0];
            assert_eq!(target["unavailable"][path], "the target is not connected");
            for path in [path, &path.replace("tasks", "groups")] {
                assert_eq!(values(target, path), [&Value::Null], "{path}");
            }
        }
    }

    #[test]
    fn accuracy_is_stated_for_fields_of_the_document() {
        for field in FieldId::ALL {
            let target = target_with(field, &Accuracy::Sampled);
            for path in paths(&target, "accuracy") {
                assert!(values(&target, path).iter().any(|value| !value.is_null()), "{path}");
            }
        }
    }
}
