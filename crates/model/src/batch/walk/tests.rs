//! Claims about walks: what a block hides is found, whatever its codec and the window's size.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{
    Timestamp,
    batch::{
        BATCH_HEADER_BYTES, Batch, BatchBuilder, BatchHeader, Levels, NewRecord,
        record::{self, Records},
        unpacked_bytes_max,
    },
};

const CODECS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

/// Records whose values have these lengths, and every second one a key.
fn plain(lengths: &[usize]) -> Batch {
    let mut builder = BatchBuilder::default();
    for (index, length) in lengths.iter().enumerate() {
        let value: Vec<u8> = (0..*length)
            .map(|at| u8::try_from((at * 7 + index) % 251).unwrap())
            .collect();
        builder.push(NewRecord {
            timestamp: Timestamp(1_000 + i64::try_from(index).unwrap()),
            key: (index % 2 == 0).then_some(b"key"),
            value: Some(&value),
            headers: &[("h", Some(b"1")), ("h", None)],
        });
    }
    Batch::check(builder.build()).unwrap()
}

fn block_of(batch: &Batch) -> Vec<u8> {
    batch
        .bytes()
        .get(BATCH_HEADER_BYTES..)
        .unwrap_or_default()
        .to_vec()
}

/// These bytes packed, under this count.
fn packed(codec: Compression, records: &[u8], count: i32) -> Batch {
    plain(&[1]).with_records(codec, records, count)
}

impl Batch {
    /// A batch that promises `count` records and holds `records`, whatever they are.
    fn with_records(&self, codec: Compression, records: &[u8], count: i32) -> Self {
        let body = crate::batch::recompress::compress(codec, Levels::default(), records.to_vec());
        let header = BatchHeader {
            records_count: count,
            last_offset_delta: count - 1,
            ..self.header
        };
        let batch = Self {
            header,
            ..self.clone()
        };
        let batch = batch.with_block(codec, &body.unwrap());
        Self::check(batch.bytes).unwrap()
    }

    /// The same with a block that no codec wrote.
    fn with_garbage(&self, codec: Compression, garbage: &[u8]) -> Self {
        Self::check(self.with_block(codec, garbage).bytes).unwrap()
    }
}

#[test]
fn what_clients_pack_is_opened_and_its_times_and_keys_are_told() {
    for codec in CODECS {
        for lengths in [vec![10; 500], vec![0], vec![200_000, 3, 70_000, 65_536]] {
            let plain = plain(&lengths);
            let batch = plain.recompress(codec, Levels::default(), usize::MAX);
            let sent = Batch::check(batch.unwrap().bytes().clone()).unwrap();
            assert_eq!(sent.contents(), None, "{codec:?}");
            let opened = sent.open().unwrap();
            assert_eq!(opened.contents(), plain.contents(), "{codec:?}");
        }
    }
}

#[test]
fn each_lie_about_a_block_is_found_in_every_codec() {
    let five = block_of(&plain(&[4; 5]));
    let one = block_of(&plain(&[4]));
    let mut trailing = five.clone();
    trailing.extend_from_slice(b"xx");
    let twice = [one.clone(), one.clone()].concat();
    let mut long = five.clone();
    *long.first_mut().unwrap() = 0x7e;
    let mut negative = five.clone();
    *negative.first_mut().unwrap() = 1;
    for codec in CODECS {
        let open = |records: &[u8], count| {
            let opened = packed(codec, records, count).open();
            opened.map(|batch| *batch.contents().unwrap())
        };
        let cut = |index| Err(BatchError::Record(RecordError::Cut { index }));
        assert!(open(&five, 5).is_ok(), "{codec:?}");
        assert_eq!(open(&five, 7), cut(5), "{codec:?}");
        assert_eq!(open(&one, i32::MAX), cut(1), "{codec:?}");
        assert_eq!(open(&[], 1), cut(0), "{codec:?}");
        assert_eq!(open(&long, 5), cut(0), "{codec:?}");
        assert_eq!(open(&negative, 5), cut(0), "{codec:?}");
        for (records, count) in [(&five, 2), (&trailing, 5)] {
            let error = open(records, count).unwrap_err();
            let is_trailing = matches!(error, BatchError::Record(RecordError::Trailing { .. }));
            assert!(is_trailing, "{codec:?} {count}: {error}");
        }
        let delta = RecordError::OffsetDelta {
            index: 1,
            offset_delta: 0,
        };
        assert_eq!(open(&twice, 2), Err(delta.into()), "{codec:?}");
    }
}

