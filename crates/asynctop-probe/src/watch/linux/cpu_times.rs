//! Reads run-queue delay, load and cgroup throttling.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::os::{this_thread, thread_activity};
use crate::watch::{ThreadTimes, cause::Activity};

/// CPU time and run-queue delay of a thread of this process; `None` if the thread has ended or
/// the kernel lacks `CONFIG_SCHED_INFO`.
///
/// Run-queue delay contains the time throttled by a CPU quota: a throttled thread stays runnable,
/// and the kernel measures from its last moment on a CPU to the next one (`sched_info_depart` and
/// `sched_info_arrive` in kernel/sched/stats.h). Measured on Linux 6.18 with a quota of 20 %, beside
/// other load: in 4.0 s, 0.8 s on a CPU, 3.2 s of run-queue delay, 1.5 s throttled.
pub(in crate::watch) fn thread_times(os_id: u32) -> Option<ThreadTimes> {
    parse_schedstat(&fs::read_to_string(format!("/proc/self/task/{os_id}/schedstat")).ok()?)
}

/// CPU time and run-queue delay of the calling thread.
pub(in crate::watch) fn current_thread_times() -> Option<ThreadTimes> {
    thread_times(this_thread())
}

/// Whether a thread of this process is on a CPU or waits for one; also `true` if that is not known.
pub(in crate::watch) fn is_runnable(os_id: u32) -> bool {
    matches!(thread_activity(os_id), Activity::Running | Activity::Unreadable(_))
}

/// The threads of this process except `thread` and the calling one.
pub(in crate::watch) fn other_threads(thread: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let this_thread = this_thread();
    ids.filter(|id| *id != thread && *id != this_thread).collect()
}

/// `CPU time, run-queue delay, number of time slices`.
fn parse_schedstat(text: &str) -> Option<ThreadTimes> {
    let mut numbers = text.split_whitespace().map(str::parse);
    let cpu_ns = numbers.next()?.ok()?;
    let run_delay_ns = numbers.next()?.ok()?;
    Some(ThreadTimes { cpu_ns, run_delay_ns })
}

/// Load average of the last minute.
pub(in crate::watch) fn load_average() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Nanoseconds in which some task of the machine waited for a CPU, by the kernel's pressure stall
/// information; `None` if it is not collected.
pub(in crate::watch) fn cpu_pressure() -> Option<u64> {
    parse_pressure(&fs::read_to_string("/proc/pressure/cpu").ok()?)
}

/// The total, in microseconds, of the line `some avg10=… avg60=… avg300=… total=N`.
fn parse_pressure(text: &str) -> Option<u64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let total = some.split_whitespace().find_map(|part| part.strip_prefix("total="))?;
    total.parse().ok().map(|us: u64| us.saturating_mul(1000))
}

/// The CPUs that another process may use; `None` if it has ended.
pub(in crate::watch) fn cpus_of(process: u32) -> Option<usize> {
    parse_cpus(&fs::read_to_string(format!("/proc/{process}/status")).ok()?)
}

/// The number of bits in the mask `Cpus_allowed: ff,ffffffff`.
fn parse_cpus(status: &str) -> Option<usize> {
    let mask = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed:"))?;
    let digits = mask.trim().chars().filter(|c| *c != ',').map(|digit| digit.to_digit(16));
    let bits: Option<u32> = digits.map(|digit| Some(digit?.count_ones())).sum();
    bits.map(|cpus| cpus as usize).filter(|cpus| *cpus > 0)
}

/// The CPU cgroup of a process, and its parents.
#[derive(Debug)]
pub(in crate::watch) struct Cgroup(Vec<PathBuf>);

impl Cgroup {
    /// That of this process, or of the one with this id.
    pub(in crate::watch) fn of(process: Option<u32>) -> Cgroup {
        let read = |name: &str| fs::read_to_string(name).unwrap_or_default();
        let name = process.map_or_else(|| "self".to_owned(), |process| process.to_string());
        // The path of any cgroup is relative to what this process sees.
        Cgroup(stat_files(&read(&format!("/proc/{name}/cgroup")), &read("/proc/self/mountinfo")))
    }

    /// Nanoseconds in which CPU quotas have throttled it, summed over CPUs and over the cgroup and
    /// its parents; `None` if there is no CPU controller.
    pub(in crate::watch) fn throttled_time(&self) -> Option<u64> {
        let read = |file: &PathBuf| parse_cpu_stat(&fs::read_to_string(file).ok()?);
        self.0.iter().filter_map(read).reduce(u64::saturating_add)
    }
}

