//! The same polls, counted by tokio-metrics and by Tokio.

use tokio_metrics::TaskMonitor;

use super::*;

#[test]
fn polls_agree_with_task_monitor() {
    on_each_flavor(|runtime, registry| {
        let monitor = TaskMonitor::new();
        let gate = Gate::default();
        let inner_gate = gate.clone();
        let future = registry.instrument_task("t", async move {
            SelfWaking { pending: 17, wakes: 2 }.await;
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            inner_gate.await;
        });
        gate.open();
        let handle = runtime.spawn(monitor.instrument(future));
        runtime.block_on(handle).expect("no panic");
        let r = task(registry, "t").reading;
        assert_eq!(r.polls, monitor.cumulative().total_poll_count);
        assert_eq!((r.polls, r.wakes), (17 + 5 + 1, 17 * 2 + 5));
    });
}

#[test]
#[cfg(tokio_unstable)]
fn polls_agree_with_tokios_count() {
    // Polls of tasks in the LIFO slot are not in `worker_poll_count`.
    let build =
        |mut builder: Builder| builder.enable_all().disable_lifo_slot().build().expect("a runtime");
    let mut workers = Builder::new_multi_thread();
    workers.worker_threads(3);
    for runtime in [build(Builder::new_current_thread()), build(workers)] {
        let registry = retaining_registry();
        let handles: Vec<_> = (0..50)
            .map(|n| {
                let future = async move {
                    SelfWaking { pending: n, wakes: 1 }.await;
                    for _ in 0..n {
                        tokio::task::yield_now().await;
                    }
                };
                runtime.spawn(registry.instrument_task("t", future))
            })
            .collect();
        runtime.block_on(async {
            for handle in handles {
                handle.await.expect("no panic");
            }
        });
        let polls: u64 = tasks(registry).iter().map(|task| task.reading.polls).sum();
        assert_eq!(polls, (0..50).map(|n| 2 * n + 1).sum::<u64>());
        // A worker publishes its counts when it parks.
        let metrics = runtime.metrics();
        let tokios =
            || (0..metrics.num_workers()).map(|n| metrics.worker_poll_count(n)).sum::<u64>();
        wait_until("the counts agree", || {
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
            tokios() == polls
        });
        let threads: u64 = registry.threads(registry.now()).iter().map(|t| t.polls).sum();
        assert_eq!(threads, polls);
    }
}
