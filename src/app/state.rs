//! What the dashboard remembers.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use super::{Action, Cursor, Overlay, Prompt, Screen, TimelineView};
use crate::{
    model::{
        Column, Filter, FindingId, GroupColumn, GroupRow, Model, Query, ResourceRow, RowQuery,
        Rows, TargetModel, TaskRow, Thresholds, Timeline, WorkerRow,
    },
    snapshot::{
        FieldId, GroupKey, LabStats, ResourceKey, ResourceStats, Resources, Subscription, Target,
        TargetId, TaskKey, TaskStats,
    },
};

/// How things look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// The terminal's own colours, for light and dark backgrounds.
    #[default]
    Default,
    /// No colours: bold, dim and reversed only.
    Mono,
}

impl Theme {
    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Theme::Default => "default",
            Theme::Mono => "mono",
        }
    }
}

/// What was chosen when the program was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How things look.
    pub theme: Theme,
    /// No character beyond ASCII.
    pub ascii: bool,
}

/// A sentence that fades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub text: String,
    pub until: Duration,
}

/// The state of the dashboard.
#[derive(Clone, Debug)]
pub struct App {
    /// How things look.
    pub settings: Settings,
    /// What fills the screen.
    pub screen: Screen,
    /// What lies over it.
    pub overlay: Overlay,
    /// What lies under the overlay, to go back to.
    pub(super) under: Overlay,
    /// What the next keys are for.
    pub prompt: Prompt,
    /// What was typed into the filter.
    pub filter: String,
    /// Which tasks, in which order.
    pub query: Query,
    /// The selected task.
    pub tasks: Cursor<TaskKey>,
    /// How the groups are sorted, and whether the greatest come first.
    pub group_sort: (GroupColumn, bool),
    /// The selected group.
    pub groups: Cursor<GroupKey>,
    /// The selected workload.
    pub workloads: Cursor<usize>,
    /// Lines of the Lab that are scrolled out of sight.
    pub lab_scroll: usize,
    /// The selected resource.
    pub resource_cursor: Cursor<ResourceKey>,
    /// The selected worker.
    pub workers: Cursor<usize>,
    /// Which part of the timeline is shown.
    pub timeline: TimelineView,
    /// The selected finding.
    pub findings: Cursor<FindingId>,
    /// Columns of a worker's timeline.
    pub(super) timeline_columns: usize,
    /// Time between snapshots.
    pub interval: Duration,
    /// The hog is to come on as soon as there is a baseline.
    pub release_hog: bool,
    /// The latest request for an await point: the task, and the number of the request.
    pub(super) asked: Option<(TaskKey, u64)>,
    /// Requests whose answers have not been shown.
    pub(super) requests: Vec<u64>,
    /// The target that was selected on the previous screen.
    pub(super) last_selected: TargetId,
    pub(super) model: Arc<Model>,
    /// What is shown while frozen.
    pub(super) frozen: Option<Arc<Model>>,
    /// The rows of the screen.
    pub(super) rows: Rows,
    pub(super) message: Option<Message>,
}

impl App {
    /// A dashboard that has seen nothing yet.
    pub fn new(settings: Settings, interval: Duration) -> Self {
        App {
            settings,
            screen: Screen::default(),
            overlay: Overlay::default(),
            under: Overlay::default(),
            prompt: Prompt::default(),
            filter: String::new(),
            query: Query::default(),
            tasks: Cursor::default(),
            group_sort: (GroupColumn::BusyShare, true),
            groups: Cursor::default(),
            workloads: Cursor::default(),
            lab_scroll: 0,
            resource_cursor: Cursor::default(),
            workers: Cursor::default(),
            timeline: TimelineView::default(),
            findings: Cursor::default(),
            timeline_columns: 1,
            interval,
            release_hog: false,
            asked: None,
            requests: Vec::new(),
            last_selected: TargetId::default(),
            model: Arc::default(),
            frozen: None,
            rows: Rows::None,
            message: None,
        }
    }

    /// Lets rules speak from these thresholds on.
    pub fn with_thresholds(mut self, thresholds: Thresholds) -> Self {
        self.model = Model::with_thresholds(thresholds).into();
        self
    }

    /// What is shown: the latest state, or the one that was frozen.
    pub fn model(&self) -> &Model {
        self.shown()
    }

    pub(super) fn shown(&self) -> &Arc<Model> {
        self.frozen.as_ref().unwrap_or(&self.model)
    }

    /// Whether the picture stands still.
    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// What there is now, also while the picture stands still.
    pub fn live_model(&self) -> &Model {
        &self.model
    }

