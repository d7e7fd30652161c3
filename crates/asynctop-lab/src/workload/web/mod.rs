//! A typical web service: accept, read the request, query the database, format the response, write
//! it. HTTP over real TCP, a database in a real file, and clients that wait for the response before
//! they send the next request.
//!
//! The stage of a connection's task is one of the five awaits of a handler; the first, accept, has
//! a task of its own.

mod client;
mod query;
mod serve;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use super::db::Database;
use super::{
    Context, Instance, Param, ParamType, Params, Workload, WorkloadKind,
    kind::{millis, secs},
    net,
};
use crate::{counter::Counter, failure::Failure, spawner::Spawner};
use query::DatabaseClient;

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "web",
    about: "an HTTP service with a database in a file, and its clients: GET /users, /users/ID",
    unit: Some("request"),
    params: &[&DATABASE, &USERS, &THINK],
    max_tasks,
    open,
};

static DATABASE: Param = Param {
    name: "database",
    about: "where the queries run; switched on the Lab screen",
    param_type: ParamType::Mode(&[query::SPAWN_BLOCKING, query::THREAD, query::ON_THE_WORKER]),
};

static USERS: Param = Param {
    name: "users",
    about: "the number of users in the database; GET /users reads all of them",
    param_type: ParamType::Count { default: 5_000, min: 1, max: 1_000_000 },
};

static THINK: Param = Param {
    name: "think",
    about: "minimum pause of a client after each answer; the pauses differ",
    param_type: ParamType::Duration { default: millis(20), min: millis(1), max: secs(60) },
};

/// A client and its connection each, and one task that accepts.
fn max_tasks(count: usize, _: &Params) -> usize {
    count.saturating_mul(2).saturating_add(1)
}

struct Web {
    spawner: Spawner,
    done: Counter,
    failure: Failure,
    address: SocketAddr,
    think: Duration,
    users: u64,
}

fn open(context: Context) -> io::Result<Box<dyn Workload>> {
    let Context { spawner, done, failure, params, mode, count, .. } = context;
    net::allow_connections(count, 2)?;
    let users = params.number(&USERS);
    let database = Arc::new(Database::open(users)?);
    let database = DatabaseClient::start(database, mode, failure.clone())?;
    let (listener, address) = net::listen(spawner.handle())?;
    spawner.spawn(
        "accept",
        net::accept(listener, spawner.clone(), failure.clone(), move |stream| {
            serve::connection(stream, database.clone())
        }),
    );
    Ok(Box::new(Web { spawner, done, failure, address, think: params.duration(&THINK), users }))
}

impl Workload for Web {
    fn start(&mut self, number: usize) -> Instance {
        let client = client::Client {
            address: self.address,
            // One of four requests a single user, which is a fast query.
            path: match number % 4 {
                0 => format!("/users/{}", 1 + number as u64 % self.users),
                _ => "/users".to_owned(),
            },
            // With equal pauses, all clients would send at the same time.
            think: self.think + Duration::from_millis(number as u64 % 7),
            done: self.done.clone(),
            failure: self.failure.clone(),
        };
        self.spawner.spawn(&format!("client-{number}"), client.run()).into()
    }
}
