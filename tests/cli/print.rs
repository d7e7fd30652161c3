//! Information that the program prints about itself, and the documents that repeat it.

use std::{fs, path::Path};

#[cfg(feature = "web")]
use asynctop_lab::{HogInfo, HogKind};

use crate::support::stdout;

#[test]
fn completions_man_page_scenarios_and_kinds_are_printed() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = stdout(&["completions", shell]);
        assert!(script.contains("hog-hold"), "{shell}");
        let has_values = !matches!(shell, "elvish" | "powershell");
        assert_eq!(script.contains("own-thread"), has_values, "{shell}");
    }
    let man = stdout(&["man"]);
    assert!(man.contains(".TH asynctop 1") && man.contains("hog"), "{man}");
    assert!(man.contains("own\\-thread: Fix."), "{man}");
    assert!(man.contains(".SH KEYS") && man.contains("start or stop the hog"), "{man}");
    assert!(stdout(&["scenarios"]).starts_with("mixed "));
    let mixed = stdout(&["scenarios", "mixed"]);
    assert_eq!(mixed, include_str!("../../crates/asynctop-lab/scenarios/mixed.toml"));
    let kinds = stdout(&["scenarios", "--kinds"]);
    assert!(kinds.contains("kind = \"heartbeats\"") && kinds.contains("[default: \"10ms\"]"));
    assert!(stdout(&["--version"]).starts_with("asynctop "));
}

#[test]
fn help_text() {
    insta::assert_snapshot!("help", stdout(&["--help"]));
    insta::assert_snapshot!("help_short", stdout(&["-h"]));
    insta::assert_snapshot!("help_lab", stdout(&["lab", "--help"]));
    insta::assert_snapshot!("help_compare", stdout(&["compare", "--help"]));
}

#[test]
#[cfg(feature = "web")]
fn scenarios_page_has_the_table_of_hogs() {
    let page = include_str!("../../docs/scenarios.md");
    let row = |kind: &HogKind| {
        let HogInfo { name, is_fix, effect, advice, .. } = kind.info();
        let category = if *is_fix { "fix" } else { "anti-pattern" };
        format!("| `{name}` | {category} | {effect} {advice} |")
    };
    let table = HogKind::ALL.iter().map(row).collect::<Vec<_>>().join("\n");
    assert!(page.contains(&table), "docs/scenarios.md needs:\n{table}");
}

#[test]
#[cfg(feature = "web")]
fn scenarios_page_has_every_scenario_in_order() {
    let page = include_str!("../../docs/scenarios.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let names: Vec<_> = rows.filter_map(|row| row.split_once('`')).map(|(name, _)| name).collect();
    let built_in: Vec<_> =
        asynctop_lab::BUILT_IN_SCENARIOS.iter().map(|scenario| scenario.name).collect();
    assert_eq!(names[..built_in.len()], built_in);
}

/// Links of the documents point to files that exist, and the book lists every page.
#[test]
fn links_of_the_documents_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = fs::read_dir(root.join("docs")).expect("docs exist");
    let mut pages: Vec<_> = pages.map(|page| page.expect("it can be read").path()).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    let summary = fs::read_to_string(root.join("docs/SUMMARY.md")).expect("a summary");
    for page in &pages {
        let name = page.file_name().expect("a name").to_string_lossy();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "{name}");
    }
    pages.extend(["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(|name| root.join(name)));
    for page in pages {
        let text = fs::read_to_string(&page).expect("it can be read");
        let folder = page.parent().expect("a folder");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            let exists = file.contains("://") || folder.join(file).exists();
            assert!(exists, "{}: {link}", page.display());
        }
    }
}
