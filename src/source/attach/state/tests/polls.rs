//! Polls: those under way, those that have ended, and clocks.

use super::*;

#[test]
fn a_stuck_task_goes_on_being_busy_without_being_sent_again() {
    let mut target = Watched::new();
    let stuck = polling(THEN, THEN + S - 10 * MS);
    target.take(&update(S, [announced(7, "hog")], [(7, stuck)]));
    // It may have ended its poll before the target had written the update.
    let busy = |target: &Watched, after| target.tasks(after)[0].busy_ns / MS as u64;
    assert_eq!(busy(&target, S + 900 * MS), 2);
    let began = target.tasks(S)[0].since_ns;
    // The next update does not have it: it is still in that poll.
    target.take(&update(2 * S, [], []));
    assert_eq!(busy(&target, 2 * S), 2 + 1_010);
    assert_eq!(busy(&target, 2 * S + 500 * MS), 2 + 1_510);
    let hog = &target.tasks(2 * S + 500 * MS)[0];
    assert_eq!((hog.state, hog.max_poll_ns), (State::Polling, 1_510 * MS as u64));
    assert_eq!((hog.since_ns, hog.lasts_ns(u64::MAX)), (began, 1_510 * MS as u64));
    // When it is over, what was certain of it stays.
    let over = tasks::Stats { wakes: 2, ..idle(THEN) };
    target.take(&update(3 * S, [], [(7, over)]));
    assert_eq!(target.tasks(3 * S)[0].max_poll_ns, 1_010 * MS as u64);
}

#[test]
fn polls_that_have_ended_are_told_once_and_those_of_before_never() {
    let mut target = Watched::new();
    let poll = |began, length, polls| tasks::Stats {
        poll_stats: Some(PollStats {
            polls,
            first_poll: at(THEN + MS),
            last_poll_started: at(THEN + began),
            last_poll_ended: at(THEN + began + length),
            busy_time: Some(Duration { seconds: 0, nanos: (length * polls as i64) as i32 }),
        }),
        ..idle(THEN)
    };
    let mut told = |at, stats| {
        target.take(&update(at, [], [(7, stats)]));
        let polls = target.0.take_long_polls();
        polls.iter().map(|poll| (poll.began_ns, poll.length_ns)).collect::<Vec<_>>()
    };
    assert_eq!(told(S, poll(200 * MS, 90 * MS, 1)), [], "it was over before anybody looked");
    let next = (NOW + 1500 * MS) as u64;
    assert_eq!(told(2 * S, poll(1500 * MS, 80 * MS, 2)), [(next, 80 * MS as u64)]);
    let wakes = tasks::Stats { wakes: 9, ..poll(1500 * MS, 80 * MS, 2) };
    assert_eq!(told(3 * S, wakes), [], "the same one");
    assert_eq!(told(4 * S, poll(3500 * MS, MS / 2, 3)), [], "no rule speaks of it");
    assert_eq!(told(5 * S, polling(THEN, THEN + 4500 * MS)), [], "it is not over");
    assert_eq!(told(6 * S, poll(4500 * MS, 900 * MS, 4)).len(), 1);
}

#[test]
fn a_block_before_the_last_poll_of_a_request_is_told_as_the_least_that_it_was() {
    let mut target = Watched::new();
    target.take(&update(S, [], [(1, idle(THEN))]));
    let request = tasks::Stats {
        poll_stats: Some(PollStats {
            polls: 3,
            first_poll: at(THEN + S + 11 * MS),
            last_poll_started: at(THEN + S + 300 * MS),
            last_poll_ended: at(THEN + S + 301 * MS),
            busy_time: Some(Duration { seconds: 0, nanos: 241 * MS as i32 }),
        }),
        ..ended(THEN + S + 10 * MS, THEN + S + 302 * MS)
    };
    target.take(&update(2 * S, [announced(7, "request")], [(7, request)]));
    let told = target.0.take_long_polls();
    let least = told.iter().find(|poll| poll.is_least).expect("one of two took half of the sum");
    assert_eq!(least.length_ns, 120 * MS as u64);
    let known = target.tasks(2 * S).into_iter().find(|task| task.meta.id == 1007);
    assert_eq!(known.expect("it is kept for a while").max_poll_ns, 120 * MS as u64);
}

#[test]
fn a_poll_that_was_met_while_an_update_was_written_is_not_long() {
    let mut target = Watched::new();
    // Read 1 ms after it began; the target took 80 ms to write the rest of its update.
    let met = polling(THEN, THEN + S - 80 * MS);
    let other = tasks::Stats { last_wake: at(THEN + S - 79 * MS), ..idle(THEN) };
    target.take(&update(S, [], [(7, met), (8, other)]));
    let met = |target: &Watched| {
        let tasks = target.tasks(S + 900 * MS);
        tasks.into_iter().find(|task| task.meta.id == 7).expect("it is known")
    };
    assert_eq!((met(&target).state, met(&target).lasts_ns(u64::MAX)), (State::Polling, MS as u64));
    assert_eq!(met(&target).max_poll_ns, 2 * MS as u64, "the one before it");
    target.take(&update(2 * S, [], [(7, idle(THEN))]));
    assert_eq!(met(&target).max_poll_ns, 2 * MS as u64);

    // Nobody writes for 700 ms.
    let mut target = Watched::new();
    target.take(&update(S, [], [(7, polling(THEN, THEN + 300 * MS))]));
    assert!(met(&target).lasts_ns(u64::MAX) > 400 * MS as u64);
}

#[test]
fn times_that_run_backwards_break_nothing() {
    let mut target = Watched::new();
    target.take(&update(10 * S, [announced(7, "a")], [(7, polling(THEN, THEN + 9 * S))]));
    target.take(&update(2 * S, [announced(8, "b")], [(8, idle(THEN + 20 * S))]));
    target.take(&update(11 * S, [], [(7, polling(THEN + 30 * S, THEN - S))]));
    for after in [0, S, 12 * S, 100 * S] {
        target.tasks(after);
    }
}
