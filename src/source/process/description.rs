//! The fields that can be read from outside a program, and their accuracy.

use std::sync::Arc;

use asynctop_inspect::{
    Flavor, RuntimeInfo,
    sampler::{Sample, SamplerOptions},
};

use super::{ReadOptions, observed::Observed};
use crate::{
    snapshot::{Accuracy, Description, FieldId},
    source::nanos,
    text::{sanitize, whole_percent},
};

/// Share of late samples at which shares of time count as estimated.
const MAX_LATE_SHARE: f64 = 0.05;

const NOT_COUNTED: &str = "Tokio does not count it, so it cannot be read from outside";
const NO_LAB: &str = "only the lab has workloads and a hog";
const NO_PROBE: &str = "not available by process ID; asynctop-probe records it inside the program";

/// The reason why a program's polls are not sampled; `None` if they are.
pub(super) fn no_samples(sample: &Sample) -> Option<String> {
    let failed = |name: &str| {
        let mut checks = sample.checks.iter();
        checks.find(|check| check.capability == name && !check.passed)
    };
    let failed =
        failed("current task of each thread").or_else(|| failed("samples of current tasks"));
    match failed {
        Some(check) => Some(format!("a self-check failed: {}", sanitize(&check.detail))),
        None if !sample.threads.iter().any(|thread| thread.is_sampled) => {
            Some("the current task of threads was not found".to_owned())
        }
        None => None,
    }
}

/// Describes one runtime of a program.
pub(super) fn describe(
    name: &Arc<str>,
    observed: &Observed,
    sample: &Sample,
    runtime: &RuntimeInfo,
) -> Description {
    let mut description = Description::new(Arc::clone(name))
        .without([FieldId::Lab], NO_LAB)
        .without([FieldId::Timeline, FieldId::Stage, FieldId::AwaitPoint], NO_PROBE)
        .without(
            [FieldId::Resources],
            "only console-subscriber, in the program, reports what tasks wait for",
        )
        .without(
            [
                FieldId::Polls,
                FieldId::Wakes,
                FieldId::SelfWakes,
                FieldId::MaxDelay,
                FieldId::Distributions,
                FieldId::GroupPollP99,
                FieldId::GroupDelayP99,
                FieldId::SchedulingDelay,
                FieldId::WorkerPolls,
                FieldId::Panics,
                FieldId::Steals,
                FieldId::Overflows,
                FieldId::BudgetForcedYields,
                FieldId::RemoteSchedules,
            ],
            NOT_COUNTED,
        )
        .without([FieldId::MaxPoll], "from outside, only polls of 100ms or longer are timed")
        .with(FieldId::Lifetime, Accuracy::lower_bound("counted from when it was first seen"))
        .with(
            FieldId::StateTime,
            Accuracy::lower_bound("a task may have been polled between two samples"),
        )
        .with(
            FieldId::LiveWakers,
            Accuracy::UpperBound { reason: "abort handles count as wakers".into() },
        )
        .with_missing(FieldId::LiveWakers, "known only of idle tasks")
        .with_missing(FieldId::WorkerThread, "it is not known on which thread this worker runs");
    description.process_id = observed.pid();
    description.period_ns = nanos(sample.survey_interval);
    description.min_long_poll_ns = nanos(SamplerOptions::default().long_poll);
    let all_have_spawn_locations = observed.copies().iter().all(|copy| copy.is_unstable);
    if !all_have_spawn_locations {
        let method = "by the line of its future: Tokio stores the spawn location only with \
                      tokio_unstable";
        description = description.with(FieldId::Location, Accuracy::estimated(method));
    }
    description = polls(description, sample, observed.options());
    description = workers(description, runtime);
    queues(description, runtime)
}

/// States the accuracy of the fields that come from samples of the threads.
fn polls(description: Description, sample: &Sample, options: ReadOptions) -> Description {
    let no_samples = no_samples(sample);
    let shares = shares(sample.doubtful(), no_samples.as_deref());
    let stacks = match options.no_stop {
        true => "nothing is stopped (--no-stop)",
        false => "a thread that computes is stopped once, for some 10 µs, to read its stack",
    };
    let long_polls = format!(
        "from the first sample in a poll to the last; a task is delayed if it was scheduled in two \
         or more samples of all tasks, while all workers were in long polls; {stacks}"
    );
    let mut description = description;
    for field in [FieldId::Busy, FieldId::Scheduled, FieldId::Idle, FieldId::WorkerPollTime] {
        description = description.with(field, shares.clone());
    }
    match no_samples {
        Some(reason) => description
            .without([FieldId::LongPolls, FieldId::CurrentPoll, FieldId::WorkerPollTime], reason),
        None => description
            .with(FieldId::CurrentPoll, Accuracy::Sampled)
            .with(FieldId::LongPolls, Accuracy::lower_bound(long_polls)),
    }
}

/// The accuracy of shares of time, from samples of which this part was late.
fn shares(late: f64, no_samples: Option<&str>) -> Accuracy {
    match no_samples {
        Some(reason) => Accuracy::estimated(format!(
            "from the states of all tasks, read up to 10 times per second, because the threads are \
             not sampled: {reason}"
        )),
        None if late >= MAX_LATE_SHARE => Accuracy::estimated(format!(
            "from samples of which {} were late: it can be too low by that much",
            whole_percent(late)
        )),
        None => Accuracy::Sampled,
    }
}

fn workers(description: Description, runtime: &RuntimeInfo) -> Description {
    let description = match runtime.flavor {
        Flavor::Unknown | Flavor::LocalSet => description
            .without([FieldId::Flavor], "the layout of this version of Tokio is not known"),
        _ => description,
    };
    match &runtime.no_workers {
        Some(reason) => description.without([FieldId::Workers], reason.clone()),
        None => description,
    }
}

fn queues(description: Description, runtime: &RuntimeInfo) -> Description {
    let mut description = description;
    if let Some(reason) = &runtime.no_queues {
        description =
            description.without([FieldId::LocalQueue, FieldId::InjectionQueue], reason.clone());
    } else if runtime.queues.as_ref().is_none_or(|queues| queues.injection.is_none()) {
        description = description.without([FieldId::InjectionQueue], "it was not found");
    }
    let pool = [FieldId::BlockingThreads, FieldId::IdleBlockingThreads, FieldId::BlockingQueue];
    match &runtime.no_pool {
        Some(reason) => description.without(pool, reason.clone()),
        None => description,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_without_samples_of_the_threads_are_estimated() {
        assert_eq!(shares(0.01, None), Accuracy::Sampled);
        let Accuracy::Estimated { method } = shares(0.0, Some("no thread")) else {
            panic!("not estimated");
        };
        assert!(method.ends_with("not sampled: no thread"), "{method}");
        assert!(matches!(shares(0.2, None), Accuracy::Estimated { .. }));
    }
}
