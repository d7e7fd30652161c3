//! The columns of the tables, and their choice.

use std::{collections::BTreeMap, time::Duration};

use crossterm::event::{KeyCode, KeyEvent};

use super::{App, List, Prompt};
use crate::{
    model::{
        Column, Field, FieldKind, GroupRow, ResourceRow, Row, TargetModel, TaskRow, WorkerRow,
    },
    snapshot::FieldId,
};

/// The columns that the user has chosen, in their order, by the name of the table. A table without an
/// entry has its default columns.
pub type ChosenColumns = BTreeMap<&'static str, Vec<Column>>;

/// A column in the list to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnChoice {
    /// The name.
    pub name: Column,
    /// The title above the column.
    pub title: &'static str,
    /// The meaning.
    pub help: &'static str,
    /// Whether the column is shown.
    pub is_chosen: bool,
    is_graph: bool,
}

/// The columns of a table that the configuration names, separated by spaces.
///
/// # Errors
/// If a name is unknown, with the valid names; or if there is no name.
pub fn parse_columns<R: Row>(names: &str) -> Result<Vec<Column>, String> {
    let find = |name: &str| {
        let field = R::fields().iter().find(|field| field.name == name);
        let all = || R::fields().iter().map(|field| field.name).collect::<Vec<_>>().join(", ");
        field
            .map(|field| field.name)
            .ok_or_else(|| format!("there is no column {name}; the columns are {}", all()))
    };
    let columns = names.split_whitespace().map(find).collect::<Result<Vec<_>, _>>()?;
    if columns.is_empty() {
        return Err("write the names of columns, separated by spaces".to_owned());
    }
    Ok(columns)
}

fn defaults<R: Row>() -> Vec<Column> {
    R::fields().iter().filter(|field| field.rank > 0).map(|field| field.name).collect()
}

/// The chosen columns in their order, then the others.
fn choices<R: Row>(chosen: &[Column]) -> Vec<ColumnChoice> {
    let choice = |field: &Field<R>, is_chosen| ColumnChoice {
        name: field.name,
        title: field.title,
        help: field.help,
        is_chosen,
        is_graph: field.kind == FieldKind::Graph,
    };
    let fields = || R::fields().iter();
    let find = |name: &Column| fields().find(|field| field.name == *name);
    let shown = chosen.iter().filter_map(find).map(|field| choice(field, true));
    let others = fields().filter(|field| !chosen.contains(&field.name));
    shown.chain(others.map(|field| choice(field, false))).collect()
}

