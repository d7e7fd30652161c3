//! Valid scenario files, and the errors of invalid ones.

use std::{io::Write, time::Duration};

use asynctop_snapshot::{Flavor, text::sanitize};
use proptest::prelude::*;

use super::{BUILT_IN_SCENARIOS, Scenario};
use crate::{HogKind, LabError, ParamValue, WORKLOAD_KINDS};

fn parse(text: &str) -> Result<Scenario, String> {
    Scenario::parse("mine", "mine.toml", text).map_err(|error| error.to_string())
}

#[test]
fn all_keys_of_a_file_are_read() {
    let scenario = parse(
        "title = 'All of it'
         [runtime]
         flavor = 'multi-thread'
         workers = 3
         max_blocking_threads = 4
         [[workload]]
         kind = 'heartbeats'
         name = 'pulse'
         count = 0x10
         period = '2.5s'
         [[workload]]
         kind = 'heartbeats'
         [hog]
         kind = 'block'
         count = 2
         hold = '20ms'
         [lesson]
         watch = '''a
           b'''
         try = 'c'
         why = 'd'",
    )
    .expect("valid");
    assert_eq!((&*scenario.name, &*scenario.title), ("mine", "All of it"));
    assert_eq!(scenario.flavor, Flavor::MultiThread);
    assert_eq!((scenario.workers, scenario.max_blocking_threads), (Some(3), Some(4)));
    let [pulse, other] = &scenario.workloads[..] else { panic!("{:?}", scenario.workloads) };
    assert_eq!((&*pulse.name, pulse.count), ("pulse", 16));
    let period = pulse.kind.param("period").expect("the parameter exists");
    assert_eq!(pulse.params.duration(period), Duration::from_millis(2_500));
    assert_eq!((&*other.name, other.count), ("heartbeats", 1));
    assert_eq!(ParamValue::Duration(other.params.duration(period)), period.param_type.default());
    let hog = &scenario.hog;
    assert_eq!((hog.kind, hog.count), (HogKind::Block, 2));
    assert_eq!(hog.hold, Some(Duration::from_millis(20)));
    let lesson = scenario.lesson.parts().map(|(_, text)| text.to_owned());
    assert_eq!(lesson, ["a b", "c", "d"]);
}

#[test]
fn invalid_files_are_reported_with_the_line_and_a_remedy() {
    // The invalid line follows a valid workload.
    let below = |line: &str| format!("[[workload]]\nkind = 'heartbeats'\n{line}\n");
    let many = "[[workload]]\nkind = 'feed'\n".repeat(65);
    let mut many_names = String::new();
    for (nth, line) in many.lines().enumerate() {
        many_names += &format!("{line}\n");
        if nth % 2 == 1 {
            many_names += &format!("name = 'w{nth}'\n");
        }
    }
    let files = [
        ("an empty file", String::new()),
        ("not TOML", "workload = [".into()),
        ("not TOML in line 3", below("count == 3")),
        ("a key twice", below("count = 3\ncount = 4")),
        ("an unknown table", "[[wrkload]]\nkind = 'feed'".into()),
        ("single brackets", "[workload]\nkind = 'feed'".into()),
        ("no kind", "[[workload]]\ncount = 3".into()),
        ("an unknown kind", "[[workload]]\nkind = 'hartbeats'".into()),
        ("a kind without a close match", "[[workload]]\nkind = 'quantum-computer'".into()),
        ("a kind that is a number", "[[workload]]\nkind = 3".into()),
        ("an unknown key", below("perod = '1s'")),
        ("a key of another kind", below("think = '1s'")),
        ("a count that is text", below("count = '3'")),
        ("a count with a point", below("count = 3.5")),
        ("a negative count", below("count = -1")),
        ("a count above the limit", below("count = 100_001")),
        ("a count that overflows", below("count = 99999999999999999999")),
        ("a time without a unit", below("period = '10'")),
        ("a time that is a number", below("period = 10")),
        ("a time that is a word", below("period = 'soon'")),
        ("a time above the limit", below("period = '2h'")),
        ("the same name twice", below("[[workload]]\nkind = 'heartbeats'")),
        ("an empty name", below("name = ' '")),
        ("a long name", below(&format!("name = '{}'", "n".repeat(41)))),
        ("a name with an escape sequence", below("name = \"a\\u001b[2Jb\"")),
        ("a lesson that reverses the text direction", below("[lesson]\nwhy = \"\\u202e\"")),
        ("an unknown key of the lesson", below("[lesson]\nwhat = ''")),
        ("a lesson that is not a table", format!("lesson = 'x'\n{}", below(""))),
        ("an unknown flavor", below("[runtime]\nflavor = 'multi-threaded'")),
        ("no workers", below("[runtime]\nworkers = 0")),
        ("too many workers", below("[runtime]\nworkers = 513")),
        ("an unknown key of the runtime", below("[runtime]\nworker = 2")),
        ("an unknown hog", below("[hog]\nkind = 'spni'")),
        ("too many hogs", below("[hog]\ncount = 1001")),
        ("a hold time without a unit", below("[hog]\nhold = '20'")),
        ("a hold time below the minimum", below("[hog]\nhold = '20us'")),
        ("too many workloads", many_names),
    ];
    let mut errors = String::new();
    for (case, text) in files {
        let error = parse(&text).expect_err(case);
        assert!(error.starts_with("mine.toml:"), "{case}: {error}");
        assert_eq!(sanitize(&error), error, "{case}");
        errors += &format!("{case}\n  {error}\n");
    }
    // These lists grow with each new kind.
    let kinds = WORKLOAD_KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
    let hogs = HogKind::names().join(", ");
    insta::assert_snapshot!(errors.replace(&kinds, "(all kinds)").replace(&hogs, "(all hogs)"));
}

