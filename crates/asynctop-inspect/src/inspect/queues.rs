//! The queues of scheduled tasks, and of closures that wait for a thread.

use std::collections::{HashMap, HashSet};

use crate::{
    inspect::{
        Check, Flavor, PoolInfo, QueueLengths, RuntimeInfo, TaskKind, TaskQueue, blocks::Contexts,
        open::Process, tasks::Found,
    },
    memory::MemoryExt,
    tokio::{
        pool::{self, Pool},
        queues::{LocalQueues, current_thread_queue, injection_queue},
        task::{RawTask, State, StateKind},
    },
};

/// The addresses of the tasks in the queues of one runtime.
struct RuntimeQueues {
    local: Vec<Vec<u64>>,
    lifo: Vec<Option<u64>>,
    injected: Option<Vec<u64>>,
}

impl RuntimeQueues {
    /// `lacks_tasks` is whether scheduled tasks are in neither queue. A queue that was not found is
    /// empty only if the other one has all scheduled tasks.
    fn of_current_thread(
        local: Option<Vec<u64>>,
        injected: Option<Vec<u64>>,
        lacks_tasks: bool,
    ) -> Result<RuntimeQueues, &'static str> {
        let local = match local {
            None if lacks_tasks => return Err("the queue of its thread was not found"),
            local => vec![local.unwrap_or_default()],
        };
        Ok(RuntimeQueues { local, lifo: vec![None], injected })
    }

    /// The queue of each task.
    fn by_task(&self) -> HashMap<u64, TaskQueue> {
        let local = self.local.iter().enumerate().flat_map(|(worker, tasks)| {
            tasks.iter().map(move |task| (*task, TaskQueue::Local { worker }))
        });
        let lifo = self.lifo.iter().enumerate();
        let lifo = lifo.filter_map(|(worker, task)| Some(((*task)?, TaskQueue::Lifo { worker })));
        let injected = self.injected.iter().flatten().map(|task| (*task, TaskQueue::Injection));
        local.chain(lifo).chain(injected).collect()
    }
}

impl Process {
    /// Reads the queues of all runtimes. `worker_of` has each thread's runtime and worker.
    pub(super) fn add_queues(
        &self,
        worker_of: &HashMap<u32, (usize, usize)>,
        found: &mut Found,
        checks: &mut Vec<Check>,
    ) {
        for index in 0..found.runtimes.len() {
            let scheduled = scheduled(found, index);
            // The pointers that may lead to a worker's context.
            let pointers = |worker| -> Vec<u64> {
                let is_own =
                    |contexts: &&Contexts| worker_of.get(&contexts.tid) == Some(&(index, worker));
                let own = self.contexts.iter().filter(is_own);
                own.flat_map(|contexts| &contexts.pointers).map(|(_, word)| *word).collect()
            };
            let result = self.read_queues(&found.runtimes[index], &scheduled, pointers);
            let capability = format!("queues of runtime {index}");
            let info = &mut found.runtimes[index];
            let queues = match result {
                Ok(queues) => queues,
                Err(reason) => {
                    if matches!(info.flavor, Flavor::MultiThread | Flavor::CurrentThread) {
                        checks.push(Check::failed(&capability, reason));
                    }
                    info.no_queues = Some(reason.into());
                    continue;
                }
            };
            let queue_of = queues.by_task();
            let missing = scheduled.iter().filter(|task| !queue_of.contains_key(task)).count();
            // If all scheduled tasks are in other queues, the injection queue is empty.
            let empty = (missing == 0).then_some(0);
            info.queues = Some(QueueLengths {
                local: queues.local.iter().map(Vec::len).collect(),
                injection: queues.injected.as_ref().map(Vec::len).or(empty),
            });
            let queued = scheduled.len() - missing;
            let detail = format!("{queued} of {} scheduled tasks are in one", scheduled.len());
            checks.push(Check::passed(&capability, detail));
            let tasks = found.tasks.iter_mut().filter(|task| task.runtime == Some(index));
            for task in tasks.filter(|task| task.state == StateKind::Scheduled) {
                task.queue = queue_of.get(&task.address).copied();
            }
        }
    }

    /// Reads the counters of all blocking pools.
    pub(super) fn add_pools(&mut self, found: &mut Found, checks: &mut Vec<Check>) {
        let is_constant = |address: u64| {
            let mut modules = self.modules.iter();
            let module = modules.find(|module| module.range.contains(&address));
            module.is_some_and(|module| !module.is_code(address))
        };
        self.pools.retain(|handle, _| found.index.contains_key(handle));
        for (index, runtime) in found.runtimes.iter_mut().enumerate() {
            // The thread of a current-thread runtime is not one of the pool.
            let workers = match runtime.flavor {
                Flavor::MultiThread => runtime.workers.len() as u64,
                Flavor::CurrentThread => 0,
                _ => {
                    runtime.no_pool = Some("the number of its workers is not known".into());
                    continue;
                }
            };
            let capability = format!("blocking pool of runtime {index}");
            let (memory, handle) = (&*self.identity, runtime.handle);
            let read =
                |address| Some((address, pool::read(memory, address, workers, is_constant)?));
            let known = self.pools.get(&handle).copied().and_then(read);
            let find = || pool::find(memory, handle, workers, is_constant).and_then(read);
            let pool = known.or_else(find).map(|(address, pool)| {
                self.pools.insert(handle, address);
                pool
            });
            match pool {
                Some(Pool { limit, threads, idle, queued }) => {
                    let detail = format!("{threads} of at most {limit} threads");
                    checks.push(Check::passed(&capability, detail));
                    runtime.pool = Some(PoolInfo { limit, threads, idle, queued });
                }
                None => {
                    self.pools.remove(&handle);
                    let reason = "no counters of a known layout were found";
                    checks.push(Check::failed(&capability, reason));
                    runtime.no_pool = Some(reason.into());
                }
            }
        }
    }

