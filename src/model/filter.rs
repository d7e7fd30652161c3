//! The filter language: words, and terms such as `busy>10%`, `name:conn` and `max_poll>5ms`.

use std::ops::Range;

use super::{
    TargetModel,
    fields::{Field, FieldKind, Row, Value},
};
use crate::text::closest_match;

/// The text that the user typed after `/`. A row passes if each word occurs in one of its texts,
/// ignoring case, and each term holds. `!` in front negates both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    parts: Vec<Part>,
}

/// A word or a term of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    /// Where it is in the text, in bytes.
    at: Range<usize>,
    is_negated: bool,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// A `!` with nothing after it.
    Nothing,
    /// In lower case.
    Word(String),
    Term {
        name: String,
        operator: Operator,
        operand: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Contains,
    Equal,
    Different,
    Above,
    AtLeast,
    Below,
    AtMost,
}

const OPERATORS: [(&str, Operator); 7] = [
    ("!=", Operator::Different),
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    (">", Operator::Above),
    ("<", Operator::Below),
    ("=", Operator::Equal),
    (":", Operator::Contains),
];

/// A term that cannot be applied. It is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Where the term is in the text, in bytes.
    pub at: Range<usize>,
    /// The problem, and the valid form.
    pub message: String,
}

impl Filter {
    /// The filter that `text` describes.
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = 0;
        for token in text.split_whitespace() {
            let begin = rest + text[rest..].find(token).unwrap_or(0);
            rest = begin + token.len();
            let negated = token.strip_prefix('!');
            let test = match negated.unwrap_or(token) {
                "" => Test::Nothing,
                bare => term(bare).unwrap_or_else(|| Test::Word(bare.to_lowercase())),
            };
            parts.push(Part { at: begin..rest, is_negated: negated.is_some(), test });
        }
        Filter { parts }
    }

    /// Whether all rows pass.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The first term that cannot be applied to rows of this kind.
    pub fn error<R: Row>(&self) -> Option<FilterError> {
        self.parts.iter().find_map(|part| {
            let message = match &part.test {
                Test::Word(_) => return None,
                Test::Nothing => "write a word after !, such as !conn".to_owned(),
                Test::Term { name, operator, operand } => {
                    resolve::<R>(name, *operator, operand).err()?
                }
            };
            Some(FilterError { at: part.at.clone(), message })
        })
    }

    /// The first term about a field that none of the targets has, and the reason: no row passes.
    pub(super) fn unavailable<R: Row>(&self, targets: &[TargetModel]) -> Option<String> {
        self.parts.iter().find_map(|part| {
            let Test::Term { name, operator, operand } = &part.test else { return None };
            let (field, _) = resolve::<R>(name, *operator, operand).ok()?;
            let first = targets.first().filter(|_| !targets.iter().any(|it| field.is_in(it)))?;
            let reason = first.target().description.reason(field.id?)?;
            Some(format!("{} is not available: {reason}", field.title))
        })
    }

    /// The filter for the rows of a target.
    pub(super) fn of<R: Row>(&self, target: &TargetModel) -> Matcher<'_, R> {
        let fields = R::fields().iter();
        let is_text = |field: &&Field<R>| !field.kind.is_number() && field.rank > 0;
        let texts = fields.filter(|field| is_text(field) && field.is_in(target)).collect();
        let resolved = self.parts.iter().filter_map(|part| {
            let test = match &part.test {
                Test::Nothing => return None,
                Test::Word(word) => RowTest::Word(word),
                Test::Term { name, operator, operand } => {
                    let (field, operand) = resolve::<R>(name, *operator, operand).ok()?;
                    RowTest::Field {
                        field,
                        is_known: field.is_in(target),
                        operator: *operator,
                        operand,
                    }
                }
            };
            Some((part.is_negated, test))
        });
        Matcher { texts, tests: resolved.collect() }
    }
}

