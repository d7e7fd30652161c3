//! The future type and the source location of a task type, from the code of its vtable's
//! functions.
//!
//! With symbols, the functions lead to the drop glue of the task, whose name contains the future
//! type. Without, they lead to the panic that an `async fn` raises when it is polled after its
//! end, whose location is that of the `async fn`, also in stripped programs. An `async fn` that
//! never returns has no such panic, but the ones that it awaits may have been inlined into it, so
//! the location is that of a part of the future.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    ops::Range,
};

use iced_x86::{Decoder, DecoderOptions, Mnemonic, OpKind, Register};
use memchr::memmem;

use crate::{
    memory::{Memory, MemoryExt},
    names::{
        lines::Lines, location::CodeLocation, shorten::first_argument, text::sanitize, unwind_table,
    },
    process::modules::Module,
    tokio::vtable::Vtable,
};

/// Maximum depth of calls followed from a function of the vtable.
const MAX_DEPTH: usize = 3;
/// Maximum number of functions examined per task type.
const MAX_FUNCTIONS: usize = 400;
const MAX_FUNCTION_BYTES: u64 = 1 << 18;
/// Maximum number of bytes of code searched for the panic.
const MAX_CODE: u64 = 1 << 28;
const RESUMED: &[u8] = b"`async fn` resumed after completion";

/// Names of a task type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TypeNames {
    /// The future type. Several if the linker merged their functions: it is one of them.
    pub futures: Vec<String>,
    /// Where the `async fn` or block begins, from line tables.
    pub location: Option<CodeLocation>,
    /// Where the `async fn`s and blocks begin whose code is part of the future's.
    pub contains: Vec<CodeLocation>,
}

/// References of one function.
#[derive(Clone, Debug, Default)]
struct References {
    /// Targets of direct calls and of jumps out of the function, and functions whose address is
    /// taken.
    calls: Vec<u64>,
    /// First arguments passed to the panic.
    locations: Vec<u64>,
}

/// Reads the code of one module.
pub(crate) struct Functions<'a, M: ?Sized> {
    memory: &'a M,
    module: &'a Module,
    /// Starts of functions from the unwind table, in memory; sorted.
    starts: Vec<(u64, u64)>,
    /// The function that raises the panic.
    panics: HashSet<u64>,
    /// Without such a function: constants near whose references the panic is raised inline.
    texts: HashSet<u64>,
    references: HashMap<u64, References>,
    /// Poll functions of `async` blocks and functions, by demangled name.
    closures: Option<HashMap<String, Vec<u64>>>,
    lines: Option<&'a Lines>,
}

impl TypeNames {
    /// Whether the task's future is, or may be, a box. The name is then that of the content of the
    /// box.
    pub(crate) fn is_boxed(&self) -> bool {
        if self.futures.is_empty() {
            return self.contains.is_empty();
        }
        let pinned = |name: &String| {
            name.strip_prefix("core::pin::Pin<")
                .unwrap_or(name)
                .starts_with("alloc::boxed::Box<dyn ")
        };
        self.futures.first().is_some_and(pinned)
    }
}

/// The vtable of the box that begins at one of the first words at `address`, and its content.
pub(crate) fn boxed_at(
    memory: &(impl Memory + ?Sized),
    module: &Module,
    address: u64,
) -> Option<(u64, u64)> {
    /// Tag of the task's stage, then the box.
    const SEARCHED: usize = 4;
    let words = memory.words(address, SEARCHED);
    words.windows(2).find_map(|pair| {
        let &[content, table] = pair else { return None };
        if !module.range.contains(&table) || module.is_code(table) || content == 0 {
            return None;
        }
        let &[drop, size, alignment, poll] = memory.words(table, 4).first_chunk()?;
        let plausible = (drop == 0 || module.is_code(drop))
            && size < 1 << 24
            && alignment.is_power_of_two()
            && alignment <= 4096
            && module.is_code(poll);
        plausible.then_some((table, content))
    })
}

impl<'a, M: Memory + ?Sized> Functions<'a, M> {
    pub(crate) fn new(memory: &'a M, module: &'a Module, lines: Option<&'a Lines>) -> Self {
        let mut functions = Functions {
            memory,
            module,
            starts: unwind_table::functions(memory, module),
            panics: HashSet::new(),
            texts: HashSet::new(),
            references: HashMap::new(),
            closures: None,
            lines,
        };
        functions.find_panic();
        functions
    }

    /// Names of the task type with this vtable.
    pub(crate) fn names(&mut self, vtable: &Vtable) -> TypeNames {
        let futures = self.futures(vtable);
        let futures = self.resolve(vtable, futures);
        let location = self.location(&futures);
        let contains = self.contains(vtable.functions[0], &futures);
        TypeNames { futures, location, contains }
    }

