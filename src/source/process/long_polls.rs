//! Converts the sampler's long polls to those of a snapshot.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use asynctop_inspect::sampler::{self, PollTimes, Sample};
use asynctop_stack::frames_of;

use super::key::key;
use crate::{
    snapshot::{
        CallKind, Cause, DelayedTask, Frame, FrameKind, ImpactAccuracy, LongPoll, PollImpact,
        ProfileEntry, Stack, SystemCall, Target, TimeWithoutCpu,
    },
    source::nanos,
    text::sanitize,
};

/// Minimum time on a CPU, or share of the time, at which a thread counts as computing.
const MIN_CPU_TIME: Duration = Duration::from_millis(100);
const MIN_CPU_SHARE: f64 = 0.5;

/// The long polls of a sample that are certain to be single polls. A task that is found in
/// consecutive samples may be in several polls.
pub(super) fn certain(sample: &Sample) -> impl Iterator<Item = &sampler::LongPoll> {
    sample.long_polls.iter().filter(|poll| poll.is_certain())
}

/// The long polls of a sample that have not ended.
pub(super) fn running(sample: &Sample) -> impl Iterator<Item = &sampler::LongPoll> {
    certain(sample).filter(|poll| poll.is_running)
}

/// The long poll that a thread is in.
pub(super) fn running_on(sample: &Sample, tid: u32) -> Option<&sampler::LongPoll> {
    running(sample).find(|poll| poll.tid == tid)
}

/// The long polls of a runtime, converted once for each change.
#[derive(Debug, Default)]
pub(super) struct LongPolls {
    known: HashMap<u64, Known>,
    revision: u64,
}

#[derive(Debug)]
struct Known {
    poll: Arc<LongPoll>,
    /// Whether the poll is in `block_in_place`, once that is known.
    in_place: Option<bool>,
}

/// A long poll of the sampler, with its task and worker in the snapshot.
pub(super) struct SampledPoll<'a> {
    pub poll: &'a sampler::LongPoll,
    /// The task's key.
    pub task: u64,
    pub worker: Option<usize>,
    /// The time in it in which the whole process was stopped, in nanoseconds.
    pub stopped_ns: u64,
    /// Whether the thread has handed its worker over to another one, as `block_in_place` does.
    /// `None` if the latest survey does not show it. An earlier answer is kept.
    pub handed_over: Option<bool>,
}

impl LongPolls {
    /// The long polls of a sample, in its order. `name` returns the name of a task.
    pub(super) fn convert<'a>(
        &mut self,
        polls: impl Iterator<Item = SampledPoll<'a>>,
        name: impl Fn(u64) -> Arc<str>,
    ) -> Vec<Arc<LongPoll>> {
        let mut numbers = HashSet::new();
        let mut converted = Vec::new();
        for sampled in polls {
            let number = sampled.poll.number;
            numbers.insert(number);
            let known = self.known.get(&number);
            if let Some(known) = known.filter(|known| is_same(&known.poll, &sampled)) {
                converted.push(Arc::clone(&known.poll));
                continue;
            }
            self.revision += 1;
            let stack = stack(sampled.poll);
            let in_place = in_place(&sampled, stack.as_deref())
                .or_else(|| known.and_then(|known| known.in_place));
            let poll = convert(&sampled, stack, in_place, &name);
            let poll = Arc::new(LongPoll { revision: self.revision, ..poll });
            self.known.insert(number, Known { poll: Arc::clone(&poll), in_place });
            converted.push(poll);
        }
        self.known.retain(|number, _| numbers.contains(number));
        let surplus = converted.len().saturating_sub(Target::MAX_LONG_POLLS);
        converted.drain(..surplus);
        converted
    }

    /// Marks the polls as ended, after the end of the program.
    pub(super) fn end(&mut self, polls: &mut [Arc<LongPoll>]) {
        for poll in polls.iter_mut().filter(|poll| !poll.is_ended) {
            self.revision += 1;
            *poll = Arc::new(LongPoll {
                is_ended: true,
                revision: self.revision,
                ..LongPoll::clone(poll)
            });
        }
    }
}

