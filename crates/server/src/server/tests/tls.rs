//! TLS listeners: names, mix-ups, and certificates exchanged in flight.

use std::{fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

use super::*;
use crate::{CertificateFiles, TlsError};

/// A certificate for `localhost` and `dev.example` in a folder; gives its authority's.
fn write_certificate(folder: &Path) -> CertificateDer<'static> {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let names = ["localhost".to_owned(), "dev.example".to_owned()];
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    fs::write(folder.join("cert.pem"), leaf.pem()).unwrap();
    authority.der().clone()
}

fn files(folder: &Path) -> CertificateFiles {
    CertificateFiles {
        certificate: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    }
}

pub(super) struct TlsWorld {
    pub(super) world: World,
    certificates: Arc<Certificates>,
    authority: CertificateDer<'static>,
    folder: TempDir,
}

impl TlsWorld {
    fn new(limits: Limits) -> Self {
        Self::on(Workers::default(), limits)
    }

    pub(super) fn on(workers: Workers, limits: Limits) -> Self {
        let folder = TempDir::new().unwrap();
        let authority = write_certificate(folder.path());
        let certificates = Arc::new(Certificates::load(files(folder.path())).unwrap());
        let held = Some(Arc::clone(&certificates));
        let world = World::on(workers, limits, Security::Tls, held);
        Self {
            world,
            certificates,
            authority,
            folder,
        }
    }

    pub(super) async fn connect(
        &self,
        name: &'static str,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = self.world.connect().await;
        let name = ServerName::try_from(name).unwrap();
        within(connector.connect(name, stream)).await
    }
}

pub(super) const BOTH: &[&rustls::SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];

#[tokio::test]
async fn both_tls_versions_serve_and_tell_the_server_name() {
    let tls = TlsWorld::new(Limits::default());
    for versions in [&BOTH[..1], &BOTH[1..]] {
        let mut stream = tls.connect("dev.example", versions).await.unwrap();
        let body = vec![b'e'; 300_000];
        send(&mut stream, &body).await;
        assert!(receive(&mut stream).await == body);
        let name = tls.world.echo.server_name.lock().unwrap().take();
        assert_eq!(name.as_deref(), Some("dev.example"));
    }
}

#[tokio::test]
async fn what_lies_in_a_file_is_encrypted_in_its_place_among_the_rest() {
    let tls = TlsWorld::new(Limits::default());
    for versions in [&BOTH[..1], &BOTH[1..]] {
        let mut stream = tls.connect("localhost", versions).await.unwrap();
        flow::gets_files_in_their_places(&mut stream).await;
        flow::gets_a_file_slowly(&mut stream).await;
    }
}

#[tokio::test]
async fn what_is_no_tls_is_closed_and_the_log_says_why() {
    let cases: [(&[u8], &str); 5] = [
        (
            b"\0\0\0\x0a\0\x12\0\0\0\0\0\0\0\0",
            "the client speaks without TLS on a TLS listener",
        ),
        (b"GET /metrics HTTP/1.1\r\n\r\n", "the client speaks HTTP"),
        (b"\x16\x03\x01\0\x04\xff\0\0\0", "the TLS handshake failed"),
        (b"\x16\x03\x01", "the TLS handshake took longer than 500ms"),
        (b"", "the TLS handshake took longer than 500ms"),
    ];
    for (bytes, expected) in cases {
        let tls = TlsWorld::new(short());
        let mut stream = tls.world.connect().await;
        stream.write_all(bytes).await.unwrap();
        // The server may say goodbye in TLS' own words.
        let mut rest = Vec::new();
        drop(within(stream.read_to_end(&mut rest)).await);
        drop(stream);
        tls.world.log.wait_for(expected).await;
        assert!(tls.connect("localhost", BOTH).await.is_ok());
    }
}

#[tokio::test]
async fn a_new_certificate_serves_new_connections_and_old_ones_go_on() {
    let mut tls = TlsWorld::new(Limits::default());
    let mut old = tls.connect("localhost", BOTH).await.unwrap();
    assert!(!tls.certificates.reload_if_changed().unwrap());

    let authority = write_certificate(tls.folder.path());
    tls.certificates.reload().unwrap();
    assert!(
        tls.connect("localhost", BOTH).await.is_err(),
        "the old authority signed nothing new"
    );
    tls.authority = authority;
    let mut new = tls.connect("localhost", BOTH).await.unwrap();
    for stream in [&mut old, &mut new] {
        send(stream, b"e").await;
        assert_eq!(receive(stream).await, b"e");
    }
}

#[tokio::test]
async fn a_bad_new_certificate_leaves_the_old_one_in_force() {
    let tls = TlsWorld::new(Limits::default());
    fs::write(tls.folder.path().join("cert.pem"), "rubbish").unwrap();
    assert!(matches!(
        tls.certificates.reload_if_changed(),
        Err(TlsError::NoCertificate { .. })
    ));
    // Reported once.
    assert!(!tls.certificates.reload_if_changed().unwrap());
    assert!(tls.connect("localhost", BOTH).await.is_ok());
}

#[test]
fn certificates_that_cannot_serve_are_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let load = || Certificates::load(files(folder.path())).unwrap_err();
    assert!(matches!(load(), TlsError::Read { .. }));
    write_certificate(folder.path());
    let key = KeyPair::generate().unwrap().serialize_pem();
    fs::write(folder.path().join("key.pem"), key).unwrap();
    assert!(matches!(load(), TlsError::Mismatch(_)));
    fs::write(folder.path().join("key.pem"), "").unwrap();
    assert!(matches!(load(), TlsError::NoKey { .. }));
}

#[tokio::test]
async fn a_tls_listener_without_certificate_is_not_opened() {
    let error = bind(vec![listener(Security::SaslTls)], None).unwrap_err();
    assert!(matches!(error, BindError::NoCertificate { .. }));
}
