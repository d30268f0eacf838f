//! Every bound on what clients may take from the server, by name.

use std::time::Duration;

use crate::pace::LeastPace;

/// The server's limits; each is a setting of the operator.
#[derive(Clone, Debug)]
pub struct Limits {
    pub connection_count_max: usize,
    /// None: no bound per address.
    pub connections_per_ip_max: Option<usize>,
    /// Requests of one connection that may await their reply.
    pub requests_in_flight_max: usize,
    /// Bytes of requests that are being read or handled, over all connections.
    pub incoming_bytes_max: usize,
    /// Bytes of replies that wait for their readers, over all connections.
    pub outgoing_bytes_max: usize,
    /// Bytes of replies waiting on one connection before it is not read any more. One reply may
    /// exceed it.
    pub outgoing_bytes_per_connection_max: usize,
    /// What the kernel holds of one connection's replies, at most; none leaves it to the kernel.
    pub socket_send_buffer_bytes: Option<usize>,
    /// How long a connection may say nothing while nothing is owed to it.
    pub idle_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long a client may take to log in, its TLS handshake included, where a login is due.
    pub login_timeout: Duration,
    /// How long a frame may pause between two of its bytes.
    pub frame_stall_timeout: Duration,
    /// How long a frame may take as a whole.
    pub frame_timeout: Duration,
    /// What a frame, and what is sent to a client, must move in a second on average; 0: nothing.
    pub transfer_rate_min: u64,
    /// How long a frame or a reply may wait for memory that others hold.
    pub memory_timeout: Duration,
    /// How long a client may take in nothing of what is being sent to it.
    pub write_stall_timeout: Duration,
    /// How long a closed connection is still drained, so that its last reply arrives.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connection_count_max: 20_000,
            connections_per_ip_max: None,
            requests_in_flight_max: 100,
            incoming_bytes_max: 256 << 20,
            outgoing_bytes_max: 512 << 20,
            outgoing_bytes_per_connection_max: 1 << 20,
            socket_send_buffer_bytes: Some(1 << 20),
            idle_timeout: Duration::from_secs(600),
            handshake_timeout: Duration::from_secs(10),
            login_timeout: Duration::from_secs(30),
            frame_stall_timeout: Duration::from_secs(30),
            frame_timeout: Duration::from_secs(600),
            transfer_rate_min: 4 << 10,
            memory_timeout: Duration::from_secs(30),
            write_stall_timeout: Duration::from_secs(60),
            linger: Duration::from_millis(500),
        }
    }
}

impl Limits {
    pub(crate) const fn least_pace_of_frames(&self) -> LeastPace {
        LeastPace {
            grace: self.frame_stall_timeout,
            bytes_per_second: self.transfer_rate_min,
        }
    }

    pub(crate) const fn least_pace_of_replies(&self) -> LeastPace {
        LeastPace {
            grace: self.write_stall_timeout,
            bytes_per_second: self.transfer_rate_min,
        }
    }
}