/// Whether nothing has changed since a long poll was converted.
fn is_same(known: &LongPoll, sampled: &SampledPoll<'_>) -> bool {
    let poll = sampled.poll;
    known.length_ns == nanos(poll.at_least)
        && known.is_ended != poll.is_running
        && known.stack.is_some() != poll.stack.is_empty()
        && known.impact.as_ref().map(|impact| impact.total_ns)
            == poll.delays.as_ref().map(|delays| caused(sampled, delays.total))
        && known.no_stack.as_deref() == poll.no_stack.as_deref().map(sanitize).as_deref()
}

/// A poll of which it is not known whether it is in `block_in_place` counts like one that is.
fn convert(
    sampled: &SampledPoll<'_>,
    stack: Option<Arc<Stack>>,
    in_place: Option<bool>,
    name: impl Fn(u64) -> Arc<str>,
) -> LongPoll {
    let SampledPoll { poll, task, worker, .. } = *sampled;
    let length_ns = nanos(poll.at_least);
    let without_cpu = time_without_cpu(sampled);
    let profile =
        stack.as_ref().map(|stack| ProfileEntry::from_stacks(&[(Arc::clone(stack), 1)], 1));
    let net_ns = match in_place {
        Some(false) => length_ns.saturating_sub(without_cpu.total_ns()),
        Some(true) | None => 0,
    };
    LongPoll {
        is_lower_bound: true,
        worker,
        is_ended: !poll.is_running,
        cause: cause(poll),
        net_ns: Some(net_ns),
        without_cpu,
        captures: u32::from(stack.is_some()),
        profile: profile.unwrap_or_default(),
        no_stack: poll.no_stack.as_ref().map(|reason| sanitize(reason).into()),
        stack,
        impact: impact(sampled, name).map(Arc::new),
        ..LongPoll::computing(task, nanos(poll.began), length_ns)
    }
}

/// Whether a poll is in `block_in_place`, so that it delays no other task. `None` if that is unknown:
/// the functions of its stack have no names, and no survey during the poll shows whether its thread
/// has a worker. A later one does not: the thread may have taken another worker over.
fn in_place(sampled: &SampledPoll<'_>, stack: Option<&Stack>) -> Option<bool> {
    if sampled.handed_over == Some(true) || stack.is_some_and(Stack::is_in_block_in_place) {
        return Some(true);
    }
    let is_runtime = |frame: &Frame| matches!(frame.kind, FrameKind::Runtime | FrameKind::Probe);
    let has_names = stack.is_some_and(|stack| stack.frames.iter().any(is_runtime));
    (has_names || sampled.handed_over.is_some()).then_some(false)
}

/// Whether the thread was found blocked: off the CPU and not runnable.
fn has_blocked(poll: &sampler::LongPoll) -> bool {
    // Only the stack of a blocked thread is read without a stop.
    poll.syscall.is_some() || (!poll.stack.is_empty() && poll.stopped.is_none())
}

/// The time inside a poll in which its thread was runnable without a CPU. The kernel counts a delay
/// when it ends; a thread that has not blocked was runnable whenever it had no CPU.
fn run_delay(poll: &sampler::LongPoll) -> Duration {
    let Some(PollTimes { covered, times, .. }) = poll.times else { return Duration::ZERO };
    match has_blocked(poll) {
        true => times.run_delay,
        false => covered.saturating_sub(times.cpu),
    }
}

/// The run-queue delay and the stops of a poll. The delay of a thread that has not blocked includes
/// the stops, which are counted once.
fn time_without_cpu(sampled: &SampledPoll<'_>) -> TimeWithoutCpu {
    let SampledPoll { poll, stopped_ns, .. } = *sampled;
    let stopped_in_delay_ns = if has_blocked(poll) { 0 } else { stopped_ns };
    let run_delay_ns = nanos(run_delay(poll)).saturating_sub(stopped_in_delay_ns);
    let all = TimeWithoutCpu { run_delay_ns, stopped_ns, ..TimeWithoutCpu::default() };
    all.limited_to(nanos(poll.at_least), 0, 0)
}

