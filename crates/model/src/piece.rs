//! Bytes on their way to a client: in memory, or lent by a file that the connection sends from.

use std::{fmt, os::fd::AsFd, sync::Arc};

use bytes::{Bytes, BytesMut};

/// A part of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Memory(Bytes),
    File(FileRange),
}

/// A file that others may send from. For as long as it is held its ranges stay as they are.
pub trait LentFile: AsFd + Send + Sync {}

/// A range of a file.
#[derive(Clone)]
pub struct FileRange {
    file: Arc<dyn LentFile>,
    at: u64,
    len: usize,
}

impl Piece {
    /// Bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::File(range) => range.len,
        }
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All pieces as one buffer; copies unless there is a single one. `None` where one of them is
    /// in a file.
    #[must_use]
    pub fn join(pieces: &[Self]) -> Option<Bytes> {
        if let [piece] = pieces {
            return piece.memory().cloned();
        }
        let mut whole = BytesMut::with_capacity(pieces.iter().map(Self::len).sum());
        for piece in pieces {
            whole.extend_from_slice(piece.memory()?);
        }
        Some(whole.freeze())
    }

    /// The bytes, unless they are in a file.
    #[must_use]
    pub const fn memory(&self) -> Option<&Bytes> {
        match self {
            Self::Memory(bytes) => Some(bytes),
            Self::File(_) => None,
        }
    }
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Self {
        Self::Memory(bytes)
    }
}

impl FileRange {
    #[must_use]
    pub fn new(file: Arc<dyn LentFile>, at: u64, len: usize) -> Self {
        Self { file, at, len }
    }

    /// The file to send from.
    #[must_use]
    pub fn file(&self) -> &dyn LentFile {
        &*self.file
    }

    /// Where the range begins in the file.
    #[must_use]
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// Bytes from there on.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Leaves out the first bytes: they have been sent.
    ///
    /// # Panics
    /// There are not so many.
    pub fn advance(&mut self, bytes: usize) {
        assert!(bytes <= self.len, "no more is sent than there is");
        self.at += bytes as u64;
        self.len -= bytes;
    }
}

impl PartialEq for FileRange {
    /// The same range of the same loan.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && self.at == other.at && self.len == other.len
    }
}

impl Eq for FileRange {}

impl fmt::Debug for FileRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileRange")
            .field("at", &self.at)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
