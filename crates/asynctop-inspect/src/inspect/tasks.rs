//! All tasks: those in the runtimes' lists, and unlisted ones from a scan of the heap.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    inspect::{
        Check, Flavor, Options, RuntimeInfo, TaskInfo, TaskKind, blocks::Block, open::Process,
    },
    names::location::CodeLocation,
    process::{
        maps::{Maps, Pages},
        threads::Thread,
    },
    tokio::{
        list,
        runtime::Runtime,
        scan::ALIGNMENT,
        task::{RawTask, StateKind},
    },
};

/// The tasks and runtimes that one inspection has found.
pub(super) struct Found {
    pub runtimes: Vec<RuntimeInfo>,
    /// By handle.
    pub index: HashMap<u64, usize>,
    pub tasks: Vec<TaskInfo>,
    pub retries: u32,
}

impl Process {
    pub(super) fn find_tasks(
        &mut self,
        maps: &Maps,
        pages: &Pages,
        threads: &[Thread],
        blocks: &[Block],
        options: &Options,
        checks: &mut Vec<Check>,
    ) -> Found {
        self.find_runtimes_of_threads(maps, blocks);
        let scanned = match options.scan {
            true => self.scan_heap(maps, pages, threads),
            false => Vec::new(),
        };
        self.find_runtimes_of_tasks(&scanned);

        let mut found =
            Found { runtimes: Vec::new(), index: HashMap::new(), tasks: Vec::new(), retries: 0 };
        let mut listed = HashSet::new();
        let mut runtimes: Vec<Runtime> = self.runtimes.values().cloned().collect();
        runtimes.sort_by_key(|runtime| (runtime.owner, runtime.handle));
        for runtime in &runtimes {
            let index = found.runtimes.len();
            found.index.insert(runtime.handle, index);
            let flavor = match self.is_local_set(runtime) {
                true => Flavor::LocalSet,
                false => Flavor::Unknown,
            };
            let kind = flavor.task_kind();
            let mut info = RuntimeInfo::new(runtime.handle, flavor);
            let capability = format!("tasks of runtime {index}");
            match list::walk(&*self.identity, &self.vtables, runtime) {
                Ok(walk) => {
                    info.alive = walk.count;
                    found.retries += walk.retries;
                    let found_tasks = walk.tasks.len();
                    let detail = match walk.count {
                        Some(count) => {
                            format!("{found_tasks} found, {count} counted by the runtime")
                        }
                        None => {
                            format!("{found_tasks} found; this version of Tokio keeps no count")
                        }
                    };
                    checks.push(Check::passed(&capability, detail));
                    if options.scan {
                        listed.extend(walk.tasks.iter().map(|task| task.address));
                    }
                    let tasks = walk.tasks.iter();
                    found.tasks.extend(tasks.map(|task| self.task_info(task, kind, Some(index))));
                }
                Err(error) => {
                    checks.push(Check::failed(&capability, error.to_string()));
                    info.unavailable = Some(error.to_string());
                }
            }
            found.runtimes.push(info);
        }
        if options.scan {
            self.add_unlisted(scanned, &listed, &mut found, checks);
        }
        found
    }

    pub(super) fn task_info(
        &self,
        task: &RawTask,
        kind: TaskKind,
        runtime: Option<usize>,
    ) -> TaskInfo {
        /// Minimum length of a trailer: links and waker.
        const TRAILER_LENGTH: u64 = 32;
        let state = task.state;
        let vtable = self.vtables.get(&task.vtable);
        let length = vtable.map_or(0, |vtable| vtable.trailer + TRAILER_LENGTH);
        let is_aligned = task.address.is_multiple_of(ALIGNMENT);
        // Those of the join handle, and of the list, which a completed task has left.
        let other_references = u64::from(state.has_join_handle()) + u64::from(!state.is_complete());
        TaskInfo {
            id: task.id,
            state: state.kind(),
            kind,
            runtime,
            names: Arc::default(),
            spawned_at: task.spawn_location.and_then(|address| self.spawn_location(address)),
            size: if is_aligned { length.next_multiple_of(ALIGNMENT) } else { length },
            wakers: state.references().saturating_sub(other_references),
            has_join_handle: state.has_join_handle(),
            is_awaited: state.is_awaited(),
            is_canceled: state.is_canceled(),
            address: task.address,
            vtable: task.vtable,
            tid: None,
            queue: None,
        }
    }

    /// The spawn location at `address`. Each is read once.
    fn spawn_location(&self, address: u64) -> Option<Arc<CodeLocation>> {
        /// No program has more lines that spawn.
        const MAX_CACHED: usize = 1 << 16;
        let mut cache = self.spawn_locations.borrow_mut();
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        let read = || CodeLocation::read(&*self.identity, address).map(Arc::new);
        cache.entry(address).or_insert_with(read).clone()
    }
}

impl Found {
    /// The ids of all tasks inside a poll, and of running blocking closures.
    pub(super) fn running(&self) -> HashSet<u64> {
        self.tasks
            .iter()
            .filter(|task| task.state == StateKind::Running && task.kind != TaskKind::Worker)
            .map(|task| task.id)
            .collect()
    }
}
