//! A typical web service: accept, read the request, query the database, format the response, write
//! it. HTTP over real TCP, a database in a real file, and clients that wait for the response before
//! they send the next request.
//!
//! The stage of a connection's task is one of the five awaits of a handler; the first, accept, has
//! a task of its own.

mod ask;
mod client;
mod serve;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use super::db::Database;
use super::{
    Allows, Kind, Opening, Param, Params, Unit, Workload,
    kind::{millis, secs},
    net,
};
use crate::{counter::Counter, failure::Failure, spawner::Spawner};
use ask::Asker;

pub(super) static KIND: Kind = Kind {
    name: "web",
    about: "an HTTP service with a database in a file, and its clients: GET /users, /users/ID",
    unit: Some("request"),
    params: &[&DATABASE, &USERS, &THINK],
    tasks,
    open,
};

static DATABASE: Param = Param {
    name: "database",
    about: "where the queries run; the Lab screen switches it",
    allows: Allows::Mode(&[ask::SPAWN_BLOCKING, ask::THREAD, ask::ON_THE_WORKER]),
};

static USERS: Param = Param {
    name: "users",
    about: "the number of users in the database; GET /users reads all of them",
    allows: Allows::Count { default: 5_000, least: 1, most: 1_000_000 },
};

static THINK: Param = Param {
    name: "think",
    about: "minimum pause of a client after each answer; the pauses differ",
    allows: Allows::Duration { default: millis(20), least: millis(1), most: secs(60) },
};

/// A client and its connection each, and one that accepts.
fn tasks(count: usize, _: &Params) -> usize {
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

fn open(opening: Opening) -> io::Result<Box<dyn Workload>> {
    let Opening { spawner, done, failure, params, mode, count, .. } = opening;
    net::make_room(count, 2)?;
    let users = params.number(&USERS);
    let asker = Asker::start(Arc::new(Database::open(users)?), mode, failure.clone())?;
    let (listener, address) = net::listen(spawner.handle())?;
    spawner.spawn(
        "accept",
        net::accept(listener, spawner.clone(), failure.clone(), move |stream| {
            serve::connection(stream, asker.clone())
        }),
    );
    Ok(Box::new(Web { spawner, done, failure, address, think: params.duration(&THINK), users }))
}

impl Workload for Web {
    fn start(&mut self, number: usize) -> Unit {
        let client = client::Client {
            address: self.address,
            // One of four asks for a single user, which takes no time to find.
            path: match number % 4 {
                0 => format!("/users/{}", 1 + number as u64 % self.users),
                _ => "/users".to_owned(),
            },
            // Clients that think equally long would come all at the same time.
            think: self.think + Duration::from_millis(number as u64 % 7),
            done: self.done.clone(),
            failure: self.failure.clone(),
        };
        self.spawner.spawn(&format!("client-{number}"), client.run()).1.into()
    }
}
