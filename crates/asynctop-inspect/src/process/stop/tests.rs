//! Stops threads of real processes, and checks that none is left stopped.

use std::{
    fs,
    io::Read,
    process::{Child, Command, Stdio},
    thread,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    helper::{now, ptrace},
    *,
};
use crate::{
    memory::MemoryExt,
    process::{maps::Maps, stat::Stat},
};

/// A process that never blocks. A word of its memory stands for the id of its current task.
struct Spinning {
    child: Child,
    identity: Identity,
    current_word: u64,
    task: u64,
}

const SPIN: &str = "while :; do :; done";

impl Spinning {
    fn start(script: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().expect("sh starts");
        // Before `exec`, the child is a copy of this program, and during the call it has no memory.
        loop {
            let name = Stat::read(child.id()).expect("it runs").name;
            let identity = Identity::open(child.id()).expect("own child");
            let maps = Maps::read(&identity.path("maps")).expect("own child");
            let file = maps.iter().find(|mapping| mapping.inode != 0 && mapping.readable);
            let current_word = file.map_or(0, |file| file.range.start);
            match identity.word(current_word) {
                Some(task) if name == "sh" => {
                    return Spinning { child, identity, current_word, task };
                }
                _ => thread::yield_now(),
            }
        }
    }

    fn tid(&self) -> u32 {
        self.child.id()
    }

    fn job(&self, syscall: &File) -> Job {
        let (pid, syscall) = (self.tid() as pid_t, syscall.as_raw_fd());
        Job { pid, tid: pid, syscall, current_word: self.current_word, task: self.task }
    }

    /// Returns once it runs and is not traced: never if it was left stopped.
    fn wait_until_it_runs(&self) {
        let path = self.identity.path("schedstat");
        let cpu_time = || fs::read_to_string(&path).expect("it runs");
        let before = cpu_time();
        while is_traced(&self.identity, self.tid()) || cpu_time() == before {
            thread::yield_now();
        }
    }
}

impl Drop for Spinning {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn running_thread_is_copied_and_resumed() {
    let spinning = Spinning::start(SPIN);
    let Spinning { identity, current_word, task, .. } = &spinning;
    let copied = loop {
        match stop(identity, spinning.tid(), *current_word, *task) {
            Ok(copied) => break copied,
            // Without a CPU for a while, or in the kernel.
            Err(NotStopped::Failed | NotStopped::Changed) => {}
            Err(error) => panic!("{error:?}"),
        }
    };
    assert!(!copied.bytes.is_empty());
    spinning.wait_until_it_runs();
    let other = stop(identity, spinning.tid(), *current_word, task + 1);
    assert_eq!(other.err(), Some(NotStopped::Changed), "it polls another task");
    assert_eq!(stop(identity, spinning.tid(), 8, 0).err(), Some(NotStopped::Changed));
}

/// A signal that arrives while the thread is seized stops it, and is delivered in any case.
#[test]
fn signal_is_delivered_if_the_helper_is_killed() {
    let script = "trap echo USR1; echo; while :; do :; done";
    let mut spinning = Spinning::start(script);
    let mut lines = spinning.child.stdout.take().expect("a pipe");
    let mut read_line = || {
        let mut fds = [PollFd::new(&lines, PollFlags::IN)];
        let timeout = Timespec { tv_sec: 60, tv_nsec: 0 };
        assert_eq!(poll(&mut fds, Some(&timeout)).expect("a pipe"), 1, "the signal is lost");
        lines.read_exact(&mut [0]).expect("it runs");
    };
    read_line();
    let path = format!("task/{}/syscall", spinning.tid());
    let syscall = File::open(spinning.identity.path(&path)).expect("own child");
    for round in 0..1000_u32 {
        let shared = SharedReport::new().expect("memory");
        let helper = start_helper(&spinning.job(&syscall), &shared).expect("a process");
        let wait = |micros: u32| thread::sleep(Duration::from_micros(micros.into()));
        wait(round * 7919 % 503);
        // SAFETY: own children that have not been waited for.
        unsafe { libc::kill(spinning.tid() as pid_t, libc::SIGUSR1) };
        wait(round * 104_729 % 211);
        // SAFETY: as above.
        unsafe { libc::kill(helper, libc::SIGKILL) };
        wait_for(helper);
        read_line();
    }
}

#[test]
fn traced_and_ended_threads_are_not_stopped() {
    let mut spinning = Spinning::start(SPIN);
    let (current_word, task, tid) = (spinning.current_word, spinning.task, spinning.tid());
    thread::scope(|scope| {
        let tracer = scope.spawn(|| {
            // SAFETY: neither reads nor writes memory. The end of this thread undoes it.
            assert_eq!(unsafe { ptrace(libc::PTRACE_SEIZE, tid as pid_t, 0) }, 0);
            stop(&spinning.identity, tid, current_word, task).err()
        });
        assert_eq!(tracer.join().expect("no panic"), Some(NotStopped::Traced));
    });
    spinning.child.kill().expect("own child");
    spinning.child.wait().expect("own child");
    assert_eq!(stop(&spinning.identity, tid, current_word, task).err(), Some(NotStopped::Gone));
}

#[test]
fn killed_helper_leaves_no_thread_stopped() {
    let spinning = Spinning::start(SPIN);
    let path = format!("task/{}/syscall", spinning.tid());
    let syscall = File::open(spinning.identity.path(&path)).expect("own child");
    let mut outcomes = [0; 5];
    for round in 0..1000_u32 {
        let shared = SharedReport::new().expect("memory");
        let helper = start_helper(&spinning.job(&syscall), &shared).expect("a process");
        // Any moment of its work, which takes some 100 µs.
        let began = now();
        while now() - began < u64::from(round * 7919 % 1009) * 400 {
            std::hint::spin_loop();
        }
        // SAFETY: an own child that has not been waited for.
        unsafe { libc::kill(helper, libc::SIGKILL) };
        wait_for(helper);
        outcomes[shared.get().outcome as usize] += 1;
        spinning.wait_until_it_runs();
    }
    assert_eq!(outcomes[GONE as usize] + outcomes[DENIED as usize], 0, "{outcomes:?}");
}
