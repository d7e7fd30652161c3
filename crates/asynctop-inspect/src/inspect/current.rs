//! The threads: their runtimes, workers and current tasks.

use std::collections::{HashMap, HashSet};

use crate::{
    inspect::{
        open::{Block, Process},
        tasks::Found,
        types::{Check, Flavor, Frame, RuntimeInfo, TaskKind, ThreadInfo, WorkerInfo},
    },
    process::threads::{self, Place, Thread},
    tokio::{task::StateKind, worker},
};

/// Distances from the word of the runtime's handle to that of the current task's id, in words:
/// Tokio 1.45 to 1.54, 1.32 to 1.37, 1.24.
const TO_CURRENT: [usize; 3] = [4, 3, 2];

/// Where things are in the thread-local blocks of one copy of Tokio, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offsets {
    handle: usize,
    current: usize,
}

impl Process {
    pub(super) fn join_threads(
        &mut self,
        threads: &[Thread],
        blocks: &[Block],
        found: &mut Found,
        checks: &mut Vec<Check>,
    ) -> Vec<ThreadInfo> {
        let runtime_of = self.runtimes_of_threads(blocks, found);
        let worker_of = self.workers(blocks, found, checks);
        let current = self.current_tasks(blocks, found, threads, checks);
        let polled_by: HashMap<u64, u32> = current.iter().map(|(&tid, &id)| (id, tid)).collect();
        let has_current = !current.is_empty();
        for task in &mut found.tasks {
            // A task that has been left since is not running any more.
            if task.state == StateKind::Running {
                task.tid = polled_by.get(&task.id).copied();
            }
            // A worker's own loop is a blocking task too. While it polls a task, that one is the
            // current one of its thread.
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

    /// The runtime whose handle is in a thread's block.
    fn runtimes_of_threads(&self, blocks: &[Block], found: &Found) -> HashMap<u32, usize> {
        let mut runtime_of = HashMap::new();
        for (block, offsets) in self.with_offsets(blocks, found) {
            let handle = offsets.and_then(|offsets| block.words.get(offsets.handle).copied());
            let index = handle.and_then(|handle| found.index.get(&handle).copied());
            if let Some(index) =
                index.filter(|&index| found.runtimes[index].flavor != Flavor::LocalSet)
            {
                runtime_of.insert(block.tid, index);
            }
        }
        runtime_of
    }

    /// Each block with the offset that most threads of its module have their handle at.
    fn with_offsets<'a>(
        &self,
        blocks: &'a [Block],
        found: &Found,
    ) -> Vec<(&'a Block, Option<Offsets>)> {
        let mut chosen: HashMap<usize, Option<Offsets>> = HashMap::new();
        for &module in &self.with_tokio {
            let own: Vec<&Block> = blocks.iter().filter(|block| block.module == module).collect();
            chosen.insert(module, offsets(&own, found));
        }
        blocks.iter().map(|block| (block, chosen.get(&block.module).copied().flatten())).collect()
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

    /// The current task of each thread. The word is read again until it agrees with the tasks'
    /// own states, because short polls pass between two reads.
    fn current_tasks(
        &mut self,
        blocks: &[Block],
        found: &Found,
        threads: &[Thread],
        checks: &mut Vec<Check>,
    ) -> HashMap<u32, u64> {
        const CAPABILITY: &str = "current task of each thread";
        let known: HashSet<u64> = found.tasks.iter().map(|task| task.id).collect();
        let mut current = HashMap::new();
        let mut without = 0;
        let mut unknown = 0;
        for (block, offsets) in self.with_offsets(blocks, found) {
            let word = offsets.and_then(|offsets| block.words.get(offsets.current).copied());
            match word {
                Some(0) => {}
                Some(id) if known.contains(&id) => {
                    current.insert(block.tid, id);
                }
                Some(_) => unknown += 1,
                None => without += 1,
            }
        }
        let polled = |task: &&crate::TaskInfo| {
            task.state == StateKind::Running && task.kind != TaskKind::Blocking
        };
        let running: Vec<u64> = found.tasks.iter().filter(polled).map(|task| task.id).collect();
        let ids: HashSet<u64> = current.values().copied().collect();
        let seen = running.iter().filter(|id| ids.contains(id)).count();
        let found_blocks = self.threads_found().len();
        let detail = format!(
            "{found_blocks} of {} threads with thread-local data; {seen} of {} running tasks are \
             the current task of a thread, {unknown} threads have a task that has ended since",
            threads.len(),
            running.len(),
        );
        // All running tasks missing on all threads means that the word is another one.
        if (running.len() > 1 && seen == 0)
            || (without > 0 && current.is_empty() && !running.is_empty())
        {
            checks.push(Check::failed(CAPABILITY, detail));
            return HashMap::new();
        }
        checks.push(Check::passed(CAPABILITY, detail));
        current
    }
}

/// The pair of words that fits best: the handle of a known runtime, and behind it 0 or the id of
/// a known task in every thread.
fn offsets(blocks: &[&Block], found: &Found) -> Option<Offsets> {
    let handles: HashSet<u64> = found.index.keys().copied().collect();
    let ids: HashSet<u64> = found.tasks.iter().map(|task| task.id).collect();
    let mut best: Option<((usize, usize, usize), Offsets)> = None;
    let length = blocks.iter().map(|block| block.words.len()).max()?;
    for handle in 0..length {
        let with_handle = blocks
            .iter()
            .filter(|block| block.words.get(handle).is_some_and(|word| handles.contains(word)))
            .count();
        if with_handle == 0 {
            continue;
        }
        for (rank, distance) in TO_CURRENT.iter().enumerate() {
            let current = handle + distance;
            let words = blocks.iter().filter_map(|block| block.words.get(current).copied());
            let others = words.clone().filter(|word| *word != 0 && !ids.contains(word)).count();
            let matches = words.filter(|word| ids.contains(word)).count();
            // A task may have ended since, but not most of them.
            if others > matches.max(1) {
                continue;
            }
            let score = (matches, with_handle, TO_CURRENT.len() - rank);
            if best.is_none_or(|(known, _)| score > known) {
                best = Some((score, Offsets { handle, current }));
            }
        }
    }
    Some(best?.1)
}

/// The threads whose blocks have these ids at one and the same place, each exactly once.
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
            // Every thread has its own id, so nothing may be there twice.
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
