//! The pinned task, group or workload: Tasks, Timeline and Findings show only that.

use std::{sync::Arc, time::Duration};

use super::{App, List, Overlay, RowKey, cursor::Step, timeline::NO_POLL};
use crate::{
    model::{Finding, FindingSubject, OffenderRow, PollScope, Scope, TargetModel},
    snapshot::TargetId,
};

impl App {
    /// The pinned task, group or workload.
    pub fn pin(&self) -> Option<&Scope> {
        self.pin.as_ref()
    }

    /// The pin, on a screen that is limited to it or lists it.
    pub fn visible_pin(&self) -> Option<&Scope> {
        self.pin().filter(|_| self.list().has_pin())
    }

    /// Whether the selection can be pinned, or the screen is limited to a pin.
    pub fn has_pin_key(&self) -> bool {
        self.visible_pin().is_some() || self.selected_scope().is_ok()
    }

    /// Pins the selected task, group or workload; if there is none or it is pinned, ends the pin.
    pub(super) fn toggle_pin(&mut self, now: Duration) {
        let next = match self.selected_scope() {
            Ok(scope) => Some(scope).filter(|scope| self.pin() != Some(scope)),
            Err(reason) if self.pin.is_none() => return self.notify(reason, now),
            Err(_) => None,
        };
        let text = match &next {
            Some(scope) => format!("only {} is shown; P or Esc shows all", scope.name()),
            None => "all tasks and findings are shown".to_owned(),
        };
        self.set_pin(next);
        self.notify(text, now);
    }

    /// Limits the screens to a pin. The selection stays at its row.
    pub(super) fn set_pin(&mut self, pin: Option<Scope>) {
        self.last_selected = pin.as_ref().map_or(self.selected_id(), Scope::target);
        self.step(Step::To(self.cursor().row()));
        self.pin = pin;
        self.update_rows();
    }

