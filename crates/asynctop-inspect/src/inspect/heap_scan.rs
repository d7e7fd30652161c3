//! Tasks that are in no list, from a scan of the heap.

use std::{cmp::Reverse, collections::HashSet, ops::Range};

use crate::{
    inspect::{Check, Flavor, RuntimeInfo, TaskKind, open::Process, tasks::Found},
    process::{
        maps::{self, Maps, Pages},
        threads::Thread,
    },
    tokio::{
        runtime::Runtime,
        scan::{ALIGNMENT, OLD_ALIGNMENT, Scan},
        task::RawTask,
    },
};

impl Process {
    /// The tasks on the heap, by their shape.
    pub(super) fn scan_heap(&self, maps: &Maps, pages: &Pages, threads: &[Thread]) -> Vec<RawTask> {
        // Before Tokio 1.29 tasks were aligned like any allocation.
        let is_old =
            self.copies.iter().any(|copy| copy.minor_version().is_none_or(|minor| minor < 29));
        let mut scan = Scan::new(&self.vtables, if is_old { OLD_ALIGNMENT } else { ALIGNMENT });
        for mapping in maps.iter() {
            // Data segments of files hold no tasks.
            if mapping.is_data() && mapping.inode == 0 {
                maps::scan(&*self.identity, pages, mapping.range.clone(), |address, bytes| {
                    scan.add(address, bytes);
                });
            }
        }
        let stacks = self.stacks(maps, threads);
        scan.candidates.retain(|address| {
            let count = stacks.partition_point(|stack| stack.start <= *address);
            !stacks[..count].last().is_some_and(|stack| stack.contains(address))
        });
        let tasks = RawTask::read_many(&*self.identity, &scan.candidates, &self.vtables);
        tasks.into_iter().flatten().collect()
    }

    /// The stacks of all threads, sorted. A task is built on the stack before it is moved to the
    /// heap, and its copy there stays until it is overwritten.
    fn stacks(&self, maps: &Maps, threads: &[Thread]) -> Vec<Range<u64>> {
        // A stack ends below its thread's control block: the kernel may have merged the mapping with
        // others above it. The main thread's control block is elsewhere.
        let below_tcb = |thread: &Thread| {
            let tcb = self.tcbs.get(&thread.tid)?.address;
            Some(maps.find(tcb)?.range.start..tcb)
        };
        let (main_thread, others): (Vec<&Thread>, Vec<&Thread>) =
            threads.iter().partition(|thread| thread.tid == self.pid());
        let main_stack_pointer = main_thread.first().and_then(|thread| thread.stack_pointer());
        let main = maps.iter().filter(|mapping| {
            mapping.name == "[stack]"
                || main_stack_pointer.is_some_and(|pointer| mapping.range.contains(&pointer))
        });
        let mut stacks: Vec<Range<u64>> = others
            .into_iter()
            .filter_map(below_tcb)
            .chain(main.map(|mapping| mapping.range.clone()))
            .collect();
        stacks.sort_by_key(|stack| (stack.start, Reverse(stack.end)));
        stacks.dedup_by_key(|stack| stack.start);
        stacks
    }

    /// Adds the tasks that the scan found and no list contains.
    pub(super) fn add_unlisted(
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
        let tasks = RawTask::read_many(&*self.identity, &unlisted, &self.vtables);
        let ids: HashSet<u64> = found.tasks.iter().map(|task| task.id).collect();
        let mut complete = 0;
        let mut between = 0;
        let mut local: Vec<RawTask> = Vec::new();
        let mut blocking: Vec<RawTask> = Vec::new();
        for task in tasks.into_iter().flatten() {
            match (task.owner, found.index.get(&task.scheduler)) {
                (1.., Some(&runtime)) if task.state.is_complete() => {
                    complete += 1;
                    let kind = found.runtimes[runtime].flavor.task_kind();
                    found.tasks.push(self.task_info(&task, kind, Some(runtime)));
                }
                // Being spawned, or spawned since the list was walked.
                (_, Some(_)) => between += 1,
                (0, None) if ids.contains(&task.id) => {}
                (0, None) => blocking.push(task),
                (1.., None) => local.push(task),
            }
        }
        // The copy of a task on a stack that was not recognized has the same id.
        blocking.sort_by_key(|task| (task.id, !task.state.is_running()));
        blocking.dedup_by_key(|task| (task.id, task.vtable));
        let mut sets: Vec<(u64, u64)> =
            local.iter().map(|task| (task.scheduler, task.owner)).collect();
        sets.sort_unstable();
        sets.dedup();
        // A copy of a blocking task on an unrecognized stack has other data in these words.
        sets.retain(|&(scheduler, owner)| {
            let set = Runtime::recognize(&*self.identity, &self.vtables, scheduler);
            set.is_some_and(|set| set.owner == Some(owner))
        });
        local.retain(|task| sets.binary_search(&(task.scheduler, task.owner)).is_ok());
        for (scheduler, owner) in sets {
            let index = found.runtimes.len();
            found.index.insert(scheduler, index);
            found.runtimes.push(RuntimeInfo::new(scheduler, Flavor::LocalSet));
            let in_set =
                local.iter().filter(|task| (task.scheduler, task.owner) == (scheduler, owner));
            found
                .tasks
                .extend(in_set.map(|task| self.task_info(task, TaskKind::Local, Some(index))));
        }
        found
            .tasks
            .extend(blocking.iter().map(|task| self.task_info(task, TaskKind::Blocking, None)));
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
}
