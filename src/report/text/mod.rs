//! The text report: numbers first, then findings, then tables.

mod lab;

use std::io::{self, Write};

use crate::snapshot::{Description, FieldId, LabStats, Target};

use super::{Summary, availability, impact, table};
use crate::{
    model::{
        Column, Factor, MachineLoad, Model, Offender, Query, RULES, SchedulingDelay, TargetModel,
    },
    text::{self, UNAVAILABLE, bucket_duration, count, duration, optional, whole_percent},
};

/// Maximum number of findings, and of rows of a table; of groups, twice as many.
const TOP: usize = 10;

/// The slowdown of workloads that complete nothing.
const STANDSTILL: &str = "×∞";

/// Writes the report, with ASCII symbols only if `ascii`; nothing before the first snapshot.
///
/// # Errors
/// If `out` cannot be written.
pub fn write(
    model: &Model,
    summary: &Summary,
    ascii: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    if ascii {
        let mut report = Vec::new();
        write(model, summary, false, &mut report)?;
        return out.write_all(in_ascii(&String::from_utf8_lossy(&report)).as_bytes());
    }
    for (i, target) in model.targets().iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        write_target(target, summary, out)?;
    }
    Ok(())
}

fn write_target(model: &TargetModel, summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    let target = model.target();
    header(model, out)?;
    lab::phases(&summary.of(target.id).collect::<Vec<_>>(), &target.description, out)?;
    lab::trials(model, out)?;
    lab::metrics(target, out)?;
    findings(model, out)?;
    impact::write(model, out)?;
    workers(model, &target.description, out)?;
    groups(model, out)?;
    tasks(model, out)?;
    resources(model, out)?;
    unavailable(target, out)
}

fn header(model: &TargetModel, out: &mut impl Write) -> io::Result<()> {
    let snapshot = model.target();
    let runtime = &snapshot.runtime;
    let (source, up) = (model.name(), duration(runtime.uptime_ns));
    match snapshot.description.get(FieldId::Flavor, runtime.flavor) {
        Ok(Some(flavor)) => {
            let workers = snapshot.description.get(FieldId::Workers, snapshot.workers.len());
            let workers = optional(workers.ok(), |workers| workers.to_string());
            writeln!(out, "asynctop  {source}  {} ×{workers}  up {up}", flavor.as_str())?;
        }
        _ => writeln!(out, "asynctop  {source}  up {up}")?,
    }
    if snapshot.connection.is_remote() {
        let status = [vec![snapshot.status()], snapshot.losses.descriptions()].concat();
        writeln!(out, "connection   {}", status.join(", "))?;
    }
    if let Some(served) = snapshot.lab.as_ref().and_then(|lab| lab.console.as_ref()) {
        let (address, added) = (served.address, duration(served.added_ns_per_poll));
        writeln!(out, "console      served on {address}; adds {added} to each poll")?;
    }
    if let Some(failure) = snapshot.lab.as_ref().and_then(LabStats::failure) {
        writeln!(out, "failed       {failure}")?;
    }
    let delays = model.scheduling_delay();
    let measured = count(runtime.measured_tasks);
    let alive = snapshot.description.get(FieldId::AliveTasks, runtime.alive_tasks);
    writeln!(out, "tasks        {measured} measured of {} alive", optional(alive.ok(), count))?;
    let is_lower_bound = snapshot.description.accuracy(FieldId::StateTime).is_lower_bound();
    writeln!(out, "runnable     {}", runnable(delays, is_lower_bound))?;
    let slowdown = model.slowdown();
    let factor = snapshot.description.get(FieldId::Slowdown, slowdown.factor).ok().flatten();
    match (factor, slowdown.standstill_since_ns) {
        (None, _) => {
            writeln!(out, "slowdown     {UNAVAILABLE}  ({})", availability::no_slowdown(model))?
        }
        (Some(_), Some(since)) => {
            let lasted = duration(snapshot.taken_ns.saturating_sub(since));
            writeln!(out, "slowdown     {STANDSTILL} at the end: no work done for {lasted}")?;
        }
        (factor, None) => writeln!(out, "slowdown     {} at the end", slowdown_factor(factor))?,
    }
    let delay = |ns: Option<u64>| {
        let known = snapshot.description.get(FieldId::SchedulingDelay, ns).ok().flatten();
        optional(known, bucket_duration)
    };
    let (p50, p99) = (delay(delays.p50_ns), delay(delays.p99_ns));
    writeln!(out, "sched delay  p50 {p50}, p99 {p99}, last second")?;
    let load = snapshot.description.get(FieldId::Machine, model.machine()).ok().flatten();
    let without_cpu = optional(load, without_cpu);
    writeln!(out, "without CPU  {without_cpu}")?;
    match model.rates_span_ns().filter(|_| snapshot.connection.is_live()) {
        Some(span) => writeln!(out, "rates        over the last {}", duration(span)),
        None => Ok(()),
    }
}

