//! Whether other programs keep the machine busy.

use std::{fs, thread};

/// A warning that the rows are not comparable, if other programs use as many CPUs as there are. Call
/// it before the first row is measured.
pub fn busy_machine() -> Option<String> {
    let load = fs::read_to_string("/proc/loadavg").ok()?;
    warning(&load, thread::available_parallelism().ok()?.get())
}

/// The warning for the contents of `/proc/loadavg`.
fn warning(load: &str, cpus: usize) -> Option<String> {
    let load: f64 = load.split_whitespace().next()?.parse().ok()?;
    (load >= cpus as f64).then(|| {
        format!(
            "other programs kept this machine busy (load {load:.1} on {cpus} CPUs before the \
             measurement), so the rows may differ for that reason; repeat it on an idle machine"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::warning;

    #[test]
    fn warning_depends_on_load_and_cpus() {
        let busy = warning("8.25 6.10 3.00 9/400 1234\n", 2).expect("busy");
        assert!(busy.contains("load 8.2 on 2 CPUs") || busy.contains("load 8.3"), "{busy}");
        assert_eq!(warning("0.40 6.10 3.00 1/400 1234\n", 2), None);
        assert_eq!(warning("", 2), None);
    }
}
