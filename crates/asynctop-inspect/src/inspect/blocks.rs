//! Thread-local blocks, and the offsets and addresses found in them.

/// The thread-local block of one thread for one module.
#[derive(Debug)]
pub(super) struct Block {
    pub tid: u32,
    /// Index of the module with its copy of Tokio.
    pub module: usize,
    pub address: u64,
    pub words: Vec<u64>,
}

/// The address of a thread's current task id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CurrentWord {
    pub tid: u32,
    /// Index of the module with its copy of Tokio.
    pub module: usize,
    pub address: u64,
}

/// Pointers that may lead to the context of a thread's scheduler.
#[derive(Clone, Debug)]
pub(crate) struct Contexts {
    pub tid: u32,
    /// The handle of the runtime that the thread is in.
    pub handle: u64,
    /// The pointers near the handle in its block, with their distance from it in words.
    pub pointers: Vec<(isize, u64)>,
}

/// Offsets within the thread-local blocks of one copy of Tokio, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offsets {
    /// Pointer to the handle of the runtime that the thread is in.
    pub handle: usize,
    /// Id of the current task.
    pub current: usize,
}
