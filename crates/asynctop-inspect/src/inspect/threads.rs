//! Threads: their runtimes, workers and current activity.

use std::collections::{HashMap, HashSet};

use crate::{
    inspect::{
        current::Offsets,
        open::{Block, Process},
        tasks::Found,
        types::{Check, Flavor, Frame, RuntimeInfo, TaskKind, ThreadInfo, WorkerInfo},
    },
    process::threads::{self, Place, Thread},
    tokio::{task::StateKind, worker},
};

impl Process {
    pub(super) fn join_threads(
        &mut self,
        threads: &[Thread],
        blocks: &[Block],
        found: &mut Found,
        checks: &mut Vec<Check>,
    ) -> Vec<ThreadInfo> {
        let worker_of = self.workers(blocks, found, checks);
        let offsets = self.offsets(blocks, found);
        let runtime_of = runtimes_of_threads(blocks, found, &offsets);
        let current = self.current_tasks(blocks, found, &offsets, threads.len(), checks);
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
                _ if task.futures.iter().any(is_named) => true,
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
                    syscall: match thread.place {
                        Place::Blocked { syscall: Some(number), .. } => {
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
                }
            })
            .collect()
    }

    /// Reads the workers' counters, and finds their threads by Rust's thread id, which both the
    /// counters and the thread-local blocks have.
    fn workers(
        &self,
        blocks: &[Block],
        found: &mut Found,
        checks: &mut Vec<Check>,
    ) -> HashMap<u32, (usize, usize)> {
        let uptime = self.uptime().map_or(u64::MAX, |uptime| uptime.as_nanos() as u64);
        let mut worker_of = HashMap::new();
        for (index, runtime) in found.runtimes.iter_mut().enumerate() {
            if runtime.flavor == Flavor::LocalSet {
                continue;
            }
            let capability = format!("workers of runtime {index}");
            let are_threads =
                |ids: &[u64]| threads_with(blocks, ids).iter().all(|tid| tid.is_some());
            let Some(workers) = worker::find(&self.identity, runtime.handle, uptime, are_threads)
            else {
                let reason =
                    "no counters of a known layout were found (Tokio keeps them since 1.45)";
                runtime.no_workers = Some(reason.into());
                checks.push(Check::failed(&capability, reason));
                continue;
            };
            runtime.flavor = match workers.is_multi_thread {
                true => Flavor::MultiThread,
                false => Flavor::CurrentThread,
            };
            let ids: Vec<u64> = workers.workers.iter().map(|worker| worker.thread_id).collect();
            let tids = threads_with(blocks, &ids);
            fill(runtime, &workers.workers, &tids);
            for (worker, tid) in tids.iter().enumerate() {
                if let Some(tid) = tid {
                    worker_of.insert(*tid, (index, worker));
                }
            }
            let matched = tids.iter().flatten().count();
            checks.push(Check::passed(
                &capability,
                format!("{} with counters that agree, {matched} with their thread", ids.len()),
            ));
        }
        worker_of
    }
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

/// The threads whose blocks have these ids at the same offset, each exactly once.
fn threads_with(blocks: &[Block], ids: &[u64]) -> Vec<Option<u32>> {
    let mut best = vec![None; ids.len()];
    let mut most = 0;
    let modules: HashSet<usize> = blocks.iter().map(|block| block.module).collect();
    for module in modules {
        let own: Vec<&Block> = blocks.iter().filter(|block| block.module == module).collect();
        let length = own.iter().map(|block| block.words.len()).max().unwrap_or(0);
        for offset in 0..length {
            let mut at: HashMap<u64, Vec<u32>> = HashMap::new();
            for block in &own {
                if let Some(&word) = block.words.get(offset).filter(|word| **word != 0) {
                    at.entry(word).or_default().push(block.tid);
                }
            }
            // Thread ids are unique, so no value may occur twice.
            if at.values().any(|tids| tids.len() > 1) {
                continue;
            }
            let tids: Vec<Option<u32>> =
                ids.iter().map(|id| at.get(id).map(|tids| tids[0])).collect();
            let matched = tids.iter().flatten().count();
            if matched > most {
                (most, best) = (matched, tids);
            }
        }
    }
    best
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