/// Such as "run-queue delay 3%, steal time 0%, throttled 0%, last 3.00s; CPU pressure 12%, load 1.2 on
/// 2 CPUs".
fn without_cpu(load: &MachineLoad) -> String {
    let share = |share: Option<f64>| optional(share, whole_percent);
    let run_delay = share(load.run_delay.map(|(_, share)| share));
    let (steal, throttled) = (share(load.steal), share(load.throttled));
    let (pressure, cpus) = (share(load.pressure), text::plural(load.cpus as u64, "CPU"));
    let span = duration(load.span_ns);
    let load = optional(load.load, |load| format!("{load:.1}"));
    format!(
        "run-queue delay {run_delay}, steal time {steal}, throttled {throttled}, last {span}; CPU \
         pressure {pressure}, load {load} on {cpus}"
    )
}

/// The runnable tasks, and for how long they have been: at least, if that is a lower bound.
fn runnable(delays: &SchedulingDelay, is_lower_bound: bool) -> String {
    let longest = match (is_lower_bound, delays.longest_ns) {
        (true, 0) => return text::plural(delays.runnable as u64, "task"),
        (true, longest) => format!("at least {}", duration(longest)),
        (false, longest) => duration(longest),
    };
    match delays.runnable {
        0 => "0 tasks".to_owned(),
        1 => format!("1 task, for {longest}"),
        n => format!("{} tasks, longest {longest}", count(n as u64)),
    }
}

/// A slowdown as `×38`.
fn slowdown_factor(factor: Option<Factor>) -> String {
    optional(factor, |factor| match factor {
        Factor::Standstill => STANDSTILL.to_owned(),
        Factor::Times(n) => text::factor(n, "×"),
    })
}

/// Replaces the non-ASCII symbols of the report; names keep their characters.
fn in_ascii(report: &str) -> String {
    let symbols = [
        ('–', "-"),
        ('—', "-"),
        ('µ', "u"),
        ('×', "x"),
        ('…', "..."),
        ('≤', "<="),
        ('≥', ">="),
        ('∞', "inf"),
        ('→', "->"),
        ('\u{fffd}', "?"),
    ];
    let mut text = String::with_capacity(report.len());
    for character in report.chars() {
        match symbols.iter().find(|(symbol, _)| *symbol == character) {
            Some((_, ascii)) => text.push_str(ascii),
            None => text.push(character),
        }
    }
    text
}

