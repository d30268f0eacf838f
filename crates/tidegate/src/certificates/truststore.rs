//! A PKCS #12 file with one trusted certificate, as Java wants it (RFC 7292).
//!
//! ```text
//! PFX { 3, data { [ data { [ certificate bag, named, trusted for any use ] } ] }, MAC }
//! ```
//!
//! The certificate is public, so nothing is encrypted; the MAC is what Java asks the password for.
//! Java lists a certificate as trusted only if its bag carries Oracle's trusted-key-usage attribute.

use ring::{digest, hmac, rand::SecureRandom};
use rustls_pki_types::CertificateDer;
use yasna::models::ObjectIdentifier;
use yasna::{DERWriter, Tag};

const DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 1];
const CERTIFICATE_BAG: &[u64] = &[1, 2, 840, 113_549, 1, 12, 10, 1, 3];
const X509_CERTIFICATE: &[u64] = &[1, 2, 840, 113_549, 1, 9, 22, 1];
const FRIENDLY_NAME: &[u64] = &[1, 2, 840, 113_549, 1, 9, 20];
const TRUSTED_KEY_USAGE: &[u64] = &[2, 16, 840, 1, 113_894, 746_875, 1, 1];
const ANY_EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37, 0];
const SHA_256: &[u64] = &[2, 16, 840, 1, 101, 3, 4, 2, 1];

const ITERATIONS: u32 = 10_000;
const SALT_BYTES: usize = 20;
/// SHA-256's block, to which the derivation stretches salt and password.
const BLOCK_BYTES: usize = 64;

/// A truststore that holds `certificate` under `name`.
pub(super) fn encode(
    certificate: &CertificateDer<'_>,
    name: &str,
    password: &str,
) -> anyhow::Result<Vec<u8>> {
    let mut salt = [0; SALT_BYTES];
    ring::rand::SystemRandom::new()
        .fill(&mut salt)
        .map_err(|_| anyhow::anyhow!("the system has no random numbers"))?;
    let safe = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            let bags = yasna::construct_der(|writer| {
                writer.write_sequence(|writer| write_bag(writer.next(), certificate, name));
            });
            write_data(writer.next(), &bags);
        });
    });
    let key = hmac::Key::new(hmac::HMAC_SHA256, &mac_key(password, &salt));
    let tag = hmac::sign(&key, &safe);
    Ok(yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_u32(3);
            write_data(writer.next(), &safe);
            write_mac(writer.next(), tag.as_ref(), &salt);
        });
    }))
}

/// Whether a truststore of ours holds this certificate: it stands there unencrypted.
pub(super) fn holds(truststore: &[u8], certificate: &CertificateDer<'_>) -> bool {
    let wanted: &[u8] = certificate.as_ref();
    !wanted.is_empty()
        && truststore
            .windows(wanted.len())
            .any(|window| window == wanted)
}

fn write_oid(writer: DERWriter<'_>, arcs: &[u64]) {
    writer.write_oid(&ObjectIdentifier::from_slice(arcs));
}

/// What it is, and its content in octets.
fn write_octets(writer: DERWriter<'_>, kind: &[u64], content: &[u8]) {
    writer.write_sequence(|writer| {
        write_oid(writer.next(), kind);
        let explicit = writer.next();
        explicit.write_tagged(Tag::context(0), |writer| writer.write_bytes(content));
    });
}

fn write_data(writer: DERWriter<'_>, content: &[u8]) {
    write_octets(writer, DATA, content);
}

fn write_bag(writer: DERWriter<'_>, certificate: &[u8], name: &str) {
    writer.write_sequence(|writer| {
        write_oid(writer.next(), CERTIFICATE_BAG);
        writer.next().write_tagged(Tag::context(0), |writer| {
            write_octets(writer, X509_CERTIFICATE, certificate);
        });
        writer.next().write_set(|writer| {
            write_attribute(writer.next(), FRIENDLY_NAME, |value| {
                value.write_bmp_string(name);
            });
            write_attribute(writer.next(), TRUSTED_KEY_USAGE, |value| {
                write_oid(value, ANY_EXTENDED_KEY_USAGE);
            });
        });
    });
}

fn write_attribute(writer: DERWriter<'_>, id: &[u64], value: impl FnOnce(DERWriter<'_>)) {
    writer.write_sequence(|writer| {
        write_oid(writer.next(), id);
        writer.next().write_set(|writer| value(writer.next()));
    });
}

fn write_mac(writer: DERWriter<'_>, tag: &[u8], salt: &[u8]) {
    writer.write_sequence(|writer| {
        writer.next().write_sequence(|writer| {
            writer.next().write_sequence(|writer| {
                write_oid(writer.next(), SHA_256);
                writer.next().write_null();
            });
            writer.next().write_bytes(tag);
        });
        writer.next().write_bytes(salt);
        writer.next().write_u32(ITERATIONS);
    });
}

/// The key derivation of RFC 7292, appendix B, for purpose 3 (MAC). One round of its outer loop
/// gives as many bytes as HMAC-SHA256 wants, so the loop's feedback step is never needed.
fn mac_key(password: &str, salt: &[u8]) -> Vec<u8> {
    const PURPOSE_MAC: u8 = 3;
    let units = password.encode_utf16().chain([0]);
    let secret: Vec<u8> = units.flat_map(u16::to_be_bytes).collect();
    let mut input = vec![PURPOSE_MAC; BLOCK_BYTES];
    for part in [salt, &secret] {
        let length = part.len().div_ceil(BLOCK_BYTES) * BLOCK_BYTES;
        input.extend(part.iter().cycle().take(length));
    }
    let mut hash = digest::digest(&digest::SHA256, &input);
    for _ in 1..ITERATIONS {
        hash = digest::digest(&digest::SHA256, hash.as_ref());
    }
    hash.as_ref().to_vec()
}
