//! Rows, written as objects in JSON and as lines in CSV.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use serde::{Serialize, Serializer};

use crate::{
    model,
    snapshot::{Description, FieldId},
};

/// Named values, in order. The names are those of the JSON schema.
#[derive(Clone, Debug)]
pub(super) struct Row<'a>(pub(super) Vec<(&'static str, Value<'a>)>);

/// A value of a row.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Value<'a> {
    Null,
    Flag(bool),
    Integer(u64),
    Number(f64),
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Map(BTreeMap<String, Value<'a>>),
    Row(Row<'a>),
}

/// A [`Row`] of `name: value` pairs.
macro_rules! row {
    ($($name:ident: $value:expr,)+) => {
        $crate::report::row::Row(vec![$((stringify!($name), $value.into())),+])
    };
}
pub(super) use row;

/// A list of values.
pub(super) fn list<'a, T: Into<Value<'a>>>(items: impl IntoIterator<Item = T>) -> Value<'a> {
    Value::List(items.into_iter().map(Into::into).collect())
}

/// A map whose keys are data, sorted by key.
pub(super) fn map<'a, T: Into<Value<'a>>>(
    items: impl IntoIterator<Item = (impl Into<String>, T)>,
) -> Value<'a> {
    Value::Map(items.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
}

impl Row<'_> {
    /// The row with null for the fields of these names.
    pub(super) fn without(mut self, names: &[&str]) -> Self {
        let hidden = self.0.iter_mut().filter(|(name, _)| names.contains(name));
        hidden.for_each(|(_, value)| *value = Value::Null);
        self
    }
}

/// The names of the fields of these tables that the target does not provide.
pub(super) fn unavailable(tables: &[&str], description: &Description) -> Vec<&'static str> {
    let fields = FieldId::ALL.into_iter().filter(|field| !description.has(*field));
    let parts = fields.filter_map(|field| field.path().split_once('.'));
    parts.filter(|(table, _)| tables.contains(table)).map(|(_, name)| name).collect()
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

macro_rules! from {
    ($($type:ty: $value:ident => $into:expr,)+) => {
        $(impl<'a> From<$type> for Value<'a> {
            fn from($value: $type) -> Self {
                $into
            }
        })+
    };
}

from! {
    bool: flag => Value::Flag(flag),
    u32: n => Value::Integer(n.into()),
    u64: n => Value::Integer(n),
    usize: n => Value::Integer(n as u64),
    f64: n => Value::Number(n),
    &'a str: text => Value::Text(text.into()),
    &'a Arc<str>: text => Value::Text((&**text).into()),
    String: text => Value::Text(text.into()),
    Row<'a>: row => Value::Row(row),
}

impl<'a> From<model::Value<'a>> for Value<'a> {
    fn from(value: model::Value<'a>) -> Self {
        match value {
            model::Value::Unknown => Value::Null,
            model::Value::Integer(n) => Value::Integer(n),
            model::Value::Number(n) => Value::Number(n),
            model::Value::Text(text) => Value::Text(text),
        }
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}
