//! The certificate authority and the server certificate that Tidegate makes for itself.
//!
//! ```text
//! <data dir>/tls/ca.pem          give this to clients
//! <data dir>/tls/ca.key          0600; signs renewals
//! <data dir>/tls/server.pem      leaf, then the CA
//! <data dir>/tls/server.key      0600
//! <data dir>/tls/truststore.p12  ca.pem for Java; password "changeit"
//! ```

mod truststore;
mod validity;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use model::Timestamp;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};

pub(crate) use self::validity::not_after;
use crate::{
    files::{self, Readers},
    settings::Settings,
};

/// Long enough that clients never have to be given a new one; the leaf is what gets renewed.
const CA_VALIDITY: Duration = Duration::from_secs(20 * 365 * 86_400);
/// Clocks of clients may be behind ours.
const CLOCK_SKEW: Duration = Duration::from_secs(86_400);
/// The password of every Java truststore; what it protects is public.
pub(crate) const TRUSTSTORE_PASSWORD: &str = "changeit";

/// Where the files are.
#[derive(Clone, Debug)]
pub(crate) struct TlsPaths {
    pub(crate) directory: PathBuf,
    pub(crate) ca: PathBuf,
    pub(crate) ca_key: PathBuf,
    pub(crate) server: PathBuf,
    pub(crate) server_key: PathBuf,
    pub(crate) truststore: PathBuf,
}

impl TlsPaths {
    pub(crate) fn of(data_dir: &Path) -> Self {
        let directory = data_dir.join("tls");
        let file = |name: &str| directory.join(name);
        Self {
            ca: file("ca.pem"),
            ca_key: file("ca.key"),
            server: file("server.pem"),
            server_key: file("server.key"),
            truststore: file("truststore.p12"),
            directory,
        }
    }
}

/// What a certificate has to be for, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct CertificateWish {
    /// Host names and addresses.
    pub(crate) names: BTreeSet<String>,
    pub(crate) validity: Duration,
    pub(crate) renew_before: Duration,
}

impl CertificateWish {
    /// Every name under which a client may reach this broker.
    pub(crate) fn of(settings: &Settings, host: Option<&str>) -> Self {
        let fixed = ["localhost", "127.0.0.1", "::1"];
        let mut names: BTreeSet<String> = fixed.map(str::to_owned).into();
        names.extend(host.map(str::to_owned));
        names.extend(settings.tls.names.iter().cloned());
        for listener in &settings.listeners {
            names.extend(
                listener
                    .advertised
                    .iter()
                    .map(|endpoint| endpoint.host.clone()),
            );
        }
        for namespace in &settings.namespaces {
            names.extend(namespace.hosts.iter().cloned());
            names.insert(format!("{}.localhost", namespace.name));
        }
        // A name that no certificate can carry (an underscore, say) must not stop the start.
        names.retain(|name| ServerName::try_from(name.as_str()).is_ok());
        Self {
            names,
            validity: settings.tls.validity,
            renew_before: settings.tls.renew_before,
        }
    }
}

/// This machine's name, where it can stand in a certificate.
pub(crate) fn host_name() -> Option<String> {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_str().ok()?.to_ascii_lowercase();
    (!name.is_empty() && name != "localhost").then_some(name)
}

/// What [`ensure`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ensured {
    Kept,
    /// A new server certificate under the CA that was there.
    Renewed,
    /// A new CA: clients have to be given its certificate.
    Created,
}

/// Makes what is missing, and renews a server certificate that is near its end or lacks a name.
pub(crate) fn ensure(
    paths: &TlsPaths,
    wish: &CertificateWish,
    now: Timestamp,
) -> anyhow::Result<Ensured> {
    files::make_directory(&paths.directory)?;
    let certificate = files::read_if_there(&paths.ca)?;
    let key = files::read_if_there(&paths.ca_key)?;
    let (ca_pem, issuer, created) = match (certificate, key) {
        (Some(pem), _) if is_good(paths, &pem, wish, now) => {
            ensure_truststore(paths, &pem)?;
            return Ok(Ensured::Kept);
        }
        (Some(pem), Some(key)) => (pem, load_issuer(&key)?, false),
        (None, None) => {
            let (pem, issuer) = create_ca(paths, now)?;
            (pem, issuer, true)
        }
        (Some(_), None) => bail!(
            "the server certificate must be renewed and {} is missing: put it back, or remove {} \
             to start with a new CA, which every client then has to trust",
            paths.ca_key.display(),
            paths.directory.display()
        ),
        (None, Some(_)) => bail!(
            "{} is there without {}: put the certificate back, or remove {}",
            paths.ca_key.display(),
            paths.ca.display(),
            paths.directory.display()
        ),
    };
    create_server(paths, &issuer, &ca_pem, wish, now)?;
    ensure_truststore(paths, &ca_pem)?;
    Ok(if created {
        Ensured::Created
    } else {
        Ensured::Renewed
    })
}

