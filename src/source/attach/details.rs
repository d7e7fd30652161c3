//! The details of single tasks: the histograms of their poll times and scheduling delays.
//!
//! They are received for the task that a screen shows, and for those in which a long poll may be
//! hidden.

use std::{collections::HashMap, sync::Arc};

use console_api::{Id, instrument::TaskDetailsRequest, tasks::TaskDetails};
use prost::Message;
use tokio::task::{AbortHandle, JoinSet};
use tonic::transport::Channel;

use super::{
    client::{Client, ClientState, open_stream},
    codec::RawCodec,
    histogram, limits,
};
use crate::snapshot::Distributions;

const DETAILS: &str = "/rs.tokio.console.instrument.Instrument/WatchTaskDetails";

/// The streams of details over one connection. They end when this is dropped.
pub(super) struct DetailStreams<'a> {
    client: &'a Arc<Client>,
    channel: &'a Channel,
    streams: JoinSet<()>,
    /// The streams by id in the protocol, including those that the program has refused.
    by_task: HashMap<u64, AbortHandle>,
}

impl<'a> DetailStreams<'a> {
    pub(super) fn new(client: &'a Arc<Client>, channel: &'a Channel) -> Self {
        client.lock().details.clear();
        DetailStreams { client, channel, streams: JoinSet::new(), by_task: HashMap::new() }
    }

    /// Requests the details of the tasks for which they are needed now, and no others.
    pub(super) fn request_needed(&mut self) {
        let requested = *self.client.requested_details.borrow();
        let mut needed = self.client.lock().program.watched_tasks();
        needed.extend(requested);
        self.by_task.retain(|id, stream| {
            let is_needed = needed.contains(id);
            if !is_needed {
                stream.abort();
            }
            is_needed
        });
        self.client.lock().details.retain(|id, _| needed.contains(id));
        while self.streams.try_join_next().is_some() {}
        for id in needed {
            let (client, channel) = (self.client, self.channel);
            self.by_task.entry(id).or_insert_with(|| {
                self.streams.spawn_local(receive(Arc::clone(client), channel.clone(), id))
            });
        }
    }
}

/// Receives the details of a task until the stream ends.
async fn receive(client: Arc<Client>, channel: Channel, id: u64) {
    let request = RawCodec::request(&TaskDetailsRequest { id: Some(Id { id }) });
    let stream = open_stream(&channel, DETAILS, request, limits::DETAILS_BYTES).await;
    // A task that the program does not know any more has no details.
    let Ok(mut stream) = stream else { return };
    while let Ok(Some(message)) = stream.message().await {
        // The screen of the task is the only one that shows them.
        match *client.requested_details.borrow() == Some(id) {
            true => client.change(|state, _| apply(state, id, &message)),
            false => apply(&mut client.lock(), id, &message),
        }
    }
}

fn apply(state: &mut ClientState, id: u64, message: &[u8]) {
    let Ok(details) = TaskDetails::decode(message) else { return };
    if details.task_id.map(|id| id.id) != Some(id) {
        return;
    }
    state.program.apply_details(&details);
    let poll_times =
        histogram::poll_times(&details).and_then(|encoded| histogram::decode(&encoded));
    let delays = details.scheduled_times_histogram.as_ref().and_then(histogram::decode);
    let (poll_times, delays) = (poll_times.unwrap_or_default(), delays.unwrap_or_default());
    state.details.insert(id, Distributions { poll_times, delays });
}
