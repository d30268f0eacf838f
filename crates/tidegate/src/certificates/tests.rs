//! Claims about what is made, kept and renewed; the truststore is shown to Java where there is one.

use std::{os::unix::fs::PermissionsExt, process::Command};

use super::*;
use crate::settings::{Settings, Sources};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const DAY: Duration = Duration::from_secs(86_400);

fn wish(names: &[&str]) -> CertificateWish {
    CertificateWish {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        validity: 825 * DAY,
        renew_before: 30 * DAY,
    }
}

fn fresh() -> (tempfile::TempDir, TlsPaths) {
    let dir = tempfile::tempdir().unwrap();
    let paths = TlsPaths::of(dir.path());
    (dir, paths)
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn first_start_makes_everything_and_the_next_keeps_it() {
    let (_dir, paths) = fresh();
    let wish = wish(&["localhost", "127.0.0.1", "::1"]);
    assert_eq!(ensure(&paths, &wish, NOW).unwrap(), Ensured::Created);
    let before = (text(&paths.ca), text(&paths.server));
    assert_eq!(ensure(&paths, &wish, NOW.plus(DAY)).unwrap(), Ensured::Kept);
    assert_eq!((text(&paths.ca), text(&paths.server)), before);
    for key in [&paths.ca_key, &paths.server_key] {
        let mode = std::fs::metadata(key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", key.display());
    }
}

#[test]
fn a_certificate_near_its_end_is_renewed_under_the_same_ca() {
    let (_dir, paths) = fresh();
    let wish = wish(&["localhost"]);
    ensure(&paths, &wish, NOW).unwrap();
    let ca = text(&paths.ca);
    assert_eq!(
        ensure(&paths, &wish, NOW.plus(790 * DAY)).unwrap(),
        Ensured::Kept
    );
    assert_eq!(
        ensure(&paths, &wish, NOW.plus(800 * DAY)).unwrap(),
        Ensured::Renewed
    );
    assert_eq!(text(&paths.ca), ca);
    assert_eq!(
        ensure(&paths, &wish, NOW.plus(800 * DAY)).unwrap(),
        Ensured::Kept
    );
}

#[test]
fn a_certificate_lives_as_long_as_the_settings_say() {
    let (_dir, paths) = fresh();
    let sources = Sources {
        environment: [("VALIDITY", "100d"), ("RENEW_BEFORE", "40d")]
            .map(|(name, value)| (format!("TIDEGATE__TLS__{name}"), value.to_owned()))
            .into(),
        ..Sources::default()
    };
    let wish = CertificateWish::of(&Settings::load(&sources).unwrap(), None);
    assert_eq!((wish.validity, wish.renew_before), (100 * DAY, 40 * DAY));
    ensure(&paths, &wish, NOW).unwrap();
    for (days, expected) in [(59, Ensured::Kept), (61, Ensured::Renewed)] {
        let now = NOW.plus(days * DAY);
        assert_eq!(ensure(&paths, &wish, now).unwrap(), expected, "{days}");
    }
}

#[test]
fn a_new_name_renews_the_certificate() {
    let (_dir, paths) = fresh();
    ensure(&paths, &wish(&["localhost"]), NOW).unwrap();
    let more = wish(&["localhost", "events.example.com", "10.1.2.3"]);
    assert_eq!(ensure(&paths, &more, NOW).unwrap(), Ensured::Renewed);
    assert_eq!(ensure(&paths, &more, NOW).unwrap(), Ensured::Kept);
}

#[test]
fn renewing_without_the_ca_key_says_what_to_do() {
    let (_dir, paths) = fresh();
    ensure(&paths, &wish(&["localhost"]), NOW).unwrap();
    std::fs::remove_file(&paths.ca_key).unwrap();
    assert_eq!(
        ensure(&paths, &wish(&["localhost"]), NOW).unwrap(),
        Ensured::Kept
    );
    let error = ensure(&paths, &wish(&["other.example"]), NOW).unwrap_err();
    assert!(error.to_string().contains("ca.key is missing"), "{error}");
}

#[test]
fn the_wish_names_every_way_to_reach_the_broker() {
    let listener = r#"[{name = "x", address = "0.0.0.0:9093", advertised = "b.example:1"}]"#;
    let namespace = r#"[{name = "shop", hosts = ["shop.example", "under_score"]}]"#;
    let sources = Sources {
        environment: vec![
            ("TIDEGATE__LISTENER".to_owned(), listener.to_owned()),
            ("TIDEGATE__NAMESPACE".to_owned(), namespace.to_owned()),
            (
                "TIDEGATE__TLS__NAMES".to_owned(),
                "[\"10.0.0.1\"]".to_owned(),
            ),
        ],
        ..Sources::default()
    };
    let wish = CertificateWish::of(&Settings::load(&sources).unwrap(), Some("box"));
    for name in [
        "localhost",
        "127.0.0.1",
        "::1",
        "box",
        "b.example",
        "shop.example",
        "shop.localhost",
        "10.0.0.1",
    ] {
        assert!(wish.names.contains(name), "{name} in {:?}", wish.names);
    }
}

#[test]
fn the_truststore_is_made_again_when_the_ca_changes() {
    let (_dir, paths) = fresh();
    ensure(&paths, &wish(&["localhost"]), NOW).unwrap();
    let before = std::fs::read(&paths.truststore).unwrap();
    for path in [&paths.ca, &paths.ca_key, &paths.server, &paths.server_key] {
        std::fs::remove_file(path).unwrap();
    }
    assert_eq!(
        ensure(&paths, &wish(&["localhost"]), NOW).unwrap(),
        Ensured::Created
    );
    assert_ne!(std::fs::read(&paths.truststore).unwrap(), before);
}

/// Java is not needed to build; where it is, it must list the CA as trusted.
#[test]
fn java_lists_the_truststores_ca_as_trusted() {
    let (_dir, paths) = fresh();
    ensure(&paths, &wish(&["localhost"]), NOW).unwrap();
    let listing = Command::new("keytool")
        .args([
            "-list",
            "-storetype",
            "PKCS12",
            "-storepass",
            TRUSTSTORE_PASSWORD,
        ])
        .arg("-keystore")
        .arg(&paths.truststore)
        .output();
    let Ok(listing) = listing else {
        // The shape is still held by the encodings above.
        return;
    };
    let shown = String::from_utf8_lossy(&listing.stdout).into_owned();
    assert!(listing.status.success(), "{shown}");
    assert!(shown.contains("tidegate-ca"), "{shown}");
    assert!(shown.contains("trustedCertEntry"), "{shown}");
}
