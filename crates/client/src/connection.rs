//! One connection: connecting step by step, then one request at a time.

use std::{collections::BTreeMap, future::Future, io, time::Duration};

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    messages::{SaslAuthenticateRequest, SaslHandshakeRequest},
    protocol::StrBytes,
};
use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use wire::{
    api::{ApiKey, VersionRange},
    api_versions::ApiVersionsRequest,
    codec::{self, Request},
    frame::{LENGTH_BYTES, frame_length},
};

use crate::{BrokerError, ConnectError, Login, RequestError, Target, tls::Tls};

/// The largest answer that is read: above the largest fetch that this client asks for.
const RESPONSE_BYTES_MAX: usize = 256 << 20;
/// Bytes read at a time, so that a frame's claimed length is not allocated before it arrives.
const READ_STEP_BYTES: usize = 1 << 20;
/// The version of ApiVersions to ask with; one that every broker since 2.4 answers.
const API_VERSIONS_VERSION: i16 = 3;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open, logged-in connection.
pub struct Connection {
    stream: Box<dyn Stream>,
    certificate: Option<CertificateDer<'static>>,
    client_id: String,
    timeout: Duration,
    versions: BTreeMap<i16, VersionRange>,
    correlation_id: i32,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("client_id", &self.client_id)
            .field("correlation_id", &self.correlation_id)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects, encrypts, learns the broker's versions and logs in, as the target says.
    ///
    /// # Errors
    /// The step that failed.
    pub async fn open(target: &Target) -> Result<Self, ConnectError> {
        let address = target.address();
        let Opened {
            stream,
            certificate,
        } = within(target, connect(target)).await??;
        let mut connection = Self {
            stream,
            certificate,
            client_id: target.client_id.clone(),
            timeout: target.timeout,
            versions: BTreeMap::new(),
            correlation_id: 0,
        };
        connection
            .learn_versions()
            .await
            .map_err(|source| ConnectError::Versions {
                address: address.clone(),
                source,
            })?;
        if let Some(login) = &target.login {
            connection.log_in(login, &address).await?;
        }
        Ok(connection)
    }

    /// The broker's certificate, in DER; none without TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    /// The versions of an API that the broker speaks.
    #[must_use]
    pub fn versions(&self, api: ApiKey) -> Option<VersionRange> {
        self.versions.get(&api.code()).copied()
    }

    /// Sends a request in the newest version that both sides know, up to `newest`, and waits for
    /// its answer; `patience` is what the broker may take on top of the target's timeout.
    ///
    /// # Errors
    /// No answer, or none that can be read.
    pub async fn call<R: Request>(
        &mut self,
        request: &R,
        newest: i16,
        patience: Duration,
    ) -> Result<R::Response, RequestError> {
        let version = self.pick::<R>(newest)?;
        self.exchange(request, version, patience).await
    }

    /// Sends a request to which no answer comes (Produce with acks=0).
    ///
    /// # Errors
    /// It was not sent.
    pub async fn call_without_answer<R: Request>(
        &mut self,
        request: &R,
        newest: i16,
    ) -> Result<(), RequestError> {
        let version = self.pick::<R>(newest)?;
        self.write(request, version).await.map(drop)
    }

    fn pick<R: Request>(&self, newest: i16) -> Result<i16, RequestError> {
        let unsupported = RequestError::Unsupported { api: R::API };
        let ours = R::API.facts().accepted;
        let Some(theirs) = self.versions(R::API) else {
            return Err(unsupported);
        };
        let version = newest.min(ours.max).min(theirs.max);
        if version < ours.min || version < theirs.min {
            return Err(unsupported);
        }
        Ok(version)
    }

