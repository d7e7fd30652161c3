//! Identity and memory of the process that is read.
//!
//! A process id is reused once its process has ended and been waited for. Three handles tie the
//! reader to one process: a pidfd (has it ended?), its start time (is it the one that was
//! looked up?) and its opened memory (has it called `exec`?). Each batch of reads is followed by
//! [`Identity::verify`]; a result is used only if that succeeds.

use std::{
    fs::{self, File},
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
    path::PathBuf,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

use crate::{
    error::{InspectError, OpenError},
    memory::{Memory, Span},
    process::rights,
    sys::{MAX_SPANS, process_vm_readv},
};

/// Bytes copied by one call at most, so that a call stays short.
const MAX_CALL_BYTES: usize = 4 << 20;

/// One process, for as long as it runs the program it ran when it was opened.
#[derive(Debug)]
pub(crate) struct Identity {
    pid: u32,
    pidfd: OwnedFd,
    start_time: u64,
    /// The address space at the time of opening. Reads nothing once that is gone.
    memory: File,
    /// An address that is mapped as long as the program runs.
    anchor: u64,
}

impl Identity {
    /// Opens a process for reading. `anchor` is found from its mappings later.
    pub(crate) fn open(pid: u32) -> Result<Self, OpenError> {
        let not_found = || OpenError::NotFound { pid };
        let id = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(not_found)?;
        let pidfd = match pidfd_open(id, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(rustix::io::Errno::SRCH) => return Err(not_found()),
            // A thread's id that is not a process id, depending on the kernel's version.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {
                return Err(OpenError::NoMemory { pid, reason: "it is a thread of a process" });
            }
            Err(error) => return Err(OpenError::Io { pid, what: "pidfd", source: error.into() }),
        };
        let stat = Stat::read(pid).map_err(|source| OpenError::Io { pid, what: "stat", source })?;
        match stat.state {
            'Z' | 'X' => return Err(OpenError::NoMemory { pid, reason: "it has ended (zombie)" }),
            _ if stat.is_kernel_thread => {
                return Err(OpenError::NoMemory { pid, reason: "it is a kernel thread" });
            }
            _ => {}
        }
        let memory = File::open(format!("/proc/{pid}/mem")).map_err(|error| denied(pid, error))?;
        let identity = Identity { pid, pidfd, start_time: stat.start_time, memory, anchor: 0 };
        identity.verify_process()?;
        Ok(identity)
    }

    /// Sets the address whose readability shows that the program is still the same, and tests
    /// that memory can be read at all.
    pub(crate) fn set_anchor(&mut self, anchor: u64) -> Result<(), OpenError> {
        self.anchor = anchor;
        let mut byte = [0];
        let span = Span { address: anchor, length: 1 };
        match process_vm_readv(self.pid, &[span], &mut byte) {
            Ok(_) => Ok(self.verify()?),
            Err(error) => Err(denied(self.pid, error)),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// A file below `/proc/PID`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }

    /// Confirms that everything read so far came from this process and its first program.
    pub(crate) fn verify(&self) -> Result<(), InspectError> {
        self.verify_process()?;
        let mut byte = [0];
        match self.memory.read_at(&mut byte, self.anchor) {
            Ok(1) => Ok(()),
            _ => {
                self.verify_process()?;
                // A process that ends releases its memory first.
                match Stat::read(self.pid) {
                    Ok(stat) if !stat.is_ending() => Err(InspectError::Replaced { pid: self.pid }),
                    _ => Err(InspectError::Ended { pid: self.pid }),
                }
            }
        }
    }

    /// Like [`Identity::verify`], with two system calls: for frequent reads.
    pub(crate) fn verify_quickly(&self) -> Result<(), InspectError> {
        let mut byte = [0];
        let is_same = self.has_not_ended()
            && self.memory.read_at(&mut byte, self.anchor).is_ok_and(|read| read == 1);
        if is_same { Ok(()) } else { self.verify() }
    }

    fn has_not_ended(&self) -> bool {
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        // An error does not prove that the process still runs.
        poll(&mut fds, Some(&now)) == Ok(0)
    }

    fn verify_process(&self) -> Result<(), InspectError> {
        let ended = InspectError::Ended { pid: self.pid };
        if !self.has_not_ended() {
            return Err(ended);
        }
        match Stat::read(self.pid) {
            Ok(stat) if stat.start_time == self.start_time => Ok(()),
            _ => Err(ended),
        }
    }
}

impl Memory for Identity {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buffer.len() {
            let length = (buffer.len() - done).min(MAX_CALL_BYTES);
            let Some(address) = address.checked_add(done as u64) else { break };
            let part = &mut buffer[done..done + length];
            match process_vm_readv(self.pid, &[Span { address, length }], part) {
                Ok(read) if read == length => done += read,
                Ok(read) => return done + read,
                Err(_) => break,
            }
        }
        done
    }

    fn gather(&self, spans: &[Span], buffer: &mut [u8]) -> Vec<bool> {
        let mut complete = Vec::with_capacity(spans.len());
        let mut at = 0;
        while complete.len() < spans.len() {
            let rest = &spans[complete.len()..];
            let batch = &rest[..rest.len().min(MAX_SPANS)];
            let length: usize = batch.iter().map(|span| span.length).sum();
            let part = &mut buffer[at..at + length];
            let mut read = process_vm_readv(self.pid, batch, part).unwrap_or(0);
            // Whole spans were copied; the next one cannot be read and is skipped.
            for span in batch {
                let place = at..at + span.length;
                at = place.end;
                complete.push(read >= span.length);
                if read < span.length {
                    buffer[place].fill(0);
                    break;
                }
                read -= span.length;
            }
        }
        complete
    }
}

fn denied(pid: u32, error: io::Error) -> OpenError {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            OpenError::Denied { pid, reason: rights::Access::examine(pid).explain() }
        }
        Some(libc::ESRCH | libc::ENOENT) => OpenError::NotFound { pid },
        _ => OpenError::Io { pid, what: "mem", source: error },
    }
}

