//! The state of a thread, as the operating system reports it.
#![allow(unsafe_code)]

use std::fs;

use asynctop_stack::{Activity as Report, Registers};

use crate::watch::{CallKind, SystemCall, cause::Activity};

/// The operating system's id of the calling thread.
pub(super) fn this_thread() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::gettid() }.cast_unsigned()
}

/// Nanoseconds that a thread of this process has spent on the CPU; `None` if it has ended. One
/// system call, no file.
pub(in crate::watch) fn cpu_time(os_id: u32) -> Option<u64> {
    // The kernel's number for the CPU clock (2) of one thread (4).
    clock_time((!os_id.cast_signed() << 3) | 4 | 2)
}

/// Nanoseconds that all threads of this process have spent on the CPU.
pub(in crate::watch) fn process_cpu_time() -> Option<u64> {
    clock_time(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn clock_time(clock: libc::clockid_t) -> Option<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result; an invalid clock is an error.
    let is_read = unsafe { libc::clock_gettime(clock, &raw mut time) } == 0;
    let nanos = time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
    is_read.then_some(nanos)
}

/// Steal time of each CPU since boot, in nanoseconds: time in which it was needed and the hypervisor
/// ran something else. Empty where it is not reported. In steps of some 10 ms.
pub(in crate::watch) fn steal_time() -> Vec<u64> {
    // SAFETY: only reads a constant.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    let tick_ns = 1_000_000_000 / u64::try_from(ticks).unwrap_or(100).max(1);
    steal_ticks(&fs::read_to_string("/proc/stat").unwrap_or_default())
        .map(|ticks| ticks.saturating_mul(tick_ns))
        .collect()
}

/// The field `steal` of the lines `cpu0 user nice system idle iowait irq softirq steal …`.
fn steal_ticks(stat: &str) -> impl Iterator<Item = u64> {
    let cpus = stat.lines().filter_map(|line| line.strip_prefix("cpu"));
    let cpus = cpus.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    cpus.filter_map(|rest| rest.split_whitespace().nth(8)?.parse().ok())
}

/// The current activity of a thread of this process.
pub(in crate::watch) fn thread_activity(os_id: u32) -> Activity {
    CallReport::read(os_id).activity()
}

/// The content of `/proc/self/task/TID/syscall`: `running`, `-1 SP IP`, or `NUMBER ARGUMENTS… SP
/// IP`.
#[derive(PartialEq, Eq)]
pub(super) struct CallReport(Option<String>);

impl CallReport {
    pub(super) fn read(os_id: u32) -> Self {
        CallReport(fs::read_to_string(format!("/proc/self/task/{os_id}/syscall")).ok())
    }

    pub(super) fn activity(&self) -> Activity {
        let Some(text) = &self.0 else {
            return Activity::Unreadable("/proc/self/task/*/syscall is not readable");
        };
        match Report::parse(text) {
            Some(Report::Running) => Activity::Running,
            Some(Report::Blocked { syscall: None, .. }) => Activity::Blocked,
            Some(Report::Blocked { syscall: Some(number), .. }) => {
                Activity::Call(system_call(number))
            }
            None => Activity::Unreadable("/proc/self/task/*/syscall has an unknown format"),
        }
    }

    /// The registers of a thread that is not running, as far as they are reported.
    pub(super) fn registers(&self) -> Option<Registers> {
        match Report::parse(self.0.as_deref()?)? {
            Report::Blocked { stack_pointer, program_counter, .. } => {
                Some(Registers::pointers(program_counter, stack_pointer))
            }
            Report::Running => None,
        }
    }
}

/// How often a thread of this process has begun to wait; `None` if it has ended.
pub(super) fn voluntary_switches(os_id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/self/task/{os_id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    line.trim().parse().ok()
}

/// Whether a thread of this process is on a CPU, or runnable. Unlike `is_runnable`, it also works
/// where `/proc/self/task/*/syscall` is not readable.
pub(super) fn is_running(os_id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/self/task/{os_id}/stat")).unwrap_or_default();
    // `number (name) state …`; the name may contain anything.
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('R'))
}

/// The reason why a thread has not answered a signal that was sent some time ago.
pub(super) fn no_response_reason(os_id: u32, signal: i32) -> &'static str {
    let status = fs::read_to_string(format!("/proc/self/task/{os_id}/status")).unwrap_or_default();
    let has = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let set = line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok());
        set.is_some_and(|set| set >> (signal - 1) & 1 == 1)
    };
    match (has("SigBlk:"), has("SigPnd:")) {
        (true, _) => "the thread blocks the watchdog's signal",
        (false, true) => "the thread has not returned from the kernel yet",
        (false, false) => "the thread has not responded yet",
    }
}

fn system_call(number: u64) -> SystemCall {
    let name = asynctop_stack::syscall_name(number);
    SystemCall {
        number: u32::try_from(number).unwrap_or(u32::MAX),
        name: name.map(Into::into),
        kind: name.map_or(CallKind::Other, CallKind::of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_report_has_the_call_and_the_stack_pointer() {
        let parse = |text: &str| CallReport(Some(text.to_owned()));
        assert_eq!(parse("running\n").activity(), Activity::Running);
        assert!(parse("running\n").registers().is_none());
        let fault = parse("-1 0x7ffc08 0x7f12\n");
        assert_eq!(fault.activity(), Activity::Blocked);
        let registers = fault.registers().expect("both");
        assert_eq!((registers.sp, registers.ip), (0x7f_fc08, 0x7f12));
        let fsync = format!("{} 0x3 0x0 0x0 0x0 0x0 0x0 0x7ffd10 0x7f34\n", libc::SYS_fsync);
        let fsync = parse(&fsync);
        let Activity::Call(call) = fsync.activity() else { panic!("a call") };
        assert_eq!((call.name.as_deref(), call.kind), (Some("fsync"), CallKind::Other));
        let registers = fsync.registers().expect("both");
        assert_eq!((registers.sp, registers.ip), (0x7f_fd10, 0x7f34));
        let Activity::Call(call) = parse("4000 0x0 0x7ffd10 0x7f34\n").activity() else {
            panic!("a call")
        };
        assert_eq!((call.number, call.name), (4000, None));
        for unknown in ["", "other"] {
            assert!(matches!(parse(unknown).activity(), Activity::Unreadable(_)));
            assert!(parse(unknown).registers().is_none());
        }
        assert!(matches!(CallReport(None).activity(), Activity::Unreadable(_)));
    }

    #[test]
    fn steal_time_is_per_cpu() {
        let stat = "cpu  9 0 3 9 0 0 1 12 0 0\ncpu0 5 0 2 5 0 0 1 8 0 0\ncpu1 4 0 1 4 0 0 0 4 0 0\n\
                    intr 70 0\nctxt 5\n";
        assert_eq!(steal_ticks(stat).collect::<Vec<_>>(), [8, 4]);
        assert_eq!(steal_ticks("cpu0 1 2 3\nother").count(), 0, "not reported");
        assert!(!steal_time().is_empty(), "reported by this kernel");
    }

    #[test]
    fn cpu_time_grows_while_a_thread_computes_and_is_none_after_its_end() {
        let before = cpu_time(this_thread()).expect("the thread lives");
        while cpu_time(this_thread()).expect("the thread lives") <= before {}
        let ended = std::thread::spawn(this_thread).join().expect("no panic");
        // The kernel removes it a moment later.
        while cpu_time(ended).is_some() {
            std::thread::yield_now();
        }
    }
}
