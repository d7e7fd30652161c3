//! The timeline of polls made by hand: bars, activity, bounds.

use proptest::prelude::*;

use super::*;
use crate::{
    model::{Model, PollScope, testing},
    snapshot::{CurrentPoll, LongPoll, PollKind, PollSpan, PollSpans, TICK_NS},
};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

fn span((task, began, ended): (u64, u64, u64)) -> PollSpan {
    PollSpan { task, began, ended }
}

fn spans(from_ns: u64, missing: u64, polls: &[(u64, u64, u64)]) -> PollSpans {
    let spans = polls.iter().copied().map(span).collect();
    PollSpans { from_ns, missing, spans }
}

/// All polls since `from_ns`, and those that contain a tick.
fn all(from_ns: u64, polls: &[(u64, u64, u64)]) -> WorkerPolls {
    let ticked = polls.iter().filter(|(_, began, ended)| began / TICK_NS != ended / TICK_NS);
    let ticked: Vec<_> = ticked.copied().collect();
    WorkerPolls {
        every: spans(from_ns, 0, polls),
        ticked: spans(from_ns, 0, &ticked),
        current: None,
    }
}

/// A snapshot with the tasks 1 to 3: `a-1`, `a-2` and `b`.
fn snapshot(now: u64, workers: impl IntoIterator<Item = WorkerPolls>) -> Target {
    let tasks = [(1, "a-1"), (2, "a-2"), (3, "b")].map(|(id, name)| testing::task(id, name));
    let mut snapshot = testing::snapshot(now, tasks);
    snapshot.timeline = Some(workers.into_iter().collect());
    snapshot
}

fn add(timeline: &mut Timeline, snapshot: &Target) {
    timeline.advance(snapshot, &ImpactTable::default());
}

fn timeline(snapshots: impl IntoIterator<Item = Target>) -> Timeline {
    let mut timeline = Timeline::default();
    snapshots.into_iter().for_each(|snapshot| add(&mut timeline, &snapshot));
    timeline
}

/// Cells as text: the group's letter, in lower case if less than half of the cell is busy.
fn drawn(timeline: &Timeline, from: u64, to: u64, columns: usize) -> String {
    let cell = |cell: &BarCell| match (cell.coverage, cell.group) {
        (Coverage::Missing, _) => '?',
        (_, None) => ' ',
        (_, Some(group)) => {
            let letter = timeline.groups()[usize::from(group)].letter;
            if cell.busy < 0.5 { letter.to_ascii_lowercase() } else { letter }
        }
    };
    timeline.bar(0, (from, to), columns, &PollScope::default()).cells.iter().map(cell).collect()
}

#[test]
fn cell_has_the_letter_of_its_busiest_group() {
    let polls = [(1, 0, 10), (3, 10, 30), (2, 55, 58), (3, 70, 74), (1, 74, 80)];
    let timeline = timeline([snapshot(100, [all(0, &polls)])]);
    assert_eq!(drawn(&timeline, 0, 100, 10), "ABB  a A  ");
    assert_eq!(drawn(&timeline, 0, 100, 2), "Ba");
    let bar = timeline.bar(0, (0, 100), 10, &PollScope::default());
    assert_eq!(bar.cells[5].busy, 0.3);
    assert_eq!(bar.cells[7].poll, Some((1, 74)), "the longer of two polls");
    assert_eq!(bar.covered_ns, 100);
    let name = |group: u16| &*timeline.groups()[usize::from(group)].name;
    let shares: Vec<_> = group_shares(&[bar]).iter().map(|(g, share)| (name(*g), *share)).collect();
    assert_eq!(shares, [("b", 0.24), ("a", 0.19)]);
}

