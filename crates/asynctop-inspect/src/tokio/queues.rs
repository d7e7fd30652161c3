//! The queues in which tasks wait for their poll: one for each worker of a multi-thread runtime, its
//! LIFO slot, and the runtime's injection queue; the queue of a current-thread runtime.
//!
//! A worker's queue is a ring of 256 tasks, which it shares with the workers that steal from it. The
//! runtime's handle has a boxed slice with two shared pointers for each worker; one of them leads
//! to its ring. The injection queue is a list within the handle, linked by the second word of each
//! task's header. All tasks in queues are scheduled, so a queue with a task is recognized with
//! certainty.

use std::collections::HashSet;

use crate::{
    memory::{Memory, MemoryExt, is_pointer},
    tokio::HANDLE_LENGTH,
};

/// Capacity of a worker's queue.
const LOCAL_QUEUE_CAPACITY: u32 = 256;
/// Words of a shared queue, the reference counts included.
const QUEUE_WORDS: usize = 5;
/// Offset of the next task of a queue in a task's header.
const NEXT_OFFSET: u64 = 8;
/// Words of a worker's context that are searched for its core.
const CONTEXT_WORDS: usize = 16;
/// Words of a worker's core that are searched for its queue and its LIFO slot.
const CORE_WORDS: usize = 32;
/// Words of the core of a current-thread runtime that are searched for its queue.
const CURRENT_THREAD_CORE_WORDS: usize = 128;
/// Maximum capacity of the queue of a current-thread runtime.
const MAX_CAPACITY: u64 = 1 << 22;

/// The queues of a runtime's workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalQueues {
    /// Addresses of the shared queues, by worker.
    queues: Vec<u64>,
    layout: Layout,
}

/// Indices of the words of a shared queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    /// Pointer to the ring.
    ring: usize,
    /// Two numbers of 32 bits: of the first task, and of the first task that is being stolen.
    head: usize,
    /// The number after that of the last task, 32 bits.
    tail: usize,
}

/// The layout since Tokio 1.45 is the first one.
const LAYOUTS: [Layout; 3] = [
    Layout { ring: 2, head: 3, tail: 4 },
    Layout { ring: 4, head: 2, tail: 3 },
    Layout { ring: 3, head: 2, tail: 4 },
];

/// The indices of a worker's queue at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ring {
    address: u64,
    head: u32,
    tail: u32,
}

/// The contents of the queues of a runtime's workers at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalContents {
    rings: Vec<Ring>,
    /// The addresses of the tasks of each worker, the next one first.
    pub tasks: Vec<Vec<u64>>,
}

impl Layout {
    /// The queue with these words, if they have the shape of one.
    fn decode(self, words: &[u64; QUEUE_WORDS]) -> Option<Ring> {
        let address = words[self.ring];
        let (head, steal) = (words[self.head] as u32, (words[self.head] >> 32) as u32);
        let tail = words[self.tail] as u32;
        let is_shared = (1..1 << 31).contains(&words[0]) && words[1] == 1;
        let is_queue = tail.wrapping_sub(head) <= LOCAL_QUEUE_CAPACITY
            && head.wrapping_sub(steal) <= LOCAL_QUEUE_CAPACITY;
        (is_shared && is_pointer(address) && is_queue).then_some(Ring { address, head, tail })
    }
}

impl Ring {
    /// The addresses of its tasks, the next one first; `None` if it cannot be read.
    fn tasks(self, memory: &(impl Memory + ?Sized)) -> Option<Vec<u64>> {
        let slots = memory.words(self.address, LOCAL_QUEUE_CAPACITY as usize);
        let numbers = (0..self.tail.wrapping_sub(self.head)).map(|i| self.head.wrapping_add(i));
        let tasks = || numbers.map(|i| slots[(i % LOCAL_QUEUE_CAPACITY) as usize]).collect();
        (slots.len() == LOCAL_QUEUE_CAPACITY as usize).then(tasks)
    }
}

