//! Rates for the screen: means over at least two seconds, which change only when the mean has moved
//! by an eighth. Rows sorted by them keep their places while the load does not change.

use crate::snapshot::{Target, TaskStats};

use super::{
    TaskHistory, TaskRates,
    base::Earlier,
    pairs::finder,
    rates::{RateFields, Totals, totals},
    task_history::cells_between,
};

/// Minimum time that a mean covers; it covers at most twice as much if samples follow each other
/// closely.
const MIN_SPAN_NS: u64 = 2_000_000_000;
/// The smallest relative change that is shown.
const MIN_CHANGE: f64 = 0.125;
/// Larger shares are not smoothed, so that 100 % is reached.
const SATURATED: f64 = 0.95;

/// The smoothed rates of a task, for the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ShownRates {
    /// Polls per second.
    pub polls: f64,
    /// Share of the time in polls, 0 to 1.
    pub busy: f64,
    /// Share of the time in which the task was runnable, 0 to 1.
    pub scheduled: f64,
    /// The busy share before the smallest change is applied. Sums of it do not exceed the whole.
    pub(super) mean_busy: f64,
    /// Whether the rates are means over at least [`MIN_SPAN_NS`].
    pub(super) is_mean: bool,
}

impl ShownRates {
    /// The rates to show after these, for the latest mean.
    fn next(self, mean: ShownRates) -> ShownRates {
        ShownRates {
            polls: steady(self.polls, mean.polls),
            busy: steady_share(self.busy, mean.busy),
            scheduled: steady_share(self.scheduled, mean.scheduled),
            ..mean
        }
    }
}

/// The value to show: the previous one, unless the mean is far from it.
fn steady(previous: f64, mean: f64) -> f64 {
    let is_close = (mean - previous).abs() <= MIN_CHANGE * previous.max(mean);
    if is_close { previous } else { mean }
}

/// The share to show.
pub(super) fn steady_share(previous: f64, mean: f64) -> f64 {
    if mean < SATURATED { steady(previous, mean) } else { mean }
}

/// Computes the smoothed rates.
#[derive(Clone, Debug, Default)]
pub(super) struct Smoother {
    /// The totals of all tasks by key.
    earlier: Earlier<Vec<(u64, Totals)>>,
}

impl Smoother {
    /// Fills in [`TaskRates::shown`] and [`TaskRates::history`] of each task of `now`, after an
    /// update. `last` and `last_rates` are those of the previous sample.
    pub(super) fn advance(
        &mut self,
        now: &Target,
        rates: &mut [TaskRates],
        last: Option<&Target>,
        last_rates: &[TaskRates],
    ) {
        let now_ns = now.known_until_ns;
        let of = |task: &TaskStats| (task.key, totals(task));
        self.earlier.advance(now_ns, MIN_SPAN_NS, || now.tasks.iter().map(of).collect());
        let base = self.earlier.get();
        let span_ns = base.map_or(0, |(base_ns, _)| now.running_ns(*base_ns, now_ns));
        let base = base.filter(|_| span_ns > 0);
        let fields = RateFields::new(&now.description);
        let mut earlier = finder(base.map_or(&[][..], |(_, tasks)| tasks).iter().copied());
        let last_tasks = last.map_or(&[][..], |last| &last.tasks);
        let mut previous = finder(last_tasks.iter().map(|task| task.key).zip(last_rates));
        let cells = last.map_or(0, |last| cells_between(last.known_until_ns, now_ns));
        for (task, rates) in now.tasks.iter().zip(rates) {
            let mean = match earlier(task.key) {
                Some(before) => {
                    ShownRates { is_mean: true, ..fields.between(before, totals(task), span_ns) }
                }
                None => rates.shown,
            };
            let previous = previous(task.key);
            let history = previous.map_or(TaskHistory::default(), |rates| rates.history);
            rates.history = match task.state.is_done() {
                true => history.push(cells, 0.0, 0.0),
                false => history.push(cells, rates.busy, rates.scheduled),
            };
            // The first mean replaces a rate over a shorter time.
            let previous = previous.map(|rates| rates.shown);
            let previous = previous.filter(|previous| previous.is_mean || !mean.is_mean);
            rates.shown = previous.map_or(mean, |previous| previous.next(mean));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{
        Model, Query,
        testing::{snapshot, task},
    };

    const S: u64 = 1_000_000_000;
    const TASKS: u64 = 30;

    /// Follows tasks that are busy for 2 % of the time, ±10 % in each quarter of a second. The last
    /// one is busy for `last_busy` nanoseconds.
    fn follow(quarters: u64, last_busy: fn(u64) -> u64, mut seen: impl FnMut(&Model)) {
        let mut model = Model::default();
        let mut totals = [(0, 0); TASKS as usize];
        let mut random = 1_u64;
        for quarter in 1..=quarters {
            let step_ns = S / 4;
            for (n, (polls, busy_ns)) in totals.iter_mut().enumerate() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let noise = 90 + (random >> 33) % 21;
                *polls += 100 * noise / 100;
                *busy_ns += match n as u64 {
                    n if n == TASKS - 1 => last_busy(quarter),
                    _ => step_ns / 50 * noise / 100,
                };
            }
            let tasks = totals.iter().zip(1..).map(|((polls, busy_ns), id)| {
                let mut task = task(id, "conn");
                (task.polls, task.busy_ns, task.lifetime_ns) =
                    (*polls, *busy_ns, quarter * step_ns);
                task
            });
            model.advance(&snapshot(quarter * step_ns, tasks).into());
            seen(&model);
        }
    }

    #[test]
    fn rows_of_a_steady_load_keep_their_places() {
        for sort in ["busy_share", "polls_per_second"] {
            let query = Query { sort, ..Query::default() };
            let mut orders = Vec::new();
            follow(40, |_| S / 200, |model| orders.push(model.tasks(&query)));
            let settled = &orders[20..];
            assert!(settled.iter().all(|order| *order == settled[0]), "{sort:?}");
        }
    }

    #[test]
    fn blocking_task_becomes_first_and_reaches_100_percent() {
        let busy_ns = |quarter| if quarter > 12 { S / 4 } else { 0 };
        let mut seen = Vec::new();
        follow(30, busy_ns, |model| {
            let first = model.tasks(&Query::default())[0].task as u64;
            seen.push((first + 1 == TASKS, model.only().rates(TASKS as usize - 1).shown.busy));
        });
        let since = seen.iter().position(|(is_first, _)| *is_first).expect("it is first");
        assert!(since <= 13, "{since}");
        assert!(seen[since..].iter().all(|(is_first, _)| *is_first), "{seen:?}");
        assert_eq!(seen[29].1, 1.0);
    }
}
