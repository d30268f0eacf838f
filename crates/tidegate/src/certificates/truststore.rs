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

use super::der::{element, explicit, integer, object_id, octets, sequence, set};

const DATA: &[u32] = &[1, 2, 840, 113_549, 1, 7, 1];
const CERTIFICATE_BAG: &[u32] = &[1, 2, 840, 113_549, 1, 12, 10, 1, 3];
const X509_CERTIFICATE: &[u32] = &[1, 2, 840, 113_549, 1, 9, 22, 1];
const FRIENDLY_NAME: &[u32] = &[1, 2, 840, 113_549, 1, 9, 20];
const TRUSTED_KEY_USAGE: &[u32] = &[2, 16, 840, 1, 113_894, 746_875, 1, 1];
const ANY_EXTENDED_KEY_USAGE: &[u32] = &[2, 5, 29, 37, 0];
const SHA_256: &[u32] = &[2, 16, 840, 1, 101, 3, 4, 2, 1];

const ITERATIONS: u32 = 10_000;
const SALT_BYTES: usize = 20;
/// SHA-256's block, to which the derivation stretches salt and password.
const BLOCK_BYTES: usize = 64;
const BMP_STRING: u8 = 0x1e;

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
    let bag = sequence(&[
        object_id(CERTIFICATE_BAG),
        explicit(&sequence(&[
            object_id(X509_CERTIFICATE),
            explicit(&octets(certificate)),
        ])),
        set(&[
            attribute(FRIENDLY_NAME, element(BMP_STRING, &utf16(name))),
            attribute(TRUSTED_KEY_USAGE, object_id(ANY_EXTENDED_KEY_USAGE)),
        ]),
    ]);
    let safe = sequence(&[data(&sequence(&[bag]))]);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &mac_key(password, &salt));
    let tag = hmac::sign(&key, &safe);
    let algorithm = sequence(&[object_id(SHA_256), element(0x05, &[])]);
    let mac = sequence(&[
        sequence(&[algorithm, octets(tag.as_ref())]),
        octets(&salt),
        integer(ITERATIONS),
    ]);
    Ok(sequence(&[integer(3), data(&safe), mac]))
}

/// Whether a truststore of ours holds this certificate: it stands there unencrypted.
pub(super) fn holds(truststore: &[u8], certificate: &CertificateDer<'_>) -> bool {
    let wanted: &[u8] = certificate.as_ref();
    !wanted.is_empty()
        && truststore
            .windows(wanted.len())
            .any(|window| window == wanted)
}

fn data(content: &[u8]) -> Vec<u8> {
    sequence(&[object_id(DATA), explicit(&octets(content))])
}

fn attribute(id: &[u32], value: Vec<u8>) -> Vec<u8> {
    sequence(&[object_id(id), set(&[value])])
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// The key derivation of RFC 7292, appendix B, for purpose 3 (MAC). One round of its outer loop
/// gives as many bytes as HMAC-SHA256 wants, so the loop's feedback step is never needed.
fn mac_key(password: &str, salt: &[u8]) -> Vec<u8> {
    const PURPOSE_MAC: u8 = 3;
    let mut secret = utf16(password);
    secret.extend_from_slice(&[0, 0]);
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
