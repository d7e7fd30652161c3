//! Parses scenario files.

use std::{path::Path, sync::Arc};

use asynctop_snapshot::{
    Flavor, Lesson,
    text::{closest_match, did_you_mean, excerpt, parse_duration},
};

use super::{Scenario, WorkloadSpec, value::read};
use crate::{
    HogKind, HogOptions,
    bounds::{MAX_BLOCKING_THREADS, MAX_HOGS, MAX_INSTANCES, MAX_WORKERS},
    document::{self, DocumentError, KeyValue, Table},
    workload::{ParamType, ParamValue, Params, WORKLOAD_KINDS, WorkloadKind},
};

/// Maximum number of workloads in one scenario.
const MAX_WORKLOADS: usize = 64;
const MAX_NAME_CHARS: usize = 40;
const MAX_TITLE_CHARS: usize = 100;
const MAX_LESSON_CHARS: usize = 2000;

/// Loads a file whose content is not trusted.
pub(super) fn load(path: &Path) -> Result<Scenario, DocumentError> {
    const REMEDY: &str =
        "give the path of a TOML file, or one of the names that `asynctop scenarios` lists";
    let text = document::load(path, "scenario", REMEDY)?;
    let name = path.file_stem().map_or_else(String::new, |stem| excerpt(&stem.to_string_lossy()));
    parse(&name, &document::display(path), &text)
}

pub(super) fn parse(name: &str, file: &str, text: &str) -> Result<Scenario, DocumentError> {
    document::parse(file, text, |top| scenario(name, top))
}

fn scenario(name: &str, top: &Table<'_>) -> Result<Scenario, DocumentError> {
    top.check_keys(&["title", "runtime", "workload", "hog", "lesson"])?;
    let title = top.get("title").map(|entry| entry.text(MAX_TITLE_CHARS)).transpose()?;
    let mut scenario = Scenario {
        name: name.to_owned(),
        title: title.unwrap_or_else(|| name.to_owned()),
        lesson: Lesson::default(),
        flavor: Flavor::CurrentThread,
        workers: None,
        max_blocking_threads: None,
        workloads: Vec::new(),
        hog: HogOptions::default(),
    };
    runtime(top, &mut scenario)?;
    workloads(top, &mut scenario)?;
    if let Some(table) = top.table("hog", "hog.")? {
        scenario.hog = hog(&table)?;
    }
    if let Some(table) = top.table("lesson", "lesson.")? {
        scenario.lesson = lesson(&table)?;
    }
    Ok(scenario)
}

fn runtime(top: &Table<'_>, scenario: &mut Scenario) -> Result<(), DocumentError> {
    const FLAVORS: [Flavor; 2] = [Flavor::CurrentThread, Flavor::MultiThread];
    const NAMES: &[&str] = &["current-thread", "multi-thread"];
    let Some(table) = top.table("runtime", "runtime.")? else { return Ok(()) };
    table.check_keys(&["flavor", "workers", "max_blocking_threads"])?;
    if let Some(entry) = table.get("flavor") {
        let word = read(&entry, ParamType::Choice(NAMES))?;
        let has_name = |flavor: &Flavor| word == ParamValue::Word(flavor.as_str());
        scenario.flavor = FLAVORS.into_iter().find(has_name).unwrap_or(scenario.flavor);
    }
    scenario.workers = count(&table, "workers", (1, MAX_WORKERS))?;
    scenario.max_blocking_threads =
        count(&table, "max_blocking_threads", (1, MAX_BLOCKING_THREADS))?;
    Ok(())
}

fn workloads(top: &Table<'_>, scenario: &mut Scenario) -> Result<(), DocumentError> {
    let tables = top.tables("workload", "workload.")?;
    if tables.is_empty() {
        let remedy = "write [[workload]] and a kind below it, such as kind = \"heartbeats\"";
        return Err(top.missing("workload", remedy));
    }
    for table in tables {
        let spec = workload(&table)?;
        let name = table.get("name").or_else(|| table.get("kind"));
        if let Some(name) = name {
            if scenario.workloads.iter().any(|other| other.name == spec.name) {
                let problem =
                    format!("there is already a workload `{}`; rename one of the two", spec.name);
                return Err(name.error(&problem));
            }
            if scenario.workloads.len() == MAX_WORKLOADS {
                return Err(name.error(&format!("write {MAX_WORKLOADS} workloads at most")));
            }
        }
        scenario.workloads.push(spec);
    }
    Ok(())
}

