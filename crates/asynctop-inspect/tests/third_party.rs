//! Servers that others have written, under a load that creates a known number of tasks.

mod support;

use std::{net::TcpStream, thread, time::Duration};

use asynctop_inspect::{Inspection, Options, Process, TaskInfo, TaskKind, tokio::task::StateKind};
use support::{Build, Fixture, assert_checked};

/// Opens connections and keeps them.
fn connect(server: &Fixture, connections: usize) -> Vec<TcpStream> {
    let port = u16::try_from(server.truth.fact("port")).expect("a port");
    let connect = || TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    (0..connections).map(|_| connect()).collect()
}

/// The first inspection with so many tasks that have not ended: a server takes its time to accept a
/// connection, and to notice its end.
fn inspect_with_tasks(process: &mut Process, tasks: usize) -> Inspection {
    loop {
        let inspection = process.inspect(&Options::default()).expect("it runs");
        if alive(&inspection).count() == tasks {
            assert_checked_but_workers(inspection.clone());
            return inspection;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// This version of Tokio does not have the workers' counters, and without them no queues.
fn assert_checked_but_workers(mut inspection: Inspection) {
    inspection.checks.retain(|check| {
        let needs_counters = ["workers of", "queues of", "blocking pool of"];
        !needs_counters.iter().any(|capability| check.capability.starts_with(capability))
    });
    assert_checked(&inspection);
}

fn alive(inspection: &Inspection) -> impl Iterator<Item = &TaskInfo> {
    let of_runtime = |task: &&TaskInfo| task.kind == TaskKind::Task;
    inspection.tasks.iter().filter(of_runtime).filter(|task| task.state != StateKind::Complete)
}

/// The number of tasks with this future, each of which has a line of this file.
fn named(inspection: &Inspection, future: &str, file: &str) -> usize {
    let is_named = |task: &&TaskInfo| task.names.futures.iter().any(|name| name.contains(future));
    let named = alive(inspection).filter(is_named);
    named
        .inspect(|task| {
            let location = task.names.location.as_ref().expect("it has line tables");
            assert!(location.file.ends_with(file), "{task:#?}");
        })
        .count()
}

#[test]
fn mini_redis_has_a_task_for_each_connection_and_one_for_expired_keys() {
    let server = Build::ThirdParty.start("mini_redis", &[]);
    let mut process = server.open();
    let mut connections = connect(&server, 30);
    let inspection = inspect_with_tasks(&mut process, 31);
    assert_eq!(inspection.runtimes[0].alive, Some(31));
    assert_eq!(named(&inspection, "mini_redis::server::Listener::run::", "src/server.rs"), 30);
    assert_eq!(named(&inspection, "purge_expired_tasks", "src/db.rs"), 1);

    connections.truncate(10);
    let inspection = inspect_with_tasks(&mut process, 11);
    assert_eq!(named(&inspection, "mini_redis::server::Listener::run::", "src/server.rs"), 10);
}

#[test]
fn modbus_server_has_a_task_for_each_connection() {
    let server = Build::ThirdParty.start("modbus", &[]);
    let mut process = server.open();
    let mut connections = connect(&server, 50);
    let inspection = inspect_with_tasks(&mut process, 50);
    assert_eq!(inspection.runtimes[0].alive, Some(50));
    assert_eq!(named(&inspection, "tokio_modbus::server::tcp::", "src/server/tcp.rs"), 50);

    connections.clear();
    inspect_with_tasks(&mut process, 0);
}
