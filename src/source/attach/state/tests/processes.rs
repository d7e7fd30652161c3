//! A process and its successor.

use super::*;

#[test]
fn another_process_does_not_mix_with_the_one_before() {
    let mut target = Watched::new();
    target.take(&update(S, [announced(7, "old")], [(7, idle(THEN))]));
    let first = target.0.process();
    target.0.connected();
    target.take(&update(60 * S, [announced(7, "new")], [(7, idle(THEN + 50 * S))]));
    let tasks = target.tasks(60 * S);
    assert_eq!((tasks.len(), &*tasks[0].meta.name), (1, "new"));
    assert_eq!(target.0.process(), first + 1);
}

#[test]
fn a_process_that_has_only_just_begun_is_another_one() {
    let mut target = Watched::new();
    target.take(&update(S, [announced(7, "old")], [(7, idle(THEN))]));
    target.0.connected();
    target.take(&update(60 * S, [], []));
    assert_eq!((target.tasks(60 * S).len(), target.0.process()), (0, 2));
}

#[test]
fn the_same_process_goes_on_after_a_lost_connection() {
    let metadata = || {
        let metadata = Metadata { field_names: vec!["a".to_owned()], ..Metadata::default() };
        let id = Some(api::MetaId { id: 1 });
        Some(RegisterMetadata { metadata: vec![NewMetadata { id, metadata: Some(metadata) }] })
    };
    let both = [(7, idle(THEN)), (8, idle(THEN))];
    let mut first = update(S, [announced(7, "a"), announced(8, "b")], both);
    first.new_metadata = metadata();
    let mut target = Watched::new();
    target.take(&first);
    target.0.connected();
    // Everything again, but for one that has ended meanwhile.
    let mut second = update(5 * S, [announced(7, "a")], [(7, idle(THEN))]);
    second.new_metadata = metadata();
    target.take(&second);
    assert_eq!(target.0.process(), 1);
    assert_eq!(target.names(), [("a".to_owned(), State::Idle), ("b".to_owned(), State::Ended)]);
}