#[test]
fn running_poll_is_drawn_up_to_the_latest_snapshot() {
    let running_poll = |now: u64, from: u64| {
        let current = Some(CurrentPoll { key: 3, since_ns: 40, kind: PollKind::Poll });
        let polls = if from == 0 { all(0, &[(1, 10, 20)]) } else { all(from, &[]) };
        snapshot(now, [WorkerPolls { current, ..polls }])
    };
    let mut timeline = timeline([running_poll(60, 0)]);
    assert_eq!(drawn(&timeline, 0, 100, 10), " A  BB????");
    add(&mut timeline, &running_poll(100, 60));
    assert_eq!(drawn(&timeline, 0, 100, 10), " A  BBBBBB");
    assert!(
        timeline.bar(0, (0, 100), 10, &PollScope::default()).cells[4..]
            .iter()
            .all(|c| c.poll == Some((3, 40)))
    );
    add(&mut timeline, &snapshot(110, [all(100, &[(3, 40, 105)])]));
    assert_eq!(drawn(&timeline, 0, 110, 11), " A  BBBBBBB", "not counted twice");
}

#[test]
fn open_poll_that_began_after_the_snapshot_is_in_the_next_one() {
    let running_poll = |now: u64, from: u64| {
        let current = Some(CurrentPoll { key: 3, since_ns: 70, kind: PollKind::Poll });
        snapshot(now, [WorkerPolls { current, ..all(from, &[]) }])
    };
    let mut timeline = timeline([running_poll(60, 0)]);
    assert_eq!(timeline.step(0, 0, true, &PollScope::default()), None);
    add(&mut timeline, &running_poll(100, 60));
    assert_eq!(timeline.step(0, 0, true, &PollScope::default()), Some(70));
}

#[test]
fn interrupted_poll_continues_after_the_nested_one() {
    let polls = all(0, &[(1, 10, 30), (3, 30, 50)]);
    let current = Some(CurrentPoll { key: 1, since_ns: 10, kind: PollKind::Poll });
    let timeline = timeline([snapshot(100, [WorkerPolls { current, ..polls }])]);
    assert_eq!(drawn(&timeline, 0, 100, 10), " AABBAAAAA");
}

#[test]
fn dropped_polls_are_a_gap_with_their_number() {
    let short = |from: u64, to| -> Vec<_> { (from..to).map(|n| (1, n * 10, n * 10 + 9)).collect() };
    let first = all(0, &short(0, 10));
    let mut second = all(100, &short(30, 40));
    second.every = spans(300, 20, &short(30, 40));
    second.ticked = spans(300, 1, &[]);
    let timeline = timeline([snapshot(100, [first]), snapshot(400, [second])]);
    assert_eq!(drawn(&timeline, 0, 400, 8), "AA????AA");
    let activity = |at| timeline.activity(0, ColumnSpan { from: at, to: at + 50, at: at + 25 });
    assert_eq!(activity(200), WorkerActivity::Dropped(20));
    assert!(matches!(activity(50), WorkerActivity::Poll { .. }));
    assert_eq!(
        timeline.activity(3, ColumnSpan { from: 0, to: 9, at: 5 }),
        WorkerActivity::NotRecorded
    );
}

#[test]
fn shares_of_dropped_polls_are_estimated_from_ticks() {
    // Task 1 takes three quarters of the time, task 3 the rest, in polls of 0.75 and 0.25 µs.
    let mut polls = WorkerPolls::default();
    let found = |n: u64| {
        // The poll that was running just before the tick, and ended at it or later.
        let at = n * TICK_NS - 1;
        let place = at % 1_000;
        let (task, from, length) = if place < 750 { (1, 0, 750) } else { (3, 750, 250) };
        (task, at - place + from, at - place + from + length)
    };
    let ticks = 4 * S / TICK_NS;
    let ticked: Vec<_> = (1..ticks).map(found).collect();
    polls.ticked = spans(0, 0, &ticked);
    polls.every = spans(4 * S, 1_000_000, &[]);
    let timeline = timeline([snapshot(4 * S, [polls])]);
    assert_eq!(drawn(&timeline, 0, 4 * S, 20), "A".repeat(20));
    let bar = timeline.bar(0, (0, 4 * S), 20, &PollScope::default());
    assert!(bar.is_sampled() && !bar.has_gaps());
    assert!(bar.cells.iter().all(|cell| cell.busy > 0.99));
    let shares = group_shares(&[bar]);
    assert!((shares[0].1 - 0.75).abs() < 0.02, "{shares:?}");
    assert_eq!(drawn(&timeline, S, S + MS / 10, 10).replace('A', "?"), "?".repeat(10));
}

