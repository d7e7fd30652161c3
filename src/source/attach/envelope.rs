//! Decodes an update one element at a time.
//!
//! prost decodes a whole update into lists and maps before their lengths can be checked: two
//! bytes of input become two hundred in memory, so an update of 64 MiB may allocate 6 GiB. This
//! decoder walks the encoded bytes and keeps only one task, resource or operation as a value. It
//! is also faster.

use console_api::{
    async_ops::{self, AsyncOp},
    register_metadata::NewMetadata,
    resources::{self, PollOp, Resource},
    tasks::{self, Task},
};
use prost::{DecodeError, Message};
use prost_types::Timestamp;

use super::limits;

/// The parts of an update, still encoded.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Envelope<'a> {
    pub now: Option<Timestamp>,
    tasks: &'a [u8],
    resources: &'a [u8],
    async_ops: &'a [u8],
    metadata: &'a [u8],
}

/// An update that cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message of the tokio-console protocol")]
pub struct Malformed;

impl From<DecodeError> for Malformed {
    fn from(_: DecodeError) -> Self {
        Malformed
    }
}

/// One element of an update.
#[derive(Debug)]
pub(super) enum Part {
    Task(Task),
    TaskStats(u64, tasks::Stats),
    Resource(Resource),
    ResourceStats(u64, resources::Stats),
    PollOp(PollOp),
    AsyncOp(AsyncOp),
    AsyncOpStats(u64, async_ops::Stats),
    /// The number of events that the program dropped.
    Dropped(u64),
    /// An element over [`limits::ELEMENT_BYTES`], not decoded.
    TooLarge,
    /// An element that cannot be decoded, for example because a text is not UTF-8.
    Unreadable,
}

impl<'a> Envelope<'a> {
    /// Locates the parts of an update.
    pub(super) fn open(update: &'a [u8]) -> Result<Self, Malformed> {
        let mut envelope = Envelope::default();
        fields(update, |field| {
            match field {
                (1, Value::Bytes(bytes)) => envelope.now = Some(Timestamp::decode(bytes)?),
                (2, Value::Bytes(bytes)) => envelope.tasks = bytes,
                (3, Value::Bytes(bytes)) => envelope.resources = bytes,
                (4, Value::Bytes(bytes)) => envelope.async_ops = bytes,
                (5, Value::Bytes(bytes)) => envelope.metadata = bytes,
                _ => {}
            }
            Ok(())
        })?;
        Ok(envelope)
    }

    /// Visits the new metadata of spans and events.
    pub(super) fn metadata(&self, mut visit: impl FnMut(NewMetadata)) -> Result<(), Malformed> {
        fields(self.metadata, |field| {
            if let (1, Value::Bytes(bytes)) = field
                && bytes.len() <= limits::ELEMENT_BYTES
            {
                // Without it, the fields of these spans have no names.
                let _ = NewMetadata::decode(bytes).map(&mut visit);
            }
            Ok(())
        })
    }

    /// Visits the id and the spawn time of each task with stats.
    pub(super) fn spawned(
        &self,
        mut visit: impl FnMut(u64, Option<Timestamp>),
    ) -> Result<(), Malformed> {
        fields(self.tasks, |field| {
            if let (3, Value::Bytes(bytes)) = field {
                let (id, stats) = map_entry(bytes)?;
                fields(stats, |field| {
                    if let (1, Value::Bytes(bytes)) = field {
                        visit(id, Some(Timestamp::decode(bytes)?));
                    }
                    Ok(())
                })?;
            }
            Ok(())
        })
    }

    /// Visits new tasks, then task stats and dropped events.
    pub(super) fn tasks(&self, mut visit: impl FnMut(Part)) -> Result<(), Malformed> {
        fields(self.tasks, |field| {
            match field {
                (1, Value::Bytes(bytes)) => visit(message(bytes, Part::Task)?),
                (3, Value::Bytes(bytes)) => visit(stats(bytes, Part::TaskStats)?),
                (4, Value::Varint(count)) => visit(Part::Dropped(count)),
                _ => {}
            }
            Ok(())
        })
    }

    /// Visits new resources, then resource stats and dropped events.
    pub(super) fn resources(&self, mut visit: impl FnMut(Part)) -> Result<(), Malformed> {
        fields(self.resources, |field| {
            match field {
                (1, Value::Bytes(bytes)) => visit(message(bytes, Part::Resource)?),
                (2, Value::Bytes(bytes)) => visit(stats(bytes, Part::ResourceStats)?),
                (4, Value::Varint(count)) => visit(Part::Dropped(count)),
                _ => {}
            }
            Ok(())
        })
    }

    /// Visits new operations on resources, then their stats and dropped events.
    pub(super) fn async_ops(&self, mut visit: impl FnMut(Part)) -> Result<(), Malformed> {
        fields(self.async_ops, |field| {
            match field {
                (1, Value::Bytes(bytes)) => visit(message(bytes, Part::AsyncOp)?),
                (2, Value::Bytes(bytes)) => visit(stats(bytes, Part::AsyncOpStats)?),
                (3, Value::Varint(count)) => visit(Part::Dropped(count)),
                _ => {}
            }
            Ok(())
        })
    }

    /// Visits the polls of operations since the previous update.
    pub(super) fn poll_ops(&self, mut visit: impl FnMut(Part)) -> Result<(), Malformed> {
        fields(self.resources, |field| {
            if let (3, Value::Bytes(bytes)) = field {
                visit(message(bytes, Part::PollOp)?);
            }
            Ok(())
        })
    }
}

/// The value of a field.
enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// A fixed-size value, skipped.
    Fixed,
}

/// Calls `visit` with the number and the value of each field of a message.
fn fields<'a>(
    mut message: &'a [u8],
    mut visit: impl FnMut((u64, Value<'a>)) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut message)?),
            1 => split_off(&mut message, 8).map(|_| Value::Fixed)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).unwrap_or(usize::MAX);
                Value::Bytes(split_off(&mut message, length)?)
            }
            5 => split_off(&mut message, 4).map(|_| Value::Fixed)?,
            _ => return Err(Malformed),
        };
        visit((key >> 3, value))?;
    }
    Ok(())
}

/// Reads a number with seven bits per byte, least significant first.
fn varint(message: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first().ok_or(Malformed)?;
        *message = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed)
}

fn split_off<'a>(message: &mut &'a [u8], length: usize) -> Result<&'a [u8], Malformed> {
    let (front, rest) = message.split_at_checked(length).ok_or(Malformed)?;
    *message = rest;
    Ok(front)
}

/// Decodes the key and the value of a map entry.
fn map_entry(bytes: &[u8]) -> Result<(u64, &[u8]), Malformed> {
    let (mut key, mut value) = (0, &[][..]);
    fields(bytes, |field| {
        match field {
            (1, Value::Varint(number)) => key = number,
            (2, Value::Bytes(bytes)) => value = bytes,
            _ => {}
        }
        Ok(())
    })?;
    Ok((key, value))
}

fn message<M: Message + Default>(
    bytes: &[u8],
    part: impl FnOnce(M) -> Part,
) -> Result<Part, Malformed> {
    if bytes.len() > limits::ELEMENT_BYTES {
        return Ok(Part::TooLarge);
    }
    Ok(M::decode(bytes).map_or(Part::Unreadable, part))
}

fn stats<M: Message + Default>(
    bytes: &[u8],
    part: impl FnOnce(u64, M) -> Part,
) -> Result<Part, Malformed> {
    let (id, value) = map_entry(bytes)?;
    message(value, |stats| part(id, stats))
}
