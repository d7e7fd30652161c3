//! Values decoded from the bytes of an input.

/// The rest of an input. At its end, every value is 0.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Up to `length` bytes.
    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (first, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        first
    }

    /// A number of `N` bytes.
    fn number<const N: usize>(&mut self) -> u64 {
        let mut word = [0; 8];
        let bytes = self.take(N);
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    }

    /// Any number.
    pub fn word(&mut self) -> u64 {
        self.number::<8>()
    }

    /// A number below `end`, from 1, 2 or 8 bytes.
    pub fn below(&mut self, end: u64) -> u64 {
        let number = match end {
            0..=0xff => self.number::<1>(),
            0x100..=0xffff => self.number::<2>(),
            _ => self.word(),
        };
        number % end.max(1)
    }

    /// True in one of `n` cases, and not at the end of the input.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == n - 1
    }

    pub fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (!self.one_in(5)).then(|| make(self))
    }

    /// Up to five values.
    pub fn some<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.below(6);
        (0..count).map(|_| make(self)).collect()
    }
}
