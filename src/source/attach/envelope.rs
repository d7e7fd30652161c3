//! Takes an update apart without building it.
//!
//! prost makes a list and a map of every update before anybody can count them: two bytes
//! on the wire become two hundred in memory, so that an update of 64 MiB may ask for
//! 6 GiB. Here the envelope is walked where it lies, and only one task, resource or
//! operation at a time becomes a value. It is also quicker.

use console_api::{
    async_ops::{self, AsyncOp},
    register_metadata::NewMetadata,
    resources::{self, PollOp, Resource},
    tasks::{self, Task},
};
use prost::{DecodeError, Message};
use prost_types::Timestamp;

use super::limits;

/// The parts of an update, each still as it came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Envelope<'a> {
    pub now: Option<Timestamp>,
    tasks: &'a [u8],
    resources: &'a [u8],
    async_ops: &'a [u8],
    metadata: &'a [u8],
}

/// Why an update cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a message of the tokio-console protocol")]
pub struct Malformed;

impl From<DecodeError> for Malformed {
    fn from(_: DecodeError) -> Self {
        Malformed
    }
}

/// One thing that an update says.
#[derive(Debug)]
pub(super) enum Part {
    Task(Task),
    TaskStats(u64, tasks::Stats),
    Resource(Resource),
    ResourceStats(u64, resources::Stats),
    PollOp(PollOp),
    AsyncOp(AsyncOp),
    AsyncOpStats(u64, async_ops::Stats),
    /// So many events were lost.
    Dropped(u64),
    /// Something that is too large to be looked at.
    TooLarge,
}

impl<'a> Envelope<'a> {
    /// Finds the parts.
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

    /// The kinds of spans and events that are new.
    pub(super) fn metadata(&self, mut take: impl FnMut(NewMetadata)) -> Result<(), Malformed> {
        fields(self.metadata, |field| {
            if let (1, Value::Bytes(bytes)) = field
                && bytes.len() <= limits::ELEMENT_BYTES
            {
                take(NewMetadata::decode(bytes)?);
            }
            Ok(())
        })
    }

    /// The task that each of the figures is of, and when it was spawned.
    pub(super) fn spawned(
        &self,
        mut take: impl FnMut(u64, Option<Timestamp>),
    ) -> Result<(), Malformed> {
        fields(self.tasks, |field| {
            if let (3, Value::Bytes(bytes)) = field {
                let (id, stats) = entry(bytes)?;
                fields(stats, |field| {
                    if let (1, Value::Bytes(bytes)) = field {
                        take(id, Some(Timestamp::decode(bytes)?));
                    }
                    Ok(())
                })?;
            }
            Ok(())
        })
    }

    /// What it says of tasks: new ones first.
    pub(super) fn tasks(&self, mut take: impl FnMut(Part)) -> Result<(), Malformed> {
        fields(self.tasks, |field| {
            match field {
                (1, Value::Bytes(bytes)) => take(message(bytes, Part::Task)?),
                (3, Value::Bytes(bytes)) => take(stats(bytes, Part::TaskStats)?),
                (4, Value::Varint(count)) => take(Part::Dropped(count)),
                _ => {}
            }
            Ok(())
        })
    }

    /// What it says of resources: new ones first.
    pub(super) fn resources(&self, mut take: impl FnMut(Part)) -> Result<(), Malformed> {
        fields(self.resources, |field| {
            match field {
                (1, Value::Bytes(bytes)) => take(message(bytes, Part::Resource)?),
                (2, Value::Bytes(bytes)) => take(stats(bytes, Part::ResourceStats)?),
                (4, Value::Varint(count)) => take(Part::Dropped(count)),
                _ => {}
            }
            Ok(())
        })
    }

    /// What it says of operations on resources: new ones first.
    pub(super) fn async_ops(&self, mut take: impl FnMut(Part)) -> Result<(), Malformed> {
        fields(self.async_ops, |field| {
            match field {
                (1, Value::Bytes(bytes)) => take(message(bytes, Part::AsyncOp)?),
                (2, Value::Bytes(bytes)) => take(stats(bytes, Part::AsyncOpStats)?),
                (3, Value::Varint(count)) => take(Part::Dropped(count)),
                _ => {}
            }
            Ok(())
        })
    }

    /// The polls of operations since the update before.
    pub(super) fn poll_ops(&self, mut take: impl FnMut(Part)) -> Result<(), Malformed> {
        fields(self.resources, |field| {
            if let (3, Value::Bytes(bytes)) = field {
                take(message(bytes, Part::PollOp)?);
            }
            Ok(())
        })
    }
}

/// The value of a field.
enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// Of no interest here.
    Other,
}

/// Calls `take` with the number and the value of each field of a message.
fn fields<'a>(
    mut message: &'a [u8],
    mut take: impl FnMut((u64, Value<'a>)) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut message)?),
            1 => split_off(&mut message, 8).map(|_| Value::Other)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).unwrap_or(usize::MAX);
                Value::Bytes(split_off(&mut message, length)?)
            }
            5 => split_off(&mut message, 4).map(|_| Value::Other)?,
            _ => return Err(Malformed),
        };
        take((key >> 3, value))?;
    }
    Ok(())
}

/// A number of seven bits a byte, the least first.
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

/// Key and value of an entry of a map.
fn entry(bytes: &[u8]) -> Result<(u64, &[u8]), Malformed> {
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
    Ok(part(M::decode(bytes)?))
}

fn stats<M: Message + Default>(
    bytes: &[u8],
    part: impl FnOnce(u64, M) -> Part,
) -> Result<Part, Malformed> {
    let (id, value) = entry(bytes)?;
    message(value, |stats| part(id, stats))
}
