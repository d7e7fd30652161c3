//! The interleavings of a thread that writes to a ring and one that copies it, up to loom's bound on
//! preemptions. `ledger_loom.rs` has the command to run them.

use loom::{sync::Arc, thread};

use super::ring::Ring;
use asynctop_snapshot::PollSpan;

fn span(number: u64) -> PollSpan {
    PollSpan { task: 10 + number, began: 20 + number, ended: 30 + number }
}

/// Copies, and checks that the copy is intact, in order and counted.
fn copy<const N: usize>(ring: &Ring<N>, next: &mut u64) -> u64 {
    let (before, mut copied) = (*next, Vec::new());
    let missing = ring.copy(next, &mut copied);
    for (copied, number) in copied.iter().zip(before + missing..) {
        assert_eq!(*copied, span(number), "intact and in order");
    }
    assert_eq!(before + missing + copied.len() as u64, *next, "all are counted");
    copied.len() as u64
}

fn explore<const N: usize>(pushes: u64, copies: usize) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let ring = Arc::new(Ring::<N>::new());
        let writer = thread::spawn({
            let ring = ring.clone();
            move || (0..pushes).for_each(|number| ring.push(span(number)))
        });
        let mut next = 0;
        for _ in 0..copies {
            copy(&ring, &mut next);
        }
        writer.join().expect("no panic");
        let left = pushes - next;
        let copied = copy(&ring, &mut next);
        assert_eq!(next, pushes);
        assert_eq!(copied, left.min(N as u64 - 1), "without a writer, the last ones are kept");
    });
}

#[test]
fn loom_copy_of_a_ring_is_not_torn() {
    explore::<2>(4, 1);
}

#[test]
fn loom_consecutive_copies_count_all_missing_spans() {
    explore::<4>(6, 2);
}