impl App {
    /// The columns of a table, from left to right: those that the user has chosen, or else those that
    /// are shown by default; without the ones that no target has values for, unless rows are sorted
    /// by them.
    pub fn columns<R: Row>(&self) -> Vec<&'static Field<R>> {
        let fields = || R::fields().iter();
        let sort = self.row_query().query().map(|query| query.sort);
        let is_shown = |field: &&'static Field<R>| match field.name {
            "target" => self.has_several_targets(),
            name => Some(name) == sort || self.has_field(field.id),
        };
        match self.chosen_columns.get(R::TABLE) {
            Some(chosen) => chosen
                .iter()
                .filter_map(|name| fields().find(|field| field.name == *name))
                .filter(is_shown)
                .collect(),
            None => {
                let is_useful = |field: &&'static Field<R>| match (R::TABLE, field.name) {
                    // Stages show the kind, too.
                    (TaskRow::TABLE, "kind") if sort != Some("kind") => {
                        !self.has_field(Some(FieldId::Stage))
                            && self.model().targets().iter().any(TargetModel::has_kinds)
                    }
                    _ => true,
                };
                let default = fields().filter(|field| field.rank > 0).filter(is_shown);
                default.filter(is_useful).collect()
            }
        }
    }

    /// The name of the table of the screen, and its default columns.
    fn table(&self) -> Option<(&'static str, Vec<Column>)> {
        match self.list() {
            List::Tasks => Some((TaskRow::TABLE, defaults::<TaskRow>())),
            List::Groups => Some((GroupRow::TABLE, defaults::<GroupRow>())),
            List::Workers => Some((WorkerRow::TABLE, defaults::<WorkerRow>())),
            List::Resources => Some((ResourceRow::TABLE, defaults::<ResourceRow>())),
            _ => None,
        }
    }

    /// Whether the columns of the screen can be chosen.
    pub fn has_columns(&self) -> bool {
        self.table().is_some()
    }

    /// All columns of the table of the screen: the chosen ones in their order, then the others.
    pub fn column_choices(&self) -> Vec<ColumnChoice> {
        let Some((table, defaults)) = self.table() else { return Vec::new() };
        let chosen = self.chosen_columns.get(table).unwrap_or(&defaults);
        match self.list() {
            List::Tasks => choices::<TaskRow>(chosen),
            List::Groups => choices::<GroupRow>(chosen),
            List::Resources => choices::<ResourceRow>(chosen),
            _ => choices::<WorkerRow>(chosen),
        }
    }

    /// The same state, and only the chosen columns that are no graphs.
    pub fn without_graphs(&self) -> App {
        let mut app = self.clone();
        if let Some((table, _)) = self.table() {
            let columns = self.column_choices().into_iter();
            let texts = columns.filter(|choice| choice.is_chosen && !choice.is_graph);
            app.chosen_columns.insert(table, texts.map(|choice| choice.name).collect());
        }
        app
    }

    /// The line of the configuration that sets the columns of the screen.
    pub fn column_setting(&self) -> Option<String> {
        let (table, _) = self.table()?;
        let names: Vec<_> = self.chosen_columns.get(table)?.to_vec();
        Some(format!("{table} = \"{}\"", names.join(" ")))
    }

    pub(super) fn begin_columns(&mut self, now: Duration) {
        match self.table() {
            Some(_) => {
                self.overlays.clear();
                self.prompt = Prompt::Columns { at: 0 };
            }
            None => self.notify("the columns of screens 1, 2, 3 and 7 can be chosen", now),
        }
    }

    /// Handles a key while columns are chosen. `at` is the position in the list.
    pub(super) fn edit_columns(&mut self, key: KeyEvent, at: usize) {
        let choices = self.column_choices();
        let Some((table, _)) = self.table() else { return };
        let last = choices.len().saturating_sub(1);
        let at = at.min(last);
        let names = |choices: &[ColumnChoice]| -> Vec<Column> {
            choices.iter().filter(|choice| choice.is_chosen).map(|choice| choice.name).collect()
        };
        let mut chosen = names(&choices);
        let name = choices[at].name;
        let mut next = at;
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => next = at.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => next = (at + 1).min(last),
            KeyCode::Char(' ') | KeyCode::Enter if choices[at].is_chosen => {
                chosen.retain(|one| *one != name);
            }
            KeyCode::Char(' ') | KeyCode::Enter => chosen.push(name),
            KeyCode::Left | KeyCode::Char('h' | '-') if at > 0 && at < chosen.len() => {
                chosen.swap(at, at - 1);
            }
            KeyCode::Right | KeyCode::Char('l' | '+') if at + 1 < chosen.len() => {
                chosen.swap(at, at + 1);
            }
            KeyCode::Char('a') => {
                let others = choices.iter().filter(|choice| !choice.is_chosen);
                chosen.extend(others.map(|choice| choice.name));
            }
            KeyCode::Char('r') => {
                self.chosen_columns.remove(table);
                self.prompt = Prompt::Columns { at: 0 };
                return;
            }
            KeyCode::Esc | KeyCode::Char('c' | 'q') => return,
            _ => {}
        }
        // A table has at least one column.
        if chosen != names(&choices) && !chosen.is_empty() {
            self.chosen_columns.insert(table, chosen);
            // The cursor follows a column that is shown or moved.
            let mut shown = self.column_choices().into_iter().take_while(|choice| choice.is_chosen);
            next = shown.position(|choice| choice.name == name).unwrap_or(next);
        }
        self.prompt = Prompt::Columns { at: next };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app::HitTarget, fixture::Stage};

    fn titles(stage: &Stage) -> Vec<&'static str> {
        stage.app.columns::<TaskRow>().iter().map(|field| field.title).collect()
    }

    #[test]
    fn columns_are_hidden_shown_and_moved() {
        let mut stage = Stage::new();
        assert_eq!(titles(&stage)[..3], ["ID", "STATE", "NAME"]);
        stage.keys("c ");
        assert_eq!(titles(&stage)[..2], ["STATE", "NAME"]);
        stage.keys("<Right>");
        assert_eq!(titles(&stage)[..2], ["NAME", "STATE"]);
        assert!(
            stage.app.column_setting().is_some_and(|it| it.starts_with("tasks = \"name state "))
        );
        stage.keys("kkr<Esc>");
        assert_eq!((titles(&stage)[0], &stage.app.prompt), ("ID", &Prompt::None));
        assert_eq!(stage.app.column_setting(), None);
        stage.keys("ca<Esc>");
        assert_eq!(stage.app.chosen_columns["tasks"].len(), TaskRow::fields().len());
        assert_eq!(titles(&stage)[..3], ["ID", "STATE", "NAME"]);
    }

    #[test]
    fn last_column_stays() {
        let mut stage = Stage::new();
        stage.keys(&format!("c{}", " ".repeat(60)));
        assert_eq!(stage.app.chosen_columns["tasks"].len(), 1);
        stage.keys("<Esc>");
        assert!(stage.screen(80, 24).contains(" Tasks "));
    }

    #[test]
    fn choice_of_columns_ends_on_another_screen() {
        let mut stage = Stage::new();
        stage.keys(&format!("c{}", "j".repeat(30)));
        stage.app.click(HitTarget::Worker(0), stage.now);
        assert_eq!(stage.app.prompt, Prompt::None);
        stage.keys("cj");
        stage.app.prompt = Prompt::Columns { at: 99 };
        stage.keys(" ");
        assert!(stage.screen(80, 24).contains(" Workers "));
    }

    #[test]
    fn names_of_the_configuration_are_checked() {
        assert_eq!(parse_columns::<TaskRow>("name busy_share"), Ok(vec!["name", "busy_share"]));
        let error = parse_columns::<GroupRow>("name buzy").expect_err("a typo");
        assert!(
            error.starts_with("there is no column buzy; the columns are name, tasks,"),
            "{error}"
        );
        assert!(parse_columns::<WorkerRow>(" ").is_err());
    }
}
