//! The parts of a frame that can be clicked.

use ratatui::layout::{Position, Rect};

use crate::app::HitTarget;

/// The parts of a frame that can be clicked.
#[derive(Clone, Debug, Default)]
pub struct HitMap(Vec<(Rect, HitTarget)>);

impl HitMap {
    /// Adds a part. It covers those that were added before.
    pub(super) fn add(&mut self, area: Rect, target: HitTarget) {
        self.0.push((area, target));
    }

    /// The part at this column and line.
    pub fn at(&self, x: u16, y: u16) -> Option<HitTarget> {
        let is_hit = |(area, _): &&(Rect, HitTarget)| area.contains(Position { x, y });
        let (area, target) = self.0.iter().rev().find(is_hit)?;
        Some(match *target {
            HitTarget::Moment { worker, .. } => {
                HitTarget::Moment { worker, column: usize::from(x - area.x) }
            }
            target => target,
        })
    }
}
