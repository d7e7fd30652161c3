//! Deliberately corrupt memory and files: no panic, no endless loop, bounded memory.

use asynctop_inspect::{
    memory::{Image, Memory},
    tokio::{
        list,
        runtime::{Runtime, shared_pointers},
        scan::Scan,
        version,
        vtable::{self, Vtables},
        worker,
    },
};
use proptest::prelude::*;
use std::{cell::Cell, ops::Range};

const CODE: Range<u64> = 0x1000..0x2000;
const BASE: u64 = 0x10_0000;
const WORDS: u64 = 2048;
const VTABLE: u64 = BASE + 0x100;
const HANDLE: u64 = BASE + 0x1000;
const TASKS: u64 = BASE + 0x2000;

/// Counts the bytes that are read.
struct CountingMemory<'a> {
    image: &'a Image,
    bytes: Cell<u64>,
}

impl Memory for CountingMemory<'_> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        self.bytes.set(self.bytes.get() + buffer.len() as u64);
        self.image.read(address, buffer)
    }
}

fn image() -> Image {
    Image::new([(BASE, vec![0; (WORDS * 8) as usize])])
}

/// A runtime with four shards and a task in the first, then overwritten at random.
fn runtime(overwritten: &[(u64, u64)]) -> Image {
    let mut image = image();
    let mut set = |address, word| image.set_word(address, word);
    for index in 0..7 {
        set(VTABLE + index * 8, CODE.start + index * 16);
    }
    for (index, offset) in [96, 32, 40].into_iter().enumerate() {
        set(VTABLE + 56 + index as u64 * 8, offset);
    }
    let lists = HANDLE + 0x800;
    for (index, word) in [lists, 4, 9, 2, 3, 1].into_iter().enumerate() {
        set(HANDLE + 0x80 + index as u64 * 8, word);
    }
    let (first, second) = (TASKS, TASKS + 0x80);
    set(lists + 8, first);
    set(lists + 16, second);
    for (task, id, previous, next) in [(first, 7, 0, second), (second, 6, first, 0)] {
        for (offset, word) in
            [(0, 0x88), (16, VTABLE), (24, 1), (32, HANDLE), (40, id), (96, previous), (104, next)]
        {
            set(task + offset, word);
        }
    }
    for &(address, word) in overwritten {
        set(address, word);
    }
    image
}

fn vtables(memory: &impl Memory) -> Vtables {
    let range = BASE..BASE + WORDS * 8;
    let found = vtable::find(memory, &[range], |address| CODE.contains(&address));
    found.into_iter().map(|vtable| (vtable.address, vtable)).collect()
}

#[test]
fn runtime_is_read() {
    let image = runtime(&[]);
    let vtables = vtables(&image);
    assert_eq!(vtables.len(), 1);
    let runtime = Runtime::recognize(&image, &vtables, HANDLE).expect("a runtime");
    assert_eq!(runtime.owner, Some(1));
    let walk = list::walk(&image, &vtables, &runtime).expect("two tasks");
    let mut ids: Vec<u64> = walk.tasks.iter().map(|task| task.id).collect();
    ids.sort_unstable();
    assert_eq!((ids, walk.count, walk.retries), (vec![6, 7], Some(2), 0));
}

/// The mutex of a shard may be a single byte, behind which are remains of other data.
#[test]
fn shards_with_arbitrary_bytes_behind_their_mutex_are_recognized() {
    let image =
        runtime(&[0, 24, 48, 72].map(|shard| (HANDLE + 0x800 + shard, 0x5f43_4241_7061_6800)));
    assert!(Runtime::recognize(&image, &vtables(&image), HANDLE).is_some());
}

/// A task that is unlinked during the walk has no successor: a short list that seems complete.
#[test]
fn list_that_ends_too_early_is_rejected() {
    let image = runtime(&[(TASKS + 104, 0)]);
    let vtables = vtables(&image);
    let runtime = Runtime::recognize(&image, &vtables, HANDLE).expect("a runtime");
    let error = list::walk(&image, &vtables, &runtime).expect_err("the last task is missing");
    assert!(matches!(error, list::WalkError::Torn { .. }), "{error}");
}

