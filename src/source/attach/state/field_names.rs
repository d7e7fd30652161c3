//! Field names, which are sent once in the metadata of a span or event, or with the field.

use std::collections::HashMap;

use console_api::{Field, field::Name, register_metadata::NewMetadata};

use crate::source::attach::{limits, text::truncate};

/// Field names by metadata id.
#[derive(Debug, Default)]
pub(super) struct FieldNames {
    fields: HashMap<u64, Vec<String>>,
}

impl FieldNames {
    /// Adds metadata. Returns whether it is known already.
    pub(super) fn insert(&mut self, new: NewMetadata) -> bool {
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
            *name = truncate(name, limits::NAME_BYTES).into_owned();
        }
        self.fields.insert(id.id, names);
        false
    }

    /// The name of a field, if it is known.
    pub(super) fn get(&self, field: &Field) -> Option<String> {
        match field.name.as_ref()? {
            Name::StrName(name) => Some(truncate(name, limits::NAME_BYTES).into_owned()),
            Name::NameIdx(index) => {
                let names = self.fields.get(&field.metadata_id?.id)?;
                names.get(usize::try_from(*index).ok()?).cloned()
            }
        }
    }
}