#[test]
fn activity_has_the_poll_and_its_neighbors() {
    let polls = [(1, 10, 20), (3, 20, 30), (2, 50, 60)];
    let timeline = timeline([snapshot(100, [all(0, &polls)])]);
    let activity = |from, to, at| timeline.activity(0, ColumnSpan { from, to, at });
    let key = |poll: Option<TimelinePoll>| poll.map(|poll| poll.key);
    let WorkerActivity::Poll { poll, is_running, others, before, after } = activity(10, 30, 22)
    else {
        panic!()
    };
    assert_eq!((poll.key, poll.began, poll.ended), (3, 20, 30));
    assert_eq!((is_running, others, key(before), key(after)), (false, 1, Some(1), Some(2)));
    let WorkerActivity::Idle { before, after } = activity(30, 40, 35) else { panic!() };
    assert_eq!((key(before), key(after)), (Some(3), Some(2)));
    assert_eq!(timeline.step(0, 10, true, &PollScope::default()), Some(20));
    assert_eq!(timeline.step(0, 20, false, &PollScope::default()), Some(10));
    assert_eq!(
        (
            timeline.step(0, 10, false, &PollScope::default()),
            timeline.step(0, 50, true, &PollScope::default())
        ),
        (None, None)
    );
    assert_eq!(timeline.task(3).map(|meta| &*meta.name), Some("b"));
}

#[test]
fn ended_tasks_keep_their_names_and_groups_their_letters() {
    let mut timeline = timeline([snapshot(100, [all(0, &[(1, 10, 20), (3, 30, 40)])])]);
    let letters: String = timeline.groups()[2..].iter().map(|group| group.letter).collect();
    assert_eq!(letters, "AB");
    let mut later = testing::snapshot(200, [testing::task(9, "b2b")]);
    later.timeline = Some(vec![all(100, &[(9, 150, 160), (8, 170, 180)])]);
    add(&mut timeline, &later);
    assert_eq!(timeline.task(1).map(|meta| &*meta.name), Some("a-1"));
    assert_eq!(timeline.task(8), None, "it was in no snapshot");
    // The letter B is in use, so `b2b` has its next one.
    assert_eq!(drawn(&timeline, 0, 200, 20), " A B           2 ?  ");
    let long_after = 200 + 2 * Timeline::HISTORY_NS;
    add(&mut timeline, &snapshot(long_after, [all(200, &[])]));
    assert_eq!(timeline.task(1), None);
}

#[test]
fn groups_keep_their_letters_while_the_timeline_is_not_subscribed_to() {
    let mut model = Model::default();
    let polled = |task| all(0, &[(task, 10 * MS, 20 * MS)]);
    model.advance(&snapshot(S, [polled(3)]).into());
    let mut without = snapshot(2 * S, []);
    without.timeline = None;
    model.advance(&without.into());
    model.advance(
        &snapshot(3 * S, [all(0, &[(1, 10 * MS, 20 * MS), (3, 30 * MS, 40 * MS)])]).into(),
    );
    let mut restarted = snapshot(4 * S, [polled(1)]);
    restarted.epoch += 1;
    model.advance(&restarted.into());
    let groups = model.only().timeline().groups();
    let named: Vec<_> = groups.iter().map(|group| (&*group.name, group.letter)).skip(2).collect();
    assert_eq!(named, [("b", 'B'), ("a", 'A')]);
}

