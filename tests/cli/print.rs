//! What the program prints about itself.

#[cfg(feature = "web")]
use asynctop_lab::{About, HogKind};

use crate::support::stdout;

#[test]
fn the_program_prints_what_it_is() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = stdout(&["completions", shell]);
        assert!(script.contains("hog-hold"), "{shell}");
        let knows_values = !matches!(shell, "elvish" | "powershell");
        assert_eq!(script.contains("own-thread"), knows_values, "{shell}");
    }
    let man = stdout(&["man"]);
    assert!(man.contains(".TH asynctop 1") && man.contains("hog"), "{man}");
    assert!(man.contains("own\\-thread: Fix."), "{man}");
    assert!(man.contains(".SH KEYS") && man.contains("start or stop the hog"), "{man}");
    assert!(stdout(&["scenarios"]).starts_with("mixed "));
    let mixed = stdout(&["scenarios", "mixed"]);
    assert_eq!(
        mixed,
        include_str!("../../crates/asynctop-lab/scenarios/mixed.toml"),
        "as the file has it"
    );
    let kinds = stdout(&["scenarios", "--kinds"]);
    assert!(kinds.contains("kind = \"heartbeats\"") && kinds.contains("[default: \"10ms\"]"));
    assert!(stdout(&["--version"]).starts_with("asynctop "));
}

#[test]
fn the_help_is_as_it_was_agreed() {
    insta::assert_snapshot!("help", stdout(&["--help"]));
    insta::assert_snapshot!("help_short", stdout(&["-h"]));
    insta::assert_snapshot!("help_lab", stdout(&["lab", "--help"]));
    insta::assert_snapshot!("help_compare", stdout(&["compare", "--help"]));
}

#[test]
#[cfg(feature = "web")]
fn readme_has_the_table_of_hogs() {
    let readme = include_str!("../../README.md");
    let row = |kind: &HogKind| {
        let About { name, is_fix, does, advice, .. } = kind.about();
        let what = if *is_fix { "fix" } else { "anti-pattern" };
        format!("| `{name}` | {what} | {does} {advice} |")
    };
    let table = HogKind::ALL.iter().map(row).collect::<Vec<_>>().join("\n");
    assert!(readme.contains(&table), "README needs:\n{table}");
}
