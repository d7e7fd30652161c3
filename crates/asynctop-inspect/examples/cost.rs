//! Measures the CPU time of this program for opening a process and inspecting it: `cost PID`.

use std::time::{Duration, Instant};

use asynctop_inspect::{Options, Process};
use rustix::time::{ClockId, clock_gettime};

/// CPU time of this program so far, user and system.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn measure<T>(label: &str, work: impl FnOnce() -> T) -> T {
    let (began, before) = (Instant::now(), cpu_time());
    let result = work();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!("{label:<28} {:>8.1} ms CPU {:>8.1} ms", ms(cpu_time() - before), ms(began.elapsed()));
    result
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pid = std::env::args().nth(1).ok_or("usage: cost PID")?.parse()?;
    let mut process = measure("open", || Process::open(pid))?;
    for label in ["ids and states, first", "ids and states, second"] {
        let inspection = measure(label, || process.inspect(&Options::states_only()))?;
        println!("{:>28} tasks, {} retries", inspection.tasks.len(), inspection.retries);
    }
    for label in ["lists with names, first", "lists with names, second"] {
        let inspection = measure(label, || process.inspect(&Options::lists_only()))?;
        println!("{:>28} tasks, {} retries", inspection.tasks.len(), inspection.retries);
    }
    measure("everything", || process.inspect(&Options::default()))?;
    Ok(())
}
