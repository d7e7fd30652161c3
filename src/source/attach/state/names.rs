//! The names of fields, which may be sent once for all spans of a kind.

use std::collections::HashMap;

use console_api::{Field, field::Name, register_metadata::NewMetadata};

use crate::source::attach::{limits, text::cut};

/// Field names by the id of their metadata.
#[derive(Debug, Default)]
pub(super) struct Names {
    fields: HashMap<u64, Vec<String>>,
}

impl Names {
    /// Takes metadata in; returns whether it was known already.
    pub(super) fn learn(&mut self, new: NewMetadata) -> bool {
        let (Some(id), Some(metadata)) = (new.id, new.metadata) else { return false };
        if self.fields.contains_key(&id.id) {
            return true;
        }
        if self.fields.len() >= limits::METADATA {
            return false;
        }
        let mut names = metadata.field_names;
        names.truncate(64);
        for name in &mut names {
            *name = cut(name, limits::NAME_BYTES).into_owned();
        }
        self.fields.insert(id.id, names);
        false
    }

    /// The name of a field, if it has one.
    pub(super) fn of(&self, field: &Field) -> Option<String> {
        match field.name.as_ref()? {
            Name::StrName(name) => Some(cut(name, limits::NAME_BYTES).into_owned()),
            Name::NameIdx(index) => {
                let names = self.fields.get(&field.metadata_id?.id)?;
                names.get(usize::try_from(*index).ok()?).cloned()
            }
        }
    }
}
