//! The graphs of a target's history: title, latest value, axis.

use ratatui::style::Style;

use crate::{
    model::{HistoryPoint, Severity, TargetModel, Thresholds, WorkerRow},
    screens::theme::Theme,
    snapshot::{Description, FieldId},
    text::{UNAVAILABLE, bucket_duration, compact_count, rate, whole_percent},
};

/// A graph of one statistic.
pub(super) struct HistoryGraph {
    pub title: &'static str,
    /// The title on a single line.
    pub short: &'static str,
    /// The latest value as text, or the reason why there is none.
    pub value: Result<(String, Style), String>,
    /// Labels of the axis: top, middle and bottom.
    pub axis: [String; 3],
    /// The value of a point.
    pub of: fn(&HistoryPoint) -> Option<f64>,
    /// The value at the top.
    pub top: f64,
    /// The color of a point.
    pub style: fn(&HistoryPoint, &Thresholds, Theme) -> Style,
}

/// The graphs of a target: busy workers, scheduling delay, and work or polls. The runnable tasks and
/// the blocking pool take the place of those that the target lacks.
pub(super) fn history_graphs(
    model: &TargetModel,
    thresholds: &Thresholds,
    theme: Theme,
    points: &[Option<HistoryPoint>],
) -> [HistoryGraph; 3] {
    let latest = model.history().points().latest().copied();
    let target = model.target();
    let is_live = target.connection.is_live();
    let history =
        History { description: &target.description, is_live, latest, points, thresholds, theme };
    let substitutes =
        [history.runnable(model.scheduling_delay().runnable), history.blocking_pool()];
    let mut substitutes = substitutes.into_iter().filter(|graph| graph.value.is_ok());
    let mut available = |graph: HistoryGraph| match &graph.value {
        Ok(_) => graph,
        Err(_) => substitutes.next().unwrap_or(graph),
    };
    let delay = available(history.delay());
    let output = available(history.work().unwrap_or_else(|| history.polls()));
    let busy = available(history.busy());
    [busy, delay, output]
}

/// The history of a target, as far as the graphs show it.
struct History<'a> {
    description: &'a Description,
    is_live: bool,
    latest: Option<HistoryPoint>,
    points: &'a [Option<HistoryPoint>],
    thresholds: &'a Thresholds,
    theme: Theme,
}

