//! TLS on a socket without buffers between the two: one large read brings many records, which are
//! decrypted where they lie.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

use load::buffer::Buffer;
use rustls::ClientConfig;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus, WriteTraffic,
};

use super::not_the_end;
use crate::outgoing::Outgoing;

/// Offered to the socket at first, and doubled when it fills all of it: an idle connection stays
/// small.
const READ_BYTES_MIN: usize = 4 << 10;
/// Few calls for many records, which are still in the core's cache when they are decrypted.
const READ_BYTES_MAX: usize = 128 << 10;
/// Encrypted before the socket must take it; still in the core's cache then.
const OUTGOING_BYTES: usize = 64 << 10;
/// Plain bytes of a full record.
const RECORD_BYTES: usize = 16 << 10;
/// More than a record's frame takes, and a key update before it.
const RECORD_FRAME_BYTES: usize = 256;

/// A TLS connection whose handshake is done.
pub(super) struct Session {
    connection: UnbufferedClientConnection,
    /// What the socket brought. rustls refuses records and messages that are too long, so what
    /// must be kept for a next read is short.
    incoming: Buffer,
    /// What the socket shall bring at least, if it has it.
    read_bytes: usize,
    /// Decrypted when there was no room for it.
    plain: Buffer,
    /// Encrypted and not yet taken by the socket.
    outgoing: Buffer,
    /// The peer has said that nothing more comes.
    is_ended: bool,
}

impl Session {
    /// Shakes hands on a socket that blocks.
    pub(super) fn open(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        socket: &mut (impl Read + Write),
    ) -> io::Result<Self> {
        let connection = UnbufferedClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut session = Self {
            connection,
            incoming: Buffer::default(),
            read_bytes: READ_BYTES_MIN,
            plain: Buffer::default(),
            outgoing: Buffer::default(),
            is_ended: false,
        };
        loop {
            session.work_off()?;
            session.flush(socket)?;
            if !session.connection.is_handshaking() {
                return Ok(session);
            }
            session.read(socket)?;
        }
    }