#[test]
fn wrong_count_is_reported() {
    let image = runtime(&[(HANDLE + 0x98, 40)]);
    let vtables = vtables(&image);
    let runtime = Runtime::recognize(&image, &vtables, HANDLE).expect("a runtime");
    let error = list::walk(&image, &vtables, &runtime).expect_err("38 are missing");
    assert_eq!(error, list::WalkError::Miscounted { found: 2, counted: 40 });
}

#[test]
fn walk_of_a_cycle_ends() {
    let image = runtime(&[(TASKS + 0x80 + 104, TASKS)]);
    let vtables = vtables(&image);
    let runtime = Runtime::recognize(&image, &vtables, HANDLE).expect("a runtime");
    let memory = CountingMemory { image: &image, bytes: Cell::new(0) };
    assert!(list::walk(&memory, &vtables, &runtime).is_err());
    assert!(memory.bytes.get() < 2 << 30, "{}", memory.bytes.get());
}

/// The limit is one for all lists together, not for each.
#[test]
fn walk_of_many_lists_with_one_cycle_ends() {
    let image = runtime(&[(TASKS + 104, TASKS)]);
    let vtables = vtables(&image);
    let mut runtime = Runtime::recognize(&image, &vtables, HANDLE).expect("a runtime");
    runtime.lists = vec![runtime.lists[0]; 4096];
    let memory = CountingMemory { image: &image, bytes: Cell::new(0) };
    let error = list::walk(&memory, &vtables, &runtime).expect_err("a cycle");
    assert!(matches!(error, list::WalkError::Torn { .. }), "{error}");
    assert!(memory.bytes.get() < 2 << 30, "{}", memory.bytes.get());
}

fn boundary_value() -> impl Strategy<Value = u64> {
    prop_oneof![
        (0..WORDS).prop_map(|word| BASE + word * 8),
        Just(VTABLE),
        Just(HANDLE),
        Just(TASKS),
        Just(0),
        Just(u64::MAX),
        Just(u64::MAX - 7),
        0..200_u64,
        any::<u64>(),
        (0..64_u32).prop_map(|bits| 1 << bits),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn corrupt_memory_is_read_within_bounds(words in prop::collection::vec((0..WORDS, boundary_value()), 0..24),
                      near in prop::collection::vec((0..40_u64, boundary_value()), 0..6)) {
        // The words of `near` hit the structures that are read.
        let overwritten: Vec<(u64, u64)> = words
            .iter()
            .map(|&(word, value)| (BASE + word * 8, value))
            .chain(near.iter().map(|&(word, value)| {
                let target = [VTABLE, HANDLE + 0x80, HANDLE + 0x800, TASKS, TASKS + 0x80];
                (target[word as usize % target.len()] + word / 5 * 8, value)
            }))
            .collect();
        let image = runtime(&overwritten);
        let memory = CountingMemory { image: &image, bytes: Cell::new(0) };
        let found = vtables(&memory);
        for handle in [HANDLE, HANDLE + 8, TASKS, BASE, u64::MAX - 7, 8] {
            worker::find(&memory, handle, 1 << 40, |_| true);
            if let Some(runtime) = Runtime::recognize(&memory, &found, handle)
                // A cycle costs reads, not memory; one test above lets it run to its end.
                && runtime.lists.len() <= 64
                && runtime.count.is_some_and(|address| {
                    let mut word = [0; 8];
                    memory.read(address, &mut word) == 8 && u64::from_le_bytes(word) < 100
                })
            {
                let _ = list::walk(&memory, &found, &runtime);
            }
        }
        let mut scan = Scan::new(&found, 16);
        let mut bytes = vec![0; (WORDS * 8) as usize];
        memory.read(BASE, &mut bytes);
        scan.add(BASE, &bytes);
        scan.add(u64::MAX - 3, &bytes);
        prop_assert!(scan.candidates.len() <= WORDS as usize);
        shared_pointers(&memory, overwritten.iter().map(|&(_, word)| word), |_| true);
        let ranges = [BASE..BASE + 512, VTABLE..VTABLE + 80];
        vtable::has_older_shape(&memory, &ranges, |_| true);
        prop_assert!(memory.bytes.get() < 8 << 30);
    }

    #[test]
    fn version_in_any_text_is_plausible(text in prop::collection::vec(any::<u8>(), 0..200), at in 0..200_usize) {
        let mut text = text;
        text.splice(at.min(text.len())..at.min(text.len()), *b"/tokio-1.");
        if let Some(version) = version::find(&text) {
            prop_assert!(version.starts_with("1."));
        }
    }
}