/// `throttled_usec N` (cgroup v2) or `throttled_time N` (v1), in nanoseconds.
fn parse_cpu_stat(text: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        match name {
            "throttled_usec" => value.trim().parse().ok().map(|us: u64| us.saturating_mul(1000)),
            "throttled_time" => value.trim().parse().ok(),
            _ => None,
        }
    })
}

/// The `cpu.stat` files of this process's CPU cgroup and of its parents, as far as they are
/// mounted.
fn stat_files(cgroup: &str, mountinfo: &str) -> Vec<PathBuf> {
    // `2:cpu,cpuacct:/path` (v1), `0::/path` (v2).
    let lines = cgroup.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some((parts.next()?, parts.next()?))
    });
    let mut files = Vec::new();
    for (controllers, path) in lines {
        let is_v2 = controllers.is_empty();
        if !is_v2 && !controllers.split(',').any(|controller| controller == "cpu") {
            continue;
        }
        let Some((root, mount)) = mounts(mountinfo, is_v2).next() else { continue };
        // In a container only a part of the tree is mounted.
        let inside = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
        let mount = Path::new(mount);
        let ancestors = inside.ancestors().map(|path| mount.join(path).join("cpu.stat"));
        files.extend(ancestors);
    }
    files
}

/// Root and mount point of each mounted cgroup tree with a CPU controller:
/// `32 31 0:29 ROOT MOUNT options - cgroup source rw,cpu`.
fn mounts(mountinfo: &str, is_v2: bool) -> impl Iterator<Item = (&str, &str)> {
    mountinfo.lines().filter_map(move |line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1)?);
        let has_cpu = match is_v2 {
            true => kind == "cgroup2",
            false => kind == "cgroup" && options.split(',').any(|option| option == "cpu"),
        };
        let mut left = left.split(' ').skip(3);
        has_cpu.then_some((left.next()?, left.next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedstat_has_cpu_time_and_run_queue_delay() {
        let times = ThreadTimes { cpu_ns: 12, run_delay_ns: 3_231_057 };
        assert_eq!(parse_schedstat("12 3231057 1\n"), Some(times));
        assert_eq!(parse_schedstat("12\n"), None);
        assert!(current_thread_times().is_some());
        assert_eq!(thread_times(u32::MAX), None);
    }

    #[test]
    fn pressure_is_the_total_of_some_tasks_in_nanoseconds() {
        let text = "some avg10=19.27 avg60=12.67 avg300=8.01 total=10599\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        assert_eq!(parse_pressure(text), Some(10_599_000));
        assert_eq!(parse_pressure("full avg10=0.00 total=7\n"), None);
        assert_eq!(parse_pressure("some avg10=0.00 total=-1\n"), None);
    }

    #[test]
    fn throttled_time_of_both_cgroup_versions_is_in_nanoseconds() {
        let v2 = "usage_usec 5\nnr_periods 9\nnr_throttled 3\nthrottled_usec 1500\n";
        assert_eq!(parse_cpu_stat(v2), Some(1_500_000));
        assert_eq!(parse_cpu_stat("nr_throttled 1\nthrottled_time 1500\n"), Some(1_500));
        assert_eq!(parse_cpu_stat("usage_usec 5\n"), None, "no CPU controller");
    }

    #[test]
    fn cpus_of_a_process_are_the_bits_of_its_mask() {
        let status = "Name:\tserver\nCpus_allowed:\tf,00000003\nCpus_allowed_list:\t0-1,32-35\n";
        assert_eq!(parse_cpus(status), Some(6));
        assert_eq!(parse_cpus("Cpus_allowed:\t0\n"), None);
        assert_eq!(parse_cpus("Name:\tserver\n"), None);
        let own = std::thread::available_parallelism().expect("it is known").get();
        assert!(
            cpus_of(std::process::id()).is_some_and(|cpus| cpus >= own),
            "a quota allows fewer"
        );
    }

    #[test]
    fn cpu_stat_of_the_cgroup_and_its_parents_is_found() {
        let paths = |cgroup, mountinfo| {
            let files = stat_files(cgroup, mountinfo).into_iter();
            files.map(|file| file.display().to_string()).collect::<Vec<_>>()
        };
        let v2 = "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(
            paths("0::/user.slice/app\n", v2),
            [
                "/sys/fs/cgroup/user.slice/app/cpu.stat",
                "/sys/fs/cgroup/user.slice/cpu.stat",
                "/sys/fs/cgroup/cpu.stat"
            ]
        );
        let v1 = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                  32 31 0:29 /docker/7 /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                  33 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";
        let cgroup = "3:cpuset:/\n2:cpu,cpuacct:/docker/7\n0::/\n";
        assert_eq!(paths(cgroup, v1), ["/sys/fs/cgroup/cpu/cpu.stat"], "the part of a container");
        assert!(paths("", "").is_empty());
    }
}
