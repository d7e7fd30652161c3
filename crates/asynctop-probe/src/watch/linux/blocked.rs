//! Copies the stacks of threads that sleep in the kernel, while they sleep: a signal would make many
//! system calls fail (`poll`, `epoll_wait`, those with a timeout).

use std::collections::HashMap;

use asynctop_stack::{StackCopy, Unwinder, Unwound, copy_stack};

use super::os::{self, CallReport};
use crate::accounting::{CurrentPolls, ThreadSlot};

/// Maximum number of bytes copied, from the stack pointer up.
const MAX_BYTES: usize = 256 * 1024;
/// Maximum number of threads whose last stack is kept.
const MAX_KEPT: usize = 256;

/// Copies stacks, and keeps the last one of each thread.
pub(super) struct BlockedThreads {
    bytes: Vec<u8>,
    last: HashMap<u32, (Sleep, Unwound)>,
}

/// One sleep of a thread. The thread's stack does not change while it lasts.
#[derive(PartialEq, Eq)]
pub(super) struct Sleep {
    report: CallReport,
    /// Number of times that the thread has begun to sleep, including this one.
    switches: u64,
    polls: CurrentPolls,
}

/// The result of copying a thread's stack.
pub(super) enum CopyOutcome {
    /// The stack, and the polls that the thread is in.
    Stack(Unwound, CurrentPolls),
    /// The thread did not stay asleep, so the copy may be inconsistent.
    Moved,
    /// No stack, with the reason.
    Failed(&'static str),
}

impl BlockedThreads {
    pub(super) fn new() -> Self {
        BlockedThreads { bytes: vec![0; MAX_BYTES], last: HashMap::new() }
    }

    /// The stack of a thread that was just reported to sleep.
    pub(super) fn copy(
        &mut self,
        os_id: u32,
        report: CallReport,
        slot: Option<&ThreadSlot>,
        unwinder: &mut Unwinder,
    ) -> CopyOutcome {
        let Some(registers) = report.registers() else {
            return CopyOutcome::Failed("/proc/self/task/*/syscall has an unknown format");
        };
        let Some(switches) = os::voluntary_switches(os_id) else { return CopyOutcome::Moved };
        let polls = slot.map(ThreadSlot::peek).unwrap_or_default();
        let sleep = Sleep { report, switches, polls };
        if let Some((last, unwound)) = self.last.get(&os_id)
            && *last == sleep
        {
            return CopyOutcome::Stack(unwound.clone(), polls);
        }
        let len = match copy_stack(registers.sp, &mut self.bytes) {
            Ok(len) => len,
            Err(error) => return CopyOutcome::Failed(error.reason()),
        };
        if CallReport::read(os_id) != sleep.report
            || os::voluntary_switches(os_id) != Some(switches)
        {
            return CopyOutcome::Moved;
        }
        let bytes = &self.bytes[..len];
        let unwound =
            unwinder.unwind_blocked(&StackCopy { registers, bytes, is_full: len == MAX_BYTES });
        if self.last.len() >= MAX_KEPT {
            self.last.clear();
        }
        self.last.insert(os_id, (sleep, unwound.clone()));
        CopyOutcome::Stack(unwound, polls)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, thread};

    use super::*;
    use crate::watch::cause::Activity;

    #[test]
    fn stack_is_copied_once_per_sleep() {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let (mut blocked, mut unwinder) = (BlockedThreads::new(), Unwinder::new());
        let (id, ids) = std::sync::mpsc::channel();
        let sleeper = thread::spawn(move || {
            id.send(os::this_thread()).expect("it is received");
            reader.read(&mut [0]).expect("the other end closes")
        });
        let id = ids.recv().expect("it lives");
        let mut copy = |blocked: &mut BlockedThreads| loop {
            let report = CallReport::read(id);
            let reads = matches!(report.activity(), Activity::Call(call) if call.name.as_deref() == Some("read"));
            if reads
                && let CopyOutcome::Stack(stack, CurrentPolls::NONE) =
                    blocked.copy(id, report, None, &mut unwinder)
            {
                return stack.addresses;
            }
            thread::yield_now();
        };
        let first = copy(&mut blocked);
        assert!(blocked.bytes.iter().any(|byte| *byte != 0), "a copy");
        blocked.bytes.fill(0);
        assert_eq!(copy(&mut blocked), first);
        assert!(blocked.bytes.iter().all(|byte| *byte == 0), "not copied again");
        drop(writer);
        assert_eq!(sleeper.join().expect("no panic"), 0);
    }
}
