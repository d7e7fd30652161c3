//! Thousands of customers of one service: each keeps its connection open, sends a request now and
//! then, and rests most of the time.
//!
//! The service belongs to the lab; the customers live in a process of their own. So all tasks are
//! the service's, and each connection needs only one open file here.

mod crowd;
mod process;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::net::TcpStream;

use super::{
    Allows, Kind, Opening, Param, Params, Unit, Workload,
    kind::{millis, secs},
    net, tcp,
};
use crate::{counter::Counter, failure::Failure, gauge::Count};
pub use crowd::crowd;
use process::Outside;
pub(super) use process::Seat;

pub(super) static KIND: Kind = Kind {
    name: "customers",
    about: "a TCP service whose many clients, in another process, keep their connections open and \
            send requests now and then",
    unit: Some("answer"),
    params: &[&EVERY],
    tasks,
    open,
};

static EVERY: Param = Param {
    name: "every",
    about: "how long a customer rests after each answer, on average",
    allows: Allows::Duration { default: secs(5), least: millis(10), most: secs(3600) },
};

/// A connection each, and one that accepts.
fn tasks(count: usize, _: &Params) -> usize {
    count.saturating_add(1)
}

struct Customers {
    program: PathBuf,
    address: SocketAddr,
    every: Duration,
    failure: Failure,
    outside: Arc<Outside>,
}

fn open(opening: Opening) -> io::Result<Box<dyn Workload>> {
    let Opening { spawner, done, failure, gauges, params, count, program, .. } = opening;
    let program = program.ok_or_else(|| {
        io::Error::other(
            "its customers run in another process, which only the program asynctop \
                          can start",
        )
    })?;
    net::make_room(count, 1)?;
    let (listener, address) = net::listen(spawner.handle())?;
    let answered = gauges.count("customers answered");
    let serve = move |stream| serve(stream, done.clone(), answered.clone());
    spawner.spawn("accept", net::accept(listener, spawner.clone(), failure.clone(), serve));
    let every = params.duration(&EVERY);
    let outside = Outside::start(&program, address, every, &failure)?;
    Ok(Box::new(Customers { program, address, every, failure, outside }))
}

impl Workload for Customers {
    fn start(&mut self, _: usize) -> Unit {
        if self.outside.is_gone() {
            match Outside::start(&self.program, self.address, self.every, &self.failure) {
                Ok(outside) => self.outside = outside,
                Err(error) => self.failure.report(|| error.to_string()),
            }
        }
        Unit::Customer(Outside::seat(&self.outside))
    }
}

/// One connection, until the customer goes. What is counted is counted here.
async fn serve(stream: TcpStream, done: Counter, answered: Count) {
    let mut counted = None;
    tcp::serve(stream, || {
        done.increment();
        counted.get_or_insert_with(|| Answered::count(&answered));
    })
    .await;
}

/// Counts a customer that has been answered, for as long as its connection lasts.
struct Answered<'a>(&'a Count);

impl<'a> Answered<'a> {
    fn count(answered: &'a Count) -> Self {
        answered.add(1);
        Answered(answered)
    }
}

impl Drop for Answered<'_> {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}