/// Whether the server certificate is signed by this CA, lasts long enough and has every name.
fn is_good(paths: &TlsPaths, ca_pem: &str, wish: &CertificateWish, now: Timestamp) -> bool {
    let check = || -> anyhow::Result<()> {
        let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes())?;
        let anchor = webpki::anchor_from_trusted_cert(&ca)?;
        let leaf = CertificateDer::from_pem_file(&paths.server)?;
        let leaf = webpki::EndEntityCert::try_from(&leaf)?;
        std::fs::metadata(&paths.server_key)?;
        for at in [now, now.plus(wish.renew_before)] {
            let seconds = u64::try_from(at.0 / 1000)?;
            leaf.verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                std::slice::from_ref(&anchor),
                &[],
                UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
                webpki::KeyUsage::server_auth(),
                None,
                None,
            )?;
        }
        for name in &wish.names {
            leaf.verify_is_valid_for_subject_name(&ServerName::try_from(name.as_str())?)?;
        }
        Ok(())
    };
    check().is_ok()
}

/// The CA's fixed parameters: with its key they are all that signing needs.
fn ca_params(now: Timestamp) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Tidegate");
    params
        .distinguished_name
        .push(DnType::CommonName, "Tidegate CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now, CA_VALIDITY)?;
    Ok(params)
}

fn set_validity(
    params: &mut CertificateParams,
    now: Timestamp,
    validity: Duration,
) -> anyhow::Result<()> {
    let start = time::OffsetDateTime::from_unix_timestamp(now.0 / 1000)?;
    // Counted from the backdated start, so that the whole span stays within what clients accept.
    params.not_before = start - CLOCK_SKEW;
    params.not_after = params.not_before + validity;
    Ok(())
}

fn create_ca(
    paths: &TlsPaths,
    now: Timestamp,
) -> anyhow::Result<(String, Issuer<'static, KeyPair>)> {
    let params = ca_params(now)?;
    let key = KeyPair::generate().context("make the CA's key")?;
    let certificate = params.self_signed(&key).context("sign the CA")?;
    let pem = certificate.pem();
    files::write(
        &paths.ca_key,
        key.serialize_pem().as_bytes(),
        Readers::Owner,
    )?;
    files::write(&paths.ca, pem.as_bytes(), Readers::Everyone)?;
    Ok((pem, Issuer::new(params, key)))
}

fn load_issuer(key: &str) -> anyhow::Result<Issuer<'static, KeyPair>> {
    let key = KeyPair::from_pem(key).context("read tls/ca.key")?;
    // The issuer's own dates are not copied into what it signs.
    Ok(Issuer::new(ca_params(Timestamp(0))?, key))
}

fn create_server(
    paths: &TlsPaths,
    issuer: &Issuer<'_, KeyPair>,
    ca_pem: &str,
    wish: &CertificateWish,
    now: Timestamp,
) -> anyhow::Result<()> {
    let key = KeyPair::generate().context("make the server's key")?;
    let certificate = sign_server(&key, issuer, wish, now).context("sign the server")?;
    let chain = format!("{}{ca_pem}", certificate.pem());
    files::write(
        &paths.server_key,
        key.serialize_pem().as_bytes(),
        Readers::Owner,
    )?;
    files::write(&paths.server, chain.as_bytes(), Readers::Everyone)
}

fn sign_server(
    key: &KeyPair,
    issuer: &Issuer<'_, KeyPair>,
    wish: &CertificateWish,
    now: Timestamp,
) -> anyhow::Result<Certificate> {
    let names: Vec<String> = wish.names.iter().cloned().collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Tidegate");
    params
        .distinguished_name
        .push(DnType::CommonName, "Tidegate server");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now, wish.validity)?;
    Ok(params.signed_by(key, issuer)?)
}

/// Java's form of `ca.pem`; made again whenever it is not there.
fn ensure_truststore(paths: &TlsPaths, ca_pem: &str) -> anyhow::Result<()> {
    let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes()).context("read tls/ca.pem")?;
    if paths.truststore.exists() {
        let written = std::fs::read(&paths.truststore).context("read tls/truststore.p12")?;
        if truststore::holds(&written, &ca) {
            return Ok(());
        }
    }
    let bytes = truststore::encode(&ca, "tidegate-ca", TRUSTSTORE_PASSWORD)?;
    files::write(&paths.truststore, &bytes, Readers::Everyone)
}

#[cfg(test)]
mod tests;