impl History<'_> {
    fn busy(&self) -> HistoryGraph {
        let text = |busy| (whole_percent(busy), self.theme.share(busy));
        let reason = WorkerRow::busy_unavailable(self.description);
        HistoryGraph {
            title: "workers busy",
            short: "busy",
            value: self.value(reason, |point| point.busy.map(text)),
            axis: SHARE_LABELS.map(str::to_owned),
            of: |point| point.busy,
            top: 1.0,
            style: plain,
        }
    }

    fn delay(&self) -> HistoryGraph {
        let style = |delay_ns| self.theme.length(self.thresholds, delay_ns, Style::new());
        let text = |delay_ns| (bucket_duration(delay_ns), style(delay_ns));
        let reason = self.description.reason(FieldId::SchedulingDelay);
        HistoryGraph {
            title: "sched delay p99",
            short: "p99",
            value: self.value(reason, |point| point.delay_p99_ns.map(text)),
            axis: DELAY_LABELS.map(str::to_owned),
            of: |point| point.delay_p99_ns.map(delay_height),
            top: 1.0,
            style: |point, thresholds, theme| {
                theme.length(thresholds, point.delay_p99_ns.unwrap_or(0), theme.busy())
            },
        }
    }

    /// The work of the lab; `None` if there is no baseline in sight.
    fn work(&self) -> Option<HistoryGraph> {
        let all = self.points.iter().chain([&self.latest]).flatten();
        all.into_iter().find_map(|point| point.work)?;
        let text = |work: f64| {
            (whole_percent(work.min(1.0)), work_style(self.theme, work, self.theme.good()))
        };
        Some(HistoryGraph {
            title: "work, of baseline",
            short: "work",
            value: self.value(None, |point| point.work.map(text)),
            axis: SHARE_LABELS.map(str::to_owned),
            of: |point| point.work,
            top: 1.0,
            style: |point, _, theme| work_style(theme, point.work.unwrap_or(1.0), theme.busy()),
        })
    }

    fn polls(&self) -> HistoryGraph {
        let of: fn(&HistoryPoint) -> Option<f64> = |point| point.polls;
        let top = self.top(of);
        let reason = self.description.reason(FieldId::PollRate);
        HistoryGraph {
            title: "polls/s",
            short: "polls/s",
            value: self.value(reason, |point| Some((rate(point.polls?), Style::new()))),
            axis: [rate(top), rate(top / 2.0), "0".into()],
            of,
            top,
            style: plain,
        }
    }

    /// The value is that of the line above the rows, `now`, and not the mean of the latest point.
    fn runnable(&self, now: usize) -> HistoryGraph {
        let no_sample = self.latest.is_none().then_some("no sample yet");
        let graph = self.counts("runnable tasks", "runnable", no_sample, |point| {
            point.runnable.map(|tasks| tasks as f64)
        });
        match self.is_live {
            true => {
                let value = graph.value.map(|_| (compact_count(now as u64), Style::new()));
                HistoryGraph { value, ..graph }
            }
            false => graph,
        }
    }

    fn blocking_pool(&self) -> HistoryGraph {
        let reason = self.description.reason(FieldId::BlockingThreads);
        let no_sample = self.latest.is_none().then_some("no sample yet");
        self.counts("blocking calls", "blocking", reason.or(no_sample), |point| {
            point.blocking_calls.map(|calls| calls as f64)
        })
    }

    /// A graph of a number of things.
    fn counts(
        &self,
        title: &'static str,
        short: &'static str,
        reason: Option<&str>,
        of: fn(&HistoryPoint) -> Option<f64>,
    ) -> HistoryGraph {
        let top = self.top(of);
        let label = |n: f64| compact_count(n as u64);
        // A middle between two whole numbers has no label.
        let middle = if top >= 2.0 { label(top / 2.0) } else { String::new() };
        HistoryGraph {
            title,
            short,
            value: self.value(reason, |point| Some((label(of(point)?), Style::new()))),
            axis: [label(top), middle, "0".into()],
            of,
            top,
            style: plain,
        }
    }

    /// The latest value, or the reason why the target has none. A value from before a connection was
    /// lost is not one of now.
    fn value(
        &self,
        reason: Option<&str>,
        text: impl Fn(&HistoryPoint) -> Option<(String, Style)>,
    ) -> Result<(String, Style), String> {
        match reason {
            Some(reason) => Err(reason.to_owned()),
            None => Ok(self
                .latest
                .as_ref()
                .filter(|_| self.is_live)
                .and_then(text)
                .unwrap_or_else(|| (UNAVAILABLE.to_owned(), self.theme.dim()))),
        }
    }

    /// A round number that no value exceeds.
    fn top(&self, of: fn(&HistoryPoint) -> Option<f64>) -> f64 {
        round_up(self.points.iter().flatten().filter_map(of).fold(1.0, f64::max))
    }
}

fn plain(_: &HistoryPoint, _: &Thresholds, theme: Theme) -> Style {
    theme.busy()
}

/// The style of a share of the baseline's work; `good` from two thirds on.
fn work_style(theme: Theme, work: f64, good: Style) -> Style {
    match work {
        ..0.1 => theme.severity(Severity::Critical),
        ..0.67 => theme.severity(Severity::Warning),
        _ => good,
    }
}

/// The labels of the axis of a share: top, middle and bottom.
pub const SHARE_LABELS: [&str; 3] = ["100%", "50%", "0%"];
/// Those of the logarithmic axis of delays.
pub const DELAY_LABELS: [&str; 3] = ["10s", "10ms", "10µs"];

/// The ends of that axis, as powers of ten of a nanosecond.
const DELAY_AXIS: (f64, f64) = (4.0, 10.0);

/// The height of a delay on that axis, 0 to 1.
pub fn delay_height(delay_ns: u64) -> f64 {
    let (low, high) = DELAY_AXIS;
    ((delay_ns.max(1) as f64).log10() - low) / (high - low)
}

/// The smallest of 1, 2 and 5 times a power of ten that is not below `value`.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.max(1.0).log10().floor());
    [1.0, 2.0, 5.0].map(|n| n * power).into_iter().find(|n| *n >= value).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axis_ends_at_a_round_number() {
        let ends = [0.0, 1.0, 1.5, 2.0, 3.0, 700.0, 5001.0].map(round_up);
        assert_eq!(ends, [1.0, 1.0, 2.0, 2.0, 5.0, 1000.0, 10_000.0]);
    }

    #[test]
    fn delay_axis_is_logarithmic() {
        assert_eq!([10_000, 10_000_000, 10_000_000_000].map(delay_height), [0.0, 0.5, 1.0]);
    }
}
