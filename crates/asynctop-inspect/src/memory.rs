//! Reading memory, of a process or of an in-memory image.
//!
//! Everything read is untrusted: it may be torn (the program keeps running) or hostile. Readers
//! bound every length, count every step and give up instead of following a cycle.

/// Size of a page, the unit in which memory is mapped. Larger pages are multiples of it.
pub(crate) const PAGE: u64 = 4096;

pub use crate::sys::Span;

/// Memory that can be read by address.
pub trait Memory {
    /// Copies the bytes at `address` into `buffer`. Returns the number of bytes before the first
    /// unreadable one.
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize;

    /// Copies several spans into `buffer`, consecutively. Returns for each span whether it was
    /// read completely; incomplete spans are zeroed.
    ///
    /// # Panics
    ///
    /// If `buffer` is smaller than all spans together.
    fn gather(&self, spans: &[Span], mut buffer: &mut [u8]) -> Vec<bool> {
        let mut complete = Vec::with_capacity(spans.len());
        for span in spans {
            let (part, rest) = buffer.split_at_mut(span.length);
            let is_complete = self.read(span.address, part) == part.len();
            if !is_complete {
                part.fill(0);
            }
            complete.push(is_complete);
            buffer = rest;
        }
        complete
    }
}

/// Convenience methods for any [`Memory`].
pub(crate) trait MemoryExt: Memory {
    /// The word at `address`.
    fn word(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        (self.read(address, &mut bytes) == 8).then(|| u64::from_le_bytes(bytes))
    }

    /// Up to `length` bytes from `address`, ending at the first unreadable one.
    fn bytes(&self, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let read = self.read(address, &mut bytes);
        bytes.truncate(read);
        bytes
    }

    /// Up to `count` words from `address`, ending at the first unreadable one.
    fn words(&self, address: u64, count: usize) -> Vec<u64> {
        words_of(&self.bytes(address, count * 8)).collect()
    }

    /// The word at each address; `None` where it cannot be read. Words are read in this order,
    /// except that consecutive addresses near each other are read as one span.
    fn words_at(&self, addresses: &[u64]) -> Vec<Option<u64>> {
        let mut spans: Vec<Span> = Vec::with_capacity(addresses.len());
        // The span of each word, and its offset in the buffer.
        let mut positions = Vec::with_capacity(addresses.len());
        let mut length = 0;
        for &address in addresses {
            match spans.last_mut().and_then(|span| Some((extended(span, address)?, span))) {
                Some((extended, span)) => {
                    length += extended - span.length;
                    span.length = extended;
                }
                None => {
                    spans.push(Span { address, length: 8 });
                    length += 8;
                }
            }
            positions.push((spans.len() - 1, length - 8));
        }
        let mut buffer = vec![0; length];
        let complete = self.gather(&spans, &mut buffer);
        let word =
            |(span, offset): (usize, usize)| word_in(&buffer, offset).filter(|_| complete[span]);
        positions.into_iter().map(word).collect()
    }
}

impl<M: Memory + ?Sized> MemoryExt for M {}

/// The length of `span` if it is extended to the word at `address` behind it; `None` if that is too
/// far, or in another page, which may be unreadable on its own.
fn extended(span: &Span, address: u64) -> Option<usize> {
    /// Copying up to this many unused bytes costs less than another span.
    const MAX_GAP: u64 = 512;
    let old_end = span.address.saturating_add(span.length as u64);
    let new_end = address.checked_add(8)?;
    let is_near = (old_end..=old_end.saturating_add(MAX_GAP)).contains(&address);
    let is_one_page = span.address / PAGE == (new_end - 1) / PAGE;
    (is_near && is_one_page).then(|| (new_end - span.address) as usize)
}

/// Whether a word can be the address of another one: aligned, and in the half of the address space
/// that belongs to programs, above its unmapped beginning.
pub(crate) fn is_pointer(word: u64) -> bool {
    (0x1_0000..1 << 47).contains(&word) && word.is_multiple_of(8)
}

/// `bytes` as words; an incomplete word at the end is left out.
pub(crate) fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk))
}

/// The word at `offset` of `bytes`.
pub(crate) fn word_in(bytes: &[u8], offset: usize) -> Option<u64> {
    let chunk = bytes.get(offset..)?.first_chunk()?;
    Some(u64::from_le_bytes(*chunk))
}

