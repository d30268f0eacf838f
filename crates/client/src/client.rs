//! The client: a connection with the calls that its other files add.

use std::time::Duration;

use kafka_protocol::{messages::TopicName, protocol::StrBytes};
use wire::codec::Request;

use crate::{ConnectError, Connection, RequestError, Target};

/// Talks to one broker.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    pub(crate) timeout: Duration,
}

impl Client {
    /// Connects and logs in.
    ///
    /// # Errors
    /// The step that failed.
    pub async fn connect(target: &Target) -> Result<Self, ConnectError> {
        Ok(Self {
            connection: Connection::open(target).await?,
            timeout: target.timeout,
        })
    }

    /// The connection below, for requests that have no call of their own.
    #[must_use]
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// The broker's certificate, in DER; none without TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        self.connection.certificate()
    }

    /// What the broker is told to take at most, in milliseconds.
    pub(crate) fn timeout_ms(&self) -> i32 {
        i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX)
    }

    pub(crate) async fn call<R: Request>(
        &mut self,
        request: &R,
    ) -> Result<R::Response, RequestError> {
        self.connection.call(request, i16::MAX, self.timeout).await
    }

    pub(crate) async fn call_up_to<R: Request>(
        &mut self,
        request: &R,
        newest: i16,
    ) -> Result<R::Response, RequestError> {
        self.connection.call(request, newest, self.timeout).await
    }
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}
