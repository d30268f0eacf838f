//! The log of a data directory: appending, reading at the end and in the middle, looking up.

use std::{
    hint::black_box,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use anyhow::{Context, Result, ensure};
use model::{
    LeaderEpoch, LogId, Offset, Timestamp,
    batch::{Batch, StampedBatch},
};
use storage::{AppendError, Completion, Lending, Log, Options, ReadOutcome};
use tempfile::TempDir;

use super::plain;
use crate::{Bench, Case, data};

pub(super) const CASES: &[Case] = &[
    Case::new("log_append_6_partitions_64_kib", 20, || {
        appending(6, data::large_batch())
    }),
    Case::new("log_append_1000_partitions_100_b", 5, || {
        appending(1000, data::small_batch(Timestamp(1)))
    }),
    Case::new("log_commit_6_partitions_64_kib", 20, || {
        committing(6, data::large_batch())
    })
    .on_all_threads(),
    Case::new("log_commit_1000_partitions_100_b", 5, || {
        committing(1000, data::small_batch(Timestamp(1)))
    })
    .on_all_threads(),
    Case::new("log_read_tail_1_mib", 20, read_tail),
    Case::new("log_read_extent_1_mib", 20, read_extent),
    Case::new("index_by_offset", 50, find_offset),
    Case::new("index_by_time", 50, find_time),
];

/// Ends of appends on their way at once.
const ENDS_MAX: usize = 1 << 14;
/// The partition that is read.
const READ: LogId = LogId(1);
const MIB: usize = 1 << 20;

/// Tells when an append is durable.
struct End(SyncSender<Result<(), AppendError>>);

impl Completion for End {
    fn durable(self: Box<Self>, result: Result<(), AppendError>) {
        // Whoever does not listen any more does not want to know.
        drop(self.0.try_send(result));
    }
}

/// One batch for each of some partitions, again and again.
struct Appends {
    log: Arc<Log>,
    batch: Batch,
    stamped: Vec<(LogId, Vec<StampedBatch>)>,
    partitions: u64,
    ended: SyncSender<Result<(), AppendError>>,
    ends: Receiver<Result<(), AppendError>>,
    on_the_way: usize,
    /// Whether a run lasts until all is durable.
    commits: bool,
    folder: TempDir,
}

impl Appends {
    fn new(partitions: u64, batch: Batch, options: Options) -> Result<Self> {
        let folder = data::folder()?;
        let (ended, ends) = sync_channel(ENDS_MAX);
        let (log, _) = Log::open(folder.path(), options).context("open a log")?;
        for partition in 1..=partitions {
            log.create(LogId(partition));
        }
        Ok(Self {
            log,
            batch,
            stamped: Vec::new(),
            partitions,
            ended,
            ends,
            on_the_way: 0,
            commits: false,
            folder,
        })
    }

    fn stamp(&mut self) {
        for partition in 1..=self.partitions {
            let id = LogId(partition);
            let next = self.log.next_offset(id).expect("the partition is there");
            let stamped = self.batch.stamp(next, LeaderEpoch(0));
            self.stamped.push((id, vec![stamped]));
        }
    }

    fn append(&mut self) {
        for (id, batches) in self.stamped.drain(..) {
            let end = Box::new(End(self.ended.clone()));
            let appended = self.log.append(id, batches, end);
            appended.expect("the log takes the batch");
            self.on_the_way += 1;
        }
    }

    fn wait(&mut self) {
        for _ in 0..std::mem::take(&mut self.on_the_way) {
            let end = self.ends.recv().expect("this side keeps a sender");
            end.expect("the batch is durable");
        }
    }
}

impl Bench for Appends {
    fn before(&mut self) {
        self.wait();
        self.stamp();
    }

    fn run(&mut self) {
        self.append();
        if self.commits {
            self.wait();
        }
    }
}

fn appending(partitions: u64, batch: bytes::Bytes) -> Result<Box<dyn Bench>> {
    let appends = Appends::new(partitions, data::checked(batch)?, Options::default())?;
    Ok(Box::new(appends))
}

fn committing(partitions: u64, batch: bytes::Bytes) -> Result<Box<dyn Bench>> {
    let mut appends = Appends::new(partitions, data::checked(batch)?, Options::default())?;
    appends.commits = true;
    Ok(Box::new(appends))
}

/// A log that holds `count` batches of one partition, each a second later than the one before.
fn filled(count: i64, batch: fn(Timestamp) -> bytes::Bytes, options: Options) -> Result<Appends> {
    let first = data::checked(batch(at(0)))?;
    let mut appends = Appends::new(1, first, options)?;
    for index in 0..count {
        appends.batch = data::checked(batch(at(index)))?;
        appends.before();
        appends.append();
    }
    appends.wait();
    Ok(appends)
}

/// The time of a batch of [`filled`].
fn at(index: i64) -> Timestamp {
    Timestamp(1_700_000_000_000 + index * 1_000)
}

/// As [`filled`], closed and opened again: all but the newest extent is read by its index.
fn sealed(count: i64, batch: fn(Timestamp) -> bytes::Bytes, extent_bytes: u64) -> Result<Appends> {
    let options = Options {
        extent_bytes,
        ..Options::default()
    };
    let mut appends = filled(count, batch, options.clone())?;
    appends.log.close(&|_| None).context("close the log")?;
    let folder = appends.folder.path();
    let other = data::folder()?;
    // The open log's place is taken by an empty one, which frees the folder's lock.
    let (empty, _) = Log::open(other.path(), Options::default()).context("open a log")?;
    appends.log = empty;
    let (log, _) = Log::open(folder, options).context("open the log again")?;
    appends.log = log;
    Ok(appends)
}

/// Reads one mebibyte at offsets that change, and sees to it that it is there.
fn read(
    appends: Appends,
    read: fn(&Log, Offset) -> Option<ReadOutcome>,
    below: i64,
    bytes_min: usize,
) -> Result<Box<dyn Bench>> {
    let mut from = 0;
    let probe = read(&appends.log, Offset(from)).context("nothing to read")?;
    ensure!(probe.bytes >= bytes_min, "{} bytes read", probe.bytes);
    plain(move || {
        // The whole of it, or the folder would not be kept.
        let appends = &appends;
        from = (from + 6_211) % below;
        black_box(read(&appends.log, Offset(from)).expect("it is there to be read"));
    })
}

fn read_tail() -> Result<Box<dyn Bench>> {
    let appends = filled(120, |_| data::large_batch(), Options::default())?;
    let cached = |log: &Log, from| {
        let outcome = log.read_at_once(READ, from, Offset(i64::MAX), MIB, Lending::Never);
        outcome.expect("the offset is there")
    };
    read(appends, cached, 5_000, MIB * 9 / 10)
}

fn read_extent() -> Result<Box<dyn Bench>> {
    let appends = sealed(120, |_| data::large_batch(), 2 << 20)?;
    let from_disk = |log: &Log, from| {
        let outcome = log.read(READ, from, Offset(i64::MAX), MIB);
        Some(outcome.expect("the offset is there"))
    };
    read(appends, from_disk, 5_000, MIB * 9 / 10)
}

/// Batches that an index is searched among, in extents of half a mebibyte.
const INDEXED: i64 = 5_000;

fn indexed() -> Result<Appends> {
    sealed(INDEXED, data::small_batch, 512 << 10)
}

fn find_offset() -> Result<Box<dyn Bench>> {
    let one = |log: &Log, from| {
        let outcome = log.read(READ, from, Offset(i64::MAX), 1);
        Some(outcome.expect("the offset is there"))
    };
    read(indexed()?, one, INDEXED * 3 / 5, 100)
}

fn find_time() -> Result<Box<dyn Bench>> {
    let appends = indexed()?;
    let mut index = 0;
    plain(move || {
        index = (index + 6_211) % (INDEXED * 3 / 5);
        // The whole of it, or the folder would not be kept.
        let appends = &appends;
        let found = appends
            .log
            .offset_for_timestamp(READ, at(index), Offset(i64::MAX));
        black_box(
            found
                .expect("the partition is whole")
                .expect("one is late enough"),
        );
    })
}
