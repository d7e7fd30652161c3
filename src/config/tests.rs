use std::time::Duration;

use super::*;
use crate::{
    app::Theme,
    model::{RuleId, Thresholds},
};

fn parsed(text: &str) -> Config {
    Config::parse("config.toml", text).expect("fine")
}

fn complaint(text: &str) -> String {
    Config::parse("config.toml", text).expect_err(text).to_string()
}

#[test]
fn the_template_says_what_is_anyway() {
    let template = template();
    assert_eq!(parsed(&template), Config::default());
    insta::assert_snapshot!(template);
}

/// What has no default of its own is the scenario's business.
#[test]
fn the_template_without_its_comment_signs_sets_the_defaults() {
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
    let (all, none) = (config.watch.dashboard(false, false), WatchArgs::default());
    assert_eq!(all.settings, none.dashboard(false, false).settings);
    assert_eq!(all.mouse, none.dashboard(false, false).mouse);
    for key in &KEYS {
        assert!(text.contains(&format!("\n{} = {}\n", key.name, key.example)), "{}", key.name);
    }
}

#[test]
fn what_is_set_is_what_the_command_line_would_have_set() {
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
fn the_command_line_has_the_last_word_and_the_environment_the_word_before() {
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
    assert_eq!(over("asynctop").dashboard(false, true).settings.theme, Theme::Mono);
    let asked = over("asynctop --theme default").dashboard(false, true);
    assert_eq!(asked.settings.theme, Theme::Default);
}

#[test]
fn a_theme_on_the_command_line_outdoes_a_file_without_colours() {
    let config = parsed("color = false\n");
    let theme = |line: &str| match crate::cli::parse(line.split(' ')) {
        Ok(crate::cli::Request::Lab { watch, .. }) => {
            watch.over(config.watch.clone(), false).dashboard(false, false).settings.theme
        }
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(theme("asynctop"), Theme::Mono);
    assert_eq!(theme("asynctop --theme default"), Theme::Default);
    assert_eq!(theme("asynctop --theme default --no-color"), Theme::Mono);
}

#[test]
fn each_complaint_has_its_line_and_says_what_to_write() {
    for (text, said) in [
        ("theme = 1", "1: theme: this is a whole number; write it like \"default\""),
        ("\ntheme = 'dracula'", "2: theme: there is no such theme; write \"default\" or \"mono\""),
        ("ascii = 'yes'", "1: ascii: this is text; write it like false"),
        ("interval = '1ms'", "1: interval: "),
        ("intervall = '1s'", "1: intervall: there is no such key (did you mean `interval`?)"),
        ("lab = 3", "1: lab: this is a whole number; write [lab] in a line of its own"),
        ("[lab]\nworkers = -1", "2: lab.workers: it is not a number of workers"),
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
        let error = complaint(text);
        let rest = error.strip_prefix("config.toml:").expect(&error);
        assert!(rest.starts_with(said), "{text}: {error}");
    }
}
