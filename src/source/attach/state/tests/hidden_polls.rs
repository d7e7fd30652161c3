//! Long polls among short ones, which only a histogram shows.

use api::tasks::{DurationHistogram, TaskDetails, task_details::PollTimesHistogram};
use hdrhistogram::serialization::{Serializer, V2Serializer};

use super::*;

/// The stats of a task whose polls took `busy_ms` in total; the last one began at `last` and was
/// short.
fn polled(polls: u64, busy_ms: i64, last: i64) -> Stats {
    let busy_time =
        Some(Duration { seconds: busy_ms / 1_000, nanos: (busy_ms % 1_000 * MS) as i32 });
    Stats {
        poll_stats: Some(PollStats {
            polls,
            first_poll: at(THEN + 2 * MS),
            last_poll_started: at(THEN + last),
            last_poll_ended: at(THEN + last + MS / 2),
            busy_time,
        }),
        ..idle(THEN)
    }
}

/// The details of task 7 at `now`, with polls of these lengths.
fn details(now: i64, lengths_ms: &[u64]) -> TaskDetails {
    let mut histogram =
        hdrhistogram::Histogram::<u64>::new_with_max(S as u64, 2).expect("a histogram");
    for length in lengths_ms {
        histogram.record(length * MS as u64).expect("in range");
    }
    let mut encoded = DurationHistogram { max_value: S as u64, ..Default::default() };
    V2Serializer::new().serialize(&histogram, &mut encoded.raw_histogram).expect("a Vec");
    TaskDetails {
        task_id: id(7),
        now: at(THEN + now),
        poll_times_histogram: Some(PollTimesHistogram::Histogram(encoded)),
        ..TaskDetails::default()
    }
}

/// The lengths of the reported polls, rounded to 10 ms.
fn lengths(program: &mut TestProgram) -> Vec<u64> {
    let polls = program.0.take_long_polls();
    assert!(polls.iter().all(|poll| poll.task == program.tasks()[0].key), "{polls:?}");
    polls.iter().map(|poll| (poll.length_ns + 5 * MS as u64) / (10 * MS as u64) * 10).collect()
}

/// A program with task 7, which was polled 100 times for 1 ms in total.
fn program() -> TestProgram {
    let mut program = TestProgram::new();
    program.apply(&update(S, [announced(7, "t")], [(7, polled(100, 1, 900 * MS))]));
    assert!(program.0.watched_tasks().is_empty(), "no long poll can have been hidden");
    program
}

#[test]
fn long_poll_among_short_ones_is_found_in_the_histogram() {
    let mut program = program();
    program.apply(&update(2 * S, [], [(7, polled(200, 152, 1_900 * MS))]));
    assert_eq!(program.0.watched_tasks(), HashSet::from([7]));
    program.0.apply_details(&details(2 * S + 1, &[1, 1, 150]));
    assert_eq!(lengths(&mut program), [0; 0], "a later update may report its start");
    program.apply(&update(3 * S, [], [(7, polled(300, 154, 2_900 * MS))]));
    assert_eq!(lengths(&mut program), [150]);
    let max = program.tasks()[0].max_poll_ns / MS as u64;
    assert!((149..=150).contains(&max), "{max}");
    // Now every poll between two histograms is known, also one that is shorter than an earlier one.
    program.0.apply_details(&details(3 * S + 1, &[1, 1, 150, 1]));
    program.apply(&update(4 * S, [], [(7, polled(400, 205, 3_900 * MS))]));
    program.0.apply_details(&details(4 * S + 1, &[1, 1, 150, 1, 50]));
    program.apply(&update(5 * S, [], []));
    assert_eq!(lengths(&mut program), [50]);
    program.apply(&update(6 * S, [], []));
    assert_eq!(lengths(&mut program), [0; 0]);
}

#[test]
fn poll_with_a_known_start_is_not_reported_again() {
    let mut program = program();
    program.apply(&update(2 * S, [], [(7, polled(200, 31, 1_900 * MS))]));
    program.0.apply_details(&details(2 * S + 1, &[1; 30]));
    let mut last = polled(300, 181, 2_800 * MS);
    let polls = last.poll_stats.get_or_insert_default();
    polls.last_poll_ended = at(THEN + 2_950 * MS);
    program.apply(&update(3 * S, [], [(7, last)]));
    program.0.apply_details(&details(3 * S + 1, &[1, 1, 150]));
    program.apply(&update(4 * S, [], []));
    assert_eq!(lengths(&mut program), [150]);
}

#[test]
fn polls_from_before_the_hidden_time_are_not_reported() {
    let mut program = TestProgram::new();
    program.apply(&update(S, [announced(7, "t")], [(7, polled(100, 400, 900 * MS))]));
    program.apply(&update(2 * S, [], [(7, polled(200, 452, 1_900 * MS))]));
    program.0.apply_details(&details(2 * S + 1, &[1, 300, 1]));
    program.apply(&update(3 * S, [], []));
    assert_eq!(lengths(&mut program), [0; 0]);
    assert!(program.tasks()[0].max_poll_ns >= 299 * MS as u64, "its time is not known");
}

#[test]
fn estimate_is_reported_if_the_program_sends_no_histogram() {
    let mut program = program();
    program.apply(&update(2 * S, [], [(7, polled(103, 152, 1_900 * MS))]));
    assert_eq!(lengths(&mut program), [0; 0]);
    for after in 3..6 {
        program.apply(&update(after * S, [], []));
    }
    assert_eq!(lengths(&mut program), [80], "half of the sum");
    assert!(program.0.watched_tasks().is_empty());
}

#[test]
fn histograms_are_requested_of_a_limited_number_of_tasks_in_turn() {
    let mut program = TestProgram::new();
    let tasks = 1..=40;
    let all = |polls, busy, last| tasks.clone().map(move |task| (task, polled(polls, busy, last)));
    program.apply(&update(S, tasks.clone().map(|n| announced(n, "t")), all(100, 1, 900 * MS)));
    let mut seen = HashSet::new();
    // 16 tasks from each of the updates 2, 6 and 10 on.
    for n in 2..=10 {
        program.apply(&update(n * S, [], all(100 * n as u64, 40 * n, (n * 1_000 - 100) * MS)));
        let watched = program.0.watched_tasks();
        assert!((1..=16).contains(&watched.len()), "{watched:?}");
        for id in &watched {
            let details = TaskDetails { task_id: super::id(*id), ..details(n * S + 1, &[1]) };
            program.0.apply_details(&details);
        }
        seen.extend(watched);
    }
    assert_eq!(seen.len(), 40);
    program.tasks();
}