/// The part of a scheduling delay that the poll has caused, in nanoseconds: its time without a CPU is
/// assumed to have the same share of the delay as of the poll.
fn caused(sampled: &SampledPoll<'_>, delay: Duration) -> u64 {
    let length_ns = nanos(sampled.poll.at_least);
    let net_ns = length_ns.saturating_sub(time_without_cpu(sampled).total_ns());
    (nanos(delay) as f64 * net_ns as f64 / length_ns.max(1) as f64) as u64
}

fn impact(sampled: &SampledPoll<'_>, name: impl Fn(u64) -> Arc<str>) -> Option<PollImpact> {
    let delays = sampled.poll.delays.as_ref()?;
    let delayed = |it: &sampler::DelayedTask| {
        let task = key(it.copy, it.task.id);
        DelayedTask { task, name: name(task), delay_ns: caused(sampled, it.delay) }
    };
    Some(PollImpact {
        accuracy: ImpactAccuracy::LowerBound,
        tasks: delays.tasks,
        total_ns: caused(sampled, delays.total),
        most_delayed: delays.longest.iter().map(delayed).collect(),
    })
}

fn cause(poll: &sampler::LongPoll) -> Cause {
    match (&poll.syscall, poll.times) {
        (Some(name), _) => Cause::Call(call(name)),
        (None, _) if has_blocked(poll) => Cause::PageFault,
        (None, Some(PollTimes { covered, times, .. })) => {
            let is_computing = times.cpu >= MIN_CPU_TIME
                || times.cpu.as_secs_f64() >= MIN_CPU_SHARE * covered.as_secs_f64();
            if is_computing { Cause::Computing } else { Cause::NoCpu }
        }
        (None, None) => Cause::Unknown("the CPU time of its thread could not be read".into()),
    }
}

fn call(name: &str) -> SystemCall {
    // A call without a known name is `system call 17`.
    let number = name.strip_prefix("system call ").and_then(|number| number.parse().ok());
    SystemCall {
        number: number.unwrap_or(0),
        name: number.is_none().then(|| name.to_owned().into()),
        kind: CallKind::of(name),
    }
}

/// The stack of a poll, if it was captured.
fn stack(poll: &sampler::LongPoll) -> Option<Arc<Stack>> {
    if poll.stack.is_empty() {
        return None;
    }
    let found = poll.stack.iter().map(|frame| {
        let location = frame.location.as_ref();
        let (file, line) = (location.map(|at| at.file.clone()), location.map(|at| at.line));
        (frame.function.clone(), file, line)
    });
    let mut frames = frames_of(found);
    for frame in frames.iter_mut().filter(|frame| polls_tasks(frame)) {
        frame.kind = FrameKind::Probe;
    }
    let cut = poll.no_stack.as_ref().map(|reason| sanitize(reason).into());
    Some(Arc::new(Stack { frames, cut }))
}

/// Whether a function is the part of Tokio that polls tasks: the frames inside it are the task's.
fn polls_tasks(frame: &Frame) -> bool {
    let in_file = frame.file.as_ref().is_some_and(|file| file.contains("/src/runtime/task/"));
    frame.kind == FrameKind::Runtime
        && (in_file || frame.function.contains("tokio::runtime::task::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_calls_have_the_kinds_that_a_watchdog_gives_them() {
        for (name, sentence) in [
            ("clock_nanosleep", "sleeping in clock_nanosleep"),
            ("futex", "waiting for a lock (futex)"),
            ("fsync", "in fsync"),
            ("system call 17", "in system call 17"),
        ] {
            assert_eq!(Cause::Call(call(name)).to_string(), sentence);
        }
    }
}