/// The fields used of `/proc/PID/stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Name of the program or thread, at most 15 bytes.
    pub name: String,
    /// `R` running, `S` sleeping, …
    pub state: char,
    /// Process id of its parent.
    pub parent: u32,
    /// CPU time so far, user and system, in clock ticks.
    pub cpu_ticks: u64,
    /// In clock ticks since boot.
    pub start_time: u64,
    pub is_kernel_thread: bool,
    /// Whether it is exiting.
    is_exiting: bool,
}

impl Stat {
    fn is_ending(&self) -> bool {
        self.is_exiting || matches!(self.state, 'Z' | 'X')
    }

    pub(crate) fn read(pid: u32) -> io::Result<Stat> {
        Stat::read_at(&PathBuf::from(format!("/proc/{pid}/stat")))
    }

    pub(crate) fn read_at(path: &std::path::Path) -> io::Result<Stat> {
        let text = fs::read(path)?;
        Stat::parse(&String::from_utf8_lossy(&text))
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an unknown format"))
    }

    /// The name is in parentheses and may itself contain parentheses and spaces.
    fn parse(text: &str) -> Option<Stat> {
        const EXITING: u64 = 0x4;
        const KERNEL_THREAD: u64 = 0x0020_0000;
        let (head, rest) = text.rsplit_once(')')?;
        let (_, name) = head.split_once('(')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Numbered from 1 in proc(5), where the state is field 3.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Stat {
            name: name.to_owned(),
            state: fields.first()?.chars().next()?,
            parent: number(4)?.try_into().ok()?,
            cpu_ticks: number(14)?.saturating_add(number(15)?),
            start_time: number(22)?,
            is_kernel_thread: number(9)? & KERNEL_THREAD != 0,
            is_exiting: number(9)? & EXITING != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::process::maps::Maps;

    #[test]
    fn process_name_may_contain_parentheses_and_spaces() {
        let text = "7 (a) R (b) S 1 7 7 0 -1 4194304 9 0 0 0 30 12 0 0 20 0 1 0 4711 1 1";
        let stat = Stat::parse(text).expect("a valid line");
        assert_eq!(stat.name, "a) R (b");
        assert_eq!((stat.state, stat.cpu_ticks, stat.start_time), ('S', 42, 4711));
        assert!(!stat.is_ending() && !stat.is_kernel_thread);
        let exiting = Stat::parse(&text.replace("4194304", "4194308")).expect("a valid line");
        assert!(exiting.is_ending());
        let zombie = Stat::parse(&text.replace(") S 1", ") Z 1")).expect("a valid line");
        assert!(zombie.is_ending());
        assert_eq!(Stat::parse("7 (a) S 1 2"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn a_process_that_ended_is_never_read() {
        let mut child =
            Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().expect("sleep starts");
        let identity = Identity::open(child.id()).expect("own child");
        identity.verify_process().expect("it runs");
        child.kill().expect("own child");
        child.wait().expect("own child");
        assert!(matches!(identity.verify(), Err(InspectError::Ended { .. })));
        assert!(matches!(identity.verify_quickly(), Err(InspectError::Ended { .. })));
        assert!(matches!(Identity::open(child.id()), Err(OpenError::NotFound { .. })));
    }

    #[test]
    fn process_that_calls_exec_is_no_longer_read() {
        let mut child = Command::new("sh")
            .args(["-c", "read line; exec sleep 60"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let command = |pid| Stat::read(pid).expect("it runs").name;
        let mut identity = Identity::open(child.id()).expect("own child");
        // Until the child itself has called exec, it is a copy of this program, and during the
        // call it has no memory.
        let anchor = loop {
            let maps = Maps::read(&identity.path("maps")).expect("own child");
            let file = maps.iter().find(|mapping| mapping.inode != 0).cloned();
            match file.filter(|_| command(child.id()) == "sh") {
                Some(file) => break file,
                None => std::thread::yield_now(),
            }
        };
        identity.memory = File::open(identity.path("mem")).expect("own child");
        identity.set_anchor(anchor.range.start).expect("own child");
        drop(child.stdin.take());
        while command(child.id()) != "sleep" {
            std::thread::yield_now();
        }
        let result = identity.verify_quickly();
        child.kill().expect("own child");
        child.wait().expect("own child");
        assert!(matches!(result, Err(InspectError::Replaced { .. })), "{result:?}");
    }

    /// The same id with another start time is another process.
    #[test]
    fn reused_process_id_is_detected() {
        let mut identity = Identity::open(std::process::id()).expect("this process");
        identity.verify_process().expect("it runs");
        identity.start_time -= 1;
        assert!(matches!(identity.verify(), Err(InspectError::Ended { .. })));
    }

    #[test]
    fn unreadable_spans_are_skipped_and_the_others_read() {
        let mut identity = Identity::open(std::process::id()).expect("this process");
        let value = 0x1234_5678_u64;
        identity.set_anchor(&raw const value as u64).expect("own memory");
        let good = Span { address: &raw const value as u64, length: 8 };
        let bad = Span { address: 16, length: 8 };
        let mut buffer = [1; 32];
        assert_eq!(
            identity.gather(&[bad, good, bad, good], &mut buffer),
            [false, true, false, true]
        );
        let words: Vec<u64> = crate::memory::words_of(&buffer).collect();
        assert_eq!(words, [0, value, 0, value]);
    }

    #[test]
    fn invalid_process_ids_are_rejected() {
        for pid in [0, u32::MAX, i32::MAX as u32] {
            assert!(matches!(Identity::open(pid), Err(OpenError::NotFound { .. })), "{pid}");
        }
    }
}
