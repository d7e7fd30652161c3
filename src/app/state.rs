//! What the dashboard remembers.

use std::{sync::Arc, time::Duration};

use super::{Action, Cursor, Overlay, Prompt, Screen, TimelineView};
use crate::model::{
    Column, FieldId, Filter, FindingId, GroupColumn, GroupRow, Model, Query, ResourceRow,
    Resources, Subscription, TaskStats, Thresholds,
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
    pub tasks: Cursor<u64>,
    /// How the groups are sorted, and whether the greatest come first.
    pub group_sort: (GroupColumn, bool),
    /// The selected group.
    pub groups: Cursor<Arc<str>>,
    /// The selected workload.
    pub workloads: Cursor<usize>,
    /// Lines of the Lab that are scrolled out of sight.
    pub lab_scroll: usize,
    /// The selected resource.
    pub resource_cursor: Cursor<u64>,
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
    /// The task that was asked last where it waits, and how many were before.
    pub(super) asked: Option<(u64, u64)>,
    pub(super) model: Model,
    /// What is shown while frozen.
    pub(super) frozen: Option<Box<Model>>,
    pub(super) order: Vec<u32>,
    pub(super) group_rows: Vec<GroupRow>,
    pub(super) resource_rows: Vec<ResourceRow>,
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
            model: Model::default(),
            frozen: None,
            order: Vec::new(),
            group_rows: Vec::new(),
            resource_rows: Vec::new(),
            message: None,
        }
    }

    /// Lets rules speak from these thresholds on.
    pub fn with_thresholds(mut self, thresholds: Thresholds) -> Self {
        self.model = Model::with_thresholds(thresholds);
        self
    }

    /// What is shown: the latest state, or the one that was frozen.
    pub fn model(&self) -> &Model {
        self.frozen.as_deref().unwrap_or(&self.model)
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
        let taken = |model: &Model| model.snapshot().map_or(0, |snapshot| snapshot.taken_ns);
        self.frozen.as_deref().map_or(0, |frozen| taken(&self.model).saturating_sub(taken(frozen)))
    }

    /// The positions of the shown tasks in the snapshot, in their order.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// The shown groups, in their order.
    pub fn group_rows(&self) -> &[GroupRow] {
        &self.group_rows
    }

    /// The shown resources, in their order.
    pub fn resource_rows(&self) -> &[ResourceRow] {
        &self.resource_rows
    }

    /// What tasks wait for, or why that is not known.
    pub fn resources(&self) -> Result<&Resources, &str> {
        let Some(target) = self.model().snapshot() else { return Err("no sample yet") };
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

    /// The task with this key, if it is in the picture.
    pub fn task(&self, key: u64) -> Option<&TaskStats> {
        let at = self.model().position(key)?;
        self.model().snapshot()?.tasks.get(at)
    }

    /// The task in a row of the table.
    pub fn task_in_row(&self, row: usize) -> Option<&TaskStats> {
        let at = *self.order.get(row)? as usize;
        self.model().snapshot()?.tasks.get(at)
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
            awaits: self.asked.filter(|(key, _)| task == Some(*key)),
        }
    }

    /// Whether the target has what an action needs.
    pub fn has(&self, action: Action) -> bool {
        let Some(target) = self.model().snapshot() else { return true };
        action.needs(self.screen).is_none_or(|field| target.description.has(field))
    }

    /// Whether a column says anything about what is watched.
    pub fn has_column(&self, column: Column) -> bool {
        let targets = self.model().snapshot().map_or(0, |snapshot| snapshot.targets.len());
        column != Column::Target || targets > 1
    }

    /// Whether the task with this key, whose details are open, was asked where it waits.
    pub fn has_asked(&self, key: u64) -> bool {
        self.asked.is_some_and(|(asked, _)| asked == key)
    }

    /// Says something for a few seconds.
    pub(super) fn say(&mut self, text: impl Into<String>, now: Duration) {
        let until = now + Duration::from_secs(5);
        self.message = Some(Message { text: text.into(), until });
    }

    /// Puts the rows of the screen in order again, after a snapshot or another query. What
    /// is on another screen is put in order when one goes there.
    pub(super) fn arrange(&mut self) {
        self.query.filter = Filter::new(&self.filter);
        let Some(snapshot) = self.model().snapshot().cloned() else { return };
        match self.screen {
            Screen::Tasks => {
                self.order = self.model().tasks(&self.query);
                let order = &self.order;
                self.tasks.follow(order.len(), |row| snapshot.tasks[order[row] as usize].key);
            }
            Screen::Groups => {
                let (sort, descending) = self.group_sort;
                self.group_rows = self.model().groups(sort, descending, &self.query.filter);
                let rows = &self.group_rows;
                self.groups.follow(rows.len(), |row| rows[row].name.clone());
            }
            Screen::Resources => {
                self.resource_rows = self.model().resources(&self.query.filter);
                let Some(resources) = snapshot.resources.as_deref() else { return };
                let rows = &self.resource_rows;
                let key = |row: usize| resources.resources[rows[row].at].key;
                self.resource_cursor.follow(rows.len(), key);
            }
            Screen::Workers | Screen::Timeline => {
                self.workers.follow(snapshot.workers.len(), |row| row);
            }
            Screen::Findings => {
                let all = self.frozen.as_deref().unwrap_or(&self.model).all_findings();
                self.findings.follow(all.len(), |row| all[row].id());
            }
            Screen::Lab => {
                let workloads = snapshot.lab.as_ref().map_or(0, |lab| lab.workloads.len());
                self.workloads.follow(workloads, |row| row);
            }
        }
    }
}