fn workload(table: &Table<'_>) -> Result<WorkloadSpec, DocumentError> {
    let kinds = || WORKLOAD_KINDS.iter().map(|kind| kind.name);
    let Some(entry) = table.get("kind") else {
        let all = kinds().collect::<Vec<_>>().join(", ");
        return Err(table.missing("kind", &format!("the kinds are: {all}")));
    };
    let given = entry.text(usize::MAX)?;
    let Some(kind) = WorkloadKind::find(&given) else {
        return Err(entry.error(&format!(
            "there is no workload of the kind `{}`{}; the kinds are: {}",
            excerpt(&given),
            did_you_mean(closest_match(&given, kinds())),
            kinds().collect::<Vec<_>>().join(", ")
        )));
    };
    let params = kind.params.iter().map(|param| param.name);
    table.check_keys(&["kind", "name", "count"].into_iter().chain(params).collect::<Vec<_>>())?;
    let name: Arc<str> = match table.get("name") {
        Some(entry) => workload_name(&entry)?.into(),
        None => kind.name.into(),
    };
    let count = count(table, "count", (0, MAX_INSTANCES))?.unwrap_or(1);
    let mut params = Params::default();
    for param in kind.params.iter().copied() {
        if let Some(entry) = table.get(param.name) {
            params.set(param, read(&entry, param.param_type)?);
        }
    }
    Ok(WorkloadSpec { kind, name, count, params })
}

fn workload_name(entry: &KeyValue<'_>) -> Result<String, DocumentError> {
    let name = entry.text(MAX_NAME_CHARS)?;
    if name.is_empty() {
        return Err(entry.error("it is empty; write a name, or leave it out"));
    }
    Ok(name)
}

fn hog(table: &Table<'_>) -> Result<HogOptions, DocumentError> {
    table.check_keys(&["kind", "count", "hold"])?;
    let mut hog = HogOptions::default();
    if let Some(entry) = table.get("kind") {
        let given = entry.text(usize::MAX)?;
        hog.kind = given.parse().map_err(|_| {
            let kinds = HogKind::names();
            let hint = did_you_mean(closest_match(&given, kinds.iter().copied()));
            let (given, kinds) = (excerpt(&given), kinds.join(", "));
            entry.error(&format!("there is no hog `{given}`{hint}; the kinds are: {kinds}"))
        })?;
    }
    hog.count = count(table, "count", (1, MAX_HOGS))?.unwrap_or(hog.count);
    if let Some(entry) = table.get("hold") {
        const REMEDY: &str = "write a time of 1ms or longer, such as \"20ms\", or \"never\"";
        let given = entry.text(usize::MAX)?;
        hog.hold = match given.as_str() {
            "never" => None,
            given => {
                let hold = parse_duration(given).ok().filter(|hold| hold.as_millis() >= 1);
                let invalid =
                    || entry.error(&format!("`{}` is not a hold time; {REMEDY}", excerpt(given)));
                Some(hold.ok_or_else(invalid)?)
            }
        };
    }
    Ok(hog)
}

fn lesson(table: &Table<'_>) -> Result<Lesson, DocumentError> {
    table.check_keys(&["watch", "try", "why"])?;
    let part = |key| match table.get(key) {
        Some(entry) => entry.text(MAX_LESSON_CHARS),
        None => Ok(String::new()),
    };
    Ok(Lesson { watch: part("watch")?, attempt: part("try")?, why: part("why")? })
}

fn count(
    table: &Table<'_>,
    key: &str,
    (min, max): (usize, usize),
) -> Result<Option<usize>, DocumentError> {
    let Some(entry) = table.get(key) else { return Ok(None) };
    let (min, max) = (min as u64, max as u64);
    match read(&entry, ParamType::Count { default: min, min, max })? {
        ParamValue::Number(number) => Ok(usize::try_from(number).ok()),
        _ => Ok(None),
    }
}
