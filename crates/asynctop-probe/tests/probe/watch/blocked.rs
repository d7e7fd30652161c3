//! A task that blocks its worker in a system call gets its stack captured, and the call behaves as
//! without the watchdog.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![allow(unsafe_code)]

use std::{
    io::{self, Read, Write},
    os::{fd::AsRawFd, unix::net::UnixStream},
    ptr,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use asynctop_probe::{
    Registry,
    watch::{Cause, PollRecord, WatchHandle, WatchOptions, Watchdog},
};
use tokio::runtime::{Builder, Runtime};

struct Setup {
    registry: &'static Registry,
    watchdog: Watchdog,
    runtime: Runtime,
}

impl Setup {
    fn new() -> Self {
        let registry = Registry::leak();
        let watchdog = Watchdog::start(registry, WatchOptions::default()).unwrap();
        assert_eq!(watchdog.handle().no_stacks(), None, "stacks are available");
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        Setup { registry, watchdog, runtime }
    }

    /// Spawns a task whose only poll runs `work`; returns its key and the receiver of the result.
    fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> (u64, mpsc::Receiver<T>) {
        let (result, results) = mpsc::channel();
        let task = self.registry.instrument_task("client", async move {
            result.send(work()).unwrap();
        });
        let key = task.key();
        self.runtime.spawn(task);
        (key, results)
    }

    fn handle(&self) -> &WatchHandle {
        self.watchdog.handle()
    }
}

/// Number of captured stacks of a task that is in a system call; 0 for other tasks.
fn captures(poll: &PollRecord) -> u32 {
    if matches!(poll.cause(), Cause::Call(_)) { poll.captures() } else { 0 }
}

/// Captures the stack of a thread in `call`, which waits for a byte, several times, and then sends
/// the byte: the call must succeed.
fn assert_succeeds(call: impl Fn(&mut UnixStream) -> io::Result<usize> + Send + Sync + 'static) {
    let setup = Setup::new();
    let call = Arc::new(call);
    for _ in 0..10 {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let call = call.clone();
        let (task, results) = setup.spawn(move || call(&mut here));
        let before = setup.handle().stats();
        let result = loop {
            let poll = setup.handle().current(task);
            if poll.is_some_and(|poll| captures(&poll) >= 3) {
                there.write_all(&[1]).unwrap();
                break results.recv().unwrap();
            }
            match results.recv_timeout(Duration::from_millis(1)) {
                Ok(result) => break result,
                Err(_) => continue,
            }
        };
        match result {
            Ok(ready) => return assert_eq!(ready, 1),
            // The thread ran when it was sampled and blocked before the signal arrived. This is
            // rare, and it is counted.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::Interrupted),
        }
        while setup.handle().stats().interrupted_calls == before.interrupted_calls {
            thread::yield_now();
        }
    }
    panic!("each call was interrupted");
}

fn result(returned: i32) -> io::Result<usize> {
    usize::try_from(returned).map_err(|_| io::Error::last_os_error())
}

#[test]
fn read_with_a_timeout_succeeds() {
    assert_succeeds(|socket| {
        socket.set_read_timeout(Some(Duration::from_secs(3600))).unwrap();
        socket.read(&mut [0])
    });
}

#[test]
fn poll_succeeds() {
    assert_succeeds(|socket| {
        let mut wanted = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: a valid array of one descriptor.
        result(unsafe { libc::poll(&raw mut wanted, 1, -1) })
    });
}

#[test]
fn select_succeeds() {
    assert_succeeds(|socket| {
        // SAFETY: a set of zeros is empty; the descriptor is one of the first 1024.
        unsafe {
            let mut set: libc::fd_set = std::mem::zeroed();
            libc::FD_SET(socket.as_raw_fd(), &raw mut set);
            let none = ptr::null_mut();
            result(libc::select(socket.as_raw_fd() + 1, &raw mut set, none, none, ptr::null_mut()))
        }
    });
}

#[test]
fn epoll_wait_succeeds() {
    assert_succeeds(|socket| {
        // SAFETY: the pointers to the event are valid.
        unsafe {
            let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
            let socket = socket.as_raw_fd();
            assert_eq!(libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket, &raw mut event), 0);
            let ready = result(libc::epoll_wait(epoll, &raw mut event, 1, -1));
            libc::close(epoll);
            ready
        }
    });
}

#[inline(never)]
fn read_reply(socket: &mut UnixStream) -> usize {
    socket.read(&mut [0]).unwrap()
}

#[test]
fn blocked_thread_is_captured_repeatedly_without_a_signal() {
    let setup = Setup::new();
    let (mut here, there) = UnixStream::pair().unwrap();
    let (task, results) = setup.spawn(move || read_reply(&mut here));
    let until = |count: u32| loop {
        match setup.handle().current(task).filter(|poll| captures(poll) >= count) {
            Some(poll) => return poll,
            None => thread::sleep(Duration::from_millis(1)),
        }
    };
    let first = until(1);
    // The first captures may have been made by a signal; it is blocked by now.
    let signals = setup.handle().stats().signals;
    let poll = until(first.captures() + 5);
    assert_eq!(setup.handle().stats().signals, signals);
    let evidence = poll.long_poll();
    assert_eq!(evidence.function(), Some("blocked::read_reply"));
    assert_eq!(poll.cause().to_string(), "reading (recvfrom)");
    assert_eq!(evidence.stack.unwrap().cut, None, "complete");
    drop(there);
    assert_eq!(results.recv().unwrap(), 0);
}
