//! The sampler on any runtime of this process.

use std::time::Duration;

use asynctop_probe::{
    LocalSampler, Registry, State,
    snapshot::{Flavor, Subscription, Target},
};
use tokio::runtime::{Builder, Runtime};

use crate::support::wait_until;

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn sample(sampler: &mut LocalSampler) -> Target {
    sampler.sample(&Subscription::default())
}

#[test]
fn sample_has_the_tasks_and_workers_of_any_runtime() {
    let registry = Registry::leak();
    let runtime = current_thread();
    let mut sampler = LocalSampler::new("mine", registry, runtime.handle());
    runtime.spawn(registry.instrument_task("waiter-1", std::future::pending::<()>()));
    runtime.spawn(std::future::pending::<()>());
    runtime.block_on(tokio::task::yield_now());

    let target = sample(&mut sampler);
    let flavor = target.runtime.flavor;
    assert_eq!((&*target.description.name, flavor), ("mine", Some(Flavor::CurrentThread)));
    assert_eq!(target.runtime.alive_tasks, 2);
    assert_eq!(target.runtime.measured_tasks, 1);
    let task = &target.tasks[0];
    assert_eq!((&*task.meta.name, &*task.meta.group), ("waiter-1", "waiter"));
    assert!(task.meta.location.starts_with(file!()), "{}", task.meta.location);
    assert_eq!((task.state, task.live_wakers), (State::Idle, Some(0)));
    assert_eq!(target.workers.len(), 1);
    assert_eq!(target.workers[0].polls, 1);
    assert!(target.lab.is_none());
}

#[test]
fn worker_stats_exclude_other_runtimes_on_the_same_thread() {
    let registry = Registry::leak();
    let work = || async {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    };
    // On a thread that ends: the next one reuses its accounting in the registry.
    let before = std::thread::spawn(move || {
        current_thread().block_on(registry.instrument("earlier", work()));
    });
    before.join().expect("no panic");
    let now = std::thread::spawn(move || {
        let runtime = current_thread();
        let mut sampler = LocalSampler::new("mine", registry, runtime.handle());
        runtime.block_on(registry.instrument("later", work()));
        sample(&mut sampler).workers[0].polls
    });
    assert_eq!(now.join().expect("no panic"), 1_001);
}

#[test]
fn task_meta_of_a_reused_slot_is_that_of_the_new_task() {
    let registry = Registry::leak();
    registry.set_retention(Duration::ZERO);
    let runtime = current_thread();
    let mut sampler = LocalSampler::new("mine", registry, runtime.handle());
    let mut seen = Vec::new();
    for generation in 0..5 {
        let spawn = |n: usize| {
            let name = format!("generation{generation}-{n}");
            runtime.spawn(registry.instrument_task(&name, std::future::pending::<()>()))
        };
        let tasks: Vec<_> = (0..300).map(spawn).collect();
        runtime.block_on(tokio::task::yield_now());
        let target = sample(&mut sampler);
        assert!(target.tasks.windows(2).all(|pair| pair[0].key < pair[1].key));
        let group = format!("generation{generation}");
        let alive = target.tasks.iter().filter(|task| !task.state.is_done());
        assert!(alive.clone().all(|task| *task.meta.group == *group));
        assert_eq!(alive.count(), 300);
        seen.extend(target.tasks.iter().map(|task| (task.key, task.meta.id)));
        // Every second task first, so that the slots are reused out of order.
        tasks.iter().step_by(2).chain(&tasks[1..]).for_each(|task| task.abort());
        wait_until("all tasks have ended", || {
            runtime.block_on(tokio::task::yield_now());
            registry.live() == 0
        });
    }
    seen.sort_unstable();
    seen.dedup();
    let mut keys: Vec<_> = seen.iter().map(|(key, _)| *key).collect();
    keys.dedup();
    assert_eq!(keys.len(), seen.len(), "keys are unique");
}

