//! When a certificate ends: the one field that is read out of it here.

use model::Timestamp;
use yasna::models::{GeneralizedTime, UTCTime};
use yasna::tags::TAG_UTCTIME;
use yasna::{ASN1Result, BERReader, Tag};

/// The end of a DER certificate's validity, where its bytes say one (RFC 5280, 4.1).
pub(crate) fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let seconds = yasna::parse_der(certificate, |reader| {
        reader.read_sequence(|reader| {
            let end = reader.next().read_sequence(|reader| {
                let version = Tag::context(0);
                reader.read_optional(|reader| {
                    reader.read_tagged(version, |reader| reader.read_der())
                })?;
                // Serial number, signature's algorithm, issuer.
                for _ in 0..3 {
                    reader.next().read_der()?;
                }
                let end = reader.next().read_sequence(|reader| {
                    reader.next().read_der()?;
                    moment(reader.next())
                })?;
                while reader.read_optional(|reader| reader.read_der())?.is_some() {}
                Ok(end)
            })?;
            // The signature's algorithm, the signature.
            for _ in 0..2 {
                reader.next().read_der()?;
            }
            Ok(end)
        })
    });
    Some(Timestamp(seconds.ok()?.checked_mul(1000)?))
}

/// Seconds since 1970: `YYMMDDhhmmssZ` until 2049, `YYYYMMDDhhmmssZ` from then on.
fn moment(reader: BERReader<'_, '_>) -> ASN1Result<i64> {
    let time = if reader.lookahead_tag()? == TAG_UTCTIME {
        *UTCTime::datetime(&reader.read_utctime()?)
    } else {
        *GeneralizedTime::datetime(&reader.read_generalized_time()?)
    };
    Ok(time.unix_timestamp())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_notations() {
        // 2049-12-31T23:59:59Z is the last moment of the short notation.
        for seconds in [1_700_000_000, 2_524_607_999, 2_524_608_000] {
            let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            params.not_after = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
            let signed = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(not_after(signed.der()), Some(Timestamp(seconds * 1000)));
        }
    }

    #[test]
    fn bytes_cut_anywhere_have_no_end() {
        let params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let signed = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let der: &[u8] = signed.der();
        assert!(not_after(der).is_some());
        for len in 0..der.len() {
            assert_eq!(not_after(&der[..len]), None, "{len}");
        }
        assert_eq!(not_after(b"\x30\x84\xff\xff\xff\xff"), None);
    }
}
