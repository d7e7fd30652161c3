//! A selection that follows a key when rows move. Until it is moved, it is the first row.

/// A move of the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// By a number of rows, up if negative.
    By(isize),
    /// To the first row, whichever that is from now on.
    First,
    /// To this row.
    To(usize),
}

/// The selected key of a list, and the visible part of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor<K> {
    key: Option<K>,
    /// Whether the selection follows its key; otherwise it stays at the first row.
    follows_key: bool,
    row: usize,
    top: usize,
    height: usize,
}

impl<K> Default for Cursor<K> {
    fn default() -> Self {
        Cursor { key: None, follows_key: false, row: 0, top: 0, height: 1 }
    }
}

impl<K: Clone + PartialEq> Cursor<K> {
    /// The selected key; `None` if the list is empty.
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
        let is_visible = self.is_visible();
        self.height = height.max(1);
        self.scroll_if(is_visible);
    }

    /// Whether the selected row is visible. It is not after [`scroll_by`](Self::scroll_by).
    fn is_visible(&self) -> bool {
        (self.top..self.top + self.height).contains(&self.row)
    }

    /// Adapts to a list that has changed. `find` returns the row of a key. If the selected key is
    /// gone, the key that is now in its row is selected.
    pub fn follow(
        &mut self,
        len: usize,
        find: impl FnOnce(&K) -> Option<usize>,
        key_at: impl FnOnce(usize) -> K,
    ) {
        let is_visible = self.is_visible();
        self.follows_key &= self.key.is_some();
        match self.key.as_ref().filter(|_| self.follows_key).and_then(find) {
            Some(row) => self.row = row,
            None => {
                let row = if self.follows_key { self.row } else { 0 };
                self.row = row.min(len.saturating_sub(1));
                self.key = (len > 0).then(|| key_at(self.row));
            }
        }
        self.top = self.top.min(len.saturating_sub(self.height));
        self.scroll_if(is_visible);
    }

    /// Moves the selection. From a row that is not visible it moves to the top of the visible ones.
    pub fn step(&mut self, step: Step, len: usize, key_at: impl Fn(usize) -> K) {
        let row = match step {
            Step::To(row) => row,
            Step::By(by) if self.is_visible() || by.unsigned_abs() > self.height => {
                self.row.saturating_add_signed(by)
            }
            Step::By(_) => self.top,
            Step::First => 0,
        };
        self.follows_key = step != Step::First;
        if len > 0 {
            self.row = row.min(len - 1);
            self.key = Some(key_at(self.row));
            self.scroll();
        }
    }

    /// Selects the first row of the next list.
    pub fn reset(&mut self) {
        *self = Cursor { height: self.height, ..Cursor::default() };
    }

    /// Scrolls without moving the selection.
    pub fn scroll_by(&mut self, by: isize, len: usize) {
        let last = len.saturating_sub(self.height);
        self.top = self.top.saturating_add_signed(by).min(last);
    }

    fn scroll_if(&mut self, is_visible: bool) {
        if is_visible {
            self.scroll();
        }
    }

    /// Scrolls to the selected row.
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
    fn first_row_is_selected_until_the_selection_is_moved() {
        let mut cursor = Cursor::default();
        assert_eq!(follow(&mut cursor, "abc"), Some(('a', 0)));
        assert_eq!(follow(&mut cursor, "cab"), Some(('c', 0)));
        cursor.step(Step::By(0), 3, |row| ['c', 'a', 'b'][row]);
        assert_eq!(follow(&mut cursor, "abc"), Some(('c', 2)));
        cursor.step(Step::First, 3, |row| ['a', 'b', 'c'][row]);
        assert_eq!(follow(&mut cursor, "bca"), Some(('b', 0)));
    }

    #[test]
    fn list_that_was_empty_starts_at_its_first_row() {
        let mut cursor = Cursor::default();
        cursor.step(Step::To(2), 3, |row| ['a', 'b', 'c'][row]);
        assert_eq!(follow(&mut cursor, ""), None);
        assert_eq!(follow(&mut cursor, "xyz"), Some(('x', 0)));
    }

    #[test]
    fn list_stays_scrolled_away_from_the_selection() {
        let list: String = ('a'..='z').collect();
        let mut cursor = Cursor::default();
        follow(&mut cursor, &list);
        cursor.resize(3);
        cursor.scroll_by(6, list.len());
        assert_eq!(follow(&mut cursor, &list), Some(('a', 0)));
        cursor.resize(4);
        assert_eq!(cursor.top(), 6);
        cursor.step(Step::By(1), list.len(), |row| list.as_bytes()[row].into());
        assert_eq!((cursor.key(), cursor.top()), (Some(&'g'), 6));
    }

    #[test]
    fn selected_row_stays_visible() {
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
