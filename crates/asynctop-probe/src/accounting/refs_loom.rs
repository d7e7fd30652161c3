//! Every interleaving of those who refer to a cell. How to run it: `ledger_loom.rs`.

use loom::{cell::UnsafeCell, sync::Arc, thread};

use super::refs::Refs;

/// A cell with what its last reference takes away.
struct Held {
    refs: Refs,
    /// Loom fails if somebody takes it away while it is read or without having seen that
    /// the readers are done.
    inner: UnsafeCell<Option<u32>>,
}

impl Held {
    fn open() -> Arc<Self> {
        let refs = Refs::gone();
        refs.open();
        Arc::new(Held { refs, inner: UnsafeCell::new(Some(7)) })
    }

    #[allow(unsafe_code)]
    fn wake(&self) {
        // SAFETY: loom checks it.
        assert_eq!(self.inner.with(|inner| unsafe { *inner }), Some(7), "used after its end");
    }

    #[allow(unsafe_code)]
    fn take(&self, last: bool) {
        if last {
            // SAFETY: loom checks it.
            let taken = self.inner.with_mut(|inner| unsafe { (*inner).take() });
            assert_eq!(taken, Some(7), "two were the last");
            self.refs.set_gone();
        }
    }

    /// Wakes with one waker and drops it.
    fn use_up(&self) {
        self.wake();
        self.take(self.refs.release());
    }
}

#[test]
fn loom_exactly_one_is_the_last() {
    loom::model(|| {
        let held = Held::open();
        // One waker cloned in the poll, one outside of it.
        assert!(held.refs.add_own());
        held.refs.add();
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let held = held.clone();
                thread::spawn(move || held.use_up())
            })
            .collect();
        held.wake();
        held.take(held.refs.release_future());
        for waker in wakers {
            waker.join().expect("a waker that ends");
        }
        assert!(held.refs.is_gone());
        assert_eq!(held.refs.wakers(), 0);
    });
}

#[test]
fn loom_a_waker_that_is_dropped_elsewhere_is_never_counted_below_zero() {
    loom::model(|| {
        let held = Held::open();
        held.refs.add();
        let reader = thread::spawn({
            let held = held.clone();
            move || held.refs.wakers()
        });
        assert!(held.refs.add_own());
        let waker = thread::spawn({
            let held = held.clone();
            move || held.use_up()
        });
        assert!(held.refs.add_own());
        let seen = reader.join().expect("a reader that ends");
        assert!((1..=3).contains(&seen), "{seen}");
        waker.join().expect("a waker that ends");
        assert_eq!(held.refs.wakers(), 2);
        held.refs.fold();
        assert_eq!(held.refs.wakers(), 2);
        assert!(!held.refs.release() && !held.refs.release() && held.refs.release_future());
    });
}

#[test]
fn loom_the_slot_is_gone_only_when_nobody_looks() {
    loom::model(|| {
        let held = Held::open();
        assert!(held.refs.add_own());
        let sweeper = thread::spawn({
            let held = held.clone();
            move || {
                if held.refs.is_gone() {
                    // The next task moves in.
                    held.inner.with_mut(|_| ());
                }
            }
        });
        let waker = thread::spawn({
            let held = held.clone();
            move || held.use_up()
        });
        held.take(held.refs.release_future());
        waker.join().expect("a waker that ends");
        sweeper.join().expect("a sweeper that ends");
    });
}
