//! Bytes that have come and are not used up: taken from the front, added behind.

/// A buffer that grows to what is asked of it and keeps that.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    #[must_use]
    pub fn held(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub fn held_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Room behind what is held: all there is, and at least as much as wanted.
    pub fn room(&mut self, wanted: usize) -> &mut [u8] {
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
        if self.bytes.len() - self.end < wanted {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            let least = self.end + wanted;
            if self.bytes.len() < least {
                self.bytes.resize(least, 0);
            }
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Holds what was put into the room, too.
    ///
    /// # Panics
    /// When there was no room for so much.
    pub fn add(&mut self, count: usize) {
        assert!(count <= self.bytes.len() - self.end, "more than the room");
        self.end += count;
    }

    /// Lets go of the first bytes, and returns them.
    ///
    /// # Panics
    /// When fewer are held.
    pub fn take(&mut self, count: usize) -> &mut [u8] {
        assert!(count <= self.end - self.start, "more than is held");
        let begin = self.start;
        self.start += count;
        self.bytes.get_mut(begin..self.start).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(buffer: &mut Buffer, bytes: &[u8]) {
        buffer.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        buffer.add(bytes.len());
    }

    #[test]
    fn what_is_held_outlives_a_move_to_the_front() {
        let mut buffer = Buffer::default();
        put(&mut buffer, b"abcdef");
        assert_eq!(buffer.take(4), b"abcd");
        assert_eq!(buffer.room(3).len(), 4);
        assert_eq!(buffer.held(), b"ef");
        put(&mut buffer, b"ghij");
        assert_eq!(buffer.bytes.len(), 6);
        assert_eq!(buffer.take(6), b"efghij");
        assert_eq!(buffer.room(1).len(), 6);
    }
}