/// A filter for the rows of one target.
pub(super) struct Matcher<'f, R: 'static> {
    texts: Vec<&'static Field<R>>,
    tests: Vec<(bool, RowTest<'f, R>)>,
}

enum RowTest<'f, R: 'static> {
    Word(&'f str),
    Field { field: &'static Field<R>, is_known: bool, operator: Operator, operand: Operand },
}

enum Operand {
    Number(f64),
    /// In lower case.
    Text(String),
}

impl<R> Matcher<'_, R> {
    /// Whether a row passes. A term about a value that is not known does not hold.
    pub(super) fn passes(&self, target: &TargetModel, row: &R) -> bool {
        self.tests.iter().all(|(is_negated, test)| match test {
            RowTest::Word(word) => {
                let occurs = |field: &&Field<R>| match field.value(target, row) {
                    Value::Text(text) => contains(&text, word),
                    _ => false,
                };
                *is_negated != self.texts.iter().any(occurs)
            }
            RowTest::Field { field, is_known, operator, operand } => {
                *is_known
                    && holds(field.value(target, row), *operator, operand)
                        .is_some_and(|holds| holds != *is_negated)
            }
        })
    }
}

/// `None` if the value is not known.
fn holds(value: Value<'_>, operator: Operator, operand: &Operand) -> Option<bool> {
    let number = match (value, operand) {
        (Value::Text(text), Operand::Text(word)) if operator == Operator::Equal => {
            return Some(text.to_lowercase() == *word);
        }
        (Value::Text(text), Operand::Text(word)) if operator == Operator::Different => {
            return Some(text.to_lowercase() != *word);
        }
        (Value::Text(text), Operand::Text(word)) => return Some(contains(&text, word)),
        (Value::Integer(n), _) => n as f64,
        (Value::Number(n), _) => n,
        _ => return None,
    };
    let Operand::Number(than) = *operand else { return None };
    Some(match operator {
        Operator::Contains | Operator::Equal => number == than,
        Operator::Different => number != than,
        Operator::Above => number > than,
        Operator::AtLeast => number >= than,
        Operator::Below => number < than,
        Operator::AtMost => number <= than,
    })
}

/// A term, unless the text is a word. The colon of a path or a location does not make a term.
fn term(text: &str) -> Option<Test> {
    let at = text.find(['>', '<', '=', ':', '!'])?;
    let (name, rest) = text.split_at(at);
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-/%".contains(c);
    let is_path = rest.starts_with("::") || name.starts_with('/');
    if name.is_empty() || is_path || !name.chars().all(is_name) {
        return None;
    }
    let (sign, operator) = OPERATORS.into_iter().find(|(sign, _)| rest.starts_with(sign))?;
    let operand = rest[sign.len()..].to_owned();
    Some(Test::Term { name: normal(name), operator, operand })
}

/// Names of columns as they are typed: `MAX POLL` is `max_poll`, and `BUSY%` is `busy`.
fn normal(name: &str) -> String {
    name.to_lowercase().replace('%', "").replace([' ', '-'], "_")
}

fn is_called<R>(field: &Field<R>, name: &str) -> bool {
    let stem = field.name.trim_end_matches("_ns").trim_end_matches("_share");
    field.name == name || stem == name || normal(field.title) == name
}

/// The field of a term and its operand. Of several fields with one name, such as the busy share and
/// the busy time, the operand decides.
fn resolve<R: Row>(
    name: &str,
    operator: Operator,
    operand: &str,
) -> Result<(&'static Field<R>, Operand), String> {
    let has_values = |field: &&Field<R>| field.kind != FieldKind::Graph;
    let fields = || R::fields().iter().filter(has_values);
    let mut problem = None;
    for field in fields().filter(|field| is_called(field, name)) {
        if !field.kind.is_number() {
            if operand.is_empty() {
                problem.get_or_insert(format!("write {name} with a word, such as {name}:word"));
                continue;
            }
            if matches!(operator, Operator::Contains | Operator::Equal | Operator::Different) {
                return Ok((field, Operand::Text(operand.to_lowercase())));
            }
            problem.get_or_insert(format!("{name} is a text: write {name}:word"));
            continue;
        }
        match field.kind.parse(operand) {
            Ok(number) => return Ok((field, Operand::Number(number))),
            Err(example) => {
                problem.get_or_insert(format!("write {name} with a value such as {example}"));
            }
        }
    }
    Err(problem.unwrap_or_else(|| {
        let names = fields().map(|field| normal(field.title)).collect::<Vec<_>>();
        let similar = closest_match(name, names.iter().map(String::as_str));
        match similar {
            Some(similar) => format!("no field is called {name}; did you mean {similar}?"),
            None => format!("no field is called {name}; column titles are names, such as max_poll"),
        }
    }))
}

/// Whether `text` contains `word`, which is in lower case.
fn contains(text: &str, word: &str) -> bool {
    if !text.is_ascii() {
        return text.to_lowercase().contains(word);
    }
    let (text, word) = (text.as_bytes(), word.as_bytes());
    text.windows(word.len().max(1)).any(|part| part.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            GroupRow, Model, Query, TaskRow,
            testing::{description, snapshot, task},
        },
        snapshot::{FieldId, State, Target, TaskStats},
    };

    fn tasks() -> [TaskStats; 3] {
        let mut tasks = [task(1, "Conn-1"), task(2, "conn-2"), task(3, "ping-1")];
        tasks[0].stage = Some("reads the request".into());
        tasks[1].max_poll_ns = 6_000_000;
        tasks[1].polls = 1_500;
        tasks[2].state = State::Scheduled;
        for (task, percent) in tasks.iter_mut().zip([0, 10, 50]) {
            (task.lifetime_ns, task.busy_ns) = (1_000_000_000, percent * 10_000_000);
        }
        tasks
    }

