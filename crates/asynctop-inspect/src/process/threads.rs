//! The threads of a process and their activity, read without stopping them.

use std::fs;

use asynctop_stack::Activity;

use crate::process::{identity::Identity, stat::Stat};

/// Maximum number of threads. The kernel allows fewer by default.
const MAX_THREADS: usize = 1 << 16;

/// A thread at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub tid: u32,
    /// The thread's id in its own PID namespace.
    pub own_tid: u32,
    pub name: String,
    /// The kernel's letter: `R`, `S`, `D`, …
    pub state: char,
    /// `None` if it could not be read.
    pub activity: Option<Activity>,
}

impl Thread {
    /// The stack pointer, if it is blocked.
    pub(crate) fn stack_pointer(&self) -> Option<u64> {
        match self.activity? {
            Activity::Blocked { stack_pointer, .. } => Some(stack_pointer),
            Activity::Running => None,
        }
    }
}

/// All threads, by id.
pub(crate) fn list(identity: &Identity) -> Vec<Thread> {
    let Ok(entries) = fs::read_dir(identity.path("task")) else { return Vec::new() };
    // Threads have another id of their own only in another PID namespace.
    let is_nested = own_tid(identity, identity.pid()).is_some_and(|own| own != identity.pid());
    let tids = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .take(MAX_THREADS);
    let mut threads: Vec<Thread> = tids.filter_map(|tid| read(identity, tid, is_nested)).collect();
    threads.sort_by_key(|thread| thread.tid);
    threads
}

fn read(identity: &Identity, tid: u32, is_nested: bool) -> Option<Thread> {
    let stat = Stat::read_at(&identity.path(&format!("task/{tid}/stat"))).ok()?;
    Some(Thread {
        tid,
        own_tid: is_nested.then(|| own_tid(identity, tid)).flatten().unwrap_or(tid),
        name: stat.name,
        state: stat.state,
        activity: activity(identity, tid),
    })
}

/// The current activity of a thread, from `/proc/PID/task/TID/syscall`.
pub(crate) fn activity(identity: &Identity, tid: u32) -> Option<Activity> {
    Activity::parse(&fs::read_to_string(identity.path(&format!("task/{tid}/syscall"))).ok()?)
}

fn own_tid(identity: &Identity, tid: u32) -> Option<u32> {
    let status = fs::read(identity.path(&format!("task/{tid}/status"))).ok()?;
    String::from_utf8_lossy(&status)
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:")?.split_ascii_whitespace().last()?.parse().ok())
}

/// The name of a system call, if it is one in which threads spend time; else its number.
pub(crate) fn syscall_name(number: u64) -> String {
    let name = asynctop_stack::syscall_name(number);
    name.map_or_else(|| format!("system call {number}"), str::to_owned)
}
