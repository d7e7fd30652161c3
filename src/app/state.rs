//! The state, and the parts of the model that it selects.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use super::{
    Action, ChosenColumns, Cursor, Effect, HitTarget, LineEditor, List, Overlay, OwnCost, Prompt,
    RowKey, ScreenId, ScreenSpec, ScreenState, Settings, SourceLine, TimelineView, Viewport,
    freshness::Freshness, graph_span::GraphSelection, hog_kind::NextHogKind, messages::Messages,
    requests::Requests,
};
use crate::{
    model::{Model, RowQuery, Rows, Scope, TargetModel, Thresholds, Timeline, WorkerRow},
    snapshot::{
        FieldId, LabStats, ResourceKey, ResourceStats, Resources, Subscription, Target, TargetId,
        TaskKey, TaskStats,
    },
};

/// The state of the dashboard.
#[derive(Clone, Debug)]
pub struct App {
    /// The settings of the display.
    pub settings: Settings,
    /// Time between snapshots.
    pub interval: Duration,
    screens: Vec<ScreenState>,
    /// The position of the screen that is shown.
    current: usize,
    /// The views over the screen, each with the lines scrolled. The last one is shown.
    pub(super) overlays: Vec<(Overlay, usize)>,
    /// The question that the next keys answer.
    pub prompt: Prompt,
    /// The line that keys edit while a prompt is open.
    pub editor: LineEditor,
    /// The words to find in the help.
    pub help_search: String,
    /// The text of the filter.
    pub filter: String,
    /// The last filter that was not empty.
    pub(super) last_filter: String,
    /// The latest line whose file was found to be newer than the program.
    pub(super) newer_source: Option<SourceLine>,
    /// What the dashboard itself costs; `None` before it is measured.
    pub own_cost: Option<OwnCost>,
    /// The pinned task, group or workload.
    pub(super) pin: Option<Scope>,
    /// The columns of the tables.
    pub chosen_columns: ChosenColumns,
    pub(super) graphs: GraphSelection,
    /// The visible part of the timeline.
    pub timeline: TimelineView,
    pub(super) viewport: Viewport,
    /// Turn the hog on as soon as there is a baseline.
    pub turn_on_hog: bool,
    /// Subscribe to the distributions of groups also while no screen shows them, for the report at the
    /// end.
    pub reports_groups: bool,
    /// The last click, and its time.
    pub(super) last_click: Option<(HitTarget, Duration)>,
    /// The kind of hog that is selected and not reported by the lab yet.
    pub(super) next_hog_kind: Option<NextHogKind>,
    pub(super) requests: Requests,
    /// The target that was selected on the previous screen.
    pub(super) last_selected: TargetId,
    pub(super) model: Arc<Model>,
    /// The model that is shown while the screen is frozen.
    pub(super) frozen: Option<Arc<Model>>,
    pub(super) freshness: Freshness,
    /// The rows of the screen.
    pub(super) rows: Rows,
    pub(super) messages: Messages,
}

impl App {
    /// A dashboard without a snapshot. Tab goes through `screens` in this order; the first one is
    /// shown.
    ///
    /// # Panics
    /// If there is no screen.
    pub fn new(
        screens: impl IntoIterator<Item = &'static ScreenSpec>,
        settings: Settings,
        interval: Duration,
    ) -> Self {
        let screens: Vec<_> = screens.into_iter().map(ScreenState::new).collect();
        assert!(!screens.is_empty(), "a dashboard has at least one screen");
        App {
            settings,
            interval,
            screens,
            current: 0,
            overlays: Vec::new(),
            prompt: Prompt::default(),
            editor: LineEditor::default(),
            help_search: String::new(),
            filter: String::new(),
            last_filter: String::new(),
            newer_source: None,
            own_cost: None,
            pin: None,
            chosen_columns: ChosenColumns::new(),
            graphs: GraphSelection::default(),
            timeline: TimelineView::default(),
            viewport: Viewport::default(),
            turn_on_hog: false,
            reports_groups: false,
            next_hog_kind: None,
            last_click: None,
            requests: Requests::default(),
            last_selected: TargetId::default(),
            model: Arc::default(),
            frozen: None,
            freshness: Freshness::default(),
            rows: Rows::None,
            messages: Messages::default(),
        }
    }