    /// Decrypts into `room` what has come and, while that is nothing, what the socket has. Where
    /// room is left, whatever else has come is still in the socket.
    pub(super) fn receive(&mut self, socket: &mut impl Read, room: &mut [u8]) -> io::Result<usize> {
        let mut count = self.plain.held().len().min(room.len());
        if let Some(place) = room.get_mut(..count) {
            place.copy_from_slice(self.plain.take(count));
        }
        loop {
            while let Some(left) = room.get_mut(count..).filter(|left| !left.is_empty())
                && let Some(step) = self.step(left)?
            {
                count += step;
            }
            if count > 0 || room.is_empty() {
                return Ok(count);
            }
            if self.is_ended {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.read(socket)?;
        }
    }

    /// Encrypts and sends all, or fails with [`ErrorKind::WouldBlock`] when the socket is full.
    /// With it go answers to what was received.
    pub(super) fn send(&mut self, socket: &mut impl Write, out: &mut Outgoing) -> io::Result<()> {
        // What is encrypted is gone from `out`: it is only done once the socket has taken all.
        out.drain(|slices| {
            self.flush(socket)?;
            self.encrypt(slices)
        })?;
        self.flush(socket)
    }

    fn read(&mut self, socket: &mut impl Read) -> io::Result<()> {
        let room = self.incoming.room(self.read_bytes);
        let offered = room.len();
        let count = not_the_end(socket.read(room)?)?;
        self.incoming.add(count);
        if count == offered {
            self.read_bytes = READ_BYTES_MAX.min(self.read_bytes * 2);
        }
        Ok(())
    }

    fn flush(&mut self, socket: &mut impl Write) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            match socket.write(self.outgoing.held())? {
                0 => return Err(ErrorKind::WriteZero.into()),
                count => self.outgoing.take(count),
            };
        }
        Ok(())
    }

    /// Encrypts as much as may wait, and says how much that was.
    fn encrypt(&mut self, mut slices: &mut [IoSlice<'_>]) -> io::Result<usize> {
        self.work_off()?;
        let Self {
            connection,
            incoming,
            outgoing,
            ..
        } = self;
        let UnbufferedStatus { discard, state } =
            connection.process_tls_records(incoming.held_mut());
        let ConnectionState::WriteTraffic(mut traffic) = state.map_err(io::Error::other)? else {
            return Err(ErrorKind::NotConnected.into());
        };
        let mut gathered = Vec::new();
        let mut taken = 0;
        while let Some(first) = slices.first()
            && outgoing.held().len() < OUTGOING_BYTES
        {
            let record = if first.len() < RECORD_BYTES && slices.len() > 1 {
                gather(slices, &mut gathered);
                &gathered
            } else {
                first.get(..RECORD_BYTES).unwrap_or(first)
            };
            encrypt_record(&mut traffic, record, outgoing)?;
            let count = record.len();
            IoSlice::advance_slices(&mut slices, count);
            taken += count;
        }
        incoming.take(discard);
        Ok(taken)
    }

    /// Does all that can be done with what has come.
    fn work_off(&mut self) -> io::Result<()> {
        while self.step(&mut [])?.is_some() {}
        Ok(())
    }

    /// The next thing to be done with what has come: plain bytes go into `room` or, where it
    /// ends, are kept; answers wait to be sent. Says how many bytes went into `room`, and nothing
    /// when more must come first.
    fn step(&mut self, room: &mut [u8]) -> io::Result<Option<usize>> {
        let UnbufferedStatus { mut discard, state } = self
            .connection
            .process_tls_records(self.incoming.held_mut());
        let mut count = Some(0);
        match state.map_err(io::Error::other)? {
            ConnectionState::ReadTraffic(mut traffic) => {
                let mut used = 0;
                while let Some(record) = traffic.next_record() {
                    let record = record.map_err(io::Error::other)?;
                    discard += record.discard;
                    let left = room.get_mut(used..).unwrap_or_default();
                    used += part(record.payload, left, &mut self.plain);
                }
                count = Some(used);
            }
            ConnectionState::EncodeTlsData(mut message) => {
                encode(&mut message, &mut self.outgoing)?;
            }
            // It waits among what is to be sent.
            ConnectionState::TransmitTlsData(transmit) => transmit.done(),
            ConnectionState::PeerClosed => self.is_ended = true,
            ConnectionState::BlockedHandshake
            | ConnectionState::WriteTraffic(_)
            | ConnectionState::Closed => count = None,
            _ => return Err(ErrorKind::Unsupported.into()),
        }
        self.incoming.take(discard);
        Ok(count)
    }
}

/// Puts `payload` into `room` and what is left of it into `rest`; says how much went into `room`.
fn part(payload: &[u8], room: &mut [u8], rest: &mut Buffer) -> usize {
    let count = payload.len().min(room.len());
    let (fitting, left) = payload.split_at(count);
    room.get_mut(..count)
        .unwrap_or_default()
        .copy_from_slice(fitting);
    if let Some(place) = rest.room(left.len()).get_mut(..left.len()) {
        place.copy_from_slice(left);
        rest.add(left.len());
    }
    count
}

/// Joins pieces to one full record, if there are so many.
fn gather(slices: &[IoSlice<'_>], record: &mut Vec<u8>) {
    record.clear();
    record.reserve(RECORD_BYTES);
    for slice in slices {
        let left = RECORD_BYTES - record.len();
        record.extend_from_slice(slice.get(..left).unwrap_or(slice));
    }
}

fn encrypt_record(
    traffic: &mut WriteTraffic<'_, ClientConnectionData>,
    record: &[u8],
    outgoing: &mut Buffer,
) -> io::Result<()> {
    let room = outgoing.room(record.len() + RECORD_FRAME_BYTES);
    let count = traffic.encrypt(record, room).map_err(io::Error::other)?;
    outgoing.add(count);
    Ok(())
}

fn encode(
    message: &mut EncodeTlsData<'_, ClientConnectionData>,
    outgoing: &mut Buffer,
) -> io::Result<()> {
    let encoded = match message.encode(outgoing.room(0)) {
        Err(EncodeError::InsufficientSize(size)) => {
            message.encode(outgoing.room(size.required_size))
        }
        encoded => encoded,
    };
    outgoing.add(encoded.map_err(io::Error::other)?);
    Ok(())
}

#[cfg(test)]
mod tests;