    /// How old the frozen picture is, in ns.
    pub fn frozen_for_ns(&self) -> u64 {
        let id = self.selected_id();
        let taken_ns = |model: &Model| Some(model.target(id)?.target().taken_ns);
        let frozen_ns = self.frozen.as_deref().and_then(taken_ns);
        frozen_ns.zip(taken_ns(&self.model)).map_or(0, |(then, now)| now.saturating_sub(then))
    }

    /// The selected target: that of the selected row or, on a screen without rows of several
    /// targets, the one that was selected before.
    pub fn selected(&self) -> Option<&TargetModel> {
        let model = self.model();
        model.target(self.selected_id()).or_else(|| model.targets().first())
    }

    pub(super) fn selected_id(&self) -> TargetId {
        let of_overlay = match &self.overlay {
            Overlay::Task { key, .. } => Some(key.target),
            Overlay::Resource { key, .. } => Some(key.target),
            Overlay::Finding { id, .. } => Some(id.target),
            Overlay::None | Overlay::Help { .. } => None,
        };
        let of_row = || match self.screen {
            Screen::Tasks => self.tasks.key().map(|key| key.target),
            Screen::Groups => self.groups.key().map(|key| key.target),
            Screen::Resources => self.resource_cursor.key().map(|key| key.target),
            Screen::Findings => self.findings.key().map(|id| id.target),
            Screen::Workers | Screen::Timeline | Screen::Lab => None,
        };
        of_overlay.or_else(of_row).unwrap_or(self.last_selected)
    }

    /// The latest sample of the selected target; `None` before the first one.
    pub fn target(&self) -> Option<&Arc<Target>> {
        self.selected().map(TargetModel::target)
    }

    /// The lab, if the selected target is one.
    pub fn lab_stats(&self) -> Option<&LabStats> {
        self.target()?.lab.as_ref()
    }

    /// The workers of the selected target.
    pub fn worker_rows(&self) -> &[WorkerRow] {
        self.selected().map_or(&[], TargetModel::workers)
    }

    /// The timeline of the selected target.
    pub fn polls(&self) -> &Timeline {
        static EMPTY: LazyLock<Timeline> = LazyLock::new(Timeline::default);
        self.selected().map_or(&EMPTY, TargetModel::timeline)
    }

    /// The tasks of the table, in its order.
    pub fn order(&self) -> &[TaskRow] {
        if let Rows::Tasks(rows) = &self.rows { rows } else { &[] }
    }

    /// The shown groups, in their order.
    pub fn group_rows(&self) -> &[GroupRow] {
        if let Rows::Groups(rows) = &self.rows { rows } else { &[] }
    }

    /// The shown resources, in their order.
    pub fn resource_rows(&self) -> &[ResourceRow] {
        if let Rows::Resources(rows) = &self.rows { rows } else { &[] }
    }

    /// The resources of the selected target, or why they are unavailable.
    pub fn resources(&self) -> Result<&Resources, &str> {
        let Some(target) = self.target() else { return Err("no sample yet") };
        let resources = target.resources.as_deref();
        let requested = target.description.get(FieldId::Resources, resources)?;
        requested.ok_or("shown with the next sample")
    }

    /// The sentence to show, if there is one.
    pub fn message(&self) -> Option<&str> {
        self.message.as_ref().map(|message| message.text.as_str())
    }

    /// When the message fades, on the clock of `update`.
    pub fn message_until(&self) -> Option<Duration> {
        self.message.as_ref().map(|message| message.until)
    }

    /// The task with this key, if it is listed.
    pub fn task(&self, key: TaskKey) -> Option<&TaskStats> {
        self.model().task(key).map(|(_, task)| task)
    }

    /// The target of a resource, and the resource, if it is listed.
    pub fn resource(&self, key: ResourceKey) -> Option<(&TargetModel, &ResourceStats)> {
        let model = self.model().target(key.target)?;
        let target = Some(model.target()).filter(|target| target.epoch == key.epoch)?;
        Some((model, target.resources.as_deref()?.resource(key.id)?))
    }

    /// What the next snapshots should hold.
    pub fn subscription(&self) -> Subscription {
        let task = match self.overlay {
            Overlay::Task { key, .. } => Some(key),
            _ => None,
        };
        Subscription {
            task,
            groups: self.screen == Screen::Groups,
            // The details of a task say what it waits for.
            resources: task.is_some()
                || self.screen == Screen::Resources
                || matches!(self.overlay, Overlay::Resource { .. }),
            timeline: self.screen == Screen::Timeline,
        }
    }

    /// Whether the target has what an action needs.
    pub fn has(&self, action: Action) -> bool {
        let field = action.needs(self.screen);
        self.target().is_none_or(|target| !self.lacks(target.id, field))
    }

