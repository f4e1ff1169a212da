//! A buffer that files are read into.
//!
//! Its room begins at a multiple of [`ALIGNMENT`]. Large blocks of an allocator begin 16 bytes behind a page, and copying the
//! pages of a file to room less than 32 bytes behind one takes two to five times as long (the benchmark `read`).

/// What the room's address is a multiple of: a cache line.
const ALIGNMENT: usize = 64;

/// Bytes at an aligned address.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    memory: Vec<u8>,
    start: usize,
}

impl Buffer {
    /// A buffer in this memory, of which only the room counts; at most `most` bytes of it are used.
    pub(super) fn in_memory(mut memory: Vec<u8>, most: usize) -> Self {
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(memory.len());
        memory.truncate(start + most);
        Self { memory, start }
    }

    /// The memory, for another buffer.
    pub(super) fn into_memory(self) -> Vec<u8> {
        self.memory
    }

    /// Makes room for `length` bytes, of which the first `kept` are those that are there already.
    pub(super) fn grow(&mut self, length: usize, kept: usize) {
        let mut grown = Self::in_memory(vec![0; length + ALIGNMENT], length);
        grown.bytes_mut()[..kept].copy_from_slice(&self.bytes()[..kept]);
        *self = grown;
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.memory[self.start..]
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_aligned_and_what_is_kept_stays() {
        let mut buffer = Buffer::in_memory(Vec::new(), 500);
        assert_eq!(buffer.bytes(), [0; 0]);
        for length in [1, 100, 200_000] {
            buffer.grow(length, buffer.bytes().len());
            assert_eq!((buffer.bytes().len(), buffer.bytes().as_ptr().align_offset(ALIGNMENT)), (length, 0));
            buffer.bytes_mut()[length - 1] = 7;
        }
        assert_eq!((buffer.bytes()[0], buffer.bytes()[99], buffer.bytes()[100]), (7, 7, 0));
        let buffer = Buffer::in_memory(buffer.into_memory(), 500);
        assert_eq!((buffer.bytes().len(), buffer.bytes().as_ptr().align_offset(ALIGNMENT)), (500, 0));
    }
}
