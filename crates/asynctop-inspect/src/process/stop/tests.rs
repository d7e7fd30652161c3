//! Threads of real processes are stopped, and never left stopped.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
};

use super::{
    helper::{now, ptrace},
    *,
};
use crate::{
    memory::MemoryExt,
    process::{identity::Stat, maps::Maps},
};

/// A process that runs all the time, and a word of its memory with its value, which stands for
/// the current task.
struct Spinning {
    child: Child,
    identity: Identity,
    current: u64,
    task: u64,
}

impl Spinning {
    fn start() -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
        let child = command.spawn().expect("sh starts");
        // Until the child has called exec, it is a copy of this program, and during the call
        // it has no memory.
        loop {
            let name = Stat::read(child.id()).expect("it runs").name;
            let identity = Identity::open(child.id()).expect("own child");
            let maps = Maps::read(&identity.path("maps")).expect("own child");
            let file = maps.iter().find(|mapping| mapping.inode != 0 && mapping.readable);
            let current = file.map_or(0, |file| file.range.start);
            match identity.word(current) {
                Some(task) if name == "sh" => {
                    return Spinning { child, identity, current, task };
                }
                _ => thread::yield_now(),
            }
        }
    }

    fn tid(&self) -> u32 {
        self.child.id()
    }

    fn job(&self, state: &File) -> Job {
        let id = self.tid() as pid_t;
        Job { pid: id, tid: id, state: state.as_raw_fd(), current: self.current, task: self.task }
    }

    /// Returns when it goes on and nobody traces it: never if it was left stopped.
    fn wait_until_it_runs(&self) {
        let path = |name| self.identity.path(name);
        let time = || fs::read_to_string(path("schedstat")).expect("it runs");
        let before = time();
        while is_traced(&self.identity, self.tid()) || time() == before {
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
fn a_running_thread_is_copied_and_goes_on() {
    let spinning = Spinning::start();
    let Spinning { identity, current, task, .. } = &spinning;
    let copied = loop {
        match stop(identity, spinning.tid(), *current, *task) {
            Ok(copied) => break copied,
            // Without a CPU for a while, or in the kernel.
            Err(NotStopped::Failed | NotStopped::Changed) => {}
            Err(error) => panic!("{error:?}"),
        }
    };
    assert!(!copied.bytes.is_empty());
    spinning.wait_until_it_runs();
    let other = stop(identity, spinning.tid(), *current, task + 1);
    assert_eq!(other.err(), Some(NotStopped::Changed), "it polls another task");
    assert_eq!(stop(identity, spinning.tid(), 8, 0).err(), Some(NotStopped::Changed));
}

#[test]
fn a_thread_that_is_traced_or_has_ended() {
    let mut spinning = Spinning::start();
    let (current, task, tid) = (spinning.current, spinning.task, spinning.tid());
    thread::scope(|scope| {
        let tracer = scope.spawn(|| {
            // SAFETY: neither reads nor writes memory. The end of this thread undoes it.
            assert_eq!(unsafe { ptrace(libc::PTRACE_SEIZE, tid as pid_t, 0) }, 0);
            stop(&spinning.identity, tid, current, task).err()
        });
        assert_eq!(tracer.join().expect("no panic"), Some(NotStopped::Traced));
    });
    spinning.child.kill().expect("own child");
    spinning.child.wait().expect("own child");
    assert_eq!(stop(&spinning.identity, tid, current, task).err(), Some(NotStopped::Gone));
}

#[test]
fn a_helper_that_is_killed_leaves_no_thread_stopped() {
    let spinning = Spinning::start();
    let path = format!("task/{}/syscall", spinning.tid());
    let state = File::open(spinning.identity.path(&path)).expect("own child");
    let mut outcomes = [0; 5];
    for round in 0..1000_u32 {
        let shared = Shared::new().expect("memory");
        let helper = start_helper(&spinning.job(&state), &shared).expect("a process");
        // Moments all over its work, which takes some 100 µs.
        let began = now();
        while now() - began < u64::from(round * 7919 % 1009) * 400 {
            std::hint::spin_loop();
        }
        // SAFETY: an own child that has not been waited for.
        unsafe { libc::kill(helper, libc::SIGKILL) };
        wait_for(helper);
        outcomes[shared.report().outcome as usize] += 1;
        spinning.wait_until_it_runs();
    }
    assert_eq!(outcomes[GONE as usize] + outcomes[DENIED as usize], 0, "{outcomes:?}");
}
