//! The functions of a module, and the calls and panic locations in their machine code.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    ops::Range,
};

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

use crate::{
    memory::{Memory, MemoryExt},
    names::{
        panic::ResumedPanic,
        text::demangle,
        unwind_table::{self, MAX_FUNCTION_BYTES},
    },
    process::modules::Module,
};

/// Maximum depth of calls followed from a function.
const MAX_DEPTH: usize = 3;
/// Maximum number of functions visited from one function.
const MAX_FUNCTIONS: usize = 400;
/// Maximum distance in bytes from the instruction that loads an argument to its use.
const MAX_ARGUMENT_DISTANCE: u64 = 40;

/// References of one function.
#[derive(Clone, Debug, Default)]
pub(crate) struct References {
    /// Targets of direct calls and of jumps out of the function, and functions whose address is
    /// taken.
    pub calls: Vec<u64>,
    /// Addresses of the panic locations passed to the panic.
    pub locations: Vec<u64>,
}

/// The code of one module.
pub(crate) struct Code<'a, M: ?Sized> {
    pub memory: &'a M,
    pub module: &'a Module,
    /// Start and size of each function in the unwind table, by address in memory.
    functions: Vec<(u64, u64)>,
    panic: ResumedPanic,
    /// By start of the function.
    references: HashMap<u64, References>,
}

impl<'a, M: Memory + ?Sized> Code<'a, M> {
    pub(crate) fn new(memory: &'a M, module: &'a Module) -> Self {
        let functions = unwind_table::functions(memory, module);
        let (panic, references) = (ResumedPanic::default(), HashMap::new());
        let mut code = Code { memory, module, functions, panic, references };
        code.panic = ResumedPanic::find(memory, module, |address| code.function_start(address));
        code
    }

    /// Visits the functions that are reached by calls from `starts`, breadth first, with the depth
    /// of the calls. Ends when `visit` returns `false`.
    pub(crate) fn visit_callees(
        &mut self,
        starts: &[u64],
        mut visit: impl FnMut(&mut Self, u64, usize) -> bool,
    ) {
        let mut queue: VecDeque<(u64, usize)> = starts.iter().map(|&start| (start, 0)).collect();
        let mut queued: HashSet<u64> = starts.iter().copied().collect();
        let mut visited = 0;
        while let Some((function, depth)) = queue.pop_front() {
            visited += 1;
            if visited > MAX_FUNCTIONS || !visit(self, function, depth) {
                return;
            }
            if depth == MAX_DEPTH {
                continue;
            }
            for &call in &self.references(function).calls {
                if queued.insert(call) {
                    queue.push_back((call, depth + 1));
                }
            }
        }
    }

    /// Demangled names of the function at `address`: several if the linker merged functions.
    pub(crate) fn names_at(&self, address: u64) -> Vec<String> {
        let file_address = address.wrapping_sub(self.module.bias);
        let symbols = self.module.functions();
        let first = symbols.partition_point(|symbol| symbol.address < file_address);
        symbols[first..]
            .iter()
            .take_while(|symbol| symbol.address == file_address)
            .map(|symbol| demangle(&symbol.name))
            .collect()
    }

    /// The addresses of the function that begins at `start`.
    fn function_range(&self, start: u64) -> Range<u64> {
        let index = self.functions.partition_point(|&(known, _)| known < start);
        let next = self.functions.get(index);
        let size = match (next, self.module.function_at(start)) {
            (Some(&(known, size)), _) if known == start => size,
            (_, Some(symbol)) => symbol.size,
            // Without either, up to the next known function, if there is one.
            (_, None) => next.map_or(4096, |&(known, _)| (known - start).min(4096)),
        };
        start..start.saturating_add(size.min(MAX_FUNCTION_BYTES))
    }

    /// The start of the function that contains `address`.
    fn function_start(&self, address: u64) -> Option<u64> {
        let count = self.functions.partition_point(|&(start, _)| start <= address);
        match self.functions[..count].last() {
            Some(&(start, size)) if address < start.saturating_add(size) => Some(start),
            _ => {
                let symbol = self.module.function_at(address)?;
                Some(symbol.address.wrapping_add(self.module.bias))
            }
        }
    }

    /// The references of the function that begins at `function`.
    pub(crate) fn references(&mut self, function: u64) -> &References {
        if !self.references.contains_key(&function) {
            let references = self.read_references(function);
            self.references.insert(function, references);
        }
        &self.references[&function]
    }

    fn read_references(&self, function: u64) -> References {
        let range = self.function_range(function);
        let code = self.memory.bytes(range.start, (range.end - range.start) as usize);
        let mut references = References::default();
        // The latest address loaded into the register of the first argument, and the address of
        // that instruction.
        let mut argument: Option<(u64, u64)> = None;
        let mut message_loaded_at: Option<u64> = None;
        for instruction in &mut Decoder::with_ip(64, &code, range.start, DecoderOptions::NONE) {
            let is_near =
                |earlier| instruction.ip().saturating_sub(earlier) <= MAX_ARGUMENT_DISTANCE;
            let is_other_function =
                |target| self.module.is_code(target) && !range.contains(&target);
            if let Some(target) = self.branch_target(&instruction) {
                match argument.filter(|&(_, loaded_at)| is_near(loaded_at)) {
                    Some((location, _)) if self.panic.functions.contains(&target) => {
                        references.locations.push(location);
                    }
                    _ if is_other_function(target) => references.calls.push(target),
                    _ => {}
                }
            } else if instruction.mnemonic() == Mnemonic::Lea
                && instruction.is_ip_rel_memory_operand()
            {
                let target = instruction.ip_rel_memory_address();
                if instruction.op0_register() == Register::RDI {
                    argument = Some((target, instruction.ip()));
                }
                if self.panic.messages.contains(&target) {
                    message_loaded_at = Some(instruction.ip());
                } else if is_other_function(target) {
                    references.calls.push(target);
                } else if message_loaded_at.is_some_and(is_near) {
                    references.locations.push(target);
                    message_loaded_at = None;
                }
            }
        }
        references
    }

    /// The target of a call, or of a jump with or without a condition; `None` for other instructions.
    fn branch_target(&self, instruction: &Instruction) -> Option<u64> {
        match instruction.op0_kind() {
            OpKind::NearBranch64 => Some(instruction.near_branch_target()),
            // Through the table of the dynamic loader.
            OpKind::Memory
                if matches!(instruction.mnemonic(), Mnemonic::Call | Mnemonic::Jmp)
                    && instruction.is_ip_rel_memory_operand() =>
            {
                Some(self.memory.word(instruction.ip_rel_memory_address()).unwrap_or(0))
            }
            _ => None,
        }
    }
}
