//! One connection: frames in, batches checked and written, replies in order.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use load::frames::Frames;
use load::reader::Reader;
use wire::api::ApiKey;

use crate::answers::{Answers, ProducedTopic};
use crate::commit::{Commits, Waiting};
use crate::file::LogFile;

/// Bytes before each batch in the file: length, topic and partition, as a log needs at least.
const ENTRY_HEAD_BYTES: usize = 16;

pub(crate) struct Connection {
    pub(crate) socket: Arc<TcpStream>,
    pub(crate) file: Arc<LogFile>,
    /// Absent if replies don't wait for a sync.
    pub(crate) commits: Option<Arc<Commits>>,
    pub(crate) answers: Arc<Answers>,
}

/// The front of a request, and the bytes after its header.
struct Request<'a> {
    api: i16,
    version: i16,
    correlation_id: i32,
    body: Reader<'a>,
    frame: &'a [u8],
}

impl Connection {
    /// Serves until the client goes or sends what can't be read.
    pub(crate) fn run(self) {
        // The client learns of an error by the end of its connection.
        self.serve().ok();
    }

    fn serve(&self) -> io::Result<()> {
        self.socket.set_nodelay(true)?;
        let mut frames = Frames::default();
        loop {
            let filled = frames.fill(|room| (&*self.socket).read(room))?;
            if filled.count == 0 {
                return Ok(());
            }
            while let Some(frame) = frames.next_frame()? {
                self.on_frame(frame).ok_or(io::ErrorKind::InvalidData)??;
            }
        }
    }

    fn on_frame(&self, frame: &[u8]) -> Option<io::Result<()>> {
        let request = parse(frame)?;
        if request.api == ApiKey::Produce.code() {
            return self.on_produce(request);
        }
        let answer = self.answers.answer(request.frame)?;
        Some((&*self.socket).write_all(&answer))
    }

    fn on_produce(&self, request: Request<'_>) -> Option<io::Result<()>> {
        let produce = Produce::parse(&request)?;
        let mut pieces: Vec<IoSlice<'_>> = Vec::with_capacity(produce.batches.len() * 2);
        for (head, batch) in &produce.batches {
            let claimed = batch.get(17..).and_then(<[u8]>::first_chunk)?;
            if u32::from_be_bytes(*claimed) != crc32c::crc32c(batch.get(21..)?) {
                return None;
            }
            pieces.extend([IoSlice::new(head), IoSlice::new(batch)]);
        }
        if let Err(error) = self.file.append(&mut pieces) {
            return Some(Err(error));
        }
        let (version, id) = (request.version, request.correlation_id);
        let reply = self.answers.produced(version, id, &produce.topics)?;
        if produce.acks == 0 {
            return Some(Ok(()));
        }
        match &self.commits {
            Some(commits) if produce.acks == -1 => {
                commits.wait(Waiting {
                    socket: Arc::clone(&self.socket),
                    reply,
                });
                Some(Ok(()))
            }
            _ => Some((&*self.socket).write_all(&reply)),
        }
    }
}

fn parse(frame: &[u8]) -> Option<Request<'_>> {
    let mut body = Reader::new(frame);
    let (api, version) = (body.i16()?, body.i16()?);
    let correlation_id = body.i32()?;
    if let Ok(length) = usize::try_from(body.i16()?) {
        body.take(length)?;
    }
    if ApiKey::from_code(api)?.is_flexible(version) {
        body.tags()?;
    }
    Some(Request {
        api,
        version,
        correlation_id,
        body,
        frame,
    })
}

/// What is needed of a Produce request, versions 3 to 12.
struct Produce<'a> {
    acks: i16,
    topics: Vec<ProducedTopic<'a>>,
    batches: Vec<([u8; ENTRY_HEAD_BYTES], &'a [u8])>,
}

impl<'a> Produce<'a> {
    fn parse(request: &Request<'a>) -> Option<Self> {
        let flexible = ApiKey::Produce.is_flexible(request.version);
        let mut body = request.body;
        let bytes = |body: &mut Reader<'a>| match flexible {
            true => body.compact(),
            false => {
                let length = body.i32()?;
                body.take(usize::try_from(length).ok()?)
            }
        };
        let text = |body: &mut Reader<'a>| match flexible {
            true => body.compact(),
            false => {
                let length = body.i16()?;
                body.take(usize::try_from(length.max(0)).ok()?)
            }
        };
        let count = |body: &mut Reader<'a>| match flexible {
            true => body.length(),
            false => usize::try_from(body.i32()?).ok(),
        };
        let end = |body: &mut Reader<'a>| if flexible { body.tags() } else { Some(()) };
        let _transactional_id = text(&mut body)?;
        let acks = body.i16()?;
        let _timeout_ms = body.i32()?;
        let mut produce = Self {
            acks,
            topics: Vec::new(),
            batches: Vec::new(),
        };
        for _ in 0..count(&mut body)? {
            let name = text(&mut body)?;
            let mut partitions = Vec::new();
            for _ in 0..count(&mut body)? {
                let index = body.i32()?;
                let batch = bytes(&mut body)?;
                let records = batch.get(57..).and_then(<[u8]>::first_chunk)?;
                partitions.push((index, i32::from_be_bytes(*records)));
                produce.batches.push((entry_head(index, batch)?, batch));
                end(&mut body)?;
            }
            produce.topics.push(ProducedTopic { name, partitions });
            end(&mut body)?;
        }
        Some(produce)
    }
}

fn entry_head(index: i32, batch: &[u8]) -> Option<[u8; ENTRY_HEAD_BYTES]> {
    let mut head = [0; ENTRY_HEAD_BYTES];
    let length = u32::try_from(batch.len()).ok()?;
    head.get_mut(..4)?.copy_from_slice(&length.to_be_bytes());
    head.get_mut(4..8)?.copy_from_slice(&index.to_be_bytes());
    Some(head)
}
