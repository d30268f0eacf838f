//! Kafka's bytes by hand, so that they can be wrong in any way a test wants.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// How long a broker may think before it answers or hangs up.
const REPLY_LIMIT: Duration = Duration::from_secs(10);
const CLIENT_ID: &str = "raw-tests";

/// A connection on which anything can be said.
pub(crate) struct Raw {
    stream: TcpStream,
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A frame, without its length.
    Frame(Vec<u8>),
    /// The broker hung up.
    Closed,
}

impl Raw {
    pub(crate) fn connect(bootstrap: &str) -> Result<Self> {
        let stream = TcpStream::connect(bootstrap).context("connect")?;
        stream.set_read_timeout(Some(REPLY_LIMIT))?;
        stream.set_write_timeout(Some(REPLY_LIMIT))?;
        Ok(Self { stream })
    }

    /// Says just this. The broker may hang up in the middle, so a failure is no error.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Says that nothing more will come.
    pub(crate) fn end(&mut self) {
        self.stream.shutdown(Shutdown::Write).ok();
    }

    pub(crate) fn answer(&mut self) -> Result<Answer> {
        let mut length = [0; 4];
        if !self.read(&mut length)? {
            return Ok(Answer::Closed);
        }
        let length = usize::try_from(i32::from_be_bytes(length)).context("a reply's length")?;
        ensure!(length < 16 << 20, "a reply of {length} bytes");
        let mut frame = vec![0; length];
        ensure!(
            self.read(&mut frame)?,
            "the broker hung up in the middle of a reply"
        );
        Ok(Answer::Frame(frame))
    }

    /// Sends a request and takes its reply, from the end of the header on.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Fields> {
        ensure!(self.say(&request.frame()), "the broker hung up");
        match self.answer()? {
            Answer::Frame(frame) => {
                let mut fields = Fields {
                    bytes: frame,
                    position: 0,
                };
                let correlation = fields.int32()?;
                ensure!(
                    correlation == request.correlation,
                    "a reply to {correlation}"
                );
                Ok(fields)
            }
            Answer::Closed => bail!("the broker hung up instead of answering"),
        }
    }

    /// Fills the buffer; says whether there was that much before the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<bool> {
        match self.stream.read_exact(buffer) {
            Ok(()) => Ok(true),
            Err(error) => match error.kind() {
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => Ok(false),
                ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                    bail!("neither an answer nor an end within {REPLY_LIMIT:?}")
                }
                _ => Err(error).context("read an answer"),
            },
        }
    }
}

/// A request under construction: its fields, one after another.
#[derive(Clone)]
pub(crate) struct Request {
    correlation: i32,
    bytes: Vec<u8>,
}

impl Request {
    /// With the header of versions that aren't flexible.
    pub(crate) fn new(api: i16, version: i16) -> Self {
        let request = Self {
            correlation: 7,
            bytes: Vec::new(),
        };
        request.int16(api).int16(version).int32(7).string(CLIENT_ID)
    }

    /// With the header of flexible versions.
    pub(crate) fn flexible(api: i16, version: i16) -> Self {
        Self::new(api, version).raw(&[0])
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn int16(self, value: i16) -> Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn int32(self, value: i32) -> Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn int64(self, value: i64) -> Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn string(self, text: &str) -> Self {
        let length = i16::try_from(text.len()).unwrap_or(i16::MAX);
        self.int16(length).raw(text.as_bytes())
    }

    /// Length and bytes of a field such as Produce's records.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.int32(length).raw(bytes)
    }

    /// What goes over the wire.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let length = i32::try_from(self.bytes.len()).unwrap_or(i32::MAX);
        [&length.to_be_bytes(), self.bytes.as_slice()].concat()
    }
}

/// A reply's fields, read one after another.
pub(crate) struct Fields {
    bytes: Vec<u8>,
    position: usize,
}

impl Fields {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.bytes.get(self.position..self.position + N);
        let bytes = bytes.context("the reply is too short")?;
        self.position += N;
        Ok(bytes.try_into()?)
    }

    pub(crate) fn int16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.take()?))
    }

    pub(crate) fn int32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.take()?))
    }

    pub(crate) fn int64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.take()?))
    }

    pub(crate) fn string(&mut self) -> Result<String> {
        let length = usize::try_from(self.int16()?).unwrap_or(0);
        let bytes = self.bytes.get(self.position..self.position + length);
        let text = String::from_utf8_lossy(bytes.context("the reply is too short")?).into_owned();
        self.position += length;
        Ok(text)
    }

    /// Length and bytes of a field such as Fetch's records.
    pub(crate) fn bytes(&mut self) -> Result<&[u8]> {
        let length = usize::try_from(self.int32()?).unwrap_or(0);
        let start = self.position;
        self.position += length;
        self.bytes
            .get(start..self.position)
            .context("the reply is too short")
    }

    pub(crate) fn skip_string(&mut self) -> Result<()> {
        let length = self.int16()?;
        self.position += usize::try_from(length).unwrap_or(0);
        Ok(())
    }
}

/// A record batch, to be spoilt before or after its checksum is made.
pub(crate) struct Batch {
    pub(crate) record_count: i32,
    pub(crate) last_offset_delta: i32,
    pub(crate) magic: u8,
    pub(crate) attributes: i16,
    pub(crate) records: Vec<u8>,
}

impl Batch {
    /// A good one with this many records, each the letter `v`.
    pub(crate) fn good(count: u8) -> Self {
        let mut records = Vec::new();
        for delta in 0..count {
            // Length, attributes, timestamp delta, offset delta, no key, value, no headers; the
            // numbers are zigzag, so each is twice itself, and -1 is 1.
            records.extend([14, 0, 0, delta * 2, 1, 2, b'v', 0]);
        }
        Self {
            record_count: i32::from(count),
            last_offset_delta: i32::from(count) - 1,
            magic: 2,
            attributes: 0,
            records,
        }
    }

    /// A good one with a single record of half a MiB of the letter `x`.
    pub(crate) fn large() -> Self {
        const VALUE_BYTES: usize = 1 << 19;
        let mut body = vec![0, 0, 0, 1];
        zigzag(&mut body, VALUE_BYTES);
        body.resize(body.len() + VALUE_BYTES, b'x');
        body.push(0);
        let mut records = Vec::new();
        zigzag(&mut records, body.len());
        records.extend(body);
        Self {
            records,
            ..Self::good(1)
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut summed = Vec::new();
        summed.extend(self.attributes.to_be_bytes());
        summed.extend(self.last_offset_delta.to_be_bytes());
        summed.extend(1_700_000_000_000_i64.to_be_bytes());
        summed.extend(1_700_000_000_000_i64.to_be_bytes());
        // No producer id, epoch or sequence.
        summed.extend([0xff; 8 + 2 + 4]);
        summed.extend(self.record_count.to_be_bytes());
        summed.extend(&self.records);
        let mut bytes = 0_i64.to_be_bytes().to_vec();
        let length = i32::try_from(4 + 1 + 4 + summed.len()).unwrap_or(i32::MAX);
        bytes.extend(length.to_be_bytes());
        bytes.extend((-1_i32).to_be_bytes());
        bytes.push(self.magic);
        bytes.extend(crc32c::crc32c(&summed).to_be_bytes());
        bytes.extend(summed);
        bytes
    }
}

/// Writes a positive number as records have it.
fn zigzag(bytes: &mut Vec<u8>, value: usize) {
    let mut rest = value * 2;
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap_or_default());
}
