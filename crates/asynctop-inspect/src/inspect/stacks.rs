//! Stacks of threads. The stack of a blocked thread does not change, so it is copied without stopping
//! the thread, and a check afterwards confirms that the thread stayed blocked. A running thread is
//! stopped only if the caller allows it.

use asynctop_stack::{Activity, Registers, StackCopy, Unwound};

use crate::{
    inspect::{Frame, ThreadInfo, open::Process},
    memory::MemoryExt,
    names::{
        lines::Lines,
        text::{demangle, sanitize},
        unwind::unwinder,
    },
    process::{
        maps::Maps,
        stop::{self, NotStopped, Stopped},
        threads,
    },
};

/// Maximum number of bytes copied of a stack.
const MAX_STACK: u64 = 1 << 18;
/// Maximum number of attempts to copy a stack.
const ATTEMPTS: usize = 3;

/// The stack of a thread.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    /// Innermost first.
    pub frames: Vec<Frame>,
    /// The reason why it is missing or incomplete.
    pub missing: Option<String>,
    /// Whether the kernel does not allow the thread to be stopped.
    pub is_denied: bool,
    /// The stop of the thread, if it was stopped.
    pub stopped: Option<Stopped>,
    /// The task that the thread polled when it was stopped.
    pub task: Option<u64>,
    /// The system call that the thread is in.
    pub syscall: Option<u64>,
}

/// The reason why a stack was not copied.
struct NotCopied {
    reason: &'static str,
    /// Whether the kernel does not allow the thread to be stopped.
    is_denied: bool,
}

impl From<&'static str> for NotCopied {
    fn from(reason: &'static str) -> Self {
        NotCopied { reason, is_denied: false }
    }
}

impl From<NotStopped> for NotCopied {
    fn from(error: NotStopped) -> Self {
        let is_denied = matches!(error, NotStopped::Denied | NotStopped::Traced);
        NotCopied { reason: error.reason(), is_denied }
    }
}

/// A copy of a thread's registers and stack.
struct CopiedStack {
    registers: Registers,
    bytes: Vec<u8>,
    /// Whether the stack may be longer than the bytes.
    is_full: bool,
    stopped: Option<Stopped>,
    task: Option<u64>,
    syscall: Option<u64>,
}

/// Whether a running thread may be stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    Never,
    /// While it polls this task, or any task.
    Polling {
        task: Option<u64>,
    },
}

impl Process {
    /// Adds the stacks of threads that are blocked in the kernel, and with `stop` also those of
    /// threads that run inside a poll. The task of such a thread becomes the one to which the stack
    /// belongs: a short poll has ended since the threads' tasks were read.
    pub(super) fn add_stacks(&mut self, maps: &Maps, stop: bool, threads: &mut [ThreadInfo]) {
        let stop = if stop { Stop::Polling { task: None } } else { Stop::Never };
        for thread in threads {
            let stack = self.stack(maps, thread.tid, stop);
            (thread.stack, thread.no_stack) = (stack.frames, stack.missing);
            thread.stopped = stack.stopped;
            thread.task = stack.task.or(thread.task);
        }
    }

    /// The stack of one thread.
    pub(crate) fn stack_of(&mut self, tid: u32, stop: Stop) -> Stack {
        match Maps::read(&self.identity.path("maps")) {
            Ok(maps) => self.stack(&maps, tid, stop),
            Err(error) => {
                let missing = Some(format!("its mappings cannot be read: {error}"));
                Stack { missing, ..Stack::default() }
            }
        }
    }

    fn stack(&mut self, maps: &Maps, tid: u32, stop: Stop) -> Stack {
        let copied = match self.copy_stack(maps, tid, stop) {
            Ok(copied) => copied,
            Err(NotCopied { reason, is_denied }) => {
                return Stack { missing: Some(reason.into()), is_denied, ..Stack::default() };
            }
        };
        self.update_modules(maps);
        let unwound = self.unwind(maps, &copied);
        let mut frames = Vec::new();
        for address in unwound.addresses {
            self.add_frames(address, &mut frames);
        }
        Stack {
            frames,
            missing: unwound.cut.map(|reason| format!("it is cut: {reason}")),
            is_denied: false,
            stopped: copied.stopped,
            task: copied.task,
            syscall: copied.syscall,
        }
    }