#[test]
fn longest_polls_are_those_that_overlap_the_span() {
    let first = all(0, &[(1, 0, 9 * MS), (2, 10 * MS, 11 * MS), (3, 20 * MS, 25 * MS)]);
    let second = all(0, &[(2, 0, 3 * MS), (1, 30 * MS, 90 * MS)]);
    let timeline = timeline([snapshot(S, [first, second])]);
    let found = |from, to, count| -> Vec<(usize, u64)> {
        let polls = timeline.longest(from, to, count, &PollScope::default()).into_iter();
        polls.map(|(worker, poll)| (worker, (poll.ended - poll.began) / MS)).collect()
    };
    assert_eq!(found(0, S, 3), [(1, 60), (0, 9), (0, 5)]);
    assert_eq!(found(10 * MS, 26 * MS, 9), [(0, 5), (0, 1)]);
}

#[test]
fn groups_beyond_the_letters_share_one_and_their_number_is_bounded() {
    let tasks = (0..2_000).map(|id| testing::task(id, &format!("task {id} of many")));
    let mut snapshot = testing::snapshot(S, tasks);
    let polls: Vec<_> = (0..2_000).map(|id| (id, id * 10, id * 10 + 5)).collect();
    snapshot.timeline = Some(vec![all(0, &polls)]);
    let mut timeline = Timeline::default();
    add(&mut timeline, &snapshot);
    assert_eq!(timeline.groups().len(), 1_000);
    let mut letters: Vec<char> = timeline.groups().iter().map(|group| group.letter).collect();
    letters.retain(|letter| *letter != '*');
    let count = letters.len();
    letters.sort_unstable();
    letters.dedup();
    assert_eq!((letters.len(), count), (63, 63));
}

#[test]
fn polls_are_bounded_in_age_and_number() {
    let mut timeline = Timeline::default();
    let mut now = 0;
    for _ in 0..200 {
        let polls: Vec<_> =
            (0..10_000).map(|n| (1, now + n * 20_000, now + n * 20_000 + 9)).collect();
        let from = now;
        now += 10_000 * 20_000;
        add(&mut timeline, &snapshot(now, [all(from, &polls)]));
    }
    let track = &timeline.tracks[0];
    let kept = track.every.within(0, now).count();
    assert!(kept <= MAX_POLLS && kept > MAX_POLLS / 2, "{kept}");
    let begin = now - timeline.begin_ns();
    assert!((Timeline::HISTORY_NS..Timeline::HISTORY_NS + S).contains(&begin), "{begin}");
}

#[test]
fn timeline_starts_over_in_a_new_epoch_or_without_a_subscription() {
    let polled = |now, epoch| {
        let mut snapshot = snapshot(now, [all(0, &[(1, 10, 20)])]);
        snapshot.epoch = epoch;
        snapshot
    };
    let mut model = Model::default();
    model.advance(&polled(100, 1).into());
    assert_eq!(model.only().timeline().begin_ns(), 0);
    let mut other = snapshot(200, [all(150, &[])]);
    other.epoch = 2;
    model.advance(&other.into());
    assert_eq!((model.only().timeline().begin_ns(), model.only().timeline().task(1)), (150, None));
    let mut without = polled(300, 2);
    without.timeline = None;
    model.advance(&without.into());
    assert_eq!(model.only().timeline().workers(), 0);
}

