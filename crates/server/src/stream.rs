//! The byte streams under a connection: TCP, which sends from files, and TLS over it, which can't.

use std::{
    io,
    task::{Context, Poll, ready},
};

use model::FileRange;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// What a connection runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Sends the first bytes of the range from the file itself; ready with how many.
    fn poll_send_file(&mut self, _: &mut Context<'_>, _: &FileRange) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

impl Stream for TlsStream<TcpStream> {}

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