#[test]
fn files_that_are_not_scenarios_are_reported() {
    let folder = std::env::temp_dir().join(format!("asynctop-scenarios-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let load = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        std::fs::File::create(&path).and_then(|mut file| file.write_all(content)).expect("written");
        Scenario::load(path.to_str().expect("text")).map_err(|error| error.to_string())
    };
    let valid = load("my own.toml", b"[[workload]]\nkind = 'feed'\n").expect("valid");
    assert_eq!(valid.name, "my own");
    let long = load("long.toml", &[b'#'; 65 * 1024]).expect_err("too long");
    assert!(long.contains("longer than 64KiB"), "{long}");
    let binary = load("binary.toml", &[0xff; 10]).expect_err("not text");
    assert!(binary.contains("not UTF-8"), "{binary}");
    let broken = load("a\u{1b}[2J.toml", b"x = 1").expect_err("an unknown key");
    assert!(!broken.contains('\u{1b}') && broken.contains(".toml:1: x: "), "{broken:?}");
    std::fs::remove_dir_all(&folder).expect("removed");

    let none = Scenario::load("/nowhere/mine.toml").expect_err("no such file");
    assert!(none.to_string().contains("cannot read the scenario /nowhere/mine.toml"), "{none}");
    let none = Scenario::load("mixd").expect_err("no such name");
    assert!(matches!(none, LabError::UnknownScenario { .. }), "{none}");
}

proptest! {
    #[test]
    fn errors_about_arbitrary_text_are_safe_to_print(text in ".{0,200}") {
        if let Err(error) = parse(&text) {
            prop_assert_eq!(&*sanitize(&error), &*error);
        }
    }

    /// Built-in files with a part replaced are close to valid ones.
    #[test]
    fn damaged_files_are_parsed_or_refused_with_a_line_that_exists(
        file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        length in 0usize..20,
        insert in "[\\PC\\n]{0,10}",
    ) {
        let mut text = file.get(BUILT_IN_SCENARIOS).text.to_owned();
        let begin = text.floor_char_boundary(at.index(text.len()));
        let end = text.floor_char_boundary((begin + length).min(text.len()));
        text.replace_range(begin..end.max(begin), &insert);
        match Scenario::parse("x", "x.toml", &text) {
            Ok(scenario) => prop_assert!(!scenario.workloads.is_empty()),
            Err(super::DocumentError::Content { line, .. }) => {
                prop_assert!((1..=text.split('\n').count()).contains(&line));
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}

#[test]
fn every_kind_accepts_its_declared_parameters() {
    for kind in WORKLOAD_KINDS {
        let mut text = format!("[[workload]]\nkind = '{}'\n", kind.name);
        for param in kind.params {
            text += &format!("{} = {}\n", param.name, param.param_type.default_text());
        }
        let scenario = parse(&text).expect(kind.name);
        assert_eq!(scenario.workloads[0].kind, *kind);
    }
}
