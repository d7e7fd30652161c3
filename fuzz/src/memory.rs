//! The memory of an inspected process.

use std::{cell::Cell, ops::Range};

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

use super::bytes::Bytes;

const CODE: Range<u64> = 0x1000..0x2000;
const BASE: u64 = 0x10_0000;
const WORDS: u64 = 1024;
const VTABLE: u64 = BASE + 0x100;
const HANDLE: u64 = BASE + 0x800;
const LISTS: u64 = BASE + 0xc00;
const TASKS: u64 = BASE + 0x1000;

/// Counts the bytes that are read.
struct CountingMemory {
    image: Image,
    bytes: Cell<u64>,
}

impl Memory for CountingMemory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        self.bytes.set(self.bytes.get() + buffer.len() as u64);
        self.image.read(address, buffer)
    }
}

/// Reads a runtime with two tasks, with words of it overwritten from the bytes. Returns the number
/// of tasks that are found.
pub fn memory(data: &[u8]) -> usize {
    version::find(data);
    let mut bytes = Bytes(data);
    let mut image = valid_image();
    let mut overwritten = Vec::new();
    while !bytes.is_empty() {
        let (address, word) = (address(&mut bytes), word(&mut bytes));
        image.set_word(address, word);
        overwritten.push(word);
    }
    let memory = CountingMemory { image, bytes: Cell::new(0) };
    let ranges = [BASE..LISTS, LISTS..BASE + WORDS * 8];
    let found = vtable::find(&memory, &ranges, |address| CODE.contains(&address));
    let vtables: Vtables = found.into_iter().map(|vtable| (vtable.address, vtable)).collect();
    vtable::has_older_shape(&memory, &ranges, |_| true);
    shared_pointers(&memory, overwritten, |_| true);
    let mut all = vec![0; (WORDS * 8) as usize];
    memory.read(BASE, &mut all);
    let mut scan = Scan::new(&vtables, 16);
    scan.add(BASE, &all);
    assert!(scan.candidates.len() <= WORDS as usize);
    let mut tasks = 0;
    for handle in [HANDLE, TASKS, u64::MAX - 7] {
        worker::find(&memory, handle, 1 << 40, |_| true);
        let Some(runtime) = Runtime::recognize(&memory, &vtables, handle) else { continue };
        // In a cycle, as many tasks are read as the runtime has according to its own count.
        let mut counted = [0; 8];
        let is_small = runtime.count.is_some_and(|address| {
            memory.read(address, &mut counted) == 8 && u64::from_le_bytes(counted) < 100
        });
        if is_small && runtime.lists.len() <= 64 {
            tasks += list::walk(&memory, &vtables, &runtime).map_or(0, |walk| walk.tasks.len());
        }
    }
    assert!(memory.bytes.get() < 8 << 30, "{} bytes", memory.bytes.get());
    tasks
}

/// The address of a word: in one of the structures, or any other.
fn address(bytes: &mut Bytes<'_>) -> u64 {
    let start = [VTABLE, HANDLE + 0x80, LISTS, TASKS, TASKS + 0x80];
    match start.get(bytes.below(6) as usize) {
        Some(start) => start + bytes.below(16) * 8,
        None => BASE + bytes.below(WORDS) * 8,
    }
}

/// A pointer, a small number, a power of two, or any number.
fn word(bytes: &mut Bytes<'_>) -> u64 {
    match bytes.below(4) {
        0 => address(bytes),
        1 => bytes.below(200),
        2 => 1 << bytes.below(64),
        _ => bytes.word(),
    }
}

/// A runtime with four lists of tasks, and two tasks in the first.
fn valid_image() -> Image {
    let mut image = Image::new([(BASE, vec![0; (WORDS * 8) as usize])]);
    let mut set = |address, words: &[u64]| {
        for (word, at) in words.iter().zip(0..) {
            image.set_word(address + at * 8, *word);
        }
    };
    let functions: Vec<u64> = (0..7).map(|nth| CODE.start + nth * 16).collect();
    set(VTABLE, &functions);
    set(VTABLE + 56, &[96, 32, 40]);
    set(HANDLE + 0x80, &[LISTS, 4, 9, 2, 3, 1]);
    let (first, second) = (TASKS, TASKS + 0x80);
    set(LISTS + 8, &[first, second]);
    for (task, id, previous, next) in [(first, 7, 0, second), (second, 6, first, 0)] {
        set(task, &[0x88]);
        set(task + 16, &[VTABLE, 1, HANDLE, id]);
        set(task + 96, &[previous, next]);
    }
    image
}
