//! The forms on disk, byte for byte: a change here is a change of format and needs a new version.
#![expect(clippy::indexing_slicing, reason = "tests look at known places")]

use bytes::Bytes;
use model::{LogId, Offset, Timestamp};
use proptest::prelude::*;

use crate::{
    ExtentSequence, Position, Snapshot,
    entry::{EntryHeader, EntryKind, ExtentHeader, encode_extent_header},
    index,
    manifest::{Manifest, ManifestPartition},
    partition::{EntryRef, Run},
    producer::Producers,
};

fn hex(bytes: &[u8]) -> String {
    let words = bytes.chunks(8).map(|word| {
        let digits: Vec<String> = word.iter().map(|byte| format!("{byte:02x}")).collect();
        digits.concat()
    });
    words.collect::<Vec<_>>().join(" ")
}

const POSITION: Position = Position {
    extent: ExtentSequence(2),
    byte: 64,
};

fn entry_ref() -> EntryRef {
    EntryRef {
        base: Offset(3),
        next: Offset(5),
        max_timestamp: Timestamp(6),
        position: POSITION,
        bytes: 7,
    }
}

#[test]
fn an_extent_header_has_these_bytes() {
    let encoded = encode_extent_header(ExtentSequence(2), 0x0a0b_0c0d, false);
    assert_eq!(hex(&encoded), EXTENT_HEADER);
}

#[test]
fn an_entry_header_has_these_bytes() {
    let header = EntryHeader {
        position: POSITION,
        synced: Position::unpack(1),
        ..EntryHeader::control(EntryKind::Trim, LogId(9), Offset(5), Offset(7))
    };
    let encoded = header.encode(0x0a0b_0c0d, std::iter::empty());
    assert_eq!(hex(&encoded), ENTRY_HEADER);
}

#[test]
fn an_index_has_these_bytes() {
    let encoded = index::encode(ExtentSequence(2), vec![(LogId(1), entry_ref())]);
    assert_eq!(hex(&encoded), INDEX);
}

#[test]
fn a_manifest_has_these_bytes() {
    let run = Run {
        first: Offset(3),
        max_timestamp: Timestamp(6),
        extent: ExtentSequence(2),
        bytes: 7,
    };
    let snapshot = Snapshot {
        next: Offset(5),
        bytes: Bytes::from_static(b"snapshot"),
    };
    let partition = ManifestPartition {
        id: LogId(1),
        start: Offset(2),
        next: Offset(5),
        sealed_next: Offset(4),
        runs: vec![run],
        lost: vec![(Offset(3), Offset(4))],
        snapshot: Some(snapshot),
    };
    let manifest = Manifest {
        salt: 0x0a0b_0c0d,
        scan_from: ExtentSequence(3),
        synced: POSITION,
        partitions: vec![partition],
    };
    assert_eq!(hex(&manifest.encode()), MANIFEST);
}

const EXTENT_HEADER: &str = "\
    544944454c4f4731 e94e42e501000000 020000000d0c0b0a 0000000000000000 \
    0000000000000000 0000000000000000 0000000000000000 0000000000000000";
const ENTRY_HEADER: &str = "\
    746745313e2a61b5 0102000000000000 0900000000000000 0500000000000000 \
    0700000000000000 ffffffffffffffff 4000000002000000 0100000000000000";
const INDEX: &str = "\
    5449444549445831 6b93787001000000 0200000001000000 0100000000000000 \
    0300000000000000 0500000000000000 0600000000000000 4000000007000000";
const MANIFEST: &str = "\
    544944454d414e31 fe1f921101000000 0d0c0b0a03000000 4000000002000000 \
    0100000000000000 0100000000000000 0200000000000000 0500000000000000 \
    0400000000000000 0100000001000000 0800000005000000 0000000003000000 \
    0000000006000000 0000000002000000 0700000003000000 0000000004000000 \
    00000000736e6170 73686f74";

proptest! {
    /// Behind a right magic, version and checksum anything may follow.
    #[test]
    fn no_bytes_make_a_decoder_panic_or_reserve_what_they_claim(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        magic in 0..4_usize,
    ) {
        let mut bytes = match magic {
            0 => Manifest::default().encode()[..8].to_vec(),
            1 => index::encode(ExtentSequence(2), Vec::new())[..8].to_vec(),
            2 => encode_extent_header(ExtentSequence(2), 1, false)[..8].to_vec(),
            _ => EntryHeader::control(EntryKind::Trim, LogId(1), Offset(0), Offset(0))
                .encode(1, std::iter::empty())[..4]
                .to_vec(),
        };
        if magic < 2 {
            let mut rest = 1_u32.to_le_bytes().to_vec();
            rest.extend(&body);
            bytes.extend(crc32c::crc32c(&rest).to_le_bytes());
            bytes.extend(rest);
        } else {
            bytes.extend(&body);
        }
        let _extent = ExtentHeader::read(&bytes);
        let _entry = EntryHeader::read(&bytes, POSITION, 1);
        if let Some(entry) = EntryHeader::peek(&bytes) {
            let _payload = entry.check_payload(&bytes);
        }
        let _producers = Producers::decode(&bytes);
        let _manifest = Manifest::decode(bytes);
    }
}
