//! A process that is replaced by another one.

use super::*;

#[test]
fn new_process_replaces_the_previous_one() {
    let mut program = TestProgram::new();
    program.apply(&update(S, [announced(7, "old")], [(7, idle(THEN))]));
    let first = program.0.process();
    program.0.connected();
    program.apply(&update(60 * S, [announced(7, "new")], [(7, idle(THEN + 50 * S))]));
    let tasks = program.tasks();
    assert_eq!((tasks.len(), &*tasks[0].meta.name), (1, "new"));
    assert_eq!(program.0.process(), first + 1);
}

#[test]
fn new_process_without_tasks_replaces_the_previous_one() {
    let mut program = TestProgram::new();
    program.apply(&update(S, [announced(7, "old")], [(7, idle(THEN))]));
    program.0.connected();
    program.apply(&update(60 * S, [], []));
    assert_eq!((program.tasks().len(), program.0.process()), (0, 2));
}

#[test]
fn same_process_continues_after_a_lost_connection() {
    let metadata = || {
        let metadata = Metadata { field_names: vec!["a".to_owned()], ..Metadata::default() };
        let id = Some(api::MetaId { id: 1 });
        Some(RegisterMetadata { metadata: vec![NewMetadata { id, metadata: Some(metadata) }] })
    };
    let both = [(7, idle(THEN)), (8, idle(THEN))];
    let mut first = update(S, [announced(7, "a"), announced(8, "b")], both);
    first.new_metadata = metadata();
    let mut program = TestProgram::new();
    program.apply(&first);
    program.0.connected();
    // The complete state again, without the task that has ended in between.
    let mut second = update(5 * S, [announced(7, "a")], [(7, idle(THEN))]);
    second.new_metadata = metadata();
    program.apply(&second);
    assert_eq!(program.0.process(), 1);
    assert_eq!(program.names(), [("a".to_owned(), State::Idle), ("b".to_owned(), State::Ended)]);
}
