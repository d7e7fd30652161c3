//! The process of the customers, as the lab controls it.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::Duration,
};

use super::client::{ADD, REMOVE};
use crate::{failure::Failure, lock::lock};

/// A running process, which is killed when dropped. It also ends by itself when the lab's process
/// ends in any way, because its stdin ends.
pub(super) struct CustomerProcess {
    child: Mutex<Child>,
    commands: Mutex<ChildStdin>,
}

impl CustomerProcess {
    /// Starts the process without customers. Its own process group keeps it from receiving the
    /// terminal's signals to the dashboard. Later failures are reported to `failure`.
    pub(super) fn start(
        program: &Path,
        address: SocketAddr,
        every: Duration,
        failure: &Failure,
    ) -> io::Result<Arc<CustomerProcess>> {
        let explain = |error: io::Error| {
            let message =
                format!("cannot start its customers' process {}: {error}", program.display());
            io::Error::new(error.kind(), message)
        };
        let mut child = Command::new(program)
            .args(["customers", "--at", &address.to_string()])
            .args(["--every", &format!("{}ns", every.as_nanos())])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(explain)?;
        let commands = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let reports = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let process =
            Arc::new(CustomerProcess { child: Mutex::new(child), commands: Mutex::new(commands) });
        let (reporter, failure) = (Arc::downgrade(&process), failure.clone());
        thread::Builder::new()
            .name("asynctop-customers".into())
            .spawn(move || read_reports(reports, &reporter, &failure))
            .map_err(explain)?;
        Ok(process)
    }

    pub(super) fn add_customer(process: &Arc<CustomerProcess>) -> Customer {
        process.send(ADD);
        Customer(Arc::clone(process))
    }

    pub(super) fn has_ended(&self) -> bool {
        !matches!(lock(&self.child).try_wait(), Ok(None))
    }

    fn send(&self, command: u8) {
        // An error means that the process has ended, and all customers with it.
        let _ = lock(&self.commands).write_all(&[command]);
    }
}

impl Drop for CustomerProcess {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // If it has ended by itself, it only has to be reaped.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Forwards the reports of the customers, one per line, until their process ends.
fn read_reports(reports: ChildStdout, process: &Weak<CustomerProcess>, failure: &Failure) {
    for report in BufReader::new(reports).lines().map_while(Result::ok) {
        failure.report(|| report);
    }
    // If the process was dropped, its end is not a failure.
    let Some(process) = process.upgrade() else { return };
    let status = lock(&process.child).wait();
    failure.report(|| {
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        format!("its customers' process has ended ({status}); r on the Lab screen starts it again")
    });
}

/// A customer in the other process.
pub(crate) struct Customer(Arc<CustomerProcess>);

impl Customer {
    pub(crate) fn has_ended(&self) -> bool {
        self.0.has_ended()
    }

    pub(crate) fn stop(self) {
        self.0.send(REMOVE);
    }
}
