//! The text report: numbers first, then findings, then tables.

mod lab;

use std::io::{self, Write};

use crate::snapshot::{Description, FieldId, LabStats, PollKind, Target, TaskStats};

use super::{
    Summary, availability, impact,
    table::{self, Column},
};
use crate::{
    model::{
        Factor, GroupColumn, GroupRow, Model, Offender, Query, RULES, SchedulingDelay, TargetModel,
        TaskRates, WorkerRow,
    },
    text::{self, UNAVAILABLE, bucket_duration, count, duration, optional, percent_number, rate},
};

/// Number of tasks listed, the busiest ones.
const TOP: usize = 10;

/// The slowdown of workloads that complete nothing.
const STANDSTILL: &str = "×∞";

/// Writes the report; nothing before the first snapshot.
///
/// # Errors
/// If `out` cannot be written.
pub fn write(model: &Model, summary: &Summary, out: &mut impl Write) -> io::Result<()> {
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
    lab::gauges(target, out)?;
    findings(model, out)?;
    impact::write(model, out)?;
    workers(model, &target.description, out)?;
    groups(model, out)?;
    tasks(model, out)?;
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
    writeln!(out, "runnable     {}", runnable(delays))?;
    let slowdown = model.slowdown();
    let factor = snapshot.description.get(FieldId::Slowdown, slowdown.factor).ok().flatten();
    match (factor, slowdown.standstill_since_ns) {
        (None, _) => {
            writeln!(out, "slowdown     {UNAVAILABLE}  ({})", availability::no_slowdown(snapshot))?
        }
        (Some(_), Some(since)) => {
            let lasted = duration(snapshot.taken_ns.saturating_sub(since));
            writeln!(out, "slowdown     {STANDSTILL}: no work done for {lasted}")?;
        }
        (factor, None) => writeln!(out, "slowdown     {}", slowdown_factor(factor))?,
    }
    let delay = |ns: Option<u64>| {
        let known = snapshot.description.get(FieldId::SchedulingDelay, ns).ok().flatten();
        optional(known, bucket_duration)
    };
    let (p50, p99) = (delay(delays.p50_ns), delay(delays.p99_ns));
    writeln!(out, "sched delay  p50 {p50}, p99 {p99}, last second")?;
    match model.rates_span_ns().filter(|_| snapshot.connection.is_live()) {
        Some(span) => writeln!(out, "rates        over the last {}", duration(span)),
        None => Ok(()),
    }
}

fn runnable(delays: &SchedulingDelay) -> String {
    match delays.runnable {
        0 => "0 tasks".to_owned(),
        1 => format!("1 task, for {}", duration(delays.longest_ns)),
        n => format!("{} tasks, longest {}", count(n as u64), duration(delays.longest_ns)),
    }
}

/// A slowdown as `×38`.
fn slowdown_factor(factor: Option<Factor>) -> String {
    optional(factor, |factor| match factor {
        Factor::Standstill => STANDSTILL.to_owned(),
        Factor::Times(n) => format!("×{}", text::factor(n)),
    })
}

/// Replaces the non-ASCII symbols of the report; names keep their characters.
pub fn in_ascii(report: &str) -> String {
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
            None => none(&model.target().description, out),
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
            writeln!(out, "    spawned at {}", location)?;
        }
        if let Some(evidence) = &finding.evidence {
            for line in evidence.lines() {
                writeln!(out, "    {}", &line)?;
            }
        }
        writeln!(out, "    {}", finding.fix)?;
    }
    rest(model.all_findings().len(), out)
}

/// Writes that there is no finding, with the number of rules if the target does not support all.
fn none(description: &Description, out: &mut impl Write) -> io::Result<()> {
    let evaluated = RULES.iter().filter(|rule| rule.unavailable(description).is_none()).count();
    match evaluated == RULES.len() {
        true => writeln!(out, "  none"),
        false => {
            let all = RULES.len();
            writeln!(out, "  none of the {evaluated} rules that this target supports, out of {all}")
        }
    }
}

fn workers(model: &TargetModel, description: &Description, out: &mut impl Write) -> io::Result<()> {
    if model.workers().is_empty() || !description.has(FieldId::Workers) {
        return Ok(());
    }
    let columns = [
        Column::right("WORKER"),
        Column::right("BUSY%"),
        Column::right("POLLS/S").of(FieldId::WorkerPolls),
        Column::right("POLLS").of(FieldId::WorkerPolls),
        Column::right("STEALS").of(FieldId::Steals),
        Column::right("QUEUE").of(FieldId::LocalQueue),
        Column::left("NOW"),
    ];
    let rows: Vec<_> = model.workers().iter().take(TOP).map(worker).collect();
    writeln!(out)?;
    table::write(&columns, &rows, description, out)?;
    rest(model.workers().len(), out)
}

