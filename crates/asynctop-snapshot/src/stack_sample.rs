//! The stack of a busy thread whose polls are short.

use std::{cmp::Reverse, sync::Arc};

use super::{Cause, LongPoll, ProfileEntry, Stack};

/// A stack of a thread that spends at least 90 % of its time in polls. The watchdog takes one per
/// second and thread: the code in which short polls spend their time.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StackSample {
    /// The key of the task that was polled.
    pub task: u64,
    /// When the poll began, in nanoseconds on the probe's clock.
    pub poll_began_ns: u64,
    /// When the stack was requested, in nanoseconds on the probe's clock.
    pub taken_ns: u64,
    /// The activity of the thread.
    pub cause: Cause,
    /// The stack of the thread.
    pub stack: Arc<Stack>,
}

impl StackSample {
    /// Combines samples into evidence for a thread rather than for one poll: a profile of all
    /// samples, with task, start and length of the latest sample's poll. `None` without a sample.
    pub fn evidence(samples: &[&StackSample]) -> Option<LongPoll> {
        let latest = samples.iter().max_by_key(|sample| sample.taken_ns)?;
        let mut stacks: Vec<(Arc<Stack>, u32)> = Vec::new();
        for sample in samples {
            match stacks.iter_mut().find(|(stack, _)| *stack == sample.stack) {
                Some((_, count)) => *count += 1,
                None => stacks.push((Arc::clone(&sample.stack), 1)),
            }
        }
        stacks.sort_by_key(|(_, count)| Reverse(*count));
        let captures = stacks.iter().map(|(_, count)| count).sum();
        let count = |cause: &Cause| samples.iter().filter(|sample| sample.cause == *cause).count();
        let causes = samples.iter().map(|sample| &sample.cause);
        Some(LongPoll {
            is_lower_bound: true,
            cause: causes.max_by_key(|cause| count(cause)).unwrap_or(&latest.cause).clone(),
            net_ns: None,
            captures,
            profile: ProfileEntry::from_stacks(&stacks, captures),
            stack: stacks.first().map(|(stack, _)| Arc::clone(stack)),
            ..LongPoll::computing(
                latest.task,
                latest.poll_began_ns,
                latest.taken_ns.saturating_sub(latest.poll_began_ns),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FrameKind, testing::stack};

    #[test]
    fn evidence_is_a_profile_with_the_most_frequent_function_first() {
        let sample = |taken_ns, function, cause| StackSample {
            task: taken_ns / 10,
            poll_began_ns: taken_ns - 2,
            taken_ns,
            cause,
            stack: stack(&[(function, 7, FrameKind::User), ("poll", 1, FrameKind::Probe)]).into(),
        };
        let samples = [
            sample(10, "query", Cause::Computing),
            sample(20, "query", Cause::Computing),
            sample(30, "accept", Cause::PageFault),
        ];
        assert_eq!(StackSample::evidence(&[]), None);
        let evidence = StackSample::evidence(&samples.each_ref()).expect("samples");
        assert_eq!((evidence.task, evidence.began_ns, evidence.length_ns), (3, 28, 2));
        assert_eq!((evidence.captures, &evidence.cause), (3, &Cause::Computing));
        assert_eq!(evidence.profile_summary().as_deref(), Some("67% in query, 33% in accept"));
        assert_eq!(evidence.blocked_at(), Some("src/x.rs:7"));
    }
}
