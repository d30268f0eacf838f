//! The byte streams under a connection: TCP, which sends out of a file by itself, and TLS over it.

use std::{
    io::{self, Write},
    mem::MaybeUninit,
    os::fd::AsFd,
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
const TLS_BUFFER_BYTES: usize = 128 << 10;
/// What is read of a file at once for TLS: it and what it becomes stay in the processor's cache.
const TLS_READ_BYTES: usize = 64 << 10;
/// More than the records around one read add to it.
const TLS_FRAMES_BYTES: usize = 1 << 10;
/// What a TLS session may hold: a whole piece of a file, encrypted.
pub(crate) const TLS_SESSION_BYTES: usize =
    TLS_BUFFER_BYTES + TLS_BUFFER_BYTES / TLS_READ_BYTES * TLS_FRAMES_BYTES;

/// What a connection runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Sends the first bytes of the range from the file itself; ready with how many.
    fn poll_send_file(&mut self, _: &mut Context<'_>, _: &FileRange) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    /// Has the runtime around hear of it from now on, instead of the one that did.
    fn settle(&mut self) -> io::Result<()> {
        Ok(())
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

    fn settle(&mut self) -> io::Result<()> {
        // With a descriptor of its own: the old one goes with what the old runtime knows of it.
        let socket = self.as_fd().try_clone_to_owned()?;
        *self = Self::from_std(socket.into())?;
        Ok(())
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
    /// What is read lies on the stack, still in the processor's cache when it is encrypted.
    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        range: &FileRange,
    ) -> Poll<io::Result<usize>> {
        // Then all of what is read finds room.
        ready!(Pin::new(&mut *self).poll_flush(context))?;
        let (_, session) = self.get_mut();
        let mut scratch = [const { MaybeUninit::uninit() }; TLS_READ_BYTES];
        let wanted = range.len().min(TLS_BUFFER_BYTES);
        let mut taken = 0;
        while taken < wanted {
            let (room, _) = scratch.split_at_mut((wanted - taken).min(TLS_READ_BYTES));
            let (bytes, _) = rustix::io::pread(range.file(), room, range.at() + taken as u64)?;
            if bytes.is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            session.writer().write_all(bytes)?;
            taken += bytes.len();
        }
        // What the socket does not take yet leaves before the next piece is read.
        match Pin::new(self).poll_flush(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(taken)),
        }
    }

    fn settle(&mut self) -> io::Result<()> {
        self.get_mut().0.settle()
    }
}