#[cfg(feature = "watchdog")]
#[test]
fn long_poll_has_the_worker_that_runs_it() {
    use crate::support::wait_for;
    use asynctop_probe::watch::{WatchOptions, Watchdog};

    let registry = Registry::leak();
    let watchdog = Watchdog::start(registry, WatchOptions::default()).expect("a thread");
    let runtime = Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let sampler = LocalSampler::new("mine", registry, runtime.handle());
    let mut sampler = sampler.with_watchdog(watchdog.handle().clone());
    let (end, ends) = std::sync::mpsc::channel::<()>();
    runtime.spawn(registry.instrument("hog", async move {
        let _ = ends.recv();
    }));
    let (long_poll, target) = wait_for(|| {
        let target = sample(&mut sampler);
        Some((target.long_polls.first()?.clone(), target))
    });
    let busy = target.workers.iter().find(|worker| worker.current.is_some());
    assert_eq!(long_poll.task, target.tasks[0].key);
    assert!(long_poll.worker.is_some());
    assert_eq!(long_poll.worker, busy.map(|worker| worker.index), "the worker that polls the hog");
    end.send(()).expect("the hog waits");
}

#[cfg(feature = "watchdog")]
#[test]
fn long_poll_stays_in_the_samples_after_its_end() {
    use std::sync::Arc;

    use crate::support::wait_for;
    use asynctop_probe::watch::{WatchOptions, Watchdog};

    let registry = Registry::leak();
    let watchdog = Watchdog::start(registry, WatchOptions::default()).expect("a thread");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let sampler = LocalSampler::new("mine", registry, runtime.handle());
    let mut sampler = sampler.with_watchdog(watchdog.handle().clone());
    let block = async { std::thread::sleep(Duration::from_millis(50)) };
    runtime.block_on(registry.instrument("hog", block));
    let ended = wait_for(|| {
        let polls = sample(&mut sampler).long_polls;
        polls.into_iter().find(|poll| poll.is_ended && poll.unsymbolized == 0)
    });
    let later = sample(&mut sampler).long_polls;
    let [later] = &later[..] else { panic!("{later:?}") };
    assert_eq!((ended.task, ended.began_ns), (later.task, later.began_ns));
    assert_eq!(ended.revision == later.revision, Arc::ptr_eq(&ended, later), "{ended:?} {later:?}");
}

#[cfg(tokio_unstable)]
#[test]
fn runtime_stats_are_those_of_tokio_metrics() {
    let registry = Registry::leak();
    let runtime = current_thread();
    let mut intervals = tokio_metrics::RuntimeMonitor::new(runtime.handle()).intervals();
    let mut sampler = LocalSampler::new("mine", registry, runtime.handle());
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    (0..1_000).for_each(|item| sender.send(item).unwrap());
    drop(sender);
    // More items than the budget of a task; tasks woken from outside; the blocking pool.
    runtime.block_on(async { while receiver.recv().await.is_some() {} });
    runtime.spawn(std::future::pending::<()>());
    runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
    wait_until("the pool is idle", || runtime.metrics().num_idle_blocking_threads() == 1);

    let stats = sample(&mut sampler).runtime;
    let theirs = intervals.next().unwrap();
    assert_eq!(
        [stats.alive_tasks, stats.injection_queue, stats.blocking_queue],
        [theirs.live_tasks_count, theirs.global_queue_depth, theirs.blocking_queue_depth]
            .map(|count| count as u64)
    );
    assert_eq!(
        [stats.blocking_threads, stats.idle_blocking_threads],
        [theirs.blocking_threads_count, theirs.idle_blocking_threads_count].map(|n| n as u64)
    );
    assert_eq!(
        (stats.budget_forced_yields, stats.remote_schedules),
        (theirs.budget_forced_yield_count, theirs.num_remote_schedules)
    );
    assert!(stats.budget_forced_yields > 0 && stats.remote_schedules > 0, "{stats:?}");
}
