//! The future type and the source location of a task type, from the code of its vtable's
//! functions.
//!
//! With symbols, the functions lead to the drop glue of the task, whose name contains the future
//! type. In stripped programs, they lead to the panic that an `async fn` raises when it is polled
//! after its end, whose location is that of the `async fn`. An `async fn` that never returns has no
//! such panic, but those that it awaits may have been inlined into it; their locations are then
//! locations of parts of the future.

use std::collections::HashMap;

use crate::{
    memory::{Memory, MemoryExt},
    names::{
        code::Code,
        lines::Lines,
        location::CodeLocation,
        shorten::{first_argument, without_generics},
        text::{demangle, sanitize},
    },
    process::modules::Module,
    tokio::vtable::Vtable,
};

/// Names of a task type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TypeNames {
    /// The possible future types: one, or several whose code the linker merged. Empty without
    /// symbols.
    pub futures: Vec<String>,
    /// The start of the `async fn` or block. Needs symbols and line tables.
    pub location: Option<CodeLocation>,
    /// The start of each `async fn` or block whose code is part of the future: its own, unless it
    /// never returns, and inlined ones that it awaits. Those in the file of a module of the type come
    /// first. Also available in stripped programs.
    pub contains: Vec<CodeLocation>,
}

impl TypeNames {
    /// Whether the task's future is, or may be, a box. Tasks of this type then have the names of the
    /// boxed future.
    pub(crate) fn is_boxed(&self) -> bool {
        match self.futures.first() {
            Some(name) => name
                .strip_prefix("core::pin::Pin<")
                .unwrap_or(name)
                .starts_with("alloc::boxed::Box<dyn "),
            None => self.contains.is_empty(),
        }
    }
}

/// Names the future types of one module.
pub(crate) struct FutureNamer<'a, M: ?Sized> {
    code: Code<'a, M>,
    /// Poll functions of `async` blocks and functions, by demangled name.
    closures: Option<HashMap<String, Vec<u64>>>,
    lines: Option<&'a Lines>,
}

impl<'a, M: Memory + ?Sized> FutureNamer<'a, M> {
    pub(crate) fn new(memory: &'a M, module: &'a Module, lines: Option<&'a Lines>) -> Self {
        FutureNamer { code: Code::new(memory, module), closures: None, lines }
    }

    /// Names of the task type with this vtable.
    pub(crate) fn name_task(&mut self, vtable: &Vtable) -> TypeNames {
        let candidates = self.dropped_futures(vtable);
        let futures = self.resolve_merged(vtable, candidates);
        self.type_names(vtable.functions[0], futures)
    }

    /// Names of the future in a box, from the box's own vtable: drop, size, alignment, poll.
    pub(crate) fn name_boxed(&mut self, vtable: u64) -> TypeNames {
        let words = self.code.memory.words(vtable, 4);
        let Some(&[drop, _, _, poll]) = words.first_chunk() else { return TypeNames::default() };
        let dropped = self.code.names_at(drop).into_iter().filter_map(|name| {
            GLUE.iter().find_map(|prefix| first_argument(&name, prefix).map(sanitize))
        });
        let mut futures: Vec<String> = dropped.collect();
        let polled: Vec<String> =
            self.code.names_at(poll).iter().map(|name| sanitize(name)).collect();
        // The glue may be merged with that of other types; the poll function decides.
        if let Some(only) = futures.iter().find(|future| polled.contains(future)).cloned() {
            futures = vec![only];
        } else if futures.is_empty() {
            futures = polled;
        }
        self.type_names(poll, futures)
    }

    fn type_names(&mut self, poll: u64, futures: Vec<String>) -> TypeNames {
        let mut closures = Vec::new();
        let mut location = None;
        if let [only] = futures.as_slice() {
            let of = |all: &HashMap<String, Vec<u64>>, name| all.get(name).cloned();
            closures = of(self.closures(), only).unwrap_or_default();
            // Legacy names of functions have no generic arguments.
            let without_generics = without_generics(only);
            let all = match closures.is_empty() {
                true => of(self.closures(), &without_generics).unwrap_or_default(),
                false => closures.clone(),
            };
            location = self.location(&all);
        }
        let mut contains = self.contained_locations(poll, &closures);
        // One in the file of a module of the type is most likely the future's own. The sort is stable.
        contains.sort_by_key(|location| !is_in_module_of(&futures, location));
        TypeNames { futures, location, contains }
    }

    /// All future types whose drop glue is reached with the fewest calls.
    fn dropped_futures(&mut self, vtable: &Vtable) -> Vec<String> {
        if self.code.module.functions().is_empty() {
            return Vec::new();
        }
        // The poll function is the one that is least often merged with another type's.
        for index in [0, 2, 6, 3, 4] {
            let mut futures = Vec::new();
            let mut depth_found = usize::MAX;
            self.code.visit_callees(&[vtable.functions[index]], |code, function, depth| {
                if depth > depth_found {
                    return false;
                }
                for name in code.names_at(function) {
                    if let Some(future) = future_type_in(&name).map(sanitize) {
                        depth_found = depth;
                        if !futures.contains(&future) {
                            futures.push(future);
                        }
                    }
                }
                true
            });
            if !futures.is_empty() {
                return futures;
            }
        }
        Vec::new()
    }

