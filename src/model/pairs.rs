//! Pairs the tasks of two samples.

/// Returns a function that finds values by key. Both `sorted` and the requested keys must be in
/// ascending order, so each value is visited once.
pub(super) fn finder<T>(
    sorted: impl IntoIterator<Item = (u64, T)>,
) -> impl FnMut(u64) -> Option<T> {
    let mut sorted = sorted.into_iter().peekable();
    move |key| {
        while sorted.next_if(|(next, _)| *next < key).is_some() {}
        sorted.next_if(|(next, _)| *next == key).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finder_skips_keys_that_only_one_side_has() {
        let mut find = finder([(1, 'a'), (3, 'c'), (4, 'd'), (7, 'g')]);
        assert_eq!(
            [0, 1, 2, 4, 5, 7, 9].map(&mut find),
            [None, Some('a'), None, Some('d'), None, Some('g'), None]
        );
    }
}