/// Memory made of pieces, for tests and for memory that has been read before.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Address and content of each piece; sorted, without overlap.
    pieces: Vec<(u64, Vec<u8>)>,
}

impl Image {
    /// An image of these pieces. A piece that overlaps an earlier one is left out.
    pub fn new(pieces: impl IntoIterator<Item = (u64, Vec<u8>)>) -> Self {
        let mut image = Image::default();
        for (address, bytes) in pieces {
            image.insert(address, bytes);
        }
        image
    }

    fn insert(&mut self, address: u64, bytes: Vec<u8>) {
        let Some(end) = address.checked_add(bytes.len() as u64) else { return };
        let index = self.pieces.partition_point(|(start, _)| *start < address);
        let (earlier, later) = self.pieces.split_at(index);
        let min_start = earlier.last().map_or(0, |(start, bytes)| start + bytes.len() as u64);
        let max_end = later.first().map_or(u64::MAX, |(start, _)| *start);
        if min_start <= address && end <= max_end {
            self.pieces.insert(index, (address, bytes));
        }
    }

    /// Overwrites the word at `address`, if it lies within one piece.
    pub fn set_word(&mut self, address: u64, word: u64) {
        let count = self.pieces.partition_point(|(start, _)| *start <= address);
        let Some((start, bytes)) = self.pieces[..count].last_mut() else { return };
        let offset = (address - *start) as usize;
        if let Some(old) = bytes.get_mut(offset..).and_then(|rest| rest.first_chunk_mut()) {
            *old = word.to_le_bytes();
        }
    }
}

impl Memory for Image {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buffer.len() {
            let Some(next) = address.checked_add(done as u64) else { break };
            let count = self.pieces.partition_point(|(start, _)| *start <= next);
            let Some((start, bytes)) = self.pieces[..count].last() else { break };
            let rest = bytes.get((next - start) as usize..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let length = rest.len().min(buffer.len() - done);
            buffer[done..done + length].copy_from_slice(&rest[..length]);
            done += length;
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_is_read_across_adjacent_pieces_up_to_a_gap() {
        let image = Image::new([(0x1000, vec![1; 8]), (0x1008, vec![2; 8]), (0x2000, vec![3; 8])]);
        assert_eq!(image.bytes(0x1004, 8), [1, 1, 1, 1, 2, 2, 2, 2]);
        assert_eq!(image.bytes(0x100c, 16), [2; 4]);
        assert_eq!(image.word(0x100c), None);
        assert_eq!(image.bytes(0xfff, 4), []);
        assert_eq!(image.bytes(u64::MAX - 2, 8), []);
    }

    #[test]
    fn only_words_near_each_other_share_a_span() {
        let bytes = (0..1024_u64).flat_map(u64::to_le_bytes).collect();
        let image = Image::new([(0x1000, bytes)]);
        let addresses =
            [0x1000, 0x1008, 0x1080, 0x1048, 0x1ff8, 0x2000, 0x2ff8, 0x2ffc, 0x8, 0x1010];
        let words = [0, 1, 16, 9, 511, 512, 1023].map(Some);
        let read = image.words_at(&addresses);
        assert_eq!(read[..7], words);
        assert_eq!(read[7..], [None, None, Some(2)]);
        assert_eq!(image.words_at(&[u64::MAX - 8, u64::MAX - 3]), [None, None]);
        assert_eq!(image.words_at(&[]), []);
        assert_eq!(extended(&Span { address: 0x1000, length: 8 }, 0x1080), Some(0x88));
        assert_eq!(extended(&Span { address: 0x1000, length: 8 }, 0x1210), None, "too far");
        assert_eq!(extended(&Span { address: 0x1000, length: 8 }, 0x1000), None, "not behind it");
        assert_eq!(extended(&Span { address: 0x1ff0, length: 8 }, 0x1ffc), None, "in two pages");
    }

    #[test]
    fn incomplete_spans_are_zeroed_and_reported() {
        let image = Image::new([(0x1000, vec![7; 16])]);
        let span = |address| Span { address, length: 8 };
        let mut buffer = [9; 24];
        let complete = image.gather(&[span(0x1000), span(0x100c), span(0x1008)], &mut buffer);
        assert_eq!(complete, [true, false, true]);
        assert_eq!(buffer[..8], [7; 8]);
        assert_eq!(buffer[8..16], [0; 8]);
        assert_eq!(buffer[16..], [7; 8]);
    }
}
