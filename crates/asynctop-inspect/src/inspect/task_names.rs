//! The names of the tasks' future types, also of futures in boxes.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    inspect::{open::Process, tasks::Found},
    names::{
        boxed::boxed_at,
        future::{FutureNamer, TypeNames},
        lines::Lines,
    },
};

impl Process {
    /// Names the types of all tasks. Each type is examined once.
    pub(super) fn add_names(&mut self, found: &mut Found) {
        let mut missing: Vec<u64> = found.tasks.iter().map(|task| task.vtable).collect();
        missing.sort_unstable();
        missing.dedup();
        missing.retain(|vtable| !self.names.contains_key(vtable));
        for (&index, copy) in self.with_tokio.iter().zip(&mut self.copies) {
            let module = &self.modules[index];
            let vtables: Vec<u64> =
                missing.iter().copied().filter(|vtable| module.range.contains(vtable)).collect();
            if vtables.is_empty() {
                continue;
            }
            let lines = self.lines.entry(index).or_insert_with(|| Lines::load(module));
            // The standard library always has line tables.
            copy.has_lines = lines.as_ref().is_some_and(|lines| {
                let functions = vtables.iter().filter_map(|vtable| self.vtables.get(vtable));
                let mut functions = functions.flat_map(|vtable| vtable.functions);
                functions.any(|function| lines.location(function).is_some())
            });
            let mut namer = FutureNamer::new(&*self.identity, module, lines.as_ref());
            for address in vtables {
                let names = self.vtables.get(&address).map(|vtable| namer.name_task(vtable));
                self.names.insert(address, Arc::new(names.unwrap_or_default()));
            }
        }
        let boxes = self.box_vtables(found);
        let unknown = TypeNames::default();
        let mut latest: Option<(u64, Arc<TypeNames>)> = None;
        for task in &mut found.tasks {
            let boxed = boxes.get(&task.address).and_then(|vtable| self.names.get(vtable));
            task.names = match (boxed.filter(|names| ***names != unknown), &latest) {
                (Some(names), _) => Arc::clone(names),
                // Most tasks have the type of the previous one.
                (None, Some((vtable, names))) if *vtable == task.vtable => Arc::clone(names),
                (None, _) => {
                    let names = self.names.get(&task.vtable).cloned().unwrap_or_default();
                    latest = Some((task.vtable, Arc::clone(&names)));
                    names
                }
            };
        }
    }

    /// The vtables of the boxes of tasks whose future is a box, by address of the task. Names each
    /// vtable once.
    fn box_vtables(&mut self, found: &Found) -> HashMap<u64, u64> {
        /// Maximum depth of boxes in boxes.
        const MAX_DEPTH: usize = 3;
        let mut boxes = HashMap::new();
        for &index in &self.with_tokio {
            let module = &self.modules[index];
            let lines = self.lines.get(&index).and_then(Option::as_ref);
            let named = self.names.iter();
            let boxed_types: HashSet<u64> = named
                .filter(|(vtable, names)| module.range.contains(vtable) && names.is_boxed())
                .map(|(vtable, _)| *vtable)
                .collect();
            let mut namer: Option<FutureNamer<'_, _>> = None;
            for task in found.tasks.iter().filter(|task| boxed_types.contains(&task.vtable)) {
                let Some(vtable) = self.vtables.get(&task.vtable) else { continue };
                let stage = vtable.spawn_location.unwrap_or(vtable.id) + 8;
                let mut address = task.address.wrapping_add(stage);
                for _ in 0..MAX_DEPTH {
                    let boxed = boxed_at(&*self.identity, module, address);
                    let Some((vtable, content)) = boxed else { break };
                    boxes.insert(task.address, vtable);
                    let names = self.names.entry(vtable).or_insert_with(|| {
                        let new = || FutureNamer::new(&*self.identity, module, lines);
                        namer.get_or_insert_with(new).name_boxed(vtable).into()
                    });
                    if !names.is_boxed() {
                        break;
                    }
                    address = content;
                }
            }
        }
        boxes
    }
}