    async fn exchange<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        patience: Duration,
    ) -> Result<R::Response, RequestError> {
        let after = self.timeout + patience;
        let answer = async {
            let expected = self.write(request, version).await?;
            let frame = self.read_frame().await?;
            let (found, response) = codec::decode_response::<R>(version, frame)?;
            if found != expected {
                return Err(RequestError::Correlation { expected, found });
            }
            Ok(response)
        };
        tokio::time::timeout(after, answer)
            .await
            .unwrap_or(Err(RequestError::Timeout { api: R::API, after }))
    }

    async fn write<R: Request>(&mut self, request: &R, version: i16) -> Result<i32, RequestError> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let frame = codec::encode_request(version, self.correlation_id, &self.client_id, request)?;
        self.stream.write_all(&frame).await?;
        self.stream.flush().await?;
        Ok(self.correlation_id)
    }

    async fn read_frame(&mut self) -> Result<Bytes, RequestError> {
        let mut prefix = [0; LENGTH_BYTES];
        self.stream
            .read_exact(&mut prefix)
            .await
            .map_err(closed_or_broken)?;
        let length = frame_length(prefix, RESPONSE_BYTES_MAX)?;
        let mut frame = BytesMut::with_capacity(length.min(READ_STEP_BYTES));
        while frame.len() < length {
            let missing = length - frame.len();
            frame.reserve(missing.min(READ_STEP_BYTES));
            let limit = u64::try_from(missing).unwrap_or(u64::MAX);
            let mut limited = (&mut self.stream).take(limit);
            if limited.read_buf(&mut frame).await? == 0 {
                return Err(RequestError::Closed);
            }
        }
        Ok(frame.freeze())
    }

    async fn learn_versions(&mut self) -> Result<(), RequestError> {
        let request = ApiVersionsRequest {
            client_software_name: StrBytes::from_static_str("tidegate"),
            client_software_version: StrBytes::from_static_str(env!("CARGO_PKG_VERSION")),
            ..ApiVersionsRequest::default()
        };
        let patience = Duration::ZERO;
        let answer = self
            .exchange(&request, API_VERSIONS_VERSION, patience)
            .await?;
        self.versions = answer
            .api_keys
            .iter()
            .map(|api| {
                let (min, max) = (api.min_version, api.max_version);
                (api.api_key, VersionRange { min, max })
            })
            .collect();
        Ok(())
    }

    async fn log_in(&mut self, login: &Login, address: &str) -> Result<(), ConnectError> {
        let failed = |source| ConnectError::LoginRequest {
            address: address.to_owned(),
            source,
        };
        let refused = |source| ConnectError::LoginRefused {
            address: address.to_owned(),
            source,
        };
        let handshake =
            SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str("PLAIN"));
        let answer = self
            .call(&handshake, 1, Duration::ZERO)
            .await
            .map_err(failed)?;
        BrokerError::check(answer.error_code, None).map_err(refused)?;

        let token = format!("\0{}\0{}", login.user, login.password);
        let request = SaslAuthenticateRequest::default().with_auth_bytes(token.into_bytes().into());
        let answer = self
            .call(&request, i16::MAX, Duration::ZERO)
            .await
            .map_err(failed)?;
        BrokerError::check(answer.error_code, answer.error_message.as_deref()).map_err(refused)
    }
}

struct Opened {
    stream: Box<dyn Stream>,
    certificate: Option<CertificateDer<'static>>,
}

async fn connect(target: &Target) -> Result<Opened, ConnectError> {
    let tls = match &target.tls {
        Some(trust) => Some(Tls::new(trust, &target.host)?),
        None => None,
    };
    let socket = connect_socket(target).await?;
    let Some(tls) = tls else {
        return Ok(Opened {
            stream: Box::new(socket),
            certificate: None,
        });
    };
    let connector = TlsConnector::from(tls.config);
    let stream = connector
        .connect(tls.server_name, socket)
        .await
        .map_err(|source| ConnectError::Tls {
            address: target.address(),
            source,
        })?;
    let shown = stream.get_ref().1.peer_certificates();
    let leaf = shown.and_then(|chain| chain.first());
    Ok(Opened {
        certificate: leaf.map(|leaf| leaf.clone().into_owned()),
        stream: Box::new(stream),
    })
}

/// Tries every address of the host; the last failure is the one that is told.
async fn connect_socket(target: &Target) -> Result<TcpStream, ConnectError> {
    let unresolved = |source| ConnectError::Resolve {
        host: target.host.clone(),
        source,
    };
    let addresses = tokio::net::lookup_host((target.host.as_str(), target.port))
        .await
        .map_err(unresolved)?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(socket) => {
                // Requests are small and wait for their answers.
                socket.set_nodelay(true).map_err(unresolved)?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(ConnectError::Connect {
        address: target.address(),
        source: last,
    })
}

async fn within<T>(target: &Target, step: impl Future<Output = T>) -> Result<T, ConnectError> {
    tokio::time::timeout(target.timeout, step)
        .await
        .map_err(|_| ConnectError::Timeout {
            address: target.address(),
            after: target.timeout,
        })
}

fn closed_or_broken(error: io::Error) -> RequestError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        RequestError::Closed
    } else {
        RequestError::Io(error)
    }
}

#[cfg(test)]
mod tests;
