//! All tasks: from the runtimes' lists, and those that are in none from a scan of the heap.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::Arc,
};

use crate::{
    inspect::{
        blocks::Block,
        open::Process,
        types::{Check, Flavor, Options, RuntimeInfo, TaskInfo, TaskKind},
    },
    memory::MemoryExt,
    names::{
        boxed::boxed_at,
        future::{FutureNamer, TypeNames},
        lines::Lines,
        location::CodeLocation,
    },
    process::{
        maps::{self, Maps, Pages},
        threads::Thread,
    },
    tokio::{
        list,
        runtime::{Runtime, shared_pointers},
        scan::{ALIGNMENT, OLD_ALIGNMENT, Scan},
        task::{RawTask, StateKind, VTABLE_AT},
    },
};

/// Maximum number of schedulers of scanned tasks that are examined for a runtime.
const MAX_SCHEDULERS: usize = 1024;

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
        self.find_runtimes(maps, blocks);
        let scanned = match options.scan {
            true => self.scan(maps, pages, threads),
            false => Vec::new(),
        };
        self.runtimes_of(&scanned);

        let mut found =
            Found { runtimes: Vec::new(), index: HashMap::new(), tasks: Vec::new(), retries: 0 };
        let mut listed = HashSet::new();
        let mut runtimes: Vec<Runtime> = self.known.values().cloned().collect();
        runtimes.sort_by_key(|runtime| (runtime.owner, runtime.handle));
        for runtime in &runtimes {
            let index = found.runtimes.len();
            found.index.insert(runtime.handle, index);
            let is_local = self.is_local_set(runtime);
            let kind = if is_local { TaskKind::Local } else { TaskKind::Task };
            let mut info = RuntimeInfo {
                handle: runtime.handle,
                flavor: if is_local { Flavor::LocalSet } else { Flavor::Unknown },
                alive: None,
                unavailable: None,
                workers: Vec::new(),
                no_workers: is_local.then(|| "a local set has no workers".into()),
                queues: None,
                no_queues: None,
                pool: None,
                no_pool: None,
            };
            let capability = format!("tasks of runtime {index}");
            match list::walk(&self.identity, &self.vtables, runtime) {
                Ok(walk) => {
                    info.alive = walk.count;
                    found.retries += walk.retries;
                    let number = walk.tasks.len();
                    checks.push(Check::passed(
                        &capability,
                        match walk.count {
                            Some(count) => {
                                format!("{number} found, {count} counted by the runtime")
                            }
                            None => format!("{number} found; this version of Tokio keeps no count"),
                        },
                    ));
                    if options.scan {
                        listed.extend(walk.tasks.iter().map(|task| task.address));
                    }
                    let tasks = walk.tasks.iter();
                    found.tasks.extend(tasks.map(|task| self.describe(task, kind, Some(index))));
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

    /// Since Tokio 1.35 only local sets have a single list.
    fn is_local_set(&self, runtime: &Runtime) -> bool {
        let [list] = runtime.lists.lists.as_slice() else { return false };
        let head = self
            .identity
            .word(list.head)
            .and_then(|task| self.identity.word(task.checked_add(VTABLE_AT as u64)?));
        let copy = self.with_tokio.iter().zip(&self.copies).find(|&(&index, _)| {
            head.is_some_and(|vtable| self.modules[index].range.contains(&vtable))
        });
        copy.and_then(|(_, copy)| copy.minor_version()).is_some_and(|minor| minor >= 35)
    }

    /// Finds the runtimes that threads are in: their handles are words of thread-local blocks.
    fn find_runtimes(&mut self, maps: &Maps, blocks: &[Block]) {
        let still =
            |runtime: &Runtime| Runtime::recognize(&self.identity, &self.vtables, runtime.handle);
        self.known = self.known.values().filter_map(still).map(|r| (r.handle, r)).collect();
        self.no_runtimes.start(blocks.iter().map(|block| block.tid));
        let words = blocks.iter().flat_map(|block| block.words.iter().copied());
        let is_new = |&word: &u64| {
            word.is_multiple_of(8) && maps.is_data(word) && !self.no_runtimes.contains(word)
        };
        let new: Vec<u64> = words.filter(is_new).collect();
        let pointers = shared_pointers(&self.identity, new.iter().copied(), |_| true);
        self.recognize(pointers);
        let known = &self.known;
        self.no_runtimes.extend(new.into_iter().filter(|word| !known.contains_key(word)));
    }

    /// Finds the runtimes that tasks belong to.
    fn runtimes_of(&mut self, tasks: &[RawTask]) {
        let mut schedulers: HashMap<u64, usize> = HashMap::new();
        for task in tasks.iter().filter(|task| task.owner != 0) {
            *schedulers.entry(task.scheduler).or_default() += 1;
        }
        let mut schedulers: Vec<(u64, usize)> = schedulers.into_iter().collect();
        schedulers.sort_by_key(|&(handle, tasks)| (std::cmp::Reverse(tasks), handle));
        schedulers.truncate(MAX_SCHEDULERS);
        self.recognize(schedulers.into_iter().map(|(handle, _)| handle));
    }

    fn recognize(&mut self, handles: impl IntoIterator<Item = u64>) {
        for handle in handles {
            if self.known.contains_key(&handle) {
                continue;
            }
            if let Some(runtime) = Runtime::recognize(&self.identity, &self.vtables, handle) {
                self.known.insert(handle, runtime);
            }
        }
    }

    /// Everything on the heap that has the shape of a task that was not freed.
    fn scan(&self, maps: &Maps, pages: &Pages, threads: &[Thread]) -> Vec<RawTask> {
        // Before Tokio 1.29 tasks were aligned like any allocation.
        let is_old =
            self.copies.iter().any(|copy| copy.minor_version().is_none_or(|minor| minor < 29));
        let mut scan = Scan::new(&self.vtables, if is_old { OLD_ALIGNMENT } else { ALIGNMENT });
        for mapping in maps.iter() {
            // Data segments of files hold no tasks.
            if mapping.is_data() && mapping.inode == 0 {
                maps::scan(&self.identity, pages, mapping.range.clone(), |address, bytes| {
                    scan.add(address, bytes);
                });
            }
        }
        let stacks = self.stacks(maps, threads);
        scan.candidates.retain(|address| {
            let before = stacks.partition_point(|stack| stack.start <= *address);
            !before.checked_sub(1).is_some_and(|at| stacks[at].contains(address))
        });
        let tasks = RawTask::read_many(&self.identity, &scan.candidates, &self.vtables);
        tasks.into_iter().flatten().collect()
    }

    /// The stacks of all threads, sorted. A task is built on the stack before it is moved to the
    /// heap, and its copy there stays until it is overwritten.
    fn stacks(&self, maps: &Maps, threads: &[Thread]) -> Vec<Range<u64>> {
        // Only up to a thread's control block: the kernel may have merged the mapping with others
        // above it.
        let below = |block: u64| maps.find(block).map(|mapping| mapping.range.start..block);
        let around = |thread: &Thread| {
            let mapping = maps.find(thread.activity.stack_pointer()?)?;
            (thread.tid == self.pid()).then(|| mapping.range.clone())
        };
        let main = maps.iter().filter(|mapping| mapping.name == "[stack]");
        let mut stacks: Vec<Range<u64>> = self
            .control_blocks(threads)
            .filter_map(below)
            .chain(threads.iter().filter_map(around))
            .chain(main.map(|mapping| mapping.range.clone()))
            .collect();
        stacks.sort_by_key(|stack| (stack.start, std::cmp::Reverse(stack.end)));
        stacks.dedup_by_key(|stack| stack.start);
        stacks
    }

    /// Adds the tasks that the scan found and no list contains.
    fn add_unlisted(
        &self,
        scanned: Vec<RawTask>,
        listed: &HashSet<u64>,
        found: &mut Found,
        checks: &mut Vec<Check>,
    ) {
        let total = scanned.len();
        let scanned_addresses: HashSet<u64> = scanned.iter().map(|task| task.address).collect();
        let missed = listed.difference(&scanned_addresses).count();
        let unlisted: Vec<u64> = scanned_addresses.difference(listed).copied().collect();
        // Read again, to leave out tasks that have ended since the scan.
        let tasks = RawTask::read_many(&self.identity, &unlisted, &self.vtables);
        let ids: HashSet<u64> = found.tasks.iter().map(|task| task.id).collect();
        let mut complete = 0;
        let mut between = 0;
        let mut local: Vec<RawTask> = Vec::new();
        let mut blocking: Vec<RawTask> = Vec::new();
        for task in tasks.into_iter().flatten() {
            match (task.owner, found.index.get(&task.scheduler)) {
                (1.., Some(&runtime)) if task.state.is_complete() => {
                    complete += 1;
                    found.tasks.push(self.describe(&task, TaskKind::Task, Some(runtime)));
                }
                // Being spawned, or spawned since the list was walked.
                (_, Some(_)) => between += 1,
                (0, None) if ids.contains(&task.id) => {}
                (0, None) => blocking.push(task),
                (1.., None) => local.push(task),
            }
        }
        // Where a stack was not recognized, the copy on it is a second task with the same id.
        blocking.sort_by_key(|task| (task.id, !task.state.is_running()));
        blocking.dedup_by_key(|task| (task.id, task.vtable));
        let mut sets: Vec<(u64, u64)> =
            local.iter().map(|task| (task.scheduler, task.owner)).collect();
        sets.sort_unstable();
        sets.dedup();
        // A copy of a blocking task on a stack that was not recognized has other words there.
        sets.retain(|&(scheduler, owner)| {
            let set = Runtime::recognize(&self.identity, &self.vtables, scheduler);
            set.is_some_and(|set| set.owner == Some(owner))
        });
        local.retain(|task| sets.binary_search(&(task.scheduler, task.owner)).is_ok());
        for (scheduler, owner) in sets {
            let index = found.runtimes.len();
            found.index.insert(scheduler, index);
            found.runtimes.push(RuntimeInfo {
                handle: scheduler,
                flavor: Flavor::LocalSet,
                alive: None,
                unavailable: None,
                workers: Vec::new(),
                no_workers: Some("a local set has no workers".into()),
                queues: None,
                no_queues: None,
                pool: None,
                no_pool: None,
            });
            let own =
                local.iter().filter(|task| (task.scheduler, task.owner) == (scheduler, owner));
            found.tasks.extend(own.map(|task| self.describe(task, TaskKind::Local, Some(index))));
        }
        found
            .tasks
            .extend(blocking.iter().map(|task| self.describe(task, TaskKind::Blocking, None)));
        checks.push(Check::passed(
            "heap scan",
            format!(
                "{total} found; {} of {} listed tasks among them, {complete} complete, {} local, \
                 {} blocking, {between} started or ended during the scan",
                listed.len() - missed,
                listed.len(),
                local.len(),
                blocking.len(),
            ),
        ));
    }

    fn describe(&self, task: &RawTask, kind: TaskKind, runtime: Option<usize>) -> TaskInfo {
        /// Minimum size of a trailer: links and waker.
        const TRAILER: u64 = 32;
        let state = task.state;
        let vtable = self.vtables.get(task.vtable);
        let end = vtable.map_or(0, |vtable| vtable.trailer + TRAILER);
        let is_aligned = task.address.is_multiple_of(ALIGNMENT);
        let own = u64::from(state.has_join_handle()) + u64::from(!state.is_complete());
        TaskInfo {
            id: task.id,
            state: state.kind(),
            kind,
            runtime,
            names: Arc::default(),
            spawned_at: task.spawn_location.and_then(|address| self.spawn_location(address)),
            size: if is_aligned { end.next_multiple_of(ALIGNMENT) } else { end },
            wakers: state.references().saturating_sub(own),
            has_join_handle: state.has_join_handle(),
            is_awaited: state.is_awaited(),
            is_canceled: state.is_canceled(),
            address: task.address,
            vtable: task.vtable,
            tid: None,
            queue: None,
        }
    }

    /// The location at `address`, which is read once.
    fn spawn_location(&self, address: u64) -> Option<Arc<CodeLocation>> {
        /// More than any program has lines that spawn.
        const MAX_KEPT: usize = 1 << 16;
        let mut known = self.spawn_locations.borrow_mut();
        if known.len() >= MAX_KEPT {
            known.clear();
        }
        let read = || CodeLocation::read(&self.identity, address).map(Arc::new);
        known.entry(address).or_insert_with(read).clone()
    }

    /// Names the types of all tasks. Each type is examined once.
    pub(super) fn name(&mut self, found: &mut Found) {
        let mut missing: Vec<u64> = found.tasks.iter().map(|task| task.vtable).collect();
        missing.sort_unstable();
        missing.dedup();
        missing.retain(|vtable| !self.names.contains_key(vtable));
        for &index in &self.with_tokio {
            let module = &self.modules[index];
            let own: Vec<u64> =
                missing.iter().copied().filter(|vtable| module.range.contains(vtable)).collect();
            if own.is_empty() {
                continue;
            }
            let lines = self.lines.entry(index).or_insert_with(|| Lines::load(module));
            let mut functions = FutureNamer::new(&self.identity, module, lines.as_ref());
            for address in own {
                let names = self.vtables.get(address).map(|vtable| functions.name_task(vtable));
                self.names.insert(address, Arc::new(names.unwrap_or_default()));
            }
        }
        let boxes = self.boxes(found);
        let unknown = TypeNames::default();
        let mut latest: Option<(u64, Arc<TypeNames>)> = None;
        for task in &mut found.tasks {
            let in_box = if boxes.is_empty() { None } else { boxes.get(&task.address) };
            let in_box = in_box.and_then(|table| self.names.get(table));
            task.names = match (in_box.filter(|names| ***names != unknown), &latest) {
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

    /// For tasks whose future is a box: the vtable of the box, by the task's address. Names each
    /// vtable once.
    fn boxes(&mut self, found: &Found) -> HashMap<u64, u64> {
        /// Boxes in boxes are opened up to this depth.
        const MAX_DEPTH: usize = 3;
        let mut boxes = HashMap::new();
        for &index in &self.with_tokio {
            let module = &self.modules[index];
            let lines = self.lines.get(&index).and_then(Option::as_ref);
            let boxed = |(vtable, names): (&u64, &Arc<TypeNames>)| {
                (module.range.contains(vtable) && names.is_boxed()).then_some(*vtable)
            };
            let boxed: HashSet<u64> = self.names.iter().filter_map(boxed).collect();
            if boxed.is_empty() {
                continue;
            }
            let mut functions: Option<FutureNamer<'_, _>> = None;
            for task in found.tasks.iter().filter(|task| boxed.contains(&task.vtable)) {
                let Some(vtable) = self.vtables.get(task.vtable) else { continue };
                let behind = vtable.spawn_location.unwrap_or(vtable.id) + 8;
                let mut address = task.address.wrapping_add(behind);
                for _ in 0..MAX_DEPTH {
                    let found = boxed_at(&self.identity, module, address);
                    let Some((table, content)) = found else { break };
                    boxes.insert(task.address, table);
                    let names = self.names.entry(table).or_insert_with(|| {
                        let new = || FutureNamer::new(&self.identity, module, lines);
                        functions.get_or_insert_with(new).name_boxed(table).into()
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

impl Found {
    /// Ids of all tasks inside a poll, and of running blocking closures.
    pub(super) fn running(&self) -> HashSet<u64> {
        self.tasks
            .iter()
            .filter(|task| task.state == StateKind::Running && task.kind != TaskKind::Worker)
            .map(|task| task.id)
            .collect()
    }
}
