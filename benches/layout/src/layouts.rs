//! The layouts under comparison.

use std::path::Path;

use anyhow::Result;

use crate::{
    Load,
    files::{Blocks, EXTENT_BYTES, Extents, Segments},
};

/// An entry's header in a journal or an interleaved log.
const ENTRY_HEADER: [u8; 64] = [0; 64];
/// From how many bytes for one partition a commit goes straight to its segment.
const STRAIGHT_BYTES_MIN: usize = 64 << 10;

#[derive(Clone, Copy)]
pub(crate) enum Layout {
    JournalAndSegments,
    LargeToSegments,
    Interleaved,
    InterleavedRecycled,
    InterleavedDirect,
    InterleavedDirectRecycled,
}

impl Layout {
    pub(crate) const ALL: [Self; 6] = [
        Self::JournalAndSegments,
        Self::LargeToSegments,
        Self::Interleaved,
        Self::InterleavedRecycled,
        Self::InterleavedDirect,
        Self::InterleavedDirectRecycled,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::JournalAndSegments => "a journal, then segments",
            Self::LargeToSegments => "b large to segments, rest journal",
            Self::Interleaved => "c interleaved",
            Self::InterleavedRecycled => "c interleaved, recycled blocks",
            Self::InterleavedDirect => "c interleaved, O_DIRECT",
            Self::InterleavedDirectRecycled => "c interleaved, O_DIRECT, recycled",
        }
    }

    pub(crate) fn open(self, dir: &Path, load: Load) -> Result<Box<dyn Writer>> {
        let bytes =
            load.commits * load.batches_per_commit * (load.batch_bytes + ENTRY_HEADER.len());
        let total = u64::try_from(bytes)?;
        let extents = |blocks, direct| Extents::open(dir, blocks, direct, total);
        Ok(match self {
            Self::JournalAndSegments => Box::new(JournalAndSegments {
                journal: extents(Blocks::Reserved, false)?,
                segments: Segments::open(dir, load.partitions, false)?,
                since_checkpoint: 0,
            }),
            Self::LargeToSegments => Box::new(LargeToSegments {
                journal: extents(Blocks::Reserved, false)?,
                straight: Segments::open(dir, load.partitions, load.partitions <= 100)?,
                later: Vec::new(),
                pending: vec![0; load.partitions],
            }),
            Self::Interleaved => Box::new(Interleaved(extents(Blocks::Reserved, false)?)),
            Self::InterleavedRecycled => Box::new(Interleaved(extents(Blocks::Recycled, false)?)),
            Self::InterleavedDirect => Box::new(Interleaved(extents(Blocks::Reserved, true)?)),
            Self::InterleavedDirectRecycled => {
                Box::new(Interleaved(extents(Blocks::Recycled, true)?))
            }
        })
    }
}

/// Makes commits durable: when `commit` returns, the batches are on stable storage.
pub(crate) trait Writer {
    fn commit(&mut self, batches: &[(usize, &[u8])]) -> Result<()>;
    fn finish(&mut self) -> Result<()>;
}

/// Everything goes to the journal first; segments are written behind it and synced at checkpoints.
struct JournalAndSegments {
    journal: Extents,
    segments: Segments,
    since_checkpoint: u64,
}

impl Writer for JournalAndSegments {
    fn commit(&mut self, batches: &[(usize, &[u8])]) -> Result<()> {
        let pieces: Vec<&[u8]> = batches
            .iter()
            .flat_map(|(_, batch)| [ENTRY_HEADER.as_slice(), batch])
            .collect();
        self.journal.append(&pieces)?;
        self.journal.sync()?;
        for (partition, batch) in batches {
            self.segments.append(*partition, batch)?;
            self.since_checkpoint += u64::try_from(batch.len())?;
        }
        if self.since_checkpoint > EXTENT_BYTES {
            self.since_checkpoint = 0;
            self.segments.sync()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.segments.sync()
    }
}

/// What is large for its partition goes to the segment at once; the rest goes to a journal and is
/// written to segments later.
struct LargeToSegments {
    journal: Extents,
    straight: Segments,
    later: Vec<(usize, Vec<u8>)>,
    pending: Vec<usize>,
}

impl Writer for LargeToSegments {
    fn commit(&mut self, batches: &[(usize, &[u8])]) -> Result<()> {
        for (partition, batch) in batches {
            self.pending[*partition] += batch.len();
        }
        let mut pieces: Vec<&[u8]> = Vec::new();
        let mut straight = false;
        for (partition, batch) in batches {
            pieces.push(&ENTRY_HEADER);
            if self.pending[*partition] >= STRAIGHT_BYTES_MIN {
                self.straight.append(*partition, batch)?;
                straight = true;
            } else {
                pieces.push(batch);
                self.later.push((*partition, batch.to_vec()));
            }
        }
        self.journal.append(&pieces)?;
        if straight {
            self.straight.sync()?;
        }
        self.journal.sync()?;
        for (partition, _) in batches {
            self.pending[*partition] = 0;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        for (partition, batch) in std::mem::take(&mut self.later) {
            self.straight.append(partition, &batch)?;
        }
        self.straight.sync()
    }
}

/// One log for all partitions is the data's first home.
struct Interleaved(Extents);

impl Writer for Interleaved {
    fn commit(&mut self, batches: &[(usize, &[u8])]) -> Result<()> {
        let pieces: Vec<&[u8]> = batches
            .iter()
            .flat_map(|(_, batch)| [ENTRY_HEADER.as_slice(), batch])
            .collect();
        self.0.append(&pieces)?;
        self.0.sync()
    }

    fn finish(&mut self) -> Result<()> {
        self.0.sync()
    }
}
