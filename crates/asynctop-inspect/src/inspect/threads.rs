//! Threads: their runtimes, workers and current activity.

use std::collections::{HashMap, HashSet};

use asynctop_stack::Activity;

use crate::{
    inspect::{
        Check, Flavor, TaskKind, ThreadInfo, TokioCopy, WorkerInfo,
        blocks::{Block, Contexts, Offsets},
        open::Process,
        tasks::Found,
        thread_ids::{ThreadIds, Worker},
    },
    memory::is_pointer,
    names::text::sanitize,
    process::threads::{self, Thread},
    tokio::{task::StateKind, worker},
};

/// The threads of the workers.
#[derive(Default)]
struct WorkerThreads {
    /// Runtime and worker, by thread.
    worker_of: HashMap<u32, (usize, usize)>,
    /// Current-thread runtimes whose worker has no known thread, with the address of its busy time.
    without_thread: Vec<(usize, u64)>,
}

impl Process {
    /// Finds the runtime, worker and task of each thread. Adds the workers, queues and blocking
    /// pools to `found`.
    pub(super) fn match_threads(
        &mut self,
        threads: &[Thread],
        blocks: &[Block],
        found: &mut Found,
        checks: &mut Vec<Check>,
    ) -> Vec<ThreadInfo> {
        let WorkerThreads { mut worker_of, without_thread } =
            self.add_workers(blocks, found, checks);
        let offsets = self.offsets(blocks, found);
        let runtime_of = runtimes_of_threads(blocks, found, &offsets);
        self.contexts = contexts(blocks, &offsets, found);
        self.add_queues(&worker_of, found, checks);
        self.add_pools(found, checks);
        let current = self.current_tasks(blocks, found, &offsets, threads.len(), checks);
        for (index, busy_address) in without_thread {
            if let Some(tid) = polling_thread(&current, found, index) {
                found.runtimes[index].workers[0].tid = Some(tid);
                self.busy_words.insert(tid, busy_address);
                worker_of.insert(tid, (index, 0));
            }
        }
        found.add_threads(&current, &worker_of);
        let loops = found.tasks.iter().filter(|task| task.kind == TaskKind::Worker);
        self.worker_loops = loops.map(|task| (task.vtable, task.id)).collect();
        let running: HashSet<u64> = found.running();
        threads
            .iter()
            .map(|thread| {
                let worker = worker_of.get(&thread.tid).copied();
                let task = current.get(&thread.tid).copied().filter(|id| running.contains(id));
                ThreadInfo {
                    tid: thread.tid,
                    name: sanitize(&thread.name),
                    state: thread.state,
                    syscall: match thread.activity {
                        Some(Activity::Blocked { syscall: Some(number), .. }) => {
                            Some(threads::syscall_name(number))
                        }
                        _ => None,
                    },
                    runtime: worker
                        .map(|(runtime, _)| runtime)
                        .or_else(|| runtime_of.get(&thread.tid).copied()),
                    worker: worker.map(|(_, worker)| worker),
                    task,
                    stack: Vec::new(),
                    no_stack: None,
                    stopped: None,
                }
            })
            .collect()
    }

    /// Reads the workers' counters, and finds their threads by Rust's thread id, which both the
    /// counters and the thread-local blocks have.
    fn add_workers(
        &mut self,
        blocks: &[Block],
        found: &mut Found,
        checks: &mut Vec<Check>,
    ) -> WorkerThreads {
        let uptime = self.uptime().map_or(u64::MAX, |uptime| uptime.as_nanos() as u64);
        self.busy_words.clear();
        // In an older version, other data could have the shape of a single worker's counters.
        let may_count = self.copies.iter().any(TokioCopy::may_count_busy_time);
        let mut workers_of: Vec<(usize, worker::Workers)> = Vec::new();
        for (index, runtime) in found.runtimes.iter_mut().enumerate() {
            if runtime.flavor == Flavor::LocalSet {
                continue;
            }
            let are_threads = |ids: &[u64]| {
                let workers: Vec<_> = ids.iter().map(|id| (*id, runtime.handle)).collect();
                let threads = ThreadIds::find(blocks, &workers).threads(&workers);
                threads.iter().all(Option::is_some)
            };
            let find = || worker::find(&*self.identity, runtime.handle, uptime, are_threads);
            let Some(workers) = may_count.then(find).flatten() else {
                let reason = "no counters of a known layout were found (Tokio keeps them since 1.45; \
                              those of a worker that has never parked are recognized once it has \
                              been busy for 100 ms)";
                runtime.no_workers = Some(reason.into());
                checks.push(Check::failed(&format!("workers of runtime {index}"), reason));
                continue;
            };
            runtime.flavor = match workers.is_multi_thread {
                true => Flavor::MultiThread,
                false => Flavor::CurrentThread,
            };
            workers_of.push((index, workers));
        }
        let handles: Vec<u64> = found.runtimes.iter().map(|runtime| runtime.handle).collect();
        let ids_of = |(index, workers): &(usize, worker::Workers)| -> Vec<Worker> {
            workers.workers.iter().map(|worker| (worker.thread_id, handles[*index])).collect()
        };
        let ids: Vec<Worker> = workers_of.iter().flat_map(ids_of).collect();
        let thread_ids = ThreadIds::find(blocks, &ids);
        let mut threads = WorkerThreads::default();
        for runtime in workers_of {
            let tids = thread_ids.threads(&ids_of(&runtime));
            let (index, worker::Workers { workers, is_multi_thread }) = runtime;
            let matched = tids.iter().flatten().count();
            checks.push(Check::passed(
                &format!("workers of runtime {index}"),
                format!("{} with counters that agree, {matched} with their thread", tids.len()),
            ));
            for (number, (worker, tid)) in workers.into_iter().zip(tids).enumerate() {
                match tid {
                    Some(tid) => {
                        self.busy_words.insert(tid, worker.busy_address);
                        threads.worker_of.insert(tid, (index, number));
                    }
                    None if is_multi_thread => {}
                    None => threads.without_thread.push((index, worker.busy_address)),
                }
                found.runtimes[index].workers.push(WorkerInfo {
                    tid,
                    busy_ns: worker.busy_ns,
                    parks: worker.parks,
                    is_parked: worker.is_parked,
                });
            }
        }
        threads
    }
}

