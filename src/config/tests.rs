use std::time::Duration;

use super::*;
use crate::{
    app::ThemeName,
    model::{RuleId, Thresholds},
};

fn parsed(text: &str) -> Config {
    Config::parse("config.toml", text).expect("fine")
}

fn error(text: &str) -> String {
    Config::parse("config.toml", text).expect_err(text).to_string()
}

#[test]
fn template_sets_nothing() {
    let template = template();
    assert_eq!(parsed(&template), Config::default());
    insta::assert_snapshot!(template);
}

/// Keys without a default of their own depend on the scenario and are not compared.
#[test]
fn uncommented_template_sets_the_defaults() {
    let is_key = |line: &str| {
        line.split_once(" = ").is_some_and(|(key, _)| !key.trim_start_matches("# ").contains(' '))
    };
    let text: String = template()
        .lines()
        .map(|line| if is_key(line) { line.trim_start_matches("# ") } else { line })
        .map(|line| format!("{line}\n"))
        .collect();
    let config = parsed(&text);
    assert_eq!(config.watch.thresholds(), Thresholds::default());
    assert_eq!(config.watch.interval(), WatchArgs::default().interval());
    let template = config.watch.dashboard(false, false);
    let default = WatchArgs::default().dashboard(false, false);
    assert_eq!((template.settings, template.mouse), (default.settings, default.mouse));
    for key in &KEYS {
        assert!(text.contains(&format!("\n{} = {}\n", key.name, key.example)), "{}", key.name);
    }
}

#[test]
fn keys_are_equivalent_to_flags() {
    let config = parsed(
        "interval = '1s'\ntheme = 'mono'\nascii = true\nmouse = false\ncolor = false\n\
         [lab]\nworkers = 3\nhog-hold = '5ms'\nflavor = 'multi-thread'\n\
         [thresholds]\nworker-held = '2s'\nleak = 'off'\n",
    );
    let line = "asynctop --interval 1s --theme mono --ascii --no-mouse --no-color --workers 3 \
                --hog-hold 5ms --flavor multi-thread --threshold worker-held=2s --threshold leak=off";
    let Ok(crate::cli::Request::Lab { lab, watch, .. }) = crate::cli::parse(line.split(' ')) else {
        panic!("{line}");
    };
    assert_eq!(config, Config { lab, watch });
}

#[test]
fn columns_are_those_of_the_table() {
    let config = parsed("[columns]\ntasks = 'name busy_share stage'\n");
    assert_eq!(config.watch.columns["tasks"], ["name", "busy_share", "stage"]);
    let text = error("[columns]\ngroups = 'name buzy'\n");
    assert!(text.starts_with("config.toml:2: columns.groups: there is no column buzy"), "{text}");
}

#[test]
fn command_line_and_environment_take_precedence_over_the_file() {
    let config = parsed("interval = '1s'\ntheme = 'default'\n[thresholds]\nleak = '5'\n");
    let over = |line: &str| match crate::cli::parse(line.split(' ')) {
        Ok(crate::cli::Request::Lab { watch, .. }) => watch.over(config.watch.clone(), true),
        other => panic!("{line}: {other:?}"),
    };
    let watch = over("asynctop --interval 2s --threshold leak=7");
    assert_eq!(watch.interval(), Duration::from_secs(2));
    assert_eq!(watch.thresholds().get(RuleId::Leak), Some(7));
    assert_eq!(over("asynctop").interval(), Duration::from_secs(1));
    assert_eq!(over("asynctop").thresholds().get(RuleId::Leak), Some(5));
    assert_eq!(over("asynctop").dashboard(false, true).settings.theme, ThemeName::Mono);
    let flag = over("asynctop --theme default").dashboard(false, true);
    assert_eq!(flag.settings.theme, ThemeName::Default);
}

#[test]
fn theme_flag_takes_precedence_over_a_file_without_colors() {
    let config = parsed("color = false\n");
    let theme = |line: &str| match crate::cli::parse(line.split(' ')) {
        Ok(crate::cli::Request::Lab { watch, .. }) => {
            watch.over(config.watch.clone(), false).dashboard(false, false).settings.theme
        }
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(theme("asynctop"), ThemeName::Mono);
    assert_eq!(theme("asynctop --theme default"), ThemeName::Default);
    assert_eq!(theme("asynctop --theme default --no-color"), ThemeName::Mono);
}

#[test]
fn errors_have_the_line_and_the_remedy() {
    for (text, expected) in [
        ("theme = 1", "1: theme: this is a whole number; write it like \"default\""),
        (
            "\ntheme = 'dracula'",
            "2: theme: there is no such theme; write \"default\", \"dark\", \"light\", \"color",
        ),
        ("ascii = 'yes'", "1: ascii: this is text; write it like false"),
        ("interval = '1ms'", "1: interval: "),
        ("intervall = '1s'", "1: intervall: there is no such key (did you mean `interval`?)"),
        ("lab = 3", "1: lab: this is a whole number; write [lab] in a line of its own"),
        ("[lab]\nworkers = -1", "2: lab.workers: not a number of workers"),
        ("[lab]\nhog-hold = 'long'", "2: lab.hog-hold: "),
        ("[lab]\nflavour = 'x'", "2: lab.flavour: there is no such key (did you mean `flavor`?)"),
        ("[thresholds]\nleaks = '1'", "2: thresholds.leaks: there is no such key (did you mean"),
        (
            "[thresholds]\nleak = '1%'",
            "2: thresholds.leak: `1%` is not a threshold for leak; write",
        ),
        ("interval = ", "1: this is not TOML"),
        ("theme = \"\\u001b[2J\"", "1: theme: it has the control character U+001B; leave that"),
    ] {
        let error = error(text);
        let rest = error.strip_prefix("config.toml:").expect(&error);
        assert!(rest.starts_with(expected), "{text}: {error}");
    }
}