#[test]
fn garbage_and_a_cut_block_are_damaged_in_every_codec() {
    let whole = plain(&[40; 50]);
    for codec in CODECS {
        let damaged = BatchError::Block(DecompressError::Damaged { codec });
        let garbage = whole.with_garbage(codec, b"\xff\xff\xff\xff\xff\xff\xff no block at all");
        assert_eq!(garbage.open().unwrap_err(), damaged, "{codec:?}");
        let packed = whole.recompress(codec, Levels::default(), usize::MAX);
        let mut block = block_of(&packed.unwrap());
        block.truncate(block.len() / 2);
        let cut = whole.with_garbage(codec, &block);
        assert!(cut.open().is_err(), "{codec:?}");
        // The thread's decoders work on.
        let sound = whole.recompress(codec, Levels::default(), usize::MAX);
        let sound = Batch::check(sound.unwrap().bytes().clone()).unwrap();
        assert!(sound.open().is_ok(), "{codec:?}");
    }
}

#[test]
fn a_block_that_unpacks_too_far_is_refused_by_the_name_of_its_limit() {
    let zeros = vec![0; 40 << 20];
    let mut builder = BatchBuilder::default();
    builder.push(NewRecord {
        value: Some(&zeros),
        ..NewRecord::default()
    });
    let plain = Batch::check(builder.build()).unwrap();
    for codec in [Compression::Gzip, Compression::Lz4, Compression::Zstd] {
        let packed = plain.recompress(codec, Levels::default(), usize::MAX);
        let sent = Batch::check(packed.unwrap().bytes().clone()).unwrap();
        let cap = unpacked_bytes_max(sent.bytes().len() - BATCH_HEADER_BYTES);
        assert!(cap < zeros.len(), "{codec:?}");
        let error = sent.open().unwrap_err();
        let too_large = BatchError::Block(DecompressError::TooLarge { cap });
        assert_eq!(error, too_large, "{codec:?}");
    }
}

proptest! {
    #[test]
    fn a_window_of_any_size_sees_what_the_whole_block_shows(
        lengths in proptest::collection::vec(0_usize..200, 1..20),
        window in 16_usize..400,
        damage in proptest::option::of((0_usize..4000, any::<u8>())),
        count in 1_i32..21,
    ) {
        let mut block = block_of(&plain(&lengths));
        if let Some((at, byte)) = damage {
            let at = at % block.len();
            *block.get_mut(at).unwrap() = byte;
        }
        let mut expected = Vec::new();
        let whole = record::walk(&block, count, &mut |seen| expected.push(seen));
        let mut buffer = vec![0; window];
        let mut found = Vec::new();
        let none = Compression::None;
        let limits = (count, usize::MAX);
        let walked = walk_in(&mut buffer, none, &block, limits, &mut |seen| found.push(seen));
        prop_assert_eq!(found, expected);
        prop_assert_eq!(walked.is_ok(), whole.is_ok(), "{:?} {:?}", walked, whole);
        if whole.is_ok() {
            prop_assert_eq!(Records::new(&block).count(), usize::try_from(count).unwrap());
        }
    }

    #[test]
    fn no_block_makes_a_walk_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        codec in proptest::sample::select(CODECS.as_slice()),
        at in 0_usize..4000,
        byte in any::<u8>(),
    ) {
        let garbage = plain(&[1]).with_garbage(codec, &bytes);
        let _opened = garbage.open();
        let packed = plain(&[30; 20]).recompress(codec, Levels::default(), usize::MAX);
        let mut block = block_of(&packed.unwrap());
        let at = at % block.len();
        *block.get_mut(at).unwrap() = byte;
        let _opened = plain(&[30; 20]).with_garbage(codec, &Bytes::from(block)).open();
    }
}