impl Found {
    /// Adds the threads that poll the tasks, and recognizes the workers' loops, which are themselves
    /// blocking tasks. The current task of a worker is the one that its loop polls.
    fn add_threads(
        &mut self,
        current: &HashMap<u32, u64>,
        worker_of: &HashMap<u32, (usize, usize)>,
    ) {
        let polled_by: HashMap<u64, u32> = current.iter().map(|(&tid, &id)| (id, tid)).collect();
        for task in &mut self.tasks {
            // A task whose poll has ended since has no thread.
            if task.state == StateKind::Running {
                task.tid = polled_by.get(&task.id).copied();
            }
            let is_named =
                |name: &String| name.starts_with("tokio::runtime::scheduler::multi_thread::worker");
            let is_loop = match task.tid {
                _ if task.names.futures.iter().any(is_named) => true,
                Some(tid) => worker_of.contains_key(&tid),
                None => task.state == StateKind::Running && !current.is_empty(),
            };
            if task.kind == TaskKind::Blocking && is_loop {
                task.kind = TaskKind::Worker;
            }
        }
    }
}

/// The thread that polls a task of this runtime: that of the only worker of a current-thread
/// runtime, where Rust's thread id is not distinctive.
fn polling_thread(current: &HashMap<u32, u64>, found: &Found, runtime: usize) -> Option<u32> {
    let running = found.tasks.iter().filter(|task| {
        task.runtime == Some(runtime)
            && task.kind == TaskKind::Task
            && task.state == StateKind::Running
    });
    let ids: HashSet<u64> = running.map(|task| task.id).collect();
    current.iter().find(|(_, task)| ids.contains(task)).map(|(tid, _)| *tid)
}

/// The runtime of each thread whose block has its handle.
fn runtimes_of_threads(
    blocks: &[Block],
    found: &Found,
    offsets: &HashMap<usize, Offsets>,
) -> HashMap<u32, usize> {
    let runtime = |block: &Block| {
        let handle = block.words.get(offsets.get(&block.module)?.handle)?;
        let &index = found.index.get(handle)?;
        (found.runtimes[index].flavor != Flavor::LocalSet).then_some((block.tid, index))
    };
    blocks.iter().filter_map(runtime).collect()
}

/// The pointers near the handle in the block of each thread that is in a runtime.
fn contexts(blocks: &[Block], offsets: &HashMap<usize, Offsets>, found: &Found) -> Vec<Contexts> {
    /// Words on each side of the handle.
    const NEAR: usize = 16;
    let contexts_in = |block: &Block| {
        let offset = offsets.get(&block.module)?.handle;
        let handle = *block.words.get(offset)?;
        found.index.get(&handle)?;
        let range = offset.saturating_sub(NEAR)..block.words.len().min(offset + NEAR);
        let pointers = range
            .filter(|near| *near != offset)
            .map(|near| (near.cast_signed() - offset.cast_signed(), block.words[near]));
        let pointers = pointers.filter(|(_, word)| is_pointer(*word)).collect();
        Some(Contexts { tid: block.tid, handle, pointers })
    };
    blocks.iter().filter_map(contexts_in).collect()
}
