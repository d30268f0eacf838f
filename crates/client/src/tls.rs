//! TLS: which authority is trusted.

use std::{path::PathBuf, sync::Arc};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use thiserror::Error;

use crate::Trust;

/// Why no TLS connection can be tried.
#[derive(Debug, Error)]
pub enum TrustError {
    #[error("cannot read the CA file {}: {reason}", path.display())]
    CaFile { path: PathBuf, reason: String },
    #[error("the CA file {} holds no certificate", path.display())]
    CaEmpty { path: PathBuf },
    #[error("{name:?} is neither a host name nor an address")]
    ServerName { name: String },
    #[error("TLS is not available: {0}")]
    Provider(rustls::Error),
}

/// What a TLS connection needs besides a socket.
pub(crate) struct Tls {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) server_name: ServerName<'static>,
}

impl Tls {
    pub(crate) fn new(trust: &Trust, host: &str) -> Result<Self, TrustError> {
        let name = trust.server_name.as_deref().unwrap_or(host);
        let server_name =
            ServerName::try_from(name.to_owned()).map_err(|_| TrustError::ServerName {
                name: name.to_owned(),
            })?;
        let unreadable = |reason: String| TrustError::CaFile {
            path: trust.ca.clone(),
            reason,
        };
        let mut roots = RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(&trust.ca)
            .map_err(|error| unreadable(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| unreadable(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(TrustError::CaEmpty {
                path: trust.ca.clone(),
            });
        }
        // Never the process's default provider: two may be compiled in.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TrustError::Provider)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            config: Arc::new(config),
            server_name,
        })
    }
}