fn worker(row: &WorkerRow) -> Vec<String> {
    let now = row.current.as_ref().map_or(String::new(), |(name, for_ns)| {
        let verb = match row.current_kind() {
            PollKind::Poll => "in",
            PollKind::Drop => "dropping",
        };
        format!("{verb} {} for {}", name, duration(*for_ns))
    });
    vec![
        row.stats.index.to_string(),
        optional(row.busy, percent_number),
        rate(row.polls),
        count(row.stats.polls),
        count(row.stats.steals),
        count(row.stats.local_queue),
        now,
    ]
}

fn groups(model: &TargetModel, out: &mut impl Write) -> io::Result<()> {
    let columns = [
        Column::left("GROUP"),
        Column::right("TASKS"),
        Column::right("RUNNABLE"),
        Column::right("POLLS/S").of(FieldId::PollRate),
        Column::right("BUSY%").of(FieldId::BusyShare),
        Column::right("BUSY").of(FieldId::Busy),
        Column::right("MAX POLL").of(FieldId::MaxPoll),
        Column::right("POLL P99").of(FieldId::GroupPollP99),
        Column::right("DELAY P99").of(FieldId::GroupDelayP99),
        Column::left("LOCATION"),
    ];
    let groups = model.groups(GroupColumn::BusyShare, true);
    let rows: Vec<_> = groups.iter().take(2 * TOP).map(group).collect();
    writeln!(out)?;
    table::write(&columns, &rows, &model.target().description, out)?;
    rest_of(groups.len(), 2 * TOP, out)
}

fn group(row: &GroupRow) -> Vec<String> {
    let known = |text| if row.unknown { UNAVAILABLE.to_owned() } else { text };
    vec![
        row.name.to_string(),
        count(row.tasks as u64),
        count(row.runnable as u64),
        known(rate(row.poll_rate)),
        known(percent_number(row.busy_share)),
        duration(row.busy_ns),
        duration(row.max_poll_ns),
        optional(row.poll_p99_ns, bucket_duration),
        optional(row.delay_p99_ns, bucket_duration),
        row.location.to_string(),
    ]
}

fn tasks(model: &TargetModel, out: &mut impl Write) -> io::Result<()> {
    let columns = [
        Column::right("ID"),
        Column::left("TASK"),
        Column::left("STATE"),
        Column::right("POLLS").of(FieldId::Polls),
        Column::right("POLLS/S").of(FieldId::PollRate),
        Column::right("BUSY%").of(FieldId::BusyShare),
        Column::right("BUSY").of(FieldId::Busy),
        Column::right("SCHED").of(FieldId::Scheduled),
        Column::right("IDLE").of(FieldId::Idle),
        Column::right("MAX POLL").of(FieldId::MaxPoll),
        Column::right("WAKES").of(FieldId::Wakes),
        Column::left("STAGE").of(FieldId::Stage),
    ];
    let query = Query::default();
    let order: Vec<usize> = model.tasks(&query).collect();
    let row = |i: &usize| task(&model.target().tasks[*i], model.rates(*i));
    let rows: Vec<_> = order.iter().take(TOP).map(row).collect();
    writeln!(out)?;
    table::write(&columns, &rows, &model.target().description, out)?;
    rest(order.len(), out)
}

fn task(task: &TaskStats, rates: TaskRates) -> Vec<String> {
    let known = |text| if rates.unknown { UNAVAILABLE.to_owned() } else { text };
    vec![
        task.meta.id.to_string(),
        task.meta.name.to_string(),
        task.state.as_str().to_owned(),
        count(task.polls),
        known(rate(rates.polls)),
        known(percent_number(rates.busy)),
        duration(task.busy_ns),
        duration(task.scheduled_ns),
        duration(task.idle_ns),
        duration(task.max_poll_ns),
        count(task.wakes),
        task.stage.as_deref().unwrap_or_default().to_owned(),
    ]
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

fn rest(all: usize, out: &mut impl Write) -> io::Result<()> {
    rest_of(all, TOP, out)
}

/// Writes the number of rows that were left out.
fn rest_of(all: usize, shown: usize, out: &mut impl Write) -> io::Result<()> {
    match all.saturating_sub(shown) {
        0 => Ok(()),
        more => writeln!(out, "  … and {} more", count(more as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    fn written(model: &Model, summary: &Summary) -> String {
        let mut out = Vec::new();
        write(model, summary, &mut out).expect("a Vec takes everything");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn report_in_ascii_has_only_ascii_symbols() {
        let (model, summary) = testing::fixed();
        let report = in_ascii(&written(&model, &summary));
        let other: Vec<_> = report.lines().filter(|line| !line.is_ascii()).collect();
        assert!(other.is_empty(), "{other:#?}");
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