    fn names_in(target: Target, filter: &str) -> Vec<String> {
        let mut model = Model::default();
        model.advance(&target.into());
        let query = Query {
            sort: "id",
            descending: false,
            filter: Filter::new(filter),
            ..Query::default()
        };
        let rows = model.tasks(&query).into_iter();
        let name = |row| model.task_of_row(row).expect("a task").1.meta.name.to_string();
        rows.map(name).collect()
    }

    fn names(filter: &str) -> Vec<String> {
        names_in(snapshot(1_000_000_000, tasks()), filter)
    }

    #[test]
    fn words_match_texts_and_ignore_case() {
        assert_eq!(names("CONN"), ["Conn-1", "conn-2"]);
        assert_eq!(names("conn request"), ["Conn-1"]);
        assert_eq!(names("idle -1"), ["Conn-1"]);
        assert_eq!(names("!conn"), ["ping-1"]);
        assert_eq!(names("src/main.rs:7"), ["Conn-1", "conn-2", "ping-1"]);
        assert!(names("nothing like it").is_empty());
    }

    #[test]
    fn words_ignore_case_beyond_ascii() {
        assert!(contains("GRÜNE ÄPFEL", "äpfel"));
        assert!(!contains("", "x"));
    }

    #[test]
    fn terms_compare_values() {
        assert_eq!(names("busy>5%"), ["conn-2", "ping-1"]);
        assert_eq!(names("busy>=100ms busy<0.2s"), ["conn-2"]);
        assert_eq!(names("max_poll>5ms"), ["conn-2"]);
        assert_eq!(names("polls>=1.5k"), ["conn-2"]);
        assert_eq!(names("name:conn !state:idle"), Vec::<String>::new());
        assert_eq!(names("state:sched"), ["ping-1"]);
        assert_eq!(names("stage=reads !name:ping"), Vec::<String>::new());
        assert_eq!(names("id=3"), ["ping-1"]);
        assert_eq!(names("id!=3 name!=conn-2"), ["Conn-1"]);
        assert_eq!(names("busy%>5% CONN"), ["conn-2"]);
    }

    #[test]
    fn incomplete_terms_are_ignored_and_explained() {
        for filter in ["!", "name=", "!name:", "conn !"] {
            assert!(names(filter).len() >= 2, "{filter}");
            assert!(Filter::new(filter).error::<TaskRow>().is_some(), "{filter}");
        }
    }

    #[test]
    fn term_about_an_unknown_value_does_not_hold() {
        let mut target = snapshot(1_000_000_000, tasks());
        target.description = description("test").without([FieldId::MaxPoll], "a reason").into();
        let mut model = Model::default();
        model.advance(&target.clone().into());
        let reason = |filter: &str| Filter::new(filter).unavailable::<TaskRow>(model.targets());
        for filter in ["max_poll>5ms", "max_poll<5ms", "!max_poll>5ms"] {
            assert!(names_in(target.clone(), filter).is_empty(), "{filter}");
            assert_eq!(reason(filter).as_deref(), Some("MAX POLL is not available: a reason"));
        }
        assert_eq!(reason("conn busy>5% !name:x"), None);
    }

    #[test]
    fn terms_of_the_document_are_valid() {
        let page = include_str!("../../docs/keys.md");
        let filters = page.split_once("## Filters").expect("a section").1;
        let rows = filters.lines().filter_map(|line| line.strip_prefix("| `"));
        let terms: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
        assert_eq!(terms.len(), 5);
        for term in terms {
            assert_eq!(Filter::new(term).error::<TaskRow>(), None, "{term}");
            assert!(matches!(Filter::new(term).parts[0].test, Test::Term { .. }), "{term}");
        }
    }

    #[test]
    fn errors_have_their_place_and_a_remedy() {
        let error = |text: &str| {
            let error = Filter::new(text).error::<TaskRow>().expect(text);
            (text[error.at].to_owned(), error.message)
        };
        let expect = |text: &str, at: &str, message: &str| {
            assert_eq!(error(text), (at.to_owned(), message.to_owned()));
        };
        expect("conn busy>x", "busy>x", "write busy with a value such as 10%");
        expect("stat:idle", "stat:idle", "no field is called stat; did you mean state?");
        expect("!name>3", "!name>3", "name is a text: write name:word");
        assert_eq!(names("stat:idle ping"), ["ping-1"], "the term is ignored");
        assert_eq!(Filter::new("tasks>3 delay_p99>1ms").error::<GroupRow>(), None);
        // Once the first error is corrected, the next one is reported.
        for (text, at) in [("bsuy>1 nmae:x", 0..6), ("tasks>1 nmae:x", 8..14)] {
            let error = Filter::new(text).error::<GroupRow>();
            assert_eq!(error.map(|error| error.at), Some(at), "{text}");
        }
        assert_eq!(Filter::new("db::scan main.rs:7").error::<TaskRow>(), None);
    }
}