    fn unwind(&mut self, maps: &Maps, copied: &CopiedStack) -> Unwound {
        let unwinder =
            self.unwinder.get_or_insert_with(|| unwinder(&self.identity, maps, &self.modules));
        let CopiedStack { registers, bytes, is_full, .. } = copied;
        let copy = StackCopy { registers: *registers, bytes, is_full: *is_full };
        if copied.stopped.is_some() {
            let unwound = unwinder.unwind(&copy);
            if unwound.cut.is_none() {
                return unwound;
            }
            // In code without unwind tables, the registers are of no use.
            let searched = unwinder.unwind_blocked(&copy);
            let is_better = searched.addresses.len() > unwound.addresses.len();
            return if is_better { searched } else { unwound };
        }
        unwinder.unwind_blocked(&copy)
    }

    fn copy_stack(&self, maps: &Maps, tid: u32, stop: Stop) -> Result<CopiedStack, NotCopied> {
        let mut reason = "it did not stay blocked while its stack was read";
        for _ in 0..ATTEMPTS {
            let activity = threads::activity(&self.identity, tid);
            let (stack_pointer, program_counter, syscall) = match (activity, stop) {
                (Some(Activity::Blocked { stack_pointer, program_counter, syscall }), _) => {
                    (stack_pointer, program_counter, syscall)
                }
                (Some(Activity::Running), Stop::Polling { task }) => {
                    match self.copy_running(tid, task) {
                        Ok(copied) => return Ok(copied),
                        Err(NotStopped::Changed) => {
                            reason = NotStopped::Changed.reason();
                            continue;
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                (Some(Activity::Running), Stop::Never) => {
                    return Err("it is running, and is not stopped to read its stack".into());
                }
                (None, _) => return Err("its state cannot be read".into()),
            };
            let Some(mapping) = maps.find(stack_pointer) else {
                return Err("its stack is no longer mapped".into());
            };
            let length = (mapping.range.end - stack_pointer).min(MAX_STACK);
            let bytes = self.identity.bytes(stack_pointer, length as usize);
            if threads::activity(&self.identity, tid) == activity {
                let registers = Registers::pointers(program_counter, stack_pointer);
                let is_full = length == MAX_STACK;
                let (stopped, task) = (None, None);
                return Ok(CopiedStack { registers, bytes, is_full, stopped, task, syscall });
            }
        }
        Err(reason.into())
    }

    /// Copies the stack of a running thread, which is stopped while it polls this task, or any task
    /// except for the loop of a worker, which does not poll then.
    fn copy_running(&self, tid: u32, task: Option<u64>) -> Result<CopiedStack, NotStopped> {
        let current = self.current_words.iter().filter(|word| word.tid == tid).find_map(|word| {
            let polled = self.identity.word(word.address).filter(|&id| id != 0)?;
            let module = &self.modules[word.module];
            let mut loops = self.worker_loops.iter();
            if loops.any(|(vtable, id)| *id == polled && module.range.contains(vtable)) {
                return None;
            }
            task.is_none_or(|task| task == polled).then_some((word.address, polled))
        });
        let (address, polled) = current.ok_or(NotStopped::Changed)?;
        let copied = stop::stop(&self.identity, tid, address, polled)?;
        Ok(CopiedStack {
            registers: copied.registers,
            is_full: copied.bytes.len() == stop::MAX_STACK,
            bytes: copied.bytes,
            stopped: Some(copied.stopped),
            task: Some(polled),
            syscall: None,
        })
    }

    /// The functions at an address, inlined ones first.
    fn add_frames(&mut self, address: u64, stack: &mut Vec<Frame>) {
        let Some(index) = self.modules.iter().position(|module| module.range.contains(&address))
        else {
            stack.push(Frame { function: format!("{address:#x}"), location: None });
            return;
        };
        let module = &self.modules[index];
        let lines = self.lines.entry(index).or_insert_with(|| Lines::load(module));
        let symbol = module.function_at(address).map(|symbol| sanitize(&demangle(&symbol.name)));
        let frames = lines.as_ref().map(|lines| lines.frames(address)).unwrap_or_default();
        let unnamed = || {
            let offset = address.wrapping_sub(module.bias);
            format!("{}+{offset:#x}", sanitize(module.name()))
        };
        if frames.is_empty() {
            let function = symbol.unwrap_or_else(unnamed);
            stack.push(Frame { function, location: None });
            return;
        }
        for frame in frames {
            let function = frame.function.or_else(|| symbol.clone()).unwrap_or_else(unnamed);
            stack.push(Frame { function, location: frame.location });
        }
    }
}
