//! The interleavings of the references to a cell. `ledger_loom.rs` has the command to run them.

use loom::{cell::UnsafeCell, sync::Arc, thread};

use super::refs::Refs;

/// A cell with a value that the release of its last reference removes.
struct Cell {
    refs: Refs,
    /// Loom fails if the removal is concurrent with a read.
    inner: UnsafeCell<Option<u32>>,
}

impl Cell {
    fn open() -> Arc<Self> {
        let refs = Refs::released();
        refs.open();
        Arc::new(Cell { refs, inner: UnsafeCell::new(Some(7)) })
    }

    #[allow(unsafe_code)]
    fn wake(&self) {
        // SAFETY: checked by loom.
        assert_eq!(self.inner.with(|inner| unsafe { *inner }), Some(7), "used after its removal");
    }

    #[allow(unsafe_code)]
    fn remove_if(&self, last: bool) {
        if last {
            // SAFETY: checked by loom.
            let removed = self.inner.with_mut(|inner| unsafe { (*inner).take() });
            assert_eq!(removed, Some(7), "removed once");
            self.refs.set_released();
        }
    }

    /// Wakes with one waker and drops it.
    fn wake_and_drop(&self) {
        self.wake();
        self.remove_if(self.refs.release());
    }
}

#[test]
fn loom_exactly_one_release_is_the_last() {
    loom::model(|| {
        let cell = Cell::open();
        // One waker cloned in the poll, one outside it.
        assert!(cell.refs.add_own());
        cell.refs.add();
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let cell = cell.clone();
                thread::spawn(move || cell.wake_and_drop())
            })
            .collect();
        cell.wake();
        cell.remove_if(cell.refs.release_future());
        for waker in wakers {
            waker.join().expect("no panic");
        }
        assert!(cell.refs.is_released());
        assert_eq!(cell.refs.wakers(), 0);
    });
}

#[test]
fn loom_number_of_wakers_is_never_negative() {
    loom::model(|| {
        let cell = Cell::open();
        cell.refs.add();
        let reader = thread::spawn({
            let cell = cell.clone();
            move || cell.refs.wakers()
        });
        assert!(cell.refs.add_own());
        let waker = thread::spawn({
            let cell = cell.clone();
            move || cell.wake_and_drop()
        });
        assert!(cell.refs.add_own());
        let seen = reader.join().expect("no panic");
        assert!((1..=3).contains(&seen), "{seen}");
        waker.join().expect("no panic");
        assert_eq!(cell.refs.wakers(), 2);
        cell.refs.fold();
        assert_eq!(cell.refs.wakers(), 2);
        assert!(!cell.refs.release() && !cell.refs.release() && cell.refs.release_future());
    });
}

#[test]
fn loom_slot_is_released_after_all_accesses() {
    loom::model(|| {
        let cell = Cell::open();
        assert!(cell.refs.add_own());
        let sweeper = thread::spawn({
            let cell = cell.clone();
            move || {
                if cell.refs.is_released() {
                    // The slot is reused.
                    cell.inner.with_mut(|_| ());
                }
            }
        });
        let waker = thread::spawn({
            let cell = cell.clone();
            move || cell.wake_and_drop()
        });
        cell.remove_if(cell.refs.release_future());
        waker.join().expect("no panic");
        sweeper.join().expect("no panic");
    });
}