    /// Names of the future in a box, from the box's own vtable: drop, size, alignment, poll.
    pub(crate) fn boxed(&mut self, table: u64) -> TypeNames {
        let words = self.memory.words(table, 4);
        let Some(&[drop, _, _, poll]) = words.first_chunk() else { return TypeNames::default() };
        let dropped = self.names_at(drop).into_iter().filter_map(|name| {
            ["drop_in_place<", "drop_in_place::<", "drop_glue::<"]
                .iter()
                .find_map(|prefix| first_argument(&name, prefix).map(sanitize))
        });
        let mut futures: Vec<String> = dropped.collect();
        let polled: Vec<String> = self.names_at(poll).iter().map(|name| sanitize(name)).collect();
        // The glue may be merged with that of other types; the poll function decides.
        if let Some(only) = futures.iter().find(|future| polled.contains(future)).cloned() {
            futures = vec![only];
        } else if futures.is_empty() {
            futures = polled;
        }
        let location = self.location(&futures);
        let contains = self.contains(poll, &futures);
        TypeNames { futures, location, contains }
    }

    /// All future types whose drop glue is reached with the fewest calls.
    fn futures(&mut self, vtable: &Vtable) -> Vec<String> {
        if self.module.functions().is_empty() {
            return Vec::new();
        }
        // The poll function is the one that is least often merged with another type's.
        for start in [0, 2, 6, 3, 4] {
            let mut found = Vec::new();
            let mut depth_found = usize::MAX;
            self.follow(&[vtable.functions[start]], |functions, function, depth| {
                if depth > depth_found {
                    return false;
                }
                for name in functions.names_at(function) {
                    if let Some(future) = future_in(&name) {
                        let future = sanitize(future);
                        depth_found = depth;
                        if !found.contains(&future) {
                            found.push(future);
                        }
                    }
                }
                true
            });
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    fn closures(&mut self) -> &HashMap<String, Vec<u64>> {
        let module = self.module;
        self.closures.get_or_insert_with(|| {
            let mut closures: HashMap<String, Vec<u64>> = HashMap::new();
            for symbol in module.functions() {
                let name = demangle(&symbol.name);
                if name.ends_with("{{closure}}") || name.ends_with('}') {
                    let address = symbol.address.wrapping_add(module.bias);
                    closures.entry(sanitize(&name)).or_default().push(address);
                }
            }
            closures
        })
    }

    /// If merged glue leaves several types, the one whose own poll function is reached.
    fn resolve(&mut self, vtable: &Vtable, futures: Vec<String>) -> Vec<String> {
        if futures.len() < 2 {
            return futures;
        }
        let mut reached = Vec::new();
        self.follow(&vtable.functions[..1], |functions, function, _| {
            let names = functions.names_at(function);
            reached.extend(names.into_iter().filter(|name| futures.contains(name)));
            true
        });
        reached.sort();
        reached.dedup();
        if reached.len() == 1 { reached } else { futures }
    }

    /// The line on which the future's own poll function begins, if it has one.
    fn location(&mut self, futures: &[String]) -> Option<CodeLocation> {
        let lines = self.lines?;
        let [only] = futures else { return None };
        let own = self.closures().get(only)?.clone();
        let mut locations: Vec<CodeLocation> =
            own.iter().filter_map(|&address| lines.location(address)).collect();
        locations.sort();
        locations.dedup();
        // Two closures of one function have the same name.
        if locations.len() == 1 { locations.pop() } else { None }
    }

    fn contains(&mut self, poll: u64, futures: &[String]) -> Vec<CodeLocation> {
        let own = match futures {
            [only] => self.closures().get(only).cloned().unwrap_or_default(),
            _ => Vec::new(),
        };
        let mut addresses = Vec::new();
        for function in own {
            addresses.extend(self.references(function).locations.clone());
        }
        let mut depth_found = usize::MAX;
        if addresses.is_empty() {
            self.follow(&[poll], |functions, function, depth| {
                if depth > depth_found {
                    return false;
                }
                let locations = &functions.references(function).locations;
                if !locations.is_empty() {
                    depth_found = depth;
                    addresses.extend(locations.iter().copied());
                }
                true
            });
        }
        let mut locations: Vec<CodeLocation> =
            addresses.iter().filter_map(|&at| CodeLocation::read(self.memory, at)).collect();
        locations.sort();
        locations.dedup();
        // The program's own code calls that of its dependencies, rarely the other way round.
        if locations.iter().any(|location| !location.is_dependency()) {
            locations.retain(|location| !location.is_dependency());
        }
        locations
    }

    /// Visits the functions that are reached from `from`, nearest first. `visit` decides whether
    /// those called by a function are visited as well.
    fn follow(&mut self, from: &[u64], mut visit: impl FnMut(&mut Self, u64, usize) -> bool) {
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
    fn names_at(&self, address: u64) -> Vec<String> {
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

    fn references(&mut self, function: u64) -> &References {
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
                    if self.panics.contains(&target)
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
                    if self.texts.contains(&target) {
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

    /// Finds the function that raises the panic: by its name, or by the text that it prints.
    fn find_panic(&mut self) {
        let named = self.module.functions().iter().filter(|symbol| {
            symbol.name.contains("panic_const_async_fn_resumed")
                && !symbol.name.contains("resumed_panic")
                && !symbol.name.contains("resumed_drop")
        });
        self.panics = named.map(|symbol| symbol.address.wrapping_add(self.module.bias)).collect();
        if !self.panics.is_empty() {
            return;
        }
        let Some(data) = self.module.section(".rodata") else { return };
        let bytes = self.memory.bytes(data.start, (data.end - data.start).min(MAX_CODE) as usize);
        let texts: HashSet<u64> =
            memmem::find_iter(&bytes, RESUMED).map(|at| data.start + at as u64).collect();
        if texts.is_empty() {
            return;
        }
        // Formatting code refers to the text directly, with its length in front, or by a table.
        let mut referred = texts.clone();
        referred.extend(texts.iter().map(|at| at - 1));
        referred.extend(texts.iter().map(|at| at - 2));
        for range in self
            .module
            .image
            .sections
            .iter()
            .filter(|section| section.name.starts_with(".data.rel.ro"))
        {
            let Some(range) = self.module.section(&range.name) else { continue };
            let words = self.memory.words(range.start, ((range.end - range.start) / 8) as usize);
            let table = words.iter().enumerate().filter(|(_, word)| texts.contains(word));
            referred.extend(table.map(|(index, _)| range.start + index as u64 * 8));
        }
        let (Some(&first), Some(&last)) = (referred.iter().min(), referred.iter().max()) else {
            return;
        };
        let mut users = HashSet::new();
        for range in &self.module.code {
            let length = (range.end - range.start).min(MAX_CODE) as usize;
            let code = self.memory.bytes(range.start, length);
            for (at, window) in code.windows(4).enumerate() {
                let [a, b, c, d] = *window else { continue };
                let offset = i64::from(i32::from_le_bytes([a, b, c, d]));
                let next = range.start + at as u64 + 4;
                let target = next.wrapping_add_signed(offset);
                // A cheap test that rules out nearly all targets before the lookup.
                if (first..=last).contains(&target) && referred.contains(&target) {
                    users.extend(self.start_of(range.start + at as u64));
                }
            }
        }
        // Older compilers inline the panic into every `async fn`.
        if users.len() > 8 {
            self.texts = referred;
        } else {
            self.panics = users;
        }
    }
}

fn demangle(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// The future type in the name of a task's glue or functions.
fn future_in(name: &str) -> Option<&str> {
    const CELL: &str = "tokio::runtime::task::core::Cell<";
    const STAGES: [&str; 2] =
        ["tokio::runtime::task::core::CoreStage<", "tokio::runtime::task::core::Stage<"];
    const GENERIC: [&str; 7] = [
        "tokio::runtime::task::raw::poll::<",
        "tokio::runtime::task::raw::dealloc::<",
        "tokio::runtime::task::raw::shutdown::<",
        "tokio::runtime::task::raw::try_read_output::<",
        "tokio::runtime::task::raw::drop_join_handle_slow::<",
        "tokio::runtime::task::harness::Harness<",
        "tokio::runtime::task::core::Core<",
    ];
    let is_glue = name.contains("drop_in_place<")
        || name.contains("drop_glue::<")
        || name.contains("drop_in_place::<");
    let prefixes = [CELL].into_iter().chain(STAGES).filter(|_| is_glue).chain(GENERIC);
    prefixes
        .filter_map(|prefix| first_argument(name, prefix))
        // Legacy names of generic functions have the parameter's own name.
        .find(|argument| *argument != "T" && *argument != "_")
        // The closure of `spawn_blocking` is wrapped into a future.
        .map(|future| first_argument(future, "blocking::task::BlockingTask<").unwrap_or(future))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn future_types_in_names_of_functions() {
        let cases = [
            (
                "core::ptr::drop_in_place<tokio::runtime::task::core::Cell<a::b::{{closure}},alloc::sync::Arc<S>>>",
                Some("a::b::{{closure}}"),
            ),
            (
                "core::ptr::drop_in_place<alloc::boxed::Box<tokio::runtime::task::core::Cell<a::b::{{closure}},S>>>",
                Some("a::b::{{closure}}"),
            ),
            (
                "core::ptr::drop_glue::<tokio::runtime::task::core::Stage<a::B<u8>>>",
                Some("a::B<u8>"),
            ),
            ("tokio::runtime::task::raw::poll::<a::b::{closure#0}, S>", Some("a::b::{closure#0}")),
            ("tokio::runtime::task::harness::Harness<T,S>::poll", None),
            ("tokio::runtime::task::raw::poll", None),
            ("a::Stage<u8>::poll", None),
        ];
        for (name, future) in cases {
            assert_eq!(future_in(name), future, "{name}");
        }
    }
}
