//! Commands that were sent to targets, and their answers.

use std::time::Duration;

use super::{App, Effect};
use crate::{
    model::Model,
    snapshot::{Command, Outcome, TargetId, TaskKey},
};

/// The numbers of requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    latest: u64,
    /// The latest one for an await point, and its task.
    await_point: Option<(TaskKey, u64)>,
    /// Those whose answers have not been shown.
    open: Vec<u64>,
    /// The one that turned the hog on without a key.
    automatic: Option<u64>,
}

impl App {
    /// Sends a command to a target and keeps the number of the request, to recognize the answer.
    pub(super) fn send(&mut self, target: TargetId, command: Command) -> Effect {
        self.requests.latest += 1;
        let request = self.requests.latest;
        match &command {
            Command::Lab(_) => self.requests.open.push(request),
            Command::AwaitPoint(task) => {
                let model = self.model.target(target);
                let key = model.map(|model| model.target().task_key(*task));
                self.requests.await_point = key.map(|key| (key, request));
            }
        }
        Effect::Send { request, target, command }
    }

    /// Same as [`send`](Self::send), for a command without a key.
    pub(super) fn send_automatically(&mut self, target: TargetId, command: Command) -> Effect {
        let effect = self.send(target, command);
        self.requests.automatic = Some(self.requests.latest);
        effect
    }

    /// Shows the answers to commands.
    pub(super) fn show_answers(&mut self, model: &Model, now: Duration) {
        for answer in model.targets().iter().flat_map(|model| &model.target().answers) {
            let Outcome::Message(message) = &answer.outcome else { continue };
            if let Some(at) = self.requests.open.iter().position(|sent| *sent == answer.request) {
                self.requests.open.swap_remove(at);
                // It does not replace the answer to the key that restarted the hog.
                match self.requests.automatic == Some(answer.request) {
                    true => self.notify_later(message, now),
                    false => self.notify(&**message, now),
                }
            }
        }
    }

    /// The number of the latest request for an await point, if it was about this task.
    pub fn await_request(&self, key: TaskKey) -> Option<u64> {
        self.requests.await_point.filter(|(task, _)| *task == key).map(|(_, request)| request)
    }
}