    fn read_queues(
        &self,
        runtime: &RuntimeInfo,
        scheduled: &HashSet<u64>,
        pointers: impl Fn(usize) -> Vec<u64>,
    ) -> Result<RuntimeQueues, &'static str> {
        match runtime.flavor {
            Flavor::MultiThread => self.multi_thread_queues(runtime, scheduled, pointers),
            Flavor::CurrentThread => self.current_thread_queues(runtime, scheduled, &pointers(0)),
            Flavor::LocalSet => Err("the queue of a local set is not read"),
            Flavor::Unknown => Err("the number of its workers is not known"),
        }
    }

    /// The queue of the only thread, and the injection queue. Tasks that have left them since their
    /// state was read are in none.
    fn current_thread_queues(
        &self,
        runtime: &RuntimeInfo,
        scheduled: &HashSet<u64>,
        pointers: &[u64],
    ) -> Result<RuntimeQueues, &'static str> {
        let memory = &*self.identity;
        let local = current_thread_queue(memory, pointers, scheduled);
        let mut rest = scheduled.clone();
        local.iter().flatten().for_each(|task| {
            rest.remove(task);
        });
        let injected = injection_queue(memory, runtime.handle, &rest, &self.list_heads(runtime));
        injected.iter().flatten().for_each(|task| {
            rest.remove(task);
        });
        rest.retain(|task| {
            memory.word(*task).is_some_and(|word| State(word).kind() == StateKind::Scheduled)
        });
        RuntimeQueues::of_current_thread(local, injected, !rest.is_empty())
    }

    /// The first words of the lists of tasks in a runtime's handle.
    fn list_heads(&self, runtime: &RuntimeInfo) -> HashSet<u64> {
        let lists = self.runtimes.get(&runtime.handle).map(|known| known.lists.as_slice());
        lists.unwrap_or_default().iter().map(|list| list.head).collect()
    }

    fn multi_thread_queues(
        &self,
        runtime: &RuntimeInfo,
        scheduled: &HashSet<u64>,
        pointers: impl Fn(usize) -> Vec<u64>,
    ) -> Result<RuntimeQueues, &'static str> {
        let memory = &*self.identity;
        let workers = runtime.workers.len();
        let queues = LocalQueues::find(memory, runtime.handle, workers)
            .ok_or("no queues of a known layout were found")?;
        let local = queues.read(memory).ok_or("they are no longer there")?;
        let queued: Vec<u64> = local.tasks.iter().flatten().copied().collect();
        let tasks = RawTask::read_many(memory, &queued, &self.vtables);
        let is_own = |task: &Option<RawTask>| {
            task.as_ref().is_some_and(|task| task.scheduler == runtime.handle)
        };
        // A task that has left its queue since it was read may have ended.
        if !tasks.iter().all(is_own) && queues.are_unchanged(memory, &local) {
            return Err("they contain words that are not tasks of this runtime");
        }
        let mut rest = scheduled.clone();
        queued.iter().for_each(|task| {
            rest.remove(task);
        });
        let injected = injection_queue(memory, runtime.handle, &rest, &self.list_heads(runtime));
        injected.iter().flatten().for_each(|task| {
            rest.remove(task);
        });
        let slot = |worker| match rest.is_empty() {
            true => None,
            false => queues.lifo_slot(memory, worker, &pointers(worker), &rest),
        };
        let lifo = (0..workers).map(slot).collect();
        Ok(RuntimeQueues { local: local.tasks, lifo, injected })
    }
}

/// The addresses of a runtime's tasks that are scheduled.
fn scheduled(found: &Found, runtime: usize) -> HashSet<u64> {
    let tasks = found.tasks.iter().filter(|task| {
        task.runtime == Some(runtime)
            && task.kind == TaskKind::Task
            && task.state == StateKind::Scheduled
    });
    tasks.map(|task| task.address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_that_was_not_found_is_empty_only_if_all_tasks_are_in_the_other_one() {
        let lengths = |local, injected, lacks_tasks| {
            let queues = RuntimeQueues::of_current_thread(local, injected, lacks_tasks).ok()?;
            Some((queues.local[0].len(), queues.injected.map(|tasks| tasks.len())))
        };
        assert_eq!(lengths(None, None, false), Some((0, None)));
        assert_eq!(lengths(None, Some(vec![8]), false), Some((0, Some(1))));
        assert_eq!(lengths(Some(vec![8, 16]), None, true), Some((2, None)));
        assert_eq!(lengths(None, None, true), None);
        assert_eq!(lengths(None, Some(vec![8]), true), None);
    }
}
