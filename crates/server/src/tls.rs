//! TLS: certificates from PEM files, exchanged while connections go on.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// Where a certificate (with its chain) and its key lie, both as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} holds no certificate in PEM form")]
    NoCertificate { path: PathBuf },
    #[error("{path} holds no private key in PEM form")]
    NoKey { path: PathBuf },
    #[error("the certificate and the key do not make a pair")]
    Mismatch(#[source] rustls::Error),
    #[error("the TLS settings are impossible")]
    Settings(#[source] rustls::Error),
}

/// The certificate in force. Connections keep what they began with; new ones get the newest.
#[derive(Debug)]
pub struct Certificates {
    files: CertificateFiles,
    stamp: Mutex<Stamp>,
    resolver: Arc<Resolver>,
}

#[derive(Debug)]
struct Resolver(ArcSwap<CertifiedKey>);

/// What shows that the files have changed. Both files are followed through symbolic links, the way
/// Kubernetes exchanges secrets.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// They cannot be read or do not belong together.
    pub fn load(files: CertificateFiles) -> Result<Self, TlsError> {
        let stamp = files.stamp();
        let key = files.read()?;
        Ok(Self {
            files,
            stamp: Mutex::new(stamp),
            resolver: Arc::new(Resolver(ArcSwap::from_pointee(key))),
        })
    }

    /// Reads the files again; what is in force stays in force if they are bad.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn reload(&self) -> Result<(), TlsError> {
        let stamp = self.files.stamp();
        let key = self.files.read()?;
        self.resolver.0.store(Arc::new(key));
        *self.stamp.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
        Ok(())
    }

    /// Reads the files again if they look different; says whether it did. Bad files are reported
    /// once, not at every look.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn reload_if_changed(&self) -> Result<bool, TlsError> {
        let stamp = self.files.stamp();
        {
            let mut last = self.stamp.lock().unwrap_or_else(PoisonError::into_inner);
            if *last == stamp {
                return Ok(false);
            }
            *last = stamp;
        }
        self.reload().map(|()| true)
    }

    /// TLS 1.2 and 1.3 with the certificate in force at each handshake.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(TlsError::Settings)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Resolver>::clone(&self.resolver));
        // Clients keep few connections for long: one ticket is enough, and cheaper.
        config.send_tls13_tickets = 1;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl CertificateFiles {
    fn read(&self) -> Result<CertifiedKey, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(&self.certificate)?)
            .collect::<Result<_, _>>()
            .map_err(|_| self.no_certificate())?;
        if chain.is_empty() {
            return Err(self.no_certificate());
        }
        let key =
            PrivateKeyDer::from_pem_slice(&read(&self.key)?).map_err(|_| TlsError::NoKey {
                path: self.key.clone(),
            })?;
        CertifiedKey::from_der(chain, key, &provider()).map_err(TlsError::Mismatch)
    }

    fn no_certificate(&self) -> TlsError {
        TlsError::NoCertificate {
            path: self.certificate.clone(),
        }
    }

    fn stamp(&self) -> Stamp {
        [&self.certificate, &self.key].map(|path| {
            let found = fs::metadata(path).ok()?;
            Some((found.modified().ok()?, found.len()))
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
