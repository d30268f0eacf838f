//! What encrypting and decrypting alone cost on this machine: no TLS can take less.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, Nonce, UnboundKey};
use serde::Serialize;

use crate::options::Options;

/// The longest that TLS encrypts at once.
const RECORD_BYTES: usize = 16 << 10;
const BYTES_PER_GB: f64 = 1e9;

/// CPU seconds for each GB, by one core with its data in its cache.
#[derive(Debug, Serialize)]
pub(crate) struct Crypto {
    seal_s_per_gb: f64,
    open_s_per_gb: f64,
}

/// Seals and opens the same record for the set time, with the cipher that rustls prefers and the
/// library that broker and generator have for it.
pub(crate) fn measure(options: &Options) -> Result<Crypto> {
    let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(|_| anyhow!("a key of 32 bytes"))?;
    let key = LessSafeKey::new(key);
    let nonce = || Nonce::assume_unique_for_key([0; 12]);
    let refused = |_| anyhow!("a record of this length is sealed and opened");
    let mut record = Vec::with_capacity(RECORD_BYTES + MAX_TAG_LEN);
    let (mut sealing, mut opening) = (Duration::MAX, Duration::MAX);
    let started = Instant::now();
    // The quickest of many: others on the machine only make it slower.
    while started.elapsed().as_secs_f64() < options.seconds {
        record.clear();
        record.resize(RECORD_BYTES, 7);
        let began = Instant::now();
        key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut record)
            .map_err(refused)?;
        let sealed = Instant::now();
        key.open_in_place(nonce(), Aad::empty(), &mut record)
            .map_err(refused)?;
        opening = opening.min(sealed.elapsed());
        sealing = sealing.min(sealed - began);
    }
    let s_per_gb = |took: Duration| took.as_secs_f64() / RECORD_BYTES as f64 * BYTES_PER_GB;
    Ok(Crypto {
        seal_s_per_gb: s_per_gb(sealing),
        open_s_per_gb: s_per_gb(opening),
    })
}
