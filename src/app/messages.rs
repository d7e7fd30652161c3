//! The sentence that is shown for a few seconds, such as the answer to a key.

use std::time::Duration;

use super::App;

/// How long a message is shown.
const TIME: Duration = Duration::from_secs(5);

/// The message that is shown, and the one to show after it.
#[derive(Clone, Debug, Default)]
pub(super) struct Messages {
    /// With the time at which it is removed.
    current: Option<(String, Duration)>,
    next: Option<String>,
}

impl Messages {
    /// When [`tick`](Self::tick) has something to do.
    pub(super) fn next_tick(&self) -> Option<Duration> {
        self.current.as_ref().map(|(_, until)| *until)
    }

    /// Removes a message whose time is over.
    pub(super) fn tick(&mut self, now: Duration) {
        if self.current.take_if(|(_, until)| *until <= now).is_some() {
            self.current = self.next.take().map(|text| (text, now + TIME));
        }
    }
}

impl App {
    /// The message to show.
    pub fn message(&self) -> Option<&str> {
        self.messages.current.as_ref().map(|(text, _)| text.as_str())
    }

    /// Shows a message for a few seconds.
    pub fn notify(&mut self, text: impl Into<String>, now: Duration) {
        self.messages.current = Some((text.into(), now + TIME));
    }

    /// Shows a message that is not the answer to a key: after the current one, if there is one.
    pub(super) fn notify_later(&mut self, text: &str, now: Duration) {
        match self.messages.current {
            Some(_) => self.messages.next = Some(text.to_owned()),
            None => self.notify(text, now),
        }
    }
}