    /// The task, group or workload that the selection or the details are about.
    pub fn selected_scope(&self) -> Result<Scope, &'static str> {
        const REASON: &str = "select a task or a group to pin it";
        match (self.overlay(), self.cursor().key()) {
            (Some(Overlay::Task(key)), _) | (None, Some(RowKey::Task(key))) => {
                let task = self.task(*key).ok_or("the task has ended and is no longer listed")?;
                Ok(Scope::Task { key: *key, name: Arc::clone(&task.meta.name) })
            }
            (Some(Overlay::Finding(id)), _) | (None, Some(RowKey::Finding(id))) => {
                match &id.subject {
                    FindingSubject::Group(name) => Ok(Scope::named(id.target, name)),
                    _ => Err("this finding is not about tasks of one group"),
                }
            }
            (Some(Overlay::Offender(id)), _) | (None, Some(RowKey::Offender(id))) => {
                let group = self.model().offender(id).and_then(|row| row.offender.group.as_ref());
                let group = group.ok_or("the task has ended before its name was known")?;
                Ok(Scope::named(id.target, group))
            }
            (None, Some(RowKey::Group(key))) => {
                let query = self.row_query().query();
                let grouping = query.map(|query| query.grouping).unwrap_or_default();
                Ok(Scope::Group { key: key.clone(), grouping })
            }
            (None, Some(RowKey::Workload(at))) => {
                let workload = self.lab_stats().and_then(|lab| lab.workloads.get(*at));
                let name = Arc::clone(&workload.ok_or(REASON)?.name);
                Ok(Scope::Workload { target: self.selected_id(), name })
            }
            (None, _) if self.list() == List::Tracks => self.scope_at_cursor(),
            _ => Err(REASON),
        }
    }

    /// The task whose poll is under the cursor of the timeline.
    fn scope_at_cursor(&self) -> Result<Scope, &'static str> {
        self.timeline.cursor_ns().ok_or(NO_POLL)?;
        let key = self.polled_task()?;
        let meta = self.polls().task(key.id).ok_or("this task has ended")?;
        Ok(Scope::Task { key, name: Arc::clone(&meta.name) })
    }

    /// The polls of the selected target that the timeline shows.
    pub fn poll_scope(&self) -> PollScope {
        let scope = self.pin().zip(self.selected());
        scope.map(|(scope, model)| model.poll_scope(scope)).unwrap_or_default()
    }

    /// The findings on the screen: active ones, worst first, then resolved ones, latest first.
    pub fn findings(&self) -> Vec<&Finding> {
        let all = self.model().all_findings().iter().map(|finding| &**finding);
        let in_scope = |finding: &&Finding| {
            self.in_scope(finding.target, |scope, model| scope.has_finding(model, finding))
        };
        all.filter(in_scope).collect()
    }

    /// The rows of the impact table on the screen.
    pub fn offenders(&self) -> Vec<OffenderRow<'_>> {
        let mut rows = self.model().offenders();
        rows.retain(|row| {
            self.in_scope(row.target.target().id, |scope, _| scope.has_offender(row))
        });
        rows
    }

    fn in_scope(&self, target: TargetId, has: impl FnOnce(&Scope, &TargetModel) -> bool) -> bool {
        let Some(scope) = self.pin() else { return true };
        self.model().target(target).is_some_and(|model| has(scope, model))
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        app::List,
        fixture::{S, Stage, World},
        model::Scope,
    };

    /// A lab whose hog is the group with the most busy time.
    fn stage() -> Stage {
        let mut stage = Stage::with(World { watched: true, ..World::new() }, Default::default());
        stage.hog(2 * S);
        stage
    }

    fn pin(stage: &Stage) -> Option<&str> {
        stage.app.pin().map(Scope::name)
    }

    fn tasks(stage: &Stage) -> Vec<&str> {
        let model = stage.app.model();
        let rows = stage.app.task_rows().iter().filter_map(|row| model.task_of_row(*row));
        rows.map(|(_, task, _)| &*task.meta.name).collect()
    }

    /// The names of the tasks with the longest polls.
    fn polled(stage: &Stage) -> Vec<&str> {
        let polls = stage.app.longest_polls().into_iter();
        polls.filter_map(|(_, poll)| Some(&*stage.app.polls().task(poll.key)?.name)).collect()
    }

    #[test]
    fn tasks_and_timeline_are_limited_to_the_pinned_group() {
        let mut stage = Stage::new();
        let count = stage.app.row_count();
        stage.keys("2P1");
        assert_eq!((pin(&stage), tasks(&stage)), (Some("cruncher"), vec!["cruncher"]));
        stage.keys("4").pass(3 * S);
        stage.hog(2 * S).screen(120, 36);
        assert!(!polled(&stage).is_empty());
        assert!(polled(&stage).iter().all(|name| *name == "cruncher"), "{:?}", polled(&stage));
        stage.keys("<Esc>");
        assert!(pin(&stage).is_none() && polled(&stage).contains(&"hog"));
        assert_eq!(stage.keys("1").app.row_count(), count + 1, "with the hog");
    }

    #[test]
    fn findings_are_those_about_the_pin() {
        let mut stage = stage();
        let (findings, rows) = (stage.app.findings().len(), stage.keys("5").app.row_count());
        assert!(findings > 0 && rows > findings);
        stage.keys("2P5");
        assert_eq!((pin(&stage), stage.app.findings().len()), (Some("hog"), findings));
        assert_eq!(stage.app.row_count(), rows);
        stage.keys("2G").keys("P5");
        assert_ne!(pin(&stage), Some("hog"));
        let screen = stage.screen(120, 36);
        assert_eq!(stage.app.findings().len(), 0, "{screen}");
        assert!(screen.contains("No finding is about"), "{screen}");
        assert!(screen.contains(&format!("({findings} other")), "{screen}");
        assert_eq!(stage.keys("P").app.row_count(), rows, "P without a row ends the pin");
    }

    #[test]
    fn pinned_task_stays_selected() {
        let mut stage = stage();
        stage.keys("jjjP");
        let name = tasks(&stage)[0].to_owned();
        assert_eq!((pin(&stage), tasks(&stage).len()), (Some(&*name), 1));
        stage.keys("P");
        let selected = stage.app.selected_task().and_then(|key| stage.app.task(key));
        assert_eq!((pin(&stage), selected.map(|task| &*task.meta.name)), (None, Some(&*name)));
    }

    #[test]
    fn pinned_task_ends_with_its_runtime_and_a_group_does_not() {
        for (keys, kept) in [("P", false), ("2P", true)] {
            let mut stage = stage();
            stage.keys(keys);
            let mut next = stage.world.step();
            next.epoch += 1;
            stage.show(&next.into());
            assert_eq!(stage.app.pin().is_some(), kept, "{keys}");
        }
    }

    #[test]
    fn enter_on_a_workload_pins_its_tasks_and_esc_goes_back_to_the_lab() {
        let mut stage = Stage::new();
        stage.keys("6jj<Enter>");
        let pings = ["ping-1", "ping-2", "ping-3", "ping-4"];
        let mut listed = tasks(&stage);
        listed.sort_unstable();
        assert_eq!((pin(&stage), listed), (Some("ping"), pings.to_vec()));
        stage.keys("4").pass(3 * S).screen(120, 36);
        assert!(!polled(&stage).is_empty());
        assert!(polled(&stage).iter().all(|name| name.starts_with("ping")), "{:?}", polled(&stage));
        stage.keys("1<Esc>");
        assert_eq!((pin(&stage), stage.app.list()), (None, List::Workloads));
    }

    #[test]
    fn rows_that_are_neither_tasks_nor_groups_cannot_be_pinned() {
        for (keys, reason) in [("3P", "select a task or a group"), ("4P", "no poll at the cursor")]
        {
            let mut stage = stage();
            stage.keys(keys);
            assert!(pin(&stage).is_none());
            assert!(stage.app.message().is_some_and(|text| text.starts_with(reason)), "{keys}");
        }
    }

    #[test]
    fn n_moves_to_the_next_poll_of_the_pin() {
        let mut stage = Stage::new();
        stage.keys("4").pass(3 * S);
        stage.hog(2 * S).screen(120, 36);
        stage.keys(" NP");
        assert_eq!(pin(&stage), Some("hog"));
        stage.keys("gn");
        assert_eq!(polled(&stage), ["hog"]);
        let hog = stage.app.longest_polls()[0].1;
        assert_eq!(stage.app.timeline.cursor_ns(), Some(hog.began));
    }
}
