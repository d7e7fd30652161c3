//! The functions of a module, and the references in their machine code.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    ops::Range,
};

use iced_x86::{Decoder, DecoderOptions, Mnemonic, OpKind, Register};

use crate::{
    memory::{Memory, MemoryExt},
    names::{panic::Panic, unwind_table},
    process::modules::Module,
};

/// Maximum depth of calls followed from a function.
const MAX_DEPTH: usize = 3;
/// Maximum number of functions visited from one function.
const MAX_FUNCTIONS: usize = 400;
const MAX_FUNCTION_BYTES: u64 = 1 << 18;

/// References of one function.
#[derive(Clone, Debug, Default)]
pub(crate) struct References {
    /// Targets of direct calls and of jumps out of the function, and functions whose address is
    /// taken.
    pub calls: Vec<u64>,
    /// First arguments passed to the panic.
    pub locations: Vec<u64>,
}

/// The code of one module.
pub(crate) struct Code<'a, M: ?Sized> {
    pub memory: &'a M,
    pub module: &'a Module,
    /// Starts and sizes of functions from the unwind table, in memory; sorted.
    starts: Vec<(u64, u64)>,
    panic: Panic,
    references: HashMap<u64, References>,
}

impl<'a, M: Memory + ?Sized> Code<'a, M> {
    pub(crate) fn new(memory: &'a M, module: &'a Module) -> Self {
        let starts = unwind_table::functions(memory, module);
        let (panic, references) = (Panic::default(), HashMap::new());
        let mut code = Code { memory, module, starts, panic, references };
        code.panic = Panic::find(memory, module, |address| code.start_of(address));
        code
    }

    /// Visits the functions that are reached from `from`, nearest first. `visit` decides whether
    /// those called by a function are visited as well.
    pub(crate) fn follow(
        &mut self,
        from: &[u64],
        mut visit: impl FnMut(&mut Self, u64, usize) -> bool,
    ) {
        let mut queue: VecDeque<(u64, usize)> = from.iter().map(|&start| (start, 0)).collect();
        let mut seen: HashSet<u64> = from.iter().copied().collect();
        let mut visited = 0;
        while let Some((function, depth)) = queue.pop_front() {
            visited += 1;
            if visited > MAX_FUNCTIONS || !visit(self, function, depth) {
                return;
            }
            if depth == MAX_DEPTH {
                continue;
            }
            for &call in &self.references(function).calls.clone() {
                if seen.insert(call) {
                    queue.push_back((call, depth + 1));
                }
            }
        }
    }

    /// Demangled names of the function at `address`: several if it was merged.
    pub(crate) fn names_at(&self, address: u64) -> Vec<String> {
        let own = address.wrapping_sub(self.module.bias);
        let functions = self.module.functions();
        let first = functions.partition_point(|function| function.address < own);
        functions[first..]
            .iter()
            .take_while(|function| function.address == own)
            .map(|function| demangle(&function.name))
            .collect()
    }

    /// The addresses of the function that begins at `start`.
    fn range(&self, start: u64) -> Range<u64> {
        let at = self.starts.partition_point(|&(address, _)| address < start);
        let unwind = self.starts.get(at).filter(|&&(address, _)| address == start);
        let size = match (unwind, self.module.function_at(start)) {
            (Some(&(_, size)), _) => size,
            (None, Some(symbol)) => symbol.size,
            // Without either, up to the next known beginning, if there is one.
            (None, None) => self.starts.get(at).map_or(4096, |&(next, _)| (next - start).min(4096)),
        };
        start..start.saturating_add(size.min(MAX_FUNCTION_BYTES))
    }

    /// The beginning of the function that `address` is in.
    fn start_of(&self, address: u64) -> Option<u64> {
        let behind = self.starts.partition_point(|&(start, _)| start <= address);
        let unwind = behind.checked_sub(1).map(|at| self.starts[at]);
        match unwind.filter(|&(start, size)| address < start.saturating_add(size)) {
            Some((start, _)) => Some(start),
            None => {
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
        let range = self.range(function);
        let code = self.memory.bytes(range.start, (range.end - range.start) as usize);
        let mut decoder = Decoder::with_ip(64, &code, range.start, DecoderOptions::NONE);
        let mut references = References::default();
        // The latest address loaded into the register of the first argument, and the position of
        // that instruction.
        let mut argument: Option<(u64, u64)> = None;
        let mut text_at: Option<u64> = None;
        const NEAR: u64 = 40;
        for instruction in &mut decoder {
            let at = instruction.ip();
            let is_branch = match instruction.op0_kind() {
                // Calls, and jumps with and without a condition.
                OpKind::NearBranch64 => true,
                OpKind::Memory => {
                    matches!(instruction.mnemonic(), Mnemonic::Call | Mnemonic::Jmp)
                        && instruction.is_ip_rel_memory_operand()
                }
                _ => false,
            };
            match instruction.mnemonic() {
                _ if is_branch => {
                    let target = match instruction.op0_kind() {
                        OpKind::NearBranch64 => instruction.near_branch_target(),
                        // Through the table of the dynamic loader.
                        _ => self.memory.word(instruction.ip_rel_memory_address()).unwrap_or(0),
                    };
                    if self.panic.functions.contains(&target)
                        && let Some((location, _)) =
                            argument.filter(|&(_, put)| at.saturating_sub(put) <= NEAR)
                    {
                        references.locations.push(location);
                    } else if !range.contains(&target) && self.module.is_code(target) {
                        references.calls.push(target);
                    }
                }
                Mnemonic::Lea if instruction.is_ip_rel_memory_operand() => {
                    let target = instruction.ip_rel_memory_address();
                    if instruction.op0_register() == Register::RDI {
                        argument = Some((target, at));
                    }
                    if self.panic.texts.contains(&target) {
                        text_at = Some(at);
                    } else if self.module.is_code(target) && !range.contains(&target) {
                        references.calls.push(target);
                    } else if text_at.is_some_and(|text| at.saturating_sub(text) <= NEAR) {
                        references.locations.push(target);
                        text_at = None;
                    }
                }
                _ => {}
            }
        }
        references
    }
}

pub(crate) fn demangle(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}