impl LocalQueues {
    /// The queues of the runtime whose handle is at `handle`, and which has `workers`.
    pub fn find(memory: &(impl Memory + ?Sized), handle: u64, workers: usize) -> Option<Self> {
        let words = memory.words(handle, HANDLE_LENGTH / 8);
        let slices = words.windows(2).filter(|pair| pair[1] == workers as u64 && workers > 0);
        let mut pointers = slices.map(|pair| pair[0]).filter(|pointer| is_pointer(*pointer));
        pointers.find_map(|slice| {
            let pairs = memory.words(slice, workers * 2);
            let queues = |half| pairs.iter().skip(half).step_by(2).copied().collect();
            (0..2).find_map(|half| LocalQueues::recognize(memory, queues(half), workers))
        })
    }

    /// The queues at these addresses, if all are distinct and have the same layout.
    fn recognize(
        memory: &(impl Memory + ?Sized),
        queues: Vec<u64>,
        workers: usize,
    ) -> Option<Self> {
        let distinct: HashSet<u64> = queues.iter().copied().collect();
        let mut candidates = LAYOUTS.iter().filter(|_| distinct.len() == workers);
        candidates.find_map(|&layout| {
            let queues = LocalQueues { queues: queues.clone(), layout };
            let rings = queues.rings(memory)?;
            rings.iter().all(|ring| ring.tasks(memory).is_some()).then_some(queues)
        })
    }

    /// The rings of all workers, if all are distinct and have the shape of one.
    fn rings(&self, memory: &(impl Memory + ?Sized)) -> Option<Vec<Ring>> {
        let ring =
            |&queue: &u64| self.layout.decode(memory.words(queue, QUEUE_WORDS).first_chunk()?);
        let rings: Vec<Ring> = self.queues.iter().map(ring).collect::<Option<_>>()?;
        let distinct: HashSet<u64> = rings.iter().map(|ring| ring.address).collect();
        (distinct.len() == rings.len()).then_some(rings)
    }

    /// The current contents; `None` if the queues are no longer there.
    pub fn read(&self, memory: &(impl Memory + ?Sized)) -> Option<LocalContents> {
        let rings = self.rings(memory)?;
        let tasks = rings.iter().map(|ring| ring.tasks(memory)).collect::<Option<_>>()?;
        Some(LocalContents { rings, tasks })
    }

    /// Whether no task was put into a queue or taken out since `contents` was read.
    pub fn are_unchanged(&self, memory: &(impl Memory + ?Sized), contents: &LocalContents) -> bool {
        self.rings(memory).as_ref() == Some(&contents.rings)
    }

    /// The task in a worker's LIFO slot, if it is one of the tasks in `scheduled`. `near_handle` are
    /// the words of the worker's thread-local block around its handle. One of them leads to its
    /// context on its stack, which leads to its core, which has the worker's queue and the slot.
    pub fn lifo_slot(
        &self,
        memory: &(impl Memory + ?Sized),
        worker: usize,
        near_handle: &[u64],
        scheduled: &HashSet<u64>,
    ) -> Option<u64> {
        let queue = *self.queues.get(worker)?;
        let contexts = near_handle.iter().filter(|word| is_pointer(**word));
        let mut examined = HashSet::new();
        contexts.flat_map(|&context| memory.words(context, CONTEXT_WORDS)).find_map(|core| {
            if !is_pointer(core) || !examined.insert(core) {
                return None;
            }
            let words = memory.words(core, CORE_WORDS);
            let slot = words.iter().copied().find(|word| scheduled.contains(word));
            words.contains(&queue).then_some(slot)?
        })
    }
}

