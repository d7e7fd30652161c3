//! Identity and memory of the process that is read.
//!
//! A process id is reused once its process has ended and has been waited for. Three things identify
//! the process that was opened: a pidfd shows whether it has ended, its start time whether its id was
//! reused before, and its opened memory whether it has called `exec`. Each batch of reads is followed
//! by [`Identity::verify`]; a result is used only if that succeeds.

use std::{
    fs::File,
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
    process::{rights::Access, stat::Stat},
    sys::{MAX_SPANS, process_vm_readv},
};

/// Maximum number of bytes copied by one call, so that a call stays short.
const MAX_CALL_BYTES: usize = 4 << 20;

/// A process, as long as it runs the program that it ran when it was opened.
#[derive(Debug)]
pub(crate) struct Identity {
    pid: u32,
    pidfd: OwnedFd,
    start_time: u64,
    /// `/proc/PID/mem`: the address space at the time of opening. Unreadable once that is gone.
    memory: File,
    /// An address that is mapped as long as the program runs.
    anchor: u64,
}

impl Identity {
    /// Opens a process for reading. [`Identity::set_anchor`] has to be called before memory is read.
    pub(crate) fn open(pid: u32) -> Result<Self, OpenError> {
        let not_found = || OpenError::NotFound { pid };
        let id = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(not_found)?;
        let pidfd = match pidfd_open(id, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(rustix::io::Errno::SRCH) => return Err(not_found()),
            // The id of a thread that is not a process; the error depends on the kernel's version.
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
    /// whether the memory can be read.
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

    /// Like [`Identity::verify`], but with only two system calls if it succeeds.
    pub(crate) fn verify_quickly(&self) -> Result<(), InspectError> {
        let mut byte = [0];
        let is_same = self.is_running()
            && self.memory.read_at(&mut byte, self.anchor).is_ok_and(|read| read == 1);
        if is_same { Ok(()) } else { self.verify() }
    }

    /// Whether the whole process is stopped, as by SIGSTOP; `false` if it has ended.
    pub(crate) fn is_stopped(&self) -> bool {
        // Its first thread has the state of all, and less to read than the process.
        let path = self.path(&format!("task/{}/stat", self.pid));
        Stat::read_at(&path).is_ok_and(|stat| stat.state == 'T')
    }

    fn is_running(&self) -> bool {
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let timeout = Timespec { tv_sec: 0, tv_nsec: 0 };
        // An error does not prove that the process is running.
        poll(&mut fds, Some(&timeout)) == Ok(0)
    }

    fn verify_process(&self) -> Result<(), InspectError> {
        let ended = InspectError::Ended { pid: self.pid };
        if !self.is_running() {
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

    fn gather(&self, spans: &[Span], mut buffer: &mut [u8]) -> Vec<bool> {
        let mut complete = Vec::with_capacity(spans.len());
        while complete.len() < spans.len() {
            let rest = &spans[complete.len()..];
            let batch = &rest[..rest.len().min(MAX_SPANS)];
            let length: usize = batch.iter().map(|span| span.length).sum();
            let mut read = process_vm_readv(self.pid, batch, &mut buffer[..length]).unwrap_or(0);
            // A call copies whole spans and ends before the first unreadable one, which is skipped.
            for span in batch {
                let (part, rest) = buffer.split_at_mut(span.length);
                buffer = rest;
                complete.push(read >= span.length);
                if read < span.length {
                    part.fill(0);
                    break;
                }
                read -= span.length;
            }
        }
        complete
    }
}

/// The error if the memory of a process cannot be opened or read.
fn denied(pid: u32, error: io::Error) -> OpenError {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            OpenError::Denied { pid, reason: Access::examine(pid).explain() }
        }
        Some(libc::ESRCH | libc::ENOENT) => OpenError::NotFound { pid },
        _ => OpenError::Io { pid, what: "mem", source: error },
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::process::maps::Maps;

    #[test]
    fn process_that_has_ended_is_not_read() {
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
    fn process_that_calls_exec_is_not_read_any_longer() {
        let mut child = Command::new("sh")
            .args(["-c", "read line; exec sleep 60"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let command = |pid| Stat::read(pid).expect("it runs").name;
        let mut identity = Identity::open(child.id()).expect("own child");
        // Before `exec`, the child is a copy of this program, and during the call it has no memory.
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

    /// A process with the same id and another start time is another process.
    #[test]
    fn reused_process_id_is_detected() {
        let mut identity = Identity::open(std::process::id()).expect("this process");
        identity.verify_process().expect("it runs");
        identity.start_time -= 1;
        assert!(matches!(identity.verify(), Err(InspectError::Ended { .. })));
    }

    #[test]
    fn only_unreadable_spans_are_left_out() {
        let mut identity = Identity::open(std::process::id()).expect("this process");
        let value = 0x1234_5678_u64;
        identity.set_anchor(&raw const value as u64).expect("own memory");
        let mapped = Span { address: &raw const value as u64, length: 8 };
        let unmapped = Span { address: 16, length: 8 };
        let mut buffer = [1; 32];
        assert_eq!(
            identity.gather(&[unmapped, mapped, unmapped, mapped], &mut buffer),
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
