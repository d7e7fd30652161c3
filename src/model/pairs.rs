//! Finds the tasks of one sample among those of another one.

/// Finds values by key. `sorted` and the keys that are asked for are both in ascending order, so
/// each value is passed once.
pub(super) fn finder<T>(
    sorted: impl IntoIterator<Item = (u64, T)>,
) -> impl FnMut(u64) -> Option<T> {
    let mut sorted = sorted.into_iter().peekable();
    move |wanted| {
        while sorted.next_if(|(key, _)| *key < wanted).is_some() {}
        sorted.next_if(|(key, _)| *key == wanted).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_among_keys_that_come_and_go() {
        let mut find = finder([(1, 'a'), (3, 'c'), (4, 'd'), (7, 'g')]);
        assert_eq!(
            [0, 1, 2, 4, 5, 7, 9].map(&mut find),
            [None, Some('a'), None, Some('d'), None, Some('g'), None]
        );
    }
}
