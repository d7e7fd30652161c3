//! Slots: all tasks are found, slots are reused and keys are not, and memory does not grow.

use std::collections::HashSet;

use super::*;

/// The part of a key that is the slot's number.
fn slot(key: u64) -> u64 {
    key & 0xffff_ffff
}

#[test]
fn slots_are_reused_and_keys_are_not() {
    let (runtime, registry) = (current_thread(), Registry::leak());
    registry.set_retention(Duration::ZERO);
    let mut keys = HashSet::new();
    runtime.block_on(async {
        for _ in 0..1_000 {
            let batch: Vec<_> = (0..100)
                .map(|_| {
                    let future = registry.instrument_task("short", async {});
                    assert!(keys.insert(future.key()), "a key was reused");
                    tokio::spawn(future)
                })
                .collect();
            for one in batch {
                one.await.expect("no panic");
            }
            assert_eq!((tasks(registry).len(), registry.live()), (0, 0));
        }
    });
    assert_eq!(keys.len(), 100_000);
    let slots = keys.iter().map(|key| slot(*key)).max();
    assert!(slots < Some(256), "slots up to {slots:?} for a hundred tasks at a time");
}

#[test]
fn memory_does_not_grow_without_scans() {
    let (runtime, registry) = (current_thread(), retaining_registry());
    let mut slots = 0;
    runtime.block_on(async {
        for _ in 0..100_000 {
            let future = registry.instrument_task("short", async {});
            slots = slots.max(slot(future.key()));
            tokio::spawn(future).await.expect("no panic");
        }
    });
    assert!(slots < 2 * Registry::MAX_ENDED as u64 + 256, "slots up to {slots}");
    assert_eq!(tasks(registry).len(), Registry::MAX_ENDED);
    let latest = tasks(registry).iter().map(|task| task.id).min();
    assert_eq!(latest, Some(90_001), "the oldest were cleared first");
}

#[test]
fn ended_tasks_are_kept_for_the_retention_time() {
    let registry = retaining_registry();
    let live = registry.instrument_task("live", async {});
    drop(registry.instrument_task("ended", async {}));
    assert_eq!(tasks(registry).len(), 2);
    registry.set_retention(Duration::ZERO);
    let left: Vec<_> = tasks(registry).into_iter().map(|task| task.key).collect();
    assert_eq!(left, [live.key()]);
}

#[test]
fn concurrent_scans_find_all_tasks_once() {
    const THREADS: usize = 4;
    const EACH: usize = 2_000;
    let (runtime, registry) = (multi_thread(2), retaining_registry());
    let mut handles = Vec::new();
    std::thread::scope(|scope| {
        let spawners: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    (0..EACH)
                        .map(|n| {
                            let future = SelfWaking { pending: n as u64 % 3, wakes: 1 };
                            runtime.spawn(registry.instrument_task("t", future))
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        while spawners.iter().any(|spawner| !spawner.is_finished()) {
            let seen = tasks(registry);
            let keys: HashSet<_> = seen.iter().map(|task| task.key).collect();
            assert_eq!(keys.len(), seen.len(), "a task was found twice");
        }
        for spawner in spawners {
            handles.extend(spawner.join().expect("no panic"));
        }
    });
    runtime.block_on(async {
        for handle in handles {
            handle.await.expect("no panic");
        }
    });
    let seen = tasks(registry);
    let mut ids: Vec<_> = seen.iter().map(|task| task.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=(THREADS * EACH) as u64).collect::<Vec<_>>());
    let polls: u64 = seen.iter().map(|task| task.reading.polls).sum();
    let expected: usize = THREADS * (0..EACH).map(|n| n % 3 + 1).sum::<usize>();
    assert_eq!(polls, expected as u64);
    wait_until("all futures are dropped", || registry.live() == 0);
}

#[test]
fn readings_of_a_reused_slot_are_of_one_task() {
    let (runtime, registry) = (multi_thread(2), Registry::leak());
    registry.set_retention(Duration::ZERO);
    let handle = runtime.spawn(async move {
        for n in 0..20_000u64 {
            let name = if n % 2 == 0 { "even" } else { "odd" };
            let future = SelfWaking { pending: n % 2, wakes: 1 };
            let _ = tokio::spawn(registry.instrument_task(name, future)).await;
        }
    });
    while !handle.is_finished() {
        for seen in tasks(registry) {
            assert_eq!(seen.name, if seen.id % 2 == 1 { "even" } else { "odd" });
            assert!(seen.reading.polls <= 1 + u64::from(seen.name == "odd"), "{seen:?}");
            assert!(seen.reading.wakes <= u64::from(seen.name == "odd"), "{seen:?}");
        }
    }
    runtime.block_on(handle).expect("no panic");
}
