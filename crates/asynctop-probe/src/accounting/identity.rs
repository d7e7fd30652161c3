//! The identity of a task: its number, its name, and its spawn location.

use std::{
    panic::Location,
    sync::atomic::{AtomicU64, Ordering},
};

use asynctop_snapshot::text::sanitize;

/// A task's name. Short ones are stored without an allocation.
#[derive(Debug)]
pub(crate) enum Name {
    Inline { len: u8, bytes: [u8; Name::INLINE] },
    Static(&'static str),
    Heap(Box<str>),
}

impl Name {
    const INLINE: usize = 22;

    /// Sanitizes a name given by the program.
    pub(crate) fn new(name: &str) -> Self {
        let name = sanitize(name);
        if name.len() > Self::INLINE {
            return Name::Heap(name.into_owned().into());
        }
        let mut bytes = [0; Self::INLINE];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Name::Inline { len: name.len() as u8, bytes }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            // The bytes were copied from a `str`, so this never fails.
            Name::Inline { len, bytes } => {
                std::str::from_utf8(&bytes[..usize::from(*len)]).unwrap_or_default()
            }
            Name::Static(name) => name,
            Name::Heap(name) => name,
        }
    }
}

/// The properties of a task that are known when it is spawned.
#[derive(Debug)]
pub(crate) struct Identity {
    pub name: Name,
    pub location: &'static Location<'static>,
    /// The number shown to users, counted from 1 per registry.
    pub id: u64,
    pub future_size: u32,
    /// Number of the runtime that the task was spawned on, where the spawner knows it; 0 otherwise.
    /// Tasks of different runtimes never delay each other.
    pub runtime: u32,
}

/// Numbers the tasks of a registry.
#[derive(Debug, Default)]
pub(crate) struct Ids(AtomicU64);

impl Ids {
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}