proptest! {
    /// For any polls in any order: no panic, and no share above the whole time.
    #[test]
    fn shares_do_not_exceed_the_whole(
        snapshots in prop::collection::vec(
            (prop::collection::vec((0u64..5, any::<u64>(), any::<u64>()), 0..20), any::<u64>(), 0u64..3),
            1..6,
        ),
        from in any::<u64>(),
        span in any::<u64>(),
        columns in 0usize..300,
    ) {
        let mut timeline = Timeline::default();
        for (ended, now, missing) in snapshots {
            let mut polls = all(now / 2, &ended);
            polls.every.missing = missing;
            let current = |&(key, since_ns, _)| CurrentPoll { key, since_ns, kind: PollKind::Poll };
            polls.current = ended.first().map(current);
            add(&mut timeline, &snapshot(now, [polls]));
        }
        let to = from.saturating_add(span);
        let bar = timeline.bar(0, (from, to), columns, &PollScope::default());
        prop_assert_eq!(bar.cells.len(), columns);
        prop_assert!(bar.cells.iter().all(|cell| (0.0..=1.0).contains(&cell.busy)));
        prop_assert!(u128::from(bar.covered_ns) <= u128::from(span));
        let busy: u128 = bar.times.iter().map(|time| u128::from(*time)).sum();
        prop_assert!(busy <= u128::from(bar.covered_ns) + columns as u128);
        timeline.activity(0, ColumnSpan { from, to, at: from + span.min(to - from) / 2 });
        timeline.step(0, from, span % 2 == 0, &PollScope::default());
    }

    #[test]
    fn times_do_not_depend_on_the_number_of_columns(lengths in prop::collection::vec((1u64..4, 0u64..50, 1u64..50), 1..60), columns in 1usize..40) {
        let mut at = 0;
        let polls: Vec<_> = lengths.iter().map(|(task, idle, length)| {
            let began = at + idle;
            at = began + length;
            (*task, began, at)
        }).collect();
        let timeline = timeline([snapshot(at, [all(0, &polls)])]);
        let whole = timeline.bar(0, (0, at), 1, &PollScope::default());
        prop_assert_eq!(timeline.bar(0, (0, at), columns, &PollScope::default()).times, whole.times.clone());
        prop_assert_eq!(whole.times.iter().sum::<u64>(), lengths.iter().map(|(_, _, n)| n).sum::<u64>());
    }
}

#[test]
fn task_of_a_long_poll_is_known_after_its_end() {
    let mut model = Model::default();
    let mut with_hog = testing::snapshot(S, [testing::task(7, "hog")]);
    with_hog.long_polls = vec![LongPoll::computing(7, 0, S / 2).into()];
    model.advance(&with_hog.into());
    // The timeline is subscribed to after the task has ended.
    model.advance(&snapshot(2 * S, [all(0, &[(7, 0, S / 2), (8, S / 2, S)])]).into());
    let timeline = model.only().timeline();
    assert_eq!(timeline.task(7).map(|meta| &*meta.name), Some("hog"));
    assert_eq!(timeline.task(8), None);
}

#[test]
fn bar_of_a_scope_has_its_polls_and_elsewhere_all() {
    let polls = [(1, 0, 20), (2, 20, 26), (1, 26, 30), (3, 50, 60), (2, 80, 84)];
    let timeline = timeline([snapshot(100, [all(0, &polls)])]);
    let scope = PollScope::of([2]);
    let bar = timeline.bar(0, (0, 100), 10, &scope);
    let scoped: Vec<_> = bar.cells.iter().map(|cell| (cell.in_scope, cell.busy)).collect();
    assert_eq!(scoped[1..6], [(false, 1.0), (true, 0.6), (false, 0.0), (false, 0.0), (false, 1.0)]);
    assert_eq!((bar.cells[2].poll, bar.cells[8].poll), (Some((2, 20)), Some((2, 80))));
    assert_eq!((bar.scoped_ns, bar.times.iter().sum::<u64>()), (10, 44));
    assert_eq!(timeline.step(0, 0, true, &scope), Some(20));
    assert_eq!(timeline.step(0, 20, true, &scope), Some(80));
    assert_eq!(timeline.step(0, 99, false, &PollScope::of([3])), Some(50));
    assert_eq!(timeline.step(0, 99, true, &scope), None);
    assert_eq!(timeline.longest(0, 100, 9, &scope).len(), 2);
}
