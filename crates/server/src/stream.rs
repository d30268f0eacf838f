//! The byte streams under a connection: TCP, which sends out of a file by itself, and TLS over it.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use model::FileRange;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// What TLS encrypts before the socket must take it; a slow client may hold so much of ours.
pub(crate) const TLS_BUFFER_BYTES: usize = 128 << 10;

/// What a connection runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Sends the first bytes of the range from the file itself; ready with how many.
    fn poll_send_file(&mut self, _: &mut Context<'_>, _: &FileRange) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

impl Stream for TcpStream {
    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        range: &FileRange,
    ) -> Poll<io::Result<usize>> {
        poll_when_writable(self, context, || {
            let mut at = range.at();
            let file = range.file();
            match rustix::fs::sendfile(&*self, file, Some(&mut at), range.len())? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                sent => Ok(sent),
            }
        })
    }
}

/// Calls the socket when it takes something, until it does.
fn poll_when_writable(
    stream: &TcpStream,
    context: &mut Context<'_>,
    mut call: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(context))?;
        match stream.try_io(Interest::WRITABLE, &mut call) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return Poll::Ready(done),
        }
    }
}

impl Stream for TlsStream<TcpStream> {
    /// What is read lies on the stack, so that it is still in the processor's cache when it is
    /// encrypted.
    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        range: &FileRange,
    ) -> Poll<io::Result<usize>> {
        // Then all of what is read finds room.
        ready!(Pin::new(&mut *self).poll_flush(context))?;
        let mut scratch = [const { MaybeUninit::uninit() }; TLS_BUFFER_BYTES];
        let (room, _) = scratch.split_at_mut(range.len().min(TLS_BUFFER_BYTES));
        let (bytes, _) = rustix::io::pread(range.file(), room, range.at())?;
        if bytes.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        Pin::new(self).poll_write(context, bytes)
    }
}
