//! The web service: its answers, the stages of its connections, and the effect of the place where
//! the queries run.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use asynctop_lab::{LabCommand, LabOptions, Scenario};
use asynctop_probe::{Registry, State};
use asynctop_snapshot::{Flavor, Target, TaskStats};

use crate::{
    bench::{Bench, done},
    support::TIMEOUT,
};

fn bench(settings: &str) -> Bench {
    let text = format!(
        "[runtime]\nflavor = 'current-thread'\n[[workload]]\nkind = 'heartbeats'\ncount = 2\n\
         [[workload]]\nkind = 'web'\n{settings}"
    );
    let scenario = Scenario::parse("web", "web.toml", &text).expect("a scenario");
    Bench::start(LabOptions { registry: Registry::leak(), ..LabOptions::new(scenario) })
}

fn requests(snapshot: &Target) -> u64 {
    done(snapshot).iter().find(|(name, _)| &**name == "web").expect("the workload").1
}

fn group<'a>(snapshot: &'a Target, name: &'a str) -> impl Iterator<Item = &'a TaskStats> {
    snapshot.tasks.iter().filter(move |task| &*task.meta.group == name)
}

/// The ports of 127.0.0.1 on which this process listens.
fn listening_ports() -> Vec<u16> {
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("Linux");
    let port = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, _, state) = (fields.next()?, fields.next()?, fields.next()?);
        let (address, port) = local.split_once(':')?;
        (address == "0100007F" && state == "0A").then(|| u16::from_str_radix(port, 16).ok())?
    };
    table.lines().skip(1).filter_map(port).collect()
}

/// Sends a request. Returns status and body, or `None` if the port is not that of an HTTP service.
fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut reader = BufReader::new(stream);
    let mut status = String::new();
    reader.read_line(&mut status).ok()?;
    let status = status.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let mut rest = String::new();
    reader.read_to_string(&mut rest).ok()?;
    Some((status, rest.split_once("\r\n\r\n")?.1.to_owned()))
}

#[test]
#[cfg(target_os = "linux")]
fn service_answers_with_users_as_json() {
    let mut bench = bench("count = 1\nusers = 300");
    bench.wait("a request is answered", |s| requests(s) > 0);
    // Other tests listen too; only this service has exactly these users.
    let ports = listening_ports();
    let users = |port: &u16| -> Option<Vec<serde_json::Value>> {
        let (status, body) = get(*port, "/users")?;
        (status == 200 && get(*port, "/users/300")?.0 == 200 && get(*port, "/users/301")?.0 == 404)
            .then(|| serde_json::from_str(&body).ok())?
    };
    let (port, users) = ports
        .iter()
        .find_map(|port| Some((*port, users(port)?)))
        .expect("one of the ports is the service's");
    let score = |user: &serde_json::Value| user["score"].as_u64().expect("a score");
    assert_eq!(users.len(), 20);
    assert!(users.windows(2).all(|pair| score(&pair[0]) >= score(&pair[1])), "{users:?}");
    let id = users[0]["id"].as_u64().expect("an id");
    let (_, one) = get(port, &format!("/users/{id}")).expect("an answer");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&one).expect("JSON"), users[0]);
    assert_eq!(get(port, "/").expect("an answer").0, 404);
}

#[test]
fn stage_of_a_connection_is_its_current_await() {
    let mut bench = bench("count = 12\nusers = 3000\nthink = '1ms'");
    let mut seen = std::collections::HashSet::new();
    bench.wait("connections were sampled at several awaits", |s| {
        // A task in its first poll may not have set its first stage yet.
        assert!(group(s, "conn").all(|task| task.polls <= 1 || task.stage.is_some()));
        seen.extend(group(s, "conn").filter_map(|task| task.stage.clone()));
        ["reads the request", "queries the database"].iter().all(|stage| seen.contains(*stage))
    });
    let known = [
        "reads the request",
        "queries the database",
        "formats the answer",
        "writes the answer",
        "its client has disconnected",
    ];
    assert!(seen.iter().all(|stage| known.contains(&&**stage)), "{seen:?}");
}

#[test]
fn all_three_database_modes_answer() {
    let mut bench = bench("count = 4\nusers = 100\ndatabase = 'thread'");
    let mode = |s: &Target| s.lab.as_ref().expect("a lab").workloads[1].mode.clone();
    for expected in ["thread", "on-the-worker", "spawn-blocking"] {
        let before = bench.sample();
        assert_eq!(mode(&before).as_deref(), Some(expected));
        bench.wait("requests are answered", |s| requests(s) > requests(&before) + 8);
        bench.lab.execute(LabCommand::SwitchMode(1));
    }
    assert!(bench.lab.execute(LabCommand::SwitchMode(0)).contains("has no modes"));
    assert!(bench.lab.execute(LabCommand::SwitchMode(7)).contains("no such workload"));
}

/// The connections with a running query.
fn queries(snapshot: &Target) -> impl Iterator<Item = &TaskStats> {
    group(snapshot, "conn").filter(|task| task.stage.as_deref() == Some("queries the database"))
}

fn heartbeat_polls(snapshot: &Target) -> u64 {
    group(snapshot, "heartbeat").map(|task| task.polls).sum()
}

#[test]
fn no_other_task_is_polled_during_a_query_on_the_worker() {
    let mut bench = bench("count = 4\nusers = 50000\ndatabase = 'on-the-worker'");
    let running = |s: &Target| queries(s).next().map(|task| (task.key, task.since_ns));
    let (begin, mut seen) = (Instant::now(), 0);
    while seen < 3 {
        assert!(begin.elapsed() < TIMEOUT, "no query was in four consecutive snapshots");
        let snapshots: [Target; 4] = std::array::from_fn(|_| bench.sample());
        let not_polling = snapshots.iter().flat_map(queries).find(|t| t.state != State::Polling);
        assert!(not_polling.is_none(), "a query on the worker is in one poll: {not_polling:?}");
        let first = running(&snapshots[0]);
        if first.is_some() && snapshots.iter().all(|s| running(s) == first) {
            // A snapshot reads one task after another: the inner two are within the poll.
            assert_eq!(heartbeat_polls(&snapshots[1]), heartbeat_polls(&snapshots[2]));
            seen += 1;
        }
    }
}

#[test]
fn other_tasks_are_polled_during_a_query_off_the_worker() {
    for mode in ["spawn-blocking", "thread"] {
        let mut bench = bench(&format!("count = 4\nusers = 50000\ndatabase = '{mode}'"));
        // The heartbeats' polls at the first sample of each query whose task was idle.
        let mut before = HashMap::new();
        bench.wait("a heartbeat is polled during a query", |s| {
            let beats = heartbeat_polls(s);
            let mut idle = queries(s).filter(|task| task.state == State::Idle);
            idle.any(|task| *before.entry((task.key, task.polls)).or_insert(beats) < beats)
        });
    }
}

#[test]
fn mode_is_kept_when_the_runtime_is_replaced() {
    let mut bench = bench("count = 2\nusers = 100");
    bench.lab.execute(LabCommand::SwitchMode(1));
    bench.lab.execute(LabCommand::SwitchFlavor);
    let before = bench.sample();
    let mode = before.lab.as_ref().expect("a lab").workloads[1].mode.clone();
    assert_eq!(mode.as_deref(), Some("thread"));
    bench.wait("requests are answered again", |s| {
        s.runtime.flavor == Some(Flavor::MultiThread) && requests(s) > requests(&before)
    });
}
