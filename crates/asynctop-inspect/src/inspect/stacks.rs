//! Stacks of blocked threads. No thread is stopped: a blocked one does not change its stack, and
//! whether it stayed blocked is checked afterwards.

use asynctop_stack::{Registers, StackCopy};

use crate::{
    inspect::{
        open::Process,
        types::{Frame, ThreadInfo},
    },
    memory::MemoryExt,
    names::{lines::Lines, text::sanitize, unwind::unwinder},
    process::{
        maps::Maps,
        threads::{self, Place},
    },
};

/// Maximum number of bytes copied of a stack.
const MAX_STACK: u64 = 1 << 18;
/// Maximum number of copies of one stack.
const ATTEMPTS: usize = 3;

/// The registers of a thread, and what is above its stack pointer.
struct Stack {
    registers: Registers,
    bytes: Vec<u8>,
}

impl Stack {
    fn copy(&self) -> StackCopy<'_> {
        let is_full = self.bytes.len() as u64 >= MAX_STACK;
        StackCopy { registers: self.registers, bytes: &self.bytes, is_full }
    }
}

impl Process {
    /// Adds the stacks of threads that are blocked in the kernel.
    pub(super) fn add_stacks(&mut self, maps: &Maps, threads: &mut [ThreadInfo]) {
        for thread in threads {
            (thread.stack, thread.no_stack) = self.stack(maps, thread.tid);
        }
    }

    /// The stack of one thread, and why it is missing or incomplete.
    pub(crate) fn stack_of(&mut self, tid: u32) -> (Vec<Frame>, Option<String>) {
        match Maps::read(&self.identity.path("maps")) {
            Ok(maps) => self.stack(&maps, tid),
            Err(error) => (Vec::new(), Some(format!("its mappings cannot be read: {error}"))),
        }
    }

    fn stack(&mut self, maps: &Maps, tid: u32) -> (Vec<Frame>, Option<String>) {
        let stack = match self.copy_stack(maps, tid) {
            Ok(stack) => stack,
            Err(reason) => return (Vec::new(), Some(reason.into())),
        };
        let unwinder =
            self.unwinder.get_or_insert_with(|| unwinder(&self.identity, maps, &self.modules));
        let unwound = unwinder.unwind_blocked(&stack.copy());
        let mut frames = Vec::new();
        for address in unwound.addresses {
            self.add_frames(address, &mut frames);
        }
        (frames, unwound.cut.map(|reason| format!("it is cut: {reason}")))
    }

    fn copy_stack(&self, maps: &Maps, tid: u32) -> Result<Stack, &'static str> {
        for _ in 0..ATTEMPTS {
            let place = threads::place(&self.identity, tid);
            let (stack_pointer, program_counter) = match place {
                Place::Blocked { stack_pointer, program_counter, .. } => {
                    (stack_pointer, program_counter)
                }
                Place::Running => {
                    return Err("it is running, and is not stopped to read its stack");
                }
                Place::Unknown => return Err("its state cannot be read"),
            };
            let Some(mapping) = maps.find(stack_pointer) else {
                return Err("its stack is no longer mapped");
            };
            let length = (mapping.range.end - stack_pointer).min(MAX_STACK);
            let bytes = self.identity.bytes(stack_pointer, length as usize);
            if threads::place(&self.identity, tid) == place {
                let registers = Registers::pointers(program_counter, stack_pointer);
                return Ok(Stack { registers, bytes });
            }
        }
        Err("it did not stay blocked while its stack was read")
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
        let symbol = module
            .function_at(address)
            .map(|symbol| sanitize(&format!("{:#}", rustc_demangle::demangle(&symbol.name))));
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
