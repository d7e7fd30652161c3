//! The customers' process, as the lab controls it.

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

use super::crowd::{COME, GO};
use crate::{failure::Failure, lock::lock};

/// A running process; dropped, it is gone. It also ends by itself when this one does,
/// however that comes: its orders end then.
pub(super) struct Outside {
    child: Mutex<Child>,
    orders: Mutex<ChildStdin>,
}

impl Outside {
    /// Starts it, without customers. A process group of its own keeps the terminal's
    /// signals from it, which are meant for the dashboard. If it fails or ends later, it is
    /// reported to `failure`.
    pub(super) fn start(
        program: &Path,
        address: SocketAddr,
        every: Duration,
        failure: &Failure,
    ) -> io::Result<Arc<Outside>> {
        let explain = |error: io::Error| {
            let said =
                format!("cannot start its customers' process {}: {error}", program.display());
            io::Error::new(error.kind(), said)
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
        let orders = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let reports = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let outside = Arc::new(Outside { child: Mutex::new(child), orders: Mutex::new(orders) });
        let (process, failure) = (Arc::downgrade(&outside), failure.clone());
        thread::Builder::new()
            .name("asynctop-customers".into())
            .spawn(move || read_reports(reports, &process, &failure))
            .map_err(explain)?;
        Ok(outside)
    }

    /// Sends one customer more.
    pub(super) fn seat(outside: &Arc<Outside>) -> Seat {
        outside.order(COME);
        Seat(Arc::clone(outside))
    }

    pub(super) fn is_gone(&self) -> bool {
        !matches!(lock(&self.child).try_wait(), Ok(None))
    }

    fn order(&self, order: u8) {
        // If nobody reads it, the process is gone, and its seats are over.
        let _ = lock(&self.orders).write_all(&[order]);
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // It may have ended by itself; then there is nothing to kill and all to reap.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Passes on the reports of the customers, one a line, until their process ends.
fn read_reports(reports: ChildStdout, process: &Weak<Outside>, failure: &Failure) {
    for report in BufReader::new(reports).lines().map_while(Result::ok) {
        failure.report(|| report);
    }
    // If it has been dropped, the lab has ended it.
    let Some(process) = process.upgrade() else { return };
    let status = lock(&process.child).wait();
    failure.report(|| {
        let ended = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        format!("its customers' process has ended ({ended}); r on the Lab screen starts it again")
    });
}

/// The place of one customer.
pub(crate) struct Seat(Arc<Outside>);

impl Seat {
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_gone()
    }

    pub(crate) fn end(self) {
        self.0.order(GO);
    }
}