    /// Why a key has no effect on this target; `None` if it has. A screen can always be shown: it
    /// states the reason itself.
    pub(super) fn unavailable(&self, action: Action) -> Option<String> {
        let field = action.needs(self.screen).filter(|_| !matches!(action, Action::Show(_)))?;
        let reason = self.target()?.description.reason(field)?;
        let prefix = if reason.starts_with("not available") { "" } else { "not available: " };
        Some(format!("{prefix}{reason}"))
    }

    /// Whether a column says anything about what is watched.
    pub fn has_column(&self, column: Column) -> bool {
        column != Column::Target || self.has_several_targets()
    }

    /// The same for a column of the group table.
    pub fn has_group_column(&self, column: GroupColumn) -> bool {
        column != GroupColumn::Target || self.has_several_targets()
    }

    /// Whether a target lacks a field.
    pub fn lacks(&self, target: TargetId, field: Option<FieldId>) -> bool {
        let target = self.model().target(target);
        target.zip(field).is_some_and(|(model, field)| !model.target().description.has(field))
    }

    /// Whether rows have to state their target.
    pub fn has_several_targets(&self) -> bool {
        self.model().targets().len() > 1
    }

    /// The number of the latest request, if that was for the await point of this task.
    pub fn await_request(&self, key: TaskKey) -> Option<u64> {
        self.asked.filter(|(asked, _)| *asked == key).map(|(_, request)| request)
    }

    /// Says something for a few seconds.
    pub(super) fn say(&mut self, text: impl Into<String>, now: Duration) {
        let until = now + Duration::from_secs(5);
        self.message = Some(Message { text: text.into(), until });
    }

    /// The rows of the screen, and their order.
    pub fn row_query(&self) -> RowQuery {
        let filter = self.query.filter.clone();
        let (sort, descending) = self.group_sort;
        match self.screen {
            Screen::Tasks => RowQuery::Tasks(self.query.clone()),
            Screen::Groups => RowQuery::Groups { sort, descending, filter },
            Screen::Resources => RowQuery::Resources(filter),
            Screen::Workers | Screen::Timeline | Screen::Findings | Screen::Lab => RowQuery::None,
        }
    }

    /// Computes the rows of the screen, after a change of the screen or of its query.
    pub(super) fn arrange(&mut self) {
        self.query.filter = Filter::new(&self.filter);
        self.set_rows(self.model().rows(&self.row_query()));
    }

    /// Shows these rows.
    pub(super) fn set_rows(&mut self, rows: Rows) {
        self.rows = rows;
        let model = Arc::clone(self.shown());
        match (&self.rows, self.screen) {
            (Rows::Tasks(rows), _) => {
                let find = |key: &TaskKey| position(&model, rows, *key);
                self.tasks.follow(rows.len(), find, |row| key_of(&model, rows[row]));
            }
            (Rows::Groups(rows), _) => {
                let find = |key: &GroupKey| rows.iter().position(|row| row.key() == *key);
                self.groups.follow(rows.len(), find, |row| rows[row].key());
            }
            (Rows::Resources(rows), _) => {
                let find = |key: &ResourceKey| rows.iter().position(|row| row.key == *key);
                self.resource_cursor.follow(rows.len(), find, |row| rows[row].key);
            }
            (Rows::None, Screen::Findings) => {
                let all = model.all_findings();
                let find = |id: &FindingId| all.iter().position(|finding| finding.is(id));
                self.findings.follow(all.len(), find, |row| all[row].id());
            }
            (Rows::None, Screen::Lab) => {
                let workloads = self.lab_stats().map_or(0, |lab| lab.workloads.len());
                self.workloads.follow(workloads, within(workloads), |row| row);
            }
            (Rows::None, _) => {
                let workers = self.worker_rows().len();
                self.workers.follow(workers, within(workers), |row| row);
            }
        }
    }
}

/// Finds the row of a key that is a row itself.
fn within(len: usize) -> impl FnOnce(&usize) -> Option<usize> {
    move |row| Some(*row).filter(|row| *row < len)
}

/// The row of a task.
fn position(model: &Model, rows: &[TaskRow], key: TaskKey) -> Option<usize> {
    let target = model.targets().iter().position(|model| model.target().id == key.target)?;
    let task = model.targets()[target].target();
    let task = Some(task).filter(|target| target.epoch == key.epoch)?.position(key.id)?;
    let at = TaskRow { target: target as u32, task: task as u32 };
    rows.iter().position(|row| *row == at)
}

/// The key of the task in a row.
pub(super) fn key_of(model: &Model, row: TaskRow) -> TaskKey {
    let target = model.targets()[row.target as usize].target();
    target.task_key(target.tasks[row.task as usize].key)
}
