//! Selecting a kind of hog. While the hog is on, a kind starts when the selection rests, so that not
//! every kind on the way runs.

use std::time::Duration;

use super::{App, Effect};
use crate::snapshot::{HogStats, LabCommand};

/// The selection rests after this time.
const REST: Duration = Duration::from_millis(700);
/// After this time without its effect in a sample, the selection is given up.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// A selected kind of hog that the lab has not reported yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NextHogKind {
    position: usize,
    /// When to send it; `None` if it was sent.
    pub send_at: Option<Duration>,
    selected: Duration,
}

impl App {
    /// The position of the kind of hog that starts when the selection rests.
    pub fn next_hog_kind(&self) -> Option<usize> {
        self.next_hog_kind.as_ref().map(|next| next.position)
    }

    fn hog(&self) -> Option<&HogStats> {
        self.lab_stats().map(|lab| &lab.hog)
    }

    /// Selects the kind `by` places further that can run on the runtime.
    pub(super) fn change_hog_kind(&mut self, by: isize, now: Duration) -> Option<Effect> {
        let hog = self.hog()?;
        let count = hog.kinds.len();
        let reported = hog.kinds.iter().position(|kind| kind.name == hog.kind)?;
        let mut position = self.next_hog_kind().unwrap_or(reported);
        let mut skipped = String::new();
        for _ in 0..count {
            position = (position + count).saturating_add_signed(by) % count;
            let Some(reason) = &hog.kinds[position].unavailable else { break };
            skipped += &format!("{} skipped: {reason}; ", hog.kinds[position].name);
        }
        self.select_hog_kind(position, skipped, REST, now)
    }

    /// Selects a kind, and starts it at once.
    pub(super) fn click_hog_kind(&mut self, position: usize, now: Duration) -> Option<Effect> {
        let kind = self.hog()?.kinds.get(position)?;
        if let Some(reason) = &kind.unavailable {
            let text = format!("{} {reason}: press f", kind.name);
            self.notify(text, now);
            return None;
        }
        self.select_hog_kind(position, String::new(), Duration::ZERO, now)
    }

    fn select_hog_kind(
        &mut self,
        position: usize,
        skipped: String,
        rest: Duration,
        now: Duration,
    ) -> Option<Effect> {
        let hog = self.hog()?;
        let is_on = hog.on_since_ns.is_some();
        let name = hog.kinds.get(position)?.name.clone();
        let text = match is_on {
            true => {
                format!("{skipped}next: {name}, starts when the selection rests, or with Enter")
            }
            false => format!("{skipped}hog: {name}; b starts it"),
        };
        self.notify(text, now);
        let send_at = Some(if is_on { now + rest } else { now });
        self.next_hog_kind = Some(NextHogKind { position, send_at, selected: now });
        self.start_resting_hog_kind(now)
    }

    /// Starts the selected kind at once, if there is one that has not started.
    pub(super) fn confirm_hog_kind(&mut self, now: Duration) -> Option<Effect> {
        let next = self.next_hog_kind.as_mut()?;
        next.send_at.as_mut().map(|send_at| *send_at = now)?;
        self.start_resting_hog_kind(now)
    }

    /// Starts the selected kind if the selection rests.
    pub(super) fn start_resting_hog_kind(&mut self, now: Duration) -> Option<Effect> {
        let next = self.next_hog_kind.as_mut()?;
        next.send_at.take_if(|send_at| *send_at <= now)?;
        let position = next.position;
        self.lab(LabCommand::SelectHogKind(position))
    }

    /// Forgets the selection once the lab reports it.
    pub(super) fn settle_hog_kind(&mut self, now: Duration) {
        let Some(next) = &self.next_hog_kind else { return };
        let is_reported = self.hog().is_none_or(|hog| {
            hog.kinds.get(next.position).is_none_or(|kind| kind.name == hog.kind)
        });
        let is_over = next.selected + ANSWER_TIME <= now;
        if next.send_at.is_none() && (is_reported || is_over) {
            self.next_hog_kind = None;
        }
    }
}
