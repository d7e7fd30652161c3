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

    /// The areas of a part.
    pub fn areas(&self, target: HitTarget) -> impl Iterator<Item = Rect> {
        self.0.iter().filter(move |(_, one)| *one == target).map(|(area, _)| *area)
    }

    /// The part at this column and line.
    pub fn at(&self, x: u16, y: u16) -> Option<HitTarget> {
        let is_hit = |(area, _): &&(Rect, HitTarget)| area.contains(Position { x, y });
        let (area, target) = self.0.iter().rev().find(is_hit)?;
        Some(match *target {
            HitTarget::Moment { worker, .. } => {
                HitTarget::Moment { worker, column: usize::from(x - area.x) }
            }
            HitTarget::Graph { columns, .. } => {
                HitTarget::Graph { column: usize::from(x - area.x), columns }
            }
            target => target,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_areas_cover_earlier_ones() {
        let mut map = HitMap::default();
        map.add(Rect::new(0, 0, 10, 2), HitTarget::Row(1));
        map.add(Rect::new(4, 1, 2, 1), HitTarget::Row(2));
        let hits = [(4, 0), (3, 1), (4, 1), (5, 1), (6, 1), (10, 0)].map(|(x, y)| map.at(x, y));
        let row = |row| Some(HitTarget::Row(row));
        assert_eq!(hits, [row(1), row(1), row(2), row(2), row(1), None]);
    }

    #[test]
    fn moment_has_the_column_inside_its_area() {
        let mut map = HitMap::default();
        map.add(Rect::new(5, 0, 10, 1), HitTarget::Moment { worker: 3, column: 0 });
        assert_eq!(map.at(9, 0), Some(HitTarget::Moment { worker: 3, column: 4 }));
    }
}