/// The addresses of the tasks in the queue of a current-thread runtime, the next one first. It is a
/// `VecDeque` in the core of the thread, which is found like the core of a worker
/// ([`LocalQueues::lifo_slot`]). `None` if it was not found; an empty queue cannot be recognized.
pub fn current_thread_queue(
    memory: &(impl Memory + ?Sized),
    near_handle: &[u64],
    scheduled: &HashSet<u64>,
) -> Option<Vec<u64>> {
    let contexts = near_handle.iter().filter(|word| is_pointer(**word));
    let mut examined = HashSet::new();
    contexts.flat_map(|&context| memory.words(context, CONTEXT_WORDS)).find_map(|core| {
        if !is_pointer(core) || !examined.insert(core) {
            return None;
        }
        let words = memory.words(core, CURRENT_THREAD_CORE_WORDS);
        words.windows(4).find_map(|window| deque(memory, window.first_chunk()?, scheduled))
    })
}

/// The contents of a `VecDeque` with these words (capacity, buffer, head, length) if all of them are
/// in `scheduled`.
fn deque(
    memory: &(impl Memory + ?Sized),
    &[capacity, buffer, head, length]: &[u64; 4],
    scheduled: &HashSet<u64>,
) -> Option<Vec<u64>> {
    let is_deque = (1..=scheduled.len() as u64).contains(&length)
        && (length..=MAX_CAPACITY).contains(&capacity)
        && head < capacity
        && is_pointer(buffer);
    if !is_deque {
        return None;
    }
    let words = memory.words(buffer, capacity as usize);
    let tasks = (head..head + length).map(|index| words.get((index % capacity) as usize).copied());
    tasks.map(|task| task.filter(|task| scheduled.contains(task))).collect()
}

