//! Thousands of customers of one service. Each keeps its connection open, sends a request now and
//! then, and is idle most of the time.
//!
//! The service is part of the lab; the customers have their own process. So all tasks belong to the
//! service, and each connection needs only one open file here.

mod client;
mod process;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::net::TcpStream;

use super::{
    Context, Instance, Param, ParamType, Params, Workload, WorkloadKind,
    kind::{millis, secs},
    net, tcp,
};
use crate::{counter::Counter, failure::Failure, metrics::Count};
pub use client::run_customers;
pub(super) use process::Customer;
use process::CustomerProcess;

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "customers",
    about: "a TCP service whose many clients, in another process, keep their connections open and \
            send requests now and then",
    unit: Some("answer"),
    params: &[&EVERY],
    max_tasks,
    open,
};

static EVERY: Param = Param {
    name: "every",
    about: "average pause of a customer after each answer",
    param_type: ParamType::Duration { default: secs(5), min: millis(10), max: secs(3600) },
};

/// One task per connection, and one that accepts.
fn max_tasks(count: usize, _: &Params) -> usize {
    count.saturating_add(1)
}

struct Customers {
    program: PathBuf,
    address: SocketAddr,
    every: Duration,
    failure: Failure,
    process: Arc<CustomerProcess>,
}

fn open(context: Context) -> io::Result<Box<dyn Workload>> {
    let Context { spawner, done, failure, metrics, params, count, program, .. } = context;
    let program = program.ok_or_else(|| {
        io::Error::other(
            "its customers run in another process, which only the program asynctop can start",
        )
    })?;
    net::allow_connections(count, 1)?;
    let (listener, address) = net::listen(spawner.handle())?;
    let answered = metrics.count_of_started("customers answered");
    let serve = move |stream| serve(stream, done.clone(), answered.clone());
    spawner.spawn("accept", net::accept(listener, spawner.clone(), failure.clone(), serve));
    let every = params.duration(&EVERY);
    let process = CustomerProcess::start(&program, address, every, &failure)?;
    Ok(Box::new(Customers { program, address, every, failure, process }))
}

impl Workload for Customers {
    fn start(&mut self, _: usize) -> Instance {
        if self.process.has_ended() {
            match CustomerProcess::start(&self.program, self.address, self.every, &self.failure) {
                Ok(process) => self.process = process,
                Err(error) => self.failure.report(|| error.to_string()),
            }
        }
        Instance::Customer(CustomerProcess::add_customer(&self.process))
    }
}

/// Serves one connection until the customer disconnects. Requests are counted here because the
/// customers are in another process.
async fn serve(stream: TcpStream, done: Counter, answered: Count) {
    let mut guard = None;
    tcp::serve(stream, || {
        done.increment();
        guard.get_or_insert_with(|| CountGuard::new(&answered));
    })
    .await;
}

/// Counts a customer from its first answer until its connection ends.
struct CountGuard<'a>(&'a Count);

impl<'a> CountGuard<'a> {
    fn new(count: &'a Count) -> Self {
        count.add(1);
        CountGuard(count)
    }
}

impl Drop for CountGuard<'_> {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}