    fn closures(&mut self) -> &HashMap<String, Vec<u64>> {
        let module = self.code.module;
        self.closures.get_or_insert_with(|| {
            let mut closures: HashMap<String, Vec<u64>> = HashMap::new();
            for symbol in module.functions() {
                let name = demangle(&symbol.name);
                // Legacy names end with `{{closure}}`, v0 names with `{closure#0}`.
                if name.ends_with('}') {
                    let address = symbol.address.wrapping_add(module.bias);
                    closures.entry(sanitize(&name)).or_default().push(address);
                }
            }
            closures
        })
    }

    /// Of several types whose glue was merged, the one whose own poll function is reached.
    fn resolve_merged(&mut self, vtable: &Vtable, candidates: Vec<String>) -> Vec<String> {
        if candidates.len() < 2 {
            return candidates;
        }
        let mut reached = Vec::new();
        self.code.visit_callees(&vtable.functions[..1], |code, function, _| {
            let names = code.names_at(function);
            reached.extend(names.into_iter().filter(|name| candidates.contains(name)));
            true
        });
        reached.sort();
        reached.dedup();
        if reached.len() == 1 { reached } else { candidates }
    }

    /// The line on which the future's own poll function begins, which is one of `closures`.
    fn location(&mut self, closures: &[u64]) -> Option<CodeLocation> {
        let lines = self.lines?;
        let mut locations: Vec<CodeLocation> =
            closures.iter().filter_map(|&address| lines.location(address)).collect();
        locations.sort();
        locations.dedup();
        // The closures of one function have the same name. Only one that is `async` can be polled
        // after its end, and panics then.
        if locations.len() > 1 {
            let panics = self.panic_locations(closures);
            locations.retain(|own| {
                let is_own =
                    |at: &CodeLocation| at.line == own.line && own.file.ends_with(&at.file);
                panics.iter().any(is_own)
            });
        }
        if locations.len() == 1 { locations.pop() } else { None }
    }

    /// The locations of the panics in these functions.
    fn panic_locations(&mut self, functions: &[u64]) -> Vec<CodeLocation> {
        let mut addresses = Vec::new();
        for &function in functions {
            addresses.extend(&self.code.references(function).locations);
        }
        let read = |&address: &u64| CodeLocation::read(self.code.memory, address);
        addresses.iter().filter_map(read).collect()
    }

    /// The panic locations of the future's own poll function, or those that are reached from `poll`
    /// with the fewest calls.
    fn contained_locations(&mut self, poll: u64, closures: &[u64]) -> Vec<CodeLocation> {
        let mut locations = self.panic_locations(closures);
        if locations.is_empty() {
            let mut addresses = Vec::new();
            let mut depth_found = usize::MAX;
            self.code.visit_callees(&[poll], |code, function, depth| {
                if depth > depth_found {
                    return false;
                }
                let locations = &code.references(function).locations;
                if !locations.is_empty() {
                    depth_found = depth;
                    addresses.extend(locations);
                }
                true
            });
            let read = |&address: &u64| CodeLocation::read(self.code.memory, address);
            locations = addresses.iter().filter_map(read).collect();
        }
        locations.sort();
        locations.dedup();
        // The program's own code calls that of its dependencies, rarely the other way round.
        if locations.iter().any(|location| location.is_own()) {
            locations.retain(|location| location.is_own());
        }
        locations
    }
}

/// Whether a location is in the file of a module of one of these types, such as `src/server.rs` of
/// `app::server::Conn::run`.
fn is_in_module_of(futures: &[String], location: &CodeLocation) -> bool {
    let path = location.file.strip_suffix("/mod.rs").unwrap_or(&location.file);
    let file = path.rsplit('/').next().unwrap_or(path);
    let module = file.strip_suffix(".rs").unwrap_or(file);
    futures.iter().flat_map(|future| future.split("::")).any(|part| part == module)
}

/// Beginnings of the names of drop glue, by version of the compiler and mangling.
const GLUE: [&str; 3] = ["drop_in_place<", "drop_in_place::<", "drop_glue::<"];

/// The future type in the name of a task's drop glue, or of one of its generic functions.
fn future_type_in(name: &str) -> Option<&str> {
    const DROPPED: [&str; 3] = [
        "tokio::runtime::task::core::Cell<",
        "tokio::runtime::task::core::CoreStage<",
        "tokio::runtime::task::core::Stage<",
    ];
    const GENERIC: [&str; 7] = [
        "tokio::runtime::task::raw::poll::<",
        "tokio::runtime::task::raw::dealloc::<",
        "tokio::runtime::task::raw::shutdown::<",
        "tokio::runtime::task::raw::try_read_output::<",
        "tokio::runtime::task::raw::drop_join_handle_slow::<",
        "tokio::runtime::task::harness::Harness<",
        "tokio::runtime::task::core::Core<",
    ];
    let is_glue = GLUE.iter().any(|prefix| name.contains(prefix));
    let prefixes = DROPPED.into_iter().filter(|_| is_glue).chain(GENERIC);
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
    fn file_of_a_module_belongs_to_the_type() {
        let is_own = |future: &str, file: &str| {
            let location = CodeLocation { file: file.to_owned(), line: 1, column: 1 };
            is_in_module_of(&[future.to_owned()], &location)
        };
        let future = "app::server::Listener::run::{{closure}}";
        assert!(is_own(future, "src/server.rs") && is_own(future, "src/server/mod.rs"));
        assert!(!is_own(future, "src/cmd/get.rs") && !is_own("app::db::purge", "src/server.rs"));
    }

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
            assert_eq!(future_type_in(name), future, "{name}");
        }
    }
}