/// The addresses of the tasks in the injection queue of the runtime whose handle is at `handle`, the
/// next one first: the only list within the handle that consists of tasks in `scheduled`. `None` if
/// there is none; an empty queue cannot be recognized. `other_lists` are the addresses of words in
/// the handle that are ends of other lists.
pub fn injection_queue(
    memory: &(impl Memory + ?Sized),
    handle: u64,
    scheduled: &HashSet<u64>,
    other_lists: &HashSet<u64>,
) -> Option<Vec<u64>> {
    let words = memory.words(handle, HANDLE_LENGTH / 8);
    (0..words.len().saturating_sub(1)).find_map(|index| {
        let (head, tail) = (words[index], words[index + 1]);
        let is_other = other_lists.contains(&handle.wrapping_add(index as u64 * 8));
        if is_other || !scheduled.contains(&head) || !scheduled.contains(&tail) {
            return None;
        }
        let mut tasks = vec![head];
        let mut last = head;
        while last != tail && tasks.len() <= scheduled.len() {
            last = memory.word(last.wrapping_add(NEXT_OFFSET))?;
            if !scheduled.contains(&last) {
                return None;
            }
            tasks.push(last);
        }
        let is_end = memory.word(last.wrapping_add(NEXT_OFFSET)) == Some(0);
        (last == tail && is_end).then_some(tasks)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Image;

    const HANDLE: u64 = 0x1_0000;
    const SLICE: u64 = 0x2_0000;
    const QUEUES: [u64; 2] = [0x3_0000, 0x3_0100];
    const RINGS: [u64; 2] = [0x4_0000, 0x4_1000];

    /// Two workers; the first one's queue has the tasks 0xa000 and 0xb000 at the ring's end.
    fn image() -> Image {
        let pieces =
            [HANDLE, SLICE, 0x3_0000, 0x4_0000, 0xa_0000].map(|start| (start, vec![0; 0x2000]));
        let mut image = Image::new(pieces);
        let mut set = |address, word| image.set_word(address, word);
        set(HANDLE + 0x40, SLICE);
        set(HANDLE + 0x48, 2);
        for worker in 0..2 {
            let queue = QUEUES[worker];
            // The parker first, then the queue.
            set(SLICE + worker as u64 * 16, 0x3_0800 + worker as u64 * 0x80);
            set(SLICE + worker as u64 * 16 + 8, queue);
            for (at, word) in [(0, 2), (8, 1), (16, RINGS[worker])] {
                set(queue + at, word);
            }
        }
        set(QUEUES[0] + 24, 255 | 255 << 32);
        // The bytes behind the number are padding.
        set(QUEUES[0] + 32, 257 | 0xdead << 32);
        set(RINGS[0] + 255 * 8, 0xa000);
        set(RINGS[0], 0xb000);
        image
    }

    #[test]
    fn queue_is_read_across_the_end_of_its_ring() {
        let image = image();
        let queues = LocalQueues::find(&image, HANDLE, 2).expect("queues");
        assert_eq!(queues.queues, QUEUES);
        let contents = queues.read(&image).expect("queues");
        assert_eq!(contents.tasks, [vec![0xa000, 0xb000], vec![]]);
        assert!(queues.are_unchanged(&image, &contents));
        let mut later = image.clone();
        later.set_word(QUEUES[0] + 24, 256 | 256 << 32);
        assert!(!queues.are_unchanged(&later, &contents));
        assert_eq!(LocalQueues::find(&image, HANDLE, 3), None);
        assert_eq!(LocalQueues::find(&image, HANDLE, 0), None);
    }

    #[test]
    fn memory_without_queues_is_rejected() {
        let wrong = [
            (QUEUES[1] + 16, RINGS[0], "one ring for two workers"),
            (QUEUES[1] + 16, 0x9999_0000, "a ring that cannot be read"),
            (QUEUES[1] + 32, 300, "more tasks than fit"),
            (QUEUES[1], 0, "freed"),
            (SLICE + 24, QUEUES[0], "one queue for two workers"),
        ];
        for (address, word, reason) in wrong {
            let mut image = image();
            image.set_word(address, word);
            assert_eq!(LocalQueues::find(&image, HANDLE, 2), None, "{reason}");
        }
    }

    #[test]
    fn lifo_slot_is_found_in_the_core_with_the_queue() {
        let mut image = image();
        let (context, core) = (0xa_0000, 0xa_0400);
        for (address, word) in [(context + 16, core), (core + 8, 0xb000), (core + 24, QUEUES[1])] {
            image.set_word(address, word);
        }
        let queues = LocalQueues::find(&image, HANDLE, 2).expect("queues");
        let scheduled = HashSet::from([0xb000]);
        let near = [0, 7, context, u64::MAX - 7];
        assert_eq!(queues.lifo_slot(&image, 1, &near, &scheduled), Some(0xb000));
        assert_eq!(queues.lifo_slot(&image, 0, &near, &scheduled), None, "another worker's core");
        assert_eq!(queues.lifo_slot(&image, 1, &near, &HashSet::new()), None);
        assert_eq!(queues.lifo_slot(&image, 2, &near, &scheduled), None);
    }

    #[test]
    fn injection_queue_consists_of_scheduled_tasks() {
        let [first, second, third] = [0xa_0800, 0xa_0900, 0xa_0a00];
        let mut image = image();
        let ends = HANDLE + 0x100;
        for (address, word) in
            [(ends, first), (ends + 8, third), (first + 8, second), (second + 8, third)]
        {
            image.set_word(address, word);
        }
        let scheduled = HashSet::from([first, second, third, 0xb000]);
        let none = HashSet::new();
        let found = injection_queue(&image, HANDLE, &scheduled, &none);
        assert_eq!(found, Some(vec![first, second, third]));
        assert_eq!(injection_queue(&image, HANDLE, &scheduled, &HashSet::from([ends])), None);
        assert_eq!(injection_queue(&image, HANDLE, &HashSet::from([first, third]), &none), None);
        // A cycle.
        image.set_word(second + 8, first);
        assert_eq!(injection_queue(&image, HANDLE, &scheduled, &none), None);
        image.set_word(second + 8, third);
        image.set_word(third + 8, first);
        assert_eq!(
            injection_queue(&image, HANDLE, &scheduled, &none),
            None,
            "the list continues after its tail"
        );
    }
}
