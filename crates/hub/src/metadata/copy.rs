//! What exists, a second time: a copy that the checkpoint keeps beside the log.
//!
//! ```text
//! 0 version          u8   2; partitions' snapshots have 1
//! 1 records          u32  their count; then each:
//!   key              u16 length, bytes
//!   value            u32 length (all ones for none), bytes
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Metadata, Record};

/// Persisted: never renumber.
const VERSION: u8 = 2;
const NO_VALUE: u32 = u32::MAX;

impl Metadata {
    /// The whole state as bytes of their own.
    pub(crate) fn copy(&self) -> Bytes {
        let records = self.snapshot();
        let mut out = BytesMut::new();
        out.put_u8(VERSION);
        out.put_u32(u32::try_from(records.len()).unwrap_or(u32::MAX));
        for record in &records {
            let (key, value) = record.encode();
            out.put_u16(u16::try_from(key.len()).unwrap_or(u16::MAX));
            out.put_slice(&key);
            match value {
                Some(value) => {
                    out.put_u32(u32::try_from(value.len()).unwrap_or(NO_VALUE));
                    out.put_slice(&value);
                }
                None => out.put_u32(NO_VALUE),
            }
        }
        out.freeze()
    }

    /// The state of such bytes; `None` where they are no copy, or a newer program's.
    pub(crate) fn from_copy(mut bytes: &[u8]) -> Option<Self> {
        if bytes.try_get_u8().ok()? != VERSION {
            return None;
        }
        let mut machine = Self::default();
        for _ in 0..bytes.try_get_u32().ok()? {
            let len = usize::from(bytes.try_get_u16().ok()?);
            let (key, rest) = bytes.split_at_checked(len)?;
            bytes = rest;
            let value = match bytes.try_get_u32().ok()? {
                NO_VALUE => None,
                len => {
                    let (value, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
                    bytes = rest;
                    Some(value)
                }
            };
            machine.replay(&Record::decode(key, value).ok()?);
        }
        bytes.is_empty().then_some(machine)
    }
}