    /// Sets the thresholds at which rules fire.
    pub fn with_thresholds(mut self, thresholds: Thresholds) -> Self {
        self.model = Model::with_thresholds(thresholds).into();
        self
    }

    /// The screen that is shown.
    pub fn screen(&self) -> &ScreenState {
        &self.screens[self.current]
    }

    pub(super) fn screen_mut(&mut self) -> &mut ScreenState {
        &mut self.screens[self.current]
    }

    /// All screens, in the order of Tab.
    pub fn screens(&self) -> impl Iterator<Item = &'static ScreenSpec> {
        self.screens.iter().map(|screen| screen.spec)
    }

    fn spec(&self, id: ScreenId) -> Option<&'static ScreenSpec> {
        self.screens().find(|spec| spec.id == id)
    }

    /// The rows of the screen.
    pub fn list(&self) -> List {
        self.screen().spec.list
    }

    /// Shows a screen.
    pub(super) fn show(&mut self, id: ScreenId) {
        self.last_selected = self.selected_id();
        let (list, cursor) = (self.list(), self.cursor().clone());
        let shares = |screen: &&mut ScreenState| screen.spec.list.shares_selection_with(list);
        for screen in self.screens.iter_mut().filter(shares) {
            screen.cursor = cursor.clone();
        }
        let position = self.screens().position(|spec| spec.id == id);
        self.current = position.unwrap_or(self.current);
        self.overlays.clear();
        if matches!(self.prompt, Prompt::Columns { .. }) {
            self.prompt = Prompt::None;
        }
        self.update_rows();
    }

    /// Shows the first screen with rows of this kind.
    pub(super) fn show_list(&mut self, list: List) {
        let id = self.screens().find(|spec| spec.list == list).map(|spec| spec.id);
        if let Some(id) = id {
            self.show(id);
        }
    }

    /// Clears the selection of tasks, on all screens.
    pub(super) fn clear_selected_tasks(&mut self) {
        for screen in &mut self.screens {
            if matches!(screen.cursor.key(), Some(RowKey::Task(_))) {
                screen.cursor.reset();
            }
        }
    }

    /// The selection on the screen.
    pub fn cursor(&self) -> &Cursor<RowKey> {
        &self.screen().cursor
    }

    /// The selected task, on a screen with tasks.
    pub fn selected_task(&self) -> Option<TaskKey> {
        if let Some(RowKey::Task(key)) = self.cursor().key() { Some(*key) } else { None }
    }

    /// The selected worker, on a screen with workers.
    pub fn selected_worker(&self) -> Option<usize> {
        if let Some(RowKey::Worker(worker)) = self.cursor().key() { Some(*worker) } else { None }
    }

    /// The selected workload, on a screen with workloads.
    pub(super) fn selected_workload(&self) -> Option<usize> {
        if let Some(RowKey::Workload(at)) = self.cursor().key() { Some(*at) } else { None }
    }

    /// The view over the screen.
    pub fn overlay(&self) -> Option<&Overlay> {
        self.overlays.last().map(|(overlay, _)| overlay)
    }

    /// Lines scrolled in the view over the screen.
    pub fn overlay_scroll(&self) -> usize {
        self.overlays.last().map_or(0, |(_, scroll)| *scroll)
    }

    /// The model that is shown: the latest, or the one at the time of freezing.
    pub fn model(&self) -> &Model {
        self.frozen.as_ref().unwrap_or(&self.model)
    }

    /// Whether the screen is frozen.
    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// The latest model, also while the screen is frozen.
    pub fn live_model(&self) -> &Model {
        &self.model
    }

    /// The age of the frozen screen, in ns.
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
        let of_overlay = self.overlay().and_then(Overlay::target);
        let of_row = || self.cursor().key().and_then(RowKey::target);
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

    /// The positions of the workers of the selected target: of many workers, the busiest first.
    pub fn worker_order(&self) -> &[usize] {
        self.selected().map_or(&[], TargetModel::worker_order)
    }

    /// The timeline of the selected target.
    pub fn polls(&self) -> &Timeline {
        static EMPTY: LazyLock<Timeline> = LazyLock::new(Timeline::default);
        self.selected().map_or(&EMPTY, TargetModel::timeline)
    }

    /// The resources of the selected target, or why they are unavailable.
    pub fn resources(&self) -> Result<&Resources, &str> {
        let Some(target) = self.target() else { return Err("no sample yet") };
        let resources = target.resources.as_deref();
        let requested = target.description.get(FieldId::Resources, resources)?;
        requested.ok_or("shown with the next sample")
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn next_tick(&self) -> Option<Duration> {
        let message = self.messages.next_tick();
        let hog_kind = self.next_hog_kind.as_ref().and_then(|next| next.send_at);
        let age = self.freshness.next_tick(self.interval);
        message.into_iter().chain(hog_kind).chain(age).min()
    }

    /// The age of the latest sample, in whole seconds, if it is overdue.
    pub fn overdue_sample(&self) -> Option<Duration> {
        self.freshness.overdue()
    }

    /// Removes a message whose time is over, updates the age of an overdue sample, and starts the
    /// selected kind of hog once the selection rests.
    pub fn tick(&mut self, now: Duration) -> Option<Effect> {
        self.freshness.tick(now, self.interval);
        self.messages.tick(now);
        self.start_resting_hog_kind(now)
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

    /// The optional parts of the next snapshots.
    pub fn subscription(&self) -> Subscription {
        let mut subscription = Subscription::default();
        (self.screen().spec.subscribe)(&mut subscription);
        subscription.groups |= self.reports_groups;
        if let Some(Overlay::Task(key)) = self.overlay() {
            subscription.task = Some(*key);
        }
        subscription
    }

    /// The field that a target must provide for a key to have an effect.
    fn needs(&self, key: Action) -> Option<FieldId> {
        match self.resolve(key) {
            Action::Show(screen) => self.spec(screen)?.needs,
            action => action.needs(),
        }
    }

    /// Whether the target has the field that a key needs.
    pub fn has(&self, key: Action) -> bool {
        let field = self.needs(key);
        self.target().is_none_or(|target| !self.lacks(target.id, field))
    }

    /// Why a key has no effect on this target; `None` if it has. A screen can always be shown: it
    /// states the reason itself.
    pub(super) fn unavailable(&self, key: Action) -> Option<String> {
        let field = self.needs(key).filter(|_| !matches!(key, Action::Show(_)))?;
        let reason = self.target()?.description.reason(field)?;
        let prefix = if reason.starts_with("not available") { "" } else { "not available: " };
        Some(format!("{prefix}{reason}"))
    }

    /// Whether some target has a field.
    pub(super) fn has_field(&self, field: Option<FieldId>) -> bool {
        let targets = self.model().targets();
        let has = |field| targets.iter().any(|model| model.target().description.has(field));
        targets.is_empty() || field.is_none_or(has)
    }

    /// Whether a target lacks a field.
    pub fn lacks(&self, target: TargetId, field: Option<FieldId>) -> bool {
        let target = self.model().target(target);
        target.zip(field).is_some_and(|(model, field)| !model.target().description.has(field))
    }

    /// The name of a target with a colon, in front of a text that does not name its target otherwise;
    /// empty if there is only one.
    pub fn target_prefix(&self, target: TargetId) -> String {
        let target = self.model().target(target).filter(|_| self.has_several_targets());
        target.map(|target| format!("{}: ", target.name())).unwrap_or_default()
    }

    /// Whether rows have to state their target.
    pub fn has_several_targets(&self) -> bool {
        self.model().targets().len() > 1
    }

    /// Whether the rows of the screen can be filtered.
    pub fn has_filter(&self) -> bool {
        *self.row_query() != RowQuery::None
    }
}
