//! The process of the service, and its resource usage.

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, Stdio},
};

use super::{CompareError, ServiceStyle};

/// A service in its own process, which is killed when dropped.
pub(super) struct Server {
    child: Child,
    pub address: SocketAddr,
}

/// Resource usage of the process since its start. A field that is unavailable on this system is
/// `None`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub threads: Option<u64>,
    pub memory_bytes: Option<u64>,
    pub switches: Option<u64>,
    pub cpu_ns: Option<u64>,
}

impl Server {
    pub(super) fn start(style: ServiceStyle) -> Result<Server, CompareError> {
        let program = std::env::current_exe().map_err(CompareError::Start)?;
        let mut child = Command::new(program)
            .args(["compare", "--serve", style.as_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(CompareError::Start)?;
        let mut line = String::new();
        let read = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        let port = match read {
            Some(Ok(_)) => line
                .trim()
                .parse::<u16>()
                .map_err(|_| format!("it printed {line:?} instead of its port")),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("it has no output".to_owned()),
        };
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        // Exists even without a port, so that dropping it ends the process.
        let server = Server { address: address(*port.as_ref().unwrap_or(&0)), child };
        port.map(|_| server).map_err(CompareError::Service)
    }

    #[cfg(target_os = "linux")]
    pub(super) fn usage(&self) -> Usage {
        let process = format!("/proc/{}", self.child.id());
        let status = std::fs::read_to_string(format!("{process}/status")).unwrap_or_default();
        let threads = std::fs::read_dir(format!("{process}/task"));
        let sums = threads.map(|threads| {
            threads.flatten().fold((0, 0), |(switches, cpu), thread| {
                let read =
                    |file| std::fs::read_to_string(thread.path().join(file)).unwrap_or_default();
                let status = read("status");
                let count = |name| field(&status, name).unwrap_or(0);
                let own = count("voluntary_ctxt_switches") + count("nonvoluntary_ctxt_switches");
                // The first number of schedstat is the CPU time in ns.
                let cpu_ns = read("schedstat").split(' ').next().and_then(|ns| ns.parse().ok());
                (switches + own, cpu + cpu_ns.unwrap_or(0u64))
            })
        });
        Usage {
            threads: field(&status, "Threads"),
            memory_bytes: field(&status, "VmRSS").map(|kilobytes| kilobytes * 1024),
            switches: sums.as_ref().ok().map(|(switches, _)| *switches),
            cpu_ns: sums.ok().map(|(_, cpu)| cpu),
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn usage(&self) -> Usage {
        Usage::default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // If it has ended by itself, it only has to be reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number after `name:` in a file like `/proc/PID/status`.
#[cfg(target_os = "linux")]
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}
