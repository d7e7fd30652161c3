//! A selection that follows a key when rows move.

/// A move of the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// By a number of rows, up if negative.
    By(isize),
    /// To this row.
    To(usize),
}

/// The selected key of a list, and the visible part of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor<K> {
    key: Option<K>,
    row: usize,
    top: usize,
    height: usize,
}

impl<K> Default for Cursor<K> {
    fn default() -> Self {
        Cursor { key: None, row: 0, top: 0, height: 1 }
    }
}

impl<K: Clone + PartialEq> Cursor<K> {
    /// The selected key.
    pub fn key(&self) -> Option<&K> {
        self.key.as_ref()
    }

    /// The row of the selected key.
    pub fn row(&self) -> usize {
        self.row
    }

    /// Whether a row is selected.
    pub fn is_at(&self, row: usize) -> bool {
        self.key.is_some() && self.row == row
    }

    /// The first visible row.
    pub fn top(&self) -> usize {
        self.top
    }

    /// The number of visible rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Sets the number of visible rows.
    pub fn resize(&mut self, height: usize) {
        self.height = height.max(1);
        self.scroll();
    }

    /// Adapts to a list that has changed. `find` returns the row of a key. If the selected key is
    /// gone, the key that is now in its row is selected.
    pub fn follow(
        &mut self,
        len: usize,
        find: impl FnOnce(&K) -> Option<usize>,
        key_at: impl FnOnce(usize) -> K,
    ) {
        if let Some(row) = self.key.as_ref().and_then(find) {
            self.row = row;
        } else {
            self.row = self.row.min(len.saturating_sub(1));
            self.key = (len > 0 && self.key.is_some()).then(|| key_at(self.row));
        }
        self.top = self.top.min(len.saturating_sub(self.height));
        if self.key.is_some() {
            self.scroll();
        }
    }

    /// Moves the selection. Without a selection, the first step selects the top row.
    pub fn step(&mut self, step: Step, len: usize, key_at: impl Fn(usize) -> K) {
        let row = match (step, &self.key) {
            (Step::To(row), _) => row,
            (Step::By(by), Some(_)) => self.row.saturating_add_signed(by),
            (Step::By(by), None) if by.unsigned_abs() > self.height => {
                self.row.saturating_add_signed(by)
            }
            (Step::By(_), None) => self.top,
        };
        if len > 0 {
            self.row = row.min(len - 1);
            self.key = Some(key_at(self.row));
            self.scroll();
        }
    }

    /// Clears the selection.
    pub fn clear(&mut self) {
        self.key = None;
        (self.row, self.top) = (0, 0);
    }

    /// Scrolls without moving the selection.
    pub fn scroll_by(&mut self, by: isize, len: usize) {
        let last = len.saturating_sub(self.height);
        self.top = self.top.saturating_add_signed(by).min(last);
    }

    fn scroll(&mut self) {
        self.top = self.top.clamp((self.row + 1).saturating_sub(self.height), self.row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(cursor: &mut Cursor<char>, list: &str) -> Option<(char, usize)> {
        let list: Vec<char> = list.chars().collect();
        let find = |key: &char| list.iter().position(|one| one == key);
        cursor.follow(list.len(), find, |row| list[row]);
        cursor.key().map(|key| (*key, cursor.row()))
    }

    #[test]
    fn cursor_follows_its_key_to_a_new_row() {
        let mut cursor = Cursor::default();
        cursor.step(Step::To(1), 3, |row| ['a', 'b', 'c'][row]);
        assert_eq!(follow(&mut cursor, "cab"), Some(('b', 2)));
        assert_eq!(follow(&mut cursor, "bac"), Some(('b', 0)));
    }

    #[test]
    fn cursor_selects_the_next_key_in_the_row_of_one_that_is_gone() {
        let mut cursor = Cursor::default();
        cursor.step(Step::To(1), 3, |row| ['a', 'b', 'c'][row]);
        assert_eq!(follow(&mut cursor, "ac"), Some(('c', 1)));
        assert_eq!(follow(&mut cursor, "a"), Some(('a', 0)));
        assert_eq!(follow(&mut cursor, ""), None);
    }

    #[test]
    fn first_step_selects_the_top_row() {
        let mut cursor = Cursor::default();
        assert_eq!(follow(&mut cursor, "abc"), None);
        cursor.step(Step::By(1), 3, |row| ['a', 'b', 'c'][row]);
        assert_eq!(cursor.key(), Some(&'a'));
        cursor.step(Step::By(-5), 3, |row| ['a', 'b', 'c'][row]);
        assert_eq!(cursor.row(), 0);
    }

    #[test]
    fn selected_row_is_always_visible() {
        let mut cursor = Cursor::default();
        cursor.resize(3);
        cursor.step(Step::To(9), 10, |row| row);
        assert_eq!(cursor.top(), 7);
        cursor.step(Step::By(-9), 10, |row| row);
        assert_eq!(cursor.top(), 0);
        cursor.step(Step::By(5), 10, |row| row);
        cursor.resize(1);
        assert_eq!((cursor.row(), cursor.top()), (5, 5));
    }
}
