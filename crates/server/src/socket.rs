//! What the system is told about a connection's socket.

use std::{net::SocketAddr, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tracing::debug;

use crate::Limits;

/// Silence after which the system asks whether the other machine is still there.
const KEEPALIVE: Duration = Duration::from_secs(120);

/// Small replies leave at once, dead machines are noticed, and the kernel holds no more of the
/// replies than the processor's cache does.
pub(crate) fn prepare(stream: &TcpStream, remote: SocketAddr, limits: &Limits) {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    let send_buffer = limits.socket_send_buffer_bytes;
    let set = stream
        .set_nodelay(true)
        .and_then(|()| socket.set_tcp_keepalive(&keepalive))
        .and_then(|()| send_buffer.map_or(Ok(()), |bytes| socket.set_send_buffer_size(bytes)));
    if let Err(error) = set {
        debug!(%error, "cannot set a socket option");
    }
    #[cfg(target_os = "linux")]
    if remote.ip().to_canonical().is_loopback() {
        unpace(stream);
    }
}

/// Two programs of one machine share no network: congestion control that paces what is sent (BBR)
/// only adds a timer to every burst. Reno never does, and every Linux has it for everyone.
#[cfg(target_os = "linux")]
fn unpace(stream: &TcpStream) {
    if let Err(error) = rustix::net::sockopt::set_tcp_congestion(stream, "reno") {
        debug!(%error, "cannot choose the congestion control");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_system_holds_as_much_of_the_replies_as_the_limit_says() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let untouched = TcpStream::connect(address).await.unwrap();
        let own = SockRef::from(&untouched).send_buffer_size().unwrap();
        // Linux counts its own bookkeeping in, as much again.
        for (limit, expected) in [(Some(65_536), 131_072), (None, own)] {
            let stream = TcpStream::connect(address).await.unwrap();
            let limits = Limits {
                socket_send_buffer_bytes: limit,
                ..Limits::default()
            };
            prepare(&stream, address, &limits);
            let found = SockRef::from(&stream).send_buffer_size().unwrap();
            assert_eq!(found, expected, "{limit:?}");
        }
    }

    #[tokio::test]
    async fn what_is_sent_within_the_machine_is_not_paced_and_what_leaves_it_follows_the_system() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let control = |stream: &TcpStream| rustix::net::sockopt::tcp_congestion(stream).unwrap();
        for (remote, is_local) in [
            ("127.0.0.1:9", true),
            ("[::1]:9", true),
            ("[::ffff:127.0.0.1]:9", true),
            ("192.0.2.1:9", false),
            ("[2001:db8::1]:9", false),
        ] {
            let address = listener.local_addr().unwrap();
            let client = TcpStream::connect(address).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            prepare(&stream, remote.parse().unwrap(), &Limits::default());
            let expected = if is_local { "reno" } else { &control(&client) };
            assert_eq!(control(&stream), expected, "{remote}");
        }
    }
}
