//! One versioned JSON document.
//!
//! # The document `asynctop/2`
//! Within one version, fields are only ever added. Durations are integers of nanoseconds
//! whose names end in `_ns`; shares are 0 to 1; `null` means that the figure is not to be
//! had, and `unavailable` says why.
//!
//! | field | |
//! |---|---|
//! | `schema` | `"asynctop/2"` |
//! | `time` | when the document was written, in UTC as ISO 8601 has it |
//! | `targets` | the watched programs |
//!
//! Each target has these fields:
//!
//! | field | |
//! |---|---|
//! | `name` | the name of the target, such as `"lab:mixed"` or `"127.0.0.1:6669"` |
//! | `process_id` | its process; null if it is not known |
//! | `epoch` | counts the processes of the target, or the runtimes of the lab: statistics of two epochs are not comparable; 0 until a target has sent its first update |
//! | `taken_ns` | when it was sampled, on the target's clock |
//! | `connection` | `"in-process"`, `"connecting"`, `"connected"`, `"stale"` or `"lost"` |
//! | `incomplete`, `losses` | whether tasks may be missing, and which data is |
//! | `rates_span_ns` | the time up to `taken_ns` that every `polls_per_second` and `busy_share` covers: the whole phase in the report at the end of a run, the time since the document before in others. null: each rate covers the life of its task |
//! | `runtimes` | `flavor`, `workers`, `uptime_ns`, `alive_tasks`, `measured_tasks`, `global_queue`, `blocking_threads`, `idle_blocking_threads`, `blocking_queue`, `budget_forced_yields`, `remote_schedules` |
//! | `slowdown` | `factor` (null at a standstill), `standstill`, `standstill_ns` (for how long), `work` (each closed-loop workload before and now); null without a baseline |
//! | `lag` | time from wake to poll over the last second: `p50_ns`, `p99_ns`; `waiting` tasks, the longest of them for `longest_ns` |
//! | `phases` | parts of the run: `name`, `begin_ns`, `duration_ns`, `work`, `lag`, `slowdown` |
//! | `lab` | `scenario`, `workloads`, `hog`; null if this is no lab |
//! | `workers` | `index`, `thread`, `current` (the poll it is in: `task` (a key), `name`, `kind` (`"poll"`, or `"drop"` while the future of the task is dropped), `for_ns`), `busy_share`, `polls_per_second`, `poll_ns`, `busy_ns`, `polls`, `parks`, `steals`, `overflows`, `local_queue` |
//! | `groups` | tasks summed up by name: `name`, `location`, `tasks`, `ended`, `waiting`, `polling`, and the sums |
//! | `tasks` | `id`, `key` (never used again), `name`, `group`, `location`, `state`, `state_ns` (for how long), `stage`, `polls`, `wakes`, `self_wakes`, `live_wakers`, `lifetime_ns` = `busy_ns` + `scheduled_ns` + `idle_ns`, `max_poll_ns`, `max_delay_ns`, `polls_per_second`, `busy_share`, `future_bytes`, `kind` |
//! | `findings` | active ones, worst first, then resolved ones: `rule`, `severity`, `active`, `part_of` (the rule that reports the same polls in more detail; such findings come last), `suspect` (a group, or another subject), `task` (a key), `task_id`, `sentence`, `measure` (in the unit of the rule's threshold), `first_seen_ns`, `last_seen_ns`, `count`, `waiting` (tasks), `waiters` (the longest of them: `task`, `name`, `waited_ns`), `location` (of the spawn), `held_at` (the line that blocks the worker), `kind` (of that poll, as in `workers`), `because` (computing, sleeping, …), `stack` (innermost first), `cure` |
//! | `blame` | long polls of the last minute by their impact, worst first: `kind` (as in `workers`), `name`, `task` (a key), `function`, `held_at`, `polls`, `held_ns`, `cost_ns` (total scheduling delay of other tasks beyond their usual one), `waited_tasks`, `exact` (the delay was caused by these polls; otherwise it occurred during them, while other workers polled); null if it was not counted |
//! | `unavailable` | field → why it is null, such as `"workers.steals": "…"` |
//! | `accuracy` | field → its accuracy, where it is not exact |
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
mod lab;
mod rows;

use std::io::{self, Write};

use self::document::Document;
use super::Summary;
use crate::model::Model;

/// Writes the document in lines that people can read; nothing before the first snapshot.
///
/// # Errors
/// If `out` cannot be written.
pub fn write(model: &Model, summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    let Some(document) = Document::of(model, summary) else { return Ok(()) };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// Writes the document in a single line, so that many of them can follow each other.
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
    use super::*;
    use crate::report::testing;

    #[test]
    fn the_document_is_as_it_was_promised() {
        let (model, summary) = testing::fixed();
        let mut out = Vec::new();
        write(&model, &summary, &mut out).expect("a Vec takes everything");
        insta::assert_snapshot!(String::from_utf8(out).expect("JSON is UTF-8"));
    }

    #[test]
    fn a_line_holds_the_same_document() {
        let (model, summary) = testing::fixed();
        let (mut pretty, mut line) = (Vec::new(), Vec::new());
        write(&model, &summary, &mut pretty).expect("a Vec takes everything");
        write_line(&model, &summary, &mut line).expect("a Vec takes everything");
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let parse = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).expect("JSON");
        assert_eq!(parse(&pretty), parse(&line));
    }

    #[test]
    fn before_the_first_snapshot_there_is_nothing_to_write() {
        let mut out = Vec::new();
        write(&Model::default(), &Summary::default(), &mut out).expect("a Vec takes everything");
        assert!(out.is_empty());
    }
}