fn findings(model: &TargetModel, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nfindings")?;
    if model.all_findings().is_empty() {
        return match model.impact_table().offenders().first().map(Offender::describe) {
            None => none(model.target(), out),
            Some(largest) => {
                writeln!(out, "  no rule has fired; largest impact: {largest}")
            }
        };
    }
    let now = model.target().taken_ns;
    for finding in model.all_findings().iter().take(TOP) {
        let (severity, sentence) = (finding.severity.as_str(), &finding.sentence);
        let times =
            if finding.count > 1 { format!(", {} times", finding.count) } else { "".into() };
        let resolved = match finding.active {
            true => String::new(),
            false => {
                format!(", resolved {} ago", duration(now.saturating_sub(finding.last_seen_ns)))
            }
        };
        writeln!(out, "  {severity}: {sentence}  [{}{times}{resolved}]", finding.rule)?;
        if let Some(location) = &finding.location {
            writeln!(out, "    {} {location}", finding.location_label())?;
        }
        if let Some(evidence) = &finding.evidence {
            for line in evidence.lines() {
                writeln!(out, "    {}", &line)?;
            }
        }
        let delayed = finding.affected.iter();
        let delayed: Vec<_> =
            delayed.map(|task| format!("{} {}", task.name, duration(task.delay_ns))).collect();
        if !delayed.is_empty() {
            let more = finding.affected_tasks.saturating_sub(delayed.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            writeln!(out, "    delays {}{more}", delayed.join(", "))?;
        }
        writeln!(out, "    {}", finding.fix)?;
    }
    table::write_omitted(model.all_findings().len(), TOP, out)
}

/// Writes that there is no finding, with the number of rules if the target does not support all.
fn none(target: &Target, out: &mut impl Write) -> io::Result<()> {
    let evaluated = RULES.iter().filter(|rule| rule.unavailable(&target.description).is_none());
    match (evaluated.count(), RULES.len()) {
        (evaluated, all) if evaluated == all => write!(out, "  none")?,
        (evaluated, all) => {
            write!(out, "  none of the {evaluated} rules that this target supports, out of {all}")?;
        }
    }
    // Totals include the time before, so the longest poll of a task may be in no finding.
    let since = if target.connection.is_remote() { ", since asynctop connected" } else { "" };
    let missing = match target.losses.is_incomplete() {
        true => "; data is missing, so a problem may be too",
        false => "",
    };
    writeln!(out, "{since}{missing}")
}

fn workers(model: &TargetModel, description: &Description, out: &mut impl Write) -> io::Result<()> {
    if model.workers().is_empty() || !description.has(FieldId::Workers) {
        return Ok(());
    }
    const NAMES: [Column; 7] =
        ["index", "busy_share", "polls_per_second", "polls", "steals", "local_queue", "polling"];
    writeln!(out)?;
    table::write_fields(&NAMES, model, model.workers().iter().take(TOP), out)?;
    table::write_omitted(model.workers().len(), TOP, out)
}

fn groups(model: &TargetModel, out: &mut impl Write) -> io::Result<()> {
    const NAMES: [Column; 10] = [
        "name",
        "tasks",
        "runnable",
        "polls_per_second",
        "busy_share",
        "busy_ns",
        "max_poll_ns",
        "poll_p99_ns",
        "delay_p99_ns",
        "location",
    ];
    let groups = model.groups("busy_share", true);
    writeln!(out)?;
    table::write_fields(&NAMES, model, groups.iter().take(2 * TOP), out)?;
    table::write_omitted(groups.len(), 2 * TOP, out)
}

fn tasks(model: &TargetModel, out: &mut impl Write) -> io::Result<()> {
    // Stages show the kind, too.
    let stage = if model.target().description.has(FieldId::Stage) { "stage" } else { "kind" };
    let names: [Column; 12] = [
        "id",
        "name",
        "state",
        "polls",
        "polls_per_second",
        "busy_share",
        "busy_ns",
        "scheduled_ns",
        "idle_ns",
        "max_poll_ns",
        "wakes",
        stage,
    ];
    let rows: Vec<_> = model.tasks(&Query::default()).collect();
    writeln!(out)?;
    table::write_fields(&names, model, rows.iter().take(TOP), out)?;
    table::write_omitted(rows.len(), TOP, out)
}

/// The resources for which tasks wait; nothing if there are none.
fn resources(model: &TargetModel, out: &mut impl Write) -> io::Result<()> {
    const NAMES: [Column; 6] =
        ["type_name", "waiters", "longest_ns", "holder", "state", "location"];
    let rows = model.contended_resources();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    table::write_fields(&NAMES, model, rows.iter().take(TOP), out)?;
    table::write_omitted(rows.len(), TOP, out)
}

fn unavailable(snapshot: &Target, out: &mut impl Write) -> io::Result<()> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (field, reason) in availability::unavailable(snapshot) {
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, fields)) => fields.push(field),
            None => reasons.push((reason, vec![field])),
        }
    }
    if !reasons.is_empty() {
        writeln!(out, "\nunavailable")?;
    }
    for (reason, fields) in reasons {
        writeln!(out, "  {}: {reason}", fields.join(", "))?;
    }
    let accuracy = availability::accuracy(snapshot);
    if !accuracy.is_empty() {
        writeln!(out, "\naccuracy")?;
    }
    for (field, accuracy) in accuracy {
        writeln!(out, "  {field}: {accuracy}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    fn written(model: &Model, summary: &Summary) -> String {
        let mut out = Vec::new();
        write(model, summary, false, &mut out).expect("a Vec takes everything");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn report_in_ascii_has_only_ascii_symbols() {
        let (model, summary) = testing::fixed();
        let mut report = Vec::new();
        write(&model, &summary, true, &mut report).expect("a Vec takes everything");
        assert!(report.is_ascii(), "{}", String::from_utf8_lossy(&report));
    }

    #[test]
    fn report_of_a_run() {
        let (model, summary) = testing::fixed();
        insta::assert_snapshot!(written(&model, &summary));
    }

    /// Unavailable values are dashes, with a reason.
    #[test]
    fn report_of_a_target_with_all_fields_unavailable() {
        let (model, summary) = testing::described(|fields| fields.without(FieldId::ALL, "off"));
        insta::assert_snapshot!(written(&model, &summary));
    }

    #[test]
    fn nothing_is_written_before_the_first_snapshot() {
        assert_eq!(written(&Model::default(), &Summary::default()), "");
    }

    #[test]
    fn omitted_rows_are_counted() {
        let tasks = (0..25).map(|id| crate::model::testing::task(id, "t"));
        let mut model = Model::default();
        model.advance(&crate::model::testing::snapshot(1, tasks).into());
        assert!(written(&model, &Summary::default()).contains("… and 15 more"));
    }
}
