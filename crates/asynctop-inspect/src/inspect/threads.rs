//! Threads: their runtimes, workers and current activity.

use std::collections::{HashMap, HashSet};

use crate::{
    inspect::{
        blocks::{Block, Contexts, Offsets},
        open::Process,
        tasks::Found,
        thread_ids::ThreadIds,
        types::{Check, Flavor, Frame, RuntimeInfo, TaskKind, ThreadInfo, TokioCopy, WorkerInfo},
    },
    memory::is_pointer,
    process::threads::{self, Activity, Thread},
    tokio::{task::StateKind, worker},
};

/// The workers whose thread is known.
struct Placed {
    /// Runtime and worker by thread.
    worker_of: HashMap<u32, (usize, usize)>,
    /// Current-thread runtimes whose worker's thread was not found, and the address of its busy
    /// time.
    unplaced: Vec<(usize, u64)>,
}

impl Process {
    pub(super) fn join_threads(
        &mut self,
        threads: &[Thread],
        blocks: &[Block],
        found: &mut Found,
        checks: &mut Vec<Check>,
    ) -> Vec<ThreadInfo> {
        let Placed { mut worker_of, unplaced } = self.workers(blocks, found, checks);
        let offsets = self.offsets(blocks, found);
        let runtime_of = runtimes_of_threads(blocks, found, &offsets);
        self.add_queues(blocks, &offsets, &worker_of, found, checks);
        self.add_pools(found, checks);
        self.contexts = contexts(blocks, &offsets, found);
        let current = self.current_tasks(blocks, found, &offsets, threads.len(), checks);
        for (index, busy_address) in unplaced {
            if let Some(tid) = polling_thread(&current, found, index) {
                found.runtimes[index].workers[0].tid = Some(tid);
                self.busy_words.insert(tid, busy_address);
                worker_of.insert(tid, (index, 0));
            }
        }
        let polled_by: HashMap<u64, u32> = current.iter().map(|(&tid, &id)| (id, tid)).collect();
        let has_current = !current.is_empty();
        for task in &mut found.tasks {
            // A task whose poll has ended since has no thread.
            if task.state == StateKind::Running {
                task.tid = polled_by.get(&task.id).copied();
            }
            // A worker's loop is itself a blocking task. While it polls a task, the polled task is
            // the current task of its thread.
            let is_named =
                |name: &String| name.starts_with("tokio::runtime::scheduler::multi_thread::worker");
            let is_loop = match task.tid {
                _ if task.names.futures.iter().any(is_named) => true,
                Some(tid) => worker_of.contains_key(&tid),
                None => task.state == StateKind::Running && has_current,
            };
            if task.kind == TaskKind::Blocking && is_loop {
                task.kind = TaskKind::Worker;
            }
        }
        let running: HashSet<u64> = found.running();
        threads
            .iter()
            .map(|thread| {
                let worker = worker_of.get(&thread.tid).copied();
                let task = current.get(&thread.tid).copied().filter(|id| running.contains(id));
                ThreadInfo {
                    tid: thread.tid,
                    name: crate::names::text::sanitize(&thread.name),
                    state: thread.state,
                    syscall: match thread.activity {
                        Activity::Blocked { syscall: Some(number), .. } => {
                            Some(threads::syscall_name(number))
                        }
                        _ => None,
                    },
                    runtime: worker
                        .map(|(runtime, _)| runtime)
                        .or_else(|| runtime_of.get(&thread.tid).copied()),
                    worker: worker.map(|(_, worker)| worker),
                    task,
                    stack: Vec::<Frame>::new(),
                    no_stack: None,
                    stopped: None,
                }
            })
            .collect()
    }

    /// Reads the workers' counters, and finds their threads by Rust's thread id, which both the
    /// counters and the thread-local blocks have.
    fn workers(&mut self, blocks: &[Block], found: &mut Found, checks: &mut Vec<Check>) -> Placed {
        let uptime = self.uptime().map_or(u64::MAX, |uptime| uptime.as_nanos() as u64);
        let (mut worker_of, mut unplaced) = (HashMap::new(), Vec::new());
        self.busy_words.clear();
        // In an older version something else could have the shape of a single worker's counters.
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
            let find = || worker::find(&self.identity, runtime.handle, uptime, are_threads);
            let Some(workers) = may_count.then(find).flatten() else {
                let reason =
                    "no counters of a known layout were found (Tokio keeps them since 1.45)";
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
        let ids_of = |index: usize, workers: &worker::Workers| -> Vec<(u64, u64)> {
            workers.workers.iter().map(|worker| (worker.thread_id, handles[index])).collect()
        };
        let all: Vec<(u64, u64)> =
            workers_of.iter().flat_map(|(index, workers)| ids_of(*index, workers)).collect();
        let thread_ids = ThreadIds::find(blocks, &all);
        for (index, workers) in workers_of {
            let tids = thread_ids.threads(&ids_of(index, &workers));
            fill(&mut found.runtimes[index], &workers.workers, &tids);
            if let (false, [None], [worker]) =
                (workers.is_multi_thread, &tids[..], &workers.workers[..])
            {
                unplaced.push((index, worker.busy_address));
            }
            for (worker, tid) in tids.iter().enumerate() {
                if let Some(tid) = tid {
                    self.busy_words.insert(*tid, workers.workers[worker].busy_address);
                    worker_of.insert(*tid, (index, worker));
                }
            }
            let (number, matched) = (tids.len(), tids.iter().flatten().count());
            checks.push(Check::passed(
                &format!("workers of runtime {index}"),
                format!("{number} with counters that agree, {matched} with their thread"),
            ));
        }
        Placed { worker_of, unplaced }
    }
}

/// The thread that polls a task of this runtime. The only worker of a current-thread runtime is
/// found so where its number is not distinctive.
fn polling_thread(current: &HashMap<u32, u64>, found: &Found, runtime: usize) -> Option<u32> {
    let own = found.tasks.iter().filter(|task| {
        task.runtime == Some(runtime)
            && task.kind == TaskKind::Task
            && task.state == StateKind::Running
    });
    let own: HashSet<u64> = own.map(|task| task.id).collect();
    current.iter().find(|(_, task)| own.contains(task)).map(|(tid, _)| *tid)
}

/// The runtime whose handle is in a thread's block.
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

/// The pointers near that of the handle in each block of a thread that is in a runtime.
fn contexts(blocks: &[Block], offsets: &HashMap<usize, Offsets>, found: &Found) -> Vec<Contexts> {
    /// Words on each side of the handle.
    const NEAR: usize = 16;
    let of_block = |block: &Block| {
        let at = offsets.get(&block.module)?.handle;
        let handle = *block.words.get(at)?;
        found.index.get(&handle)?;
        let range = at.saturating_sub(NEAR)..block.words.len().min(at + NEAR);
        let pointers = range
            .filter(|near| *near != at)
            .map(|near| (near.cast_signed() - at.cast_signed(), block.words[near]));
        let pointers = pointers.filter(|(_, word)| is_pointer(*word)).collect();
        Some(Contexts { tid: block.tid, handle, pointers })
    };
    blocks.iter().filter_map(of_block).collect()
}

fn fill(runtime: &mut RuntimeInfo, workers: &[worker::RawWorker], tids: &[Option<u32>]) {
    runtime.workers = workers
        .iter()
        .zip(tids)
        .map(|(worker, &tid)| WorkerInfo {
            tid,
            busy_ns: worker.busy_ns,
            parks: worker.parks,
            is_parked: worker.is_parked,
        })
        .collect();
}
