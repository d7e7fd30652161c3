//! Scenarios: which workloads run together, and what there is to learn from them.

use super::{
    LabError, WorkloadKind,
    options::{MAX_TASKS, MAX_UNITS},
};
use crate::model::Flavor;

/// A lab to start: plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What it is called on the command line.
    pub name: String,
    /// What it shows, in one line.
    pub title: String,
    /// What there is to try, and what to learn from it.
    pub lesson: String,
    /// How the runtime schedules.
    pub flavor: Flavor,
    /// Workers of a multi-thread runtime; `None` is one for each core, at least 2.
    pub workers: Option<usize>,
    /// What runs.
    pub workloads: Vec<WorkloadSpec>,
}

/// One workload of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadSpec {
    /// What it does.
    pub kind: WorkloadKind,
    /// What it is called.
    pub name: &'static str,
    /// How many of it run.
    pub count: usize,
}

impl WorkloadSpec {
    /// `count` of this kind, under the kind's own name.
    pub fn new(kind: WorkloadKind, count: usize) -> Self {
        WorkloadSpec { kind, name: kind.as_str(), count }
    }
}

impl Scenario {
    pub(crate) fn check(&self) -> Result<(), LabError> {
        let mut tasks = 0usize;
        for WorkloadSpec { kind, name, count } in &self.workloads {
            if *count > MAX_UNITS {
                return Err(LabError::TooManyUnits { workload: (*name).into(), asked: *count });
            }
            tasks = tasks.saturating_add(kind.tasks(*count));
        }
        if tasks > MAX_TASKS {
            return Err(LabError::TooManyTasks { scenario: self.name.clone(), asked: tasks });
        }
        Ok(())
    }
}

/// The scenarios that are built in.
pub fn scenarios() -> Vec<Scenario> {
    vec![mixed()]
}

/// The built-in scenario of this name.
///
/// # Errors
/// [`LabError::UnknownScenario`] names the known ones and the nearest.
///
/// ```
/// assert_eq!(asynctop::lab::find("mixed").unwrap().name, "mixed");
/// let error = asynctop::lab::find("mixd").unwrap_err().to_string();
/// assert!(error.contains("did you mean `mixed`?"), "{error}");
/// ```
pub fn find(name: &str) -> Result<Scenario, LabError> {
    let mut all = scenarios();
    match all.iter().position(|scenario| scenario.name == name) {
        Some(found) => Ok(all.swap_remove(found)),
        None => {
            let known: Vec<String> = all.into_iter().map(|scenario| scenario.name).collect();
            let nearest = nearest(name, &known).cloned();
            Err(LabError::UnknownScenario { name: name.to_owned(), nearest, known })
        }
    }
}

fn mixed() -> Scenario {
    Scenario {
        name: "mixed".into(),
        title: "A service, chatter, timers, news and some computing, side by side".into(),
        lesson: "Every task here gives way within a fraction of a millisecond, so each gets \
                 its turn. Release the hog (b): it awaits nothing, so its worker runs nobody \
                 else. On the current-thread runtime everything stands still; on the \
                 multi-thread one (f) the other workers go on. Let the hog give way now and \
                 then ([) and see how long the others wait."
            .into(),
        flavor: Flavor::CurrentThread,
        workers: None,
        workloads: vec![
            WorkloadSpec::new(WorkloadKind::Heartbeats, 8),
            WorkloadSpec::new(WorkloadKind::Tcp, 24),
            WorkloadSpec::new(WorkloadKind::PingPong, 8),
            WorkloadSpec::new(WorkloadKind::Cruncher, 1),
            WorkloadSpec::new(WorkloadKind::Feed, 16),
        ],
    }
}

/// The name that is reached with the fewest keystrokes, if they are few.
fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a String> {
    let best = known.iter().min_by_key(|candidate| distance(name, candidate))?;
    (distance(name, best) <= best.chars().count().div_ceil(2)).then_some(best)
}

/// How many characters have to be put in, taken out or changed to get from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_keystrokes() {
        for (a, b, expected) in [("", "", 0), ("mixed", "mixed", 0), ("mixd", "mixed", 1)] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn a_name_that_is_like_none_has_no_nearest() {
        let known = ["mixed".to_owned()];
        assert_eq!(nearest("fixed", &known), known.first());
        assert_eq!(nearest("webserver", &known), None);
    }

    #[test]
    fn every_built_in_scenario_passes_its_own_check() {
        for scenario in scenarios() {
            assert!(scenario.check().is_ok(), "{}", scenario.name);
            assert_eq!(find(&scenario.name).ok(), Some(scenario));
        }
    }
}
