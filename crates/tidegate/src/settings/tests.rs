//! Claims about loading: precedence, provenance, refusals, and that the complete file is complete.

mod proofs;

use std::{path::PathBuf, time::Duration};

use super::{
    keys::{Default, ROOT, Table},
    section::{Section, literal},
    *,
};

fn file(text: &str) -> (tempfile::TempDir, Sources) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tidegate.toml");
    std::fs::write(&path, text).unwrap();
    let sources = Sources {
        file: Some(path),
        ..Sources::default()
    };
    (dir, sources)
}

fn load(text: &str) -> Result<Settings, Refusals> {
    let (_dir, sources) = file(text);
    Settings::load(&sources)
}

fn refusal(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

fn environment(pairs: &[(&str, &str)]) -> Sources {
    Sources {
        environment: pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Sources::default()
    }
}

#[test]
fn without_any_source_the_development_defaults_hold() {
    let settings = Settings::load(&Sources::default()).unwrap();
    let listeners: Vec<_> = settings
        .listeners
        .iter()
        .map(|l| {
            (
                l.address.to_string(),
                l.security.word(),
                l.namespace.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        listeners,
        [
            ("127.0.0.1:9092".to_owned(), "plaintext", Some("dev")),
            ("0.0.0.0:9093".to_owned(), "sasl_tls", Some("dev")),
        ]
    );
    assert_eq!(settings.admin.address.to_string(), "127.0.0.1:9600");
    assert_eq!(settings.storage.data_dir, PathBuf::from("tidegate-data"));
    assert_eq!(settings.limits.batch_bytes_max, 1_048_588);
    assert_eq!(settings.limits.idle_timeout, Duration::from_secs(600));
    let [namespace] = settings.namespaces.as_slice() else {
        panic!("one namespace");
    };
    assert_eq!(namespace.name, "dev");
    assert_eq!(namespace.throughput_units, None);
    assert_eq!(namespace.default_partition_count, 4);
    assert_eq!(namespace.policies[0].name, "RootManageSharedAccessKey");
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    let text = refusal("[limits]\nidle_timout = \"5m\"\n");
    assert!(
        text.contains("limits.idle_timout = \"5m\": unknown key"),
        "{text}"
    );
    assert!(
        text.contains("did you mean limits.idle_timeout? rename or remove it"),
        "{text}"
    );
    let text = refusal("[[namespace]]\nname = \"dev\"\nthroughputunits = 4\n");
    assert!(
        text.contains("did you mean namespace[0].throughput_units?"),
        "{text}"
    );
    let text = refusal("[storrage]\ndata_dir = \"x\"\n");
    assert!(text.contains("did you mean storage?"), "{text}");
}

#[test]
fn a_wrong_value_is_refused_with_what_was_expected() {
    let text = refusal("[limits]\nidle_timeout = \"5 fortnights\"\n");
    assert!(
        text.contains("limits.idle_timeout = \"5 fortnights\""),
        "{text}"
    );
    assert!(text.contains("expected a duration like \"7d\""), "{text}");
    let text = refusal("[[listener]]\nname = \"x\"\naddress = \"0.0.0.0:1\"\nsecurity = \"ssl\"\n");
    assert!(text.contains("\"sasl_tls\""), "{text}");
    let text = refusal("[listener]\nname = \"x\"\n");
    assert!(text.contains("write it as [[listener]]"), "{text}");
}

#[test]
fn every_mistake_is_reported_at_once() {
    let refusals = load("profil = \"kafka\"\n[limits]\nconnections_max = 0\n[[listener]]\n");
    assert_eq!(refusals.unwrap_err().0.len(), 4);
}

#[test]
fn a_syntax_error_shows_the_place() {
    let text = refusal("[limits]\nidle_timeout = \n");
    assert!(text.contains("line 2"), "{text}");
}

#[test]
fn key_material_never_appears_in_a_refusal_or_in_show() {
    let secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlYw==";
    let text = refusal(&format!(
        "[[namespace]]\nname = \"dev\"\n[[namespace.policy]]\nname = \"p\"\nprimry_key = \"{secret}\"\n"
    ));
    assert!(!text.contains(secret), "{text}");
    let (_dir, sources) = file(&format!(
        "[[namespace]]\nname = \"dev\"\n[[namespace.policy]]\nname = \"p\"\nprimary_key = \"{secret}\"\n"
    ));
    let shown = show(&Layers::read(&sources).unwrap());
    assert!(!shown.contains(secret), "{shown}");
    assert!(
        shown.contains("namespace[0].policy[0].primary_key = \"********\""),
        "{shown}"
    );
    let settings = Settings::load(&sources).unwrap();
    assert!(!format!("{settings:?}").contains(secret));
}

#[test]
fn a_queue_that_takes_less_than_may_come_in_is_refused() {
    let text = refusal("[storage]\nqueue_bytes_max = \"100MiB\"\n");
    assert!(text.contains("storage.queue_bytes_max"), "{text}");
    assert!(text.contains("limits.incoming_bytes_max"), "{text}");
    let both =
        "[storage]\nqueue_bytes_max = \"192MiB\"\n[limits]\nincoming_bytes_max = \"128MiB\"\n";
    let (_dir, sources) = file(both);
    Settings::load(&sources).unwrap();
}

#[test]
fn limits_of_batches_requests_and_data_files_that_contradict_each_other_are_refused_with_both() {
    let request = "[limits]\nproduce_request_bytes_max = 1046528\nbatch_bytes_max = 1046528\n";
    let extent = "[storage]\nextent_size = \"1MiB\"\n";
    for (contents, numbers) in [
        (
            request,
            ["limits.produce_request_bytes_max", "1046528", "1047552"],
        ),
        (extent, ["storage.extent_size", "1048576", "1048588"]),
    ] {
        let text = refusal(contents);
        for number in numbers {
            assert!(text.contains(number), "{number} in {text}");
        }
    }
    for profile in ["kafka", "event-hubs"] {
        let (_dir, sources) = file(&format!("profile = \"{profile}\"\n"));
        let limits = Settings::load(&sources).unwrap().limits;
        // A request of several partitions, each with the largest batch.
        assert!(limits.produce_request_bytes_max > 50 * limits.batch_bytes_max);
    }
}

#[test]
fn flags_lie_over_the_environment_over_the_file_over_defaults() {
    let (_dir, mut sources) = file(
        "[storage]\ndata_dir = \"from-file\"\nfree_space_min = \"1GiB\"\ndescriptors_max = 64\n",
    );
    sources.environment = environment(&[
        ("TIDEGATE__STORAGE__DATA_DIR", "from-environment"),
        ("TIDEGATE__STORAGE__DESCRIPTORS_MAX", "128"),
        ("TIDEGATE_PORT", "tcp://10.0.0.1:9092"),
    ])
    .environment;
    sources.flags.push(Flag {
        written: "--data-dir".to_owned(),
        key: "storage.data_dir".to_owned(),
        value: "from-flag".to_owned(),
    });
    let settings = Settings::load(&sources).unwrap();
    assert_eq!(settings.storage.data_dir, PathBuf::from("from-flag"));
    assert_eq!(settings.storage.descriptors_max, 128);
    assert_eq!(settings.storage.free_space_bytes_min, 1 << 30);

    let shown = show(&Layers::read(&sources).unwrap());
    let origin_of = |key: &str| {
        let line = shown.lines().find(|line| line.starts_with(key)).unwrap();
        line.split("  # ").nth(1).unwrap().trim().to_owned()
    };
    assert_eq!(origin_of("storage.data_dir"), "flag --data-dir");
    assert_eq!(
        origin_of("storage.descriptors_max"),
        "environment TIDEGATE__STORAGE__DESCRIPTORS_MAX"
    );
    assert!(origin_of("storage.free_space_min").starts_with("file "));
    assert_eq!(origin_of("limits.idle_timeout"), "default");
}

#[test]
fn what_is_served_by_default_is_shown_too() {
    let shown = show(&Layers::read(&Sources::default()).unwrap());
    assert!(
        shown.contains("listener[1].address = \"0.0.0.0:9093\""),
        "{shown}"
    );
    assert!(shown.contains("namespace[0].name = \"dev\""), "{shown}");
    let lines = shown.lines();
    assert!(
        lines.into_iter().all(|line| line.ends_with("# default")),
        "{shown}"
    );
}

#[test]
fn default_listeners_lead_to_the_first_namespace() {
    let settings = load("[[namespace]]\nname = \"a\"\n[[namespace]]\nname = \"b\"\n").unwrap();
    let namespaces: Vec<_> = settings
        .listeners
        .iter()
        .map(|l| l.namespace.as_deref())
        .collect();
    assert_eq!(namespaces, [Some("a"), Some("a")]);
}

#[test]
fn arrays_in_the_environment_are_one_toml_value() {
    let sources = environment(&[
        (
            "TIDEGATE__LISTENER",
            r#"[{name = "all", address = "0.0.0.0:9092", security = "plaintext"}]"#,
        ),
        ("TIDEGATE__TLS__NAMES", r#"["a.example", "10.0.0.1"]"#),
        ("TIDEGATE__PROFILE", "event-hubs"),
    ]);
    let settings = Settings::load(&sources).unwrap();
    assert_eq!(settings.listeners.len(), 1);
    assert_eq!(settings.listeners[0].name, "all");
    assert_eq!(settings.tls.names, ["a.example", "10.0.0.1"]);
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest_known_one() {
    let sources = environment(&[("TIDEGATE__STORAGE__DATADIR", "/data")]);
    let text = Settings::load(&sources).unwrap_err().to_string();
    assert!(text.contains("TIDEGATE__STORAGE__DATADIR"), "{text}");
    assert!(
        text.contains("did you mean TIDEGATE__STORAGE__DATA_DIR?"),
        "{text}"
    );
}

#[test]
fn the_event_hubs_profile_changes_defaults_only() {
    let settings = load("profile = \"event-hubs\"\n[limits]\nbatch_bytes_max = 500000\n").unwrap();
    assert_eq!(settings.limits.idle_timeout, Duration::from_secs(240));
    assert_eq!(
        settings.limits.session_timeout_max,
        Duration::from_secs(300)
    );
    assert_eq!(settings.limits.offset_metadata_bytes_max, 1024);
    assert_eq!(settings.limits.batch_bytes_max, 500_000);
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (text, expected) in [
        ("[tls]\ncertificate = \"x\"\n", "is given without tls.key"),
        (
            "[[namespace]]\nname = \"a\"\n[[namespace]]\nname = \"a\"\n",
            "is used twice",
        ),
        (
            "[[namespace]]\nname = \"a\"\nauto_inflate = true\nthroughput_units = 2\n",
            "is missing beside auto_inflate",
        ),
        (
            "[[namespace]]\nname = \"a\"\n[[namespace]]\nname = \"b\"\n\
             [[listener]]\nname = \"x\"\naddress = \"0.0.0.0:1\"\nsecurity = \"plaintext\"\n",
            "is missing for a listener without login",
        ),
        (
            "[[listener]]\nname = \"x\"\naddress = \"0.0.0.0:1\"\nnamespace = \"prod\"\n",
            "names no namespace; configured are: dev",
        ),
        (
            "[[namespace]]\nname = \"a\"\n[[namespace.event_hub]]\nname = \"a/b\"\n",
            "namespace[0].event_hub[0].name",
        ),
    ] {
        let refused = refusal(text);
        assert!(refused.contains(expected), "{text}: {refused}");
    }
}

#[test]
fn endpoints_are_read_with_and_without_port() {
    let endpoint = |text| Endpoint::parse(text).map(|e| (e.host, e.port));
    assert_eq!(endpoint("a.b"), Some(("a.b".to_owned(), None)));
    assert_eq!(endpoint("a.b:9093"), Some(("a.b".to_owned(), Some(9093))));
    assert_eq!(endpoint("[::1]:9093"), Some(("::1".to_owned(), Some(9093))));
    assert_eq!(endpoint("[::1]"), Some(("::1".to_owned(), None)));
    for text in ["", ":1", "a:0", "a:x", "a b", "[::1", "[::1]x", "a:99999"] {
        assert_eq!(endpoint(text), None, "{text}");
    }
}

#[test]
fn a_reload_names_what_it_cannot_change() {
    let layers = |text: &str| {
        let (_dir, sources) = file(text);
        Layers::read(&sources).unwrap()
    };
    let before = layers("[[namespace]]\nname = \"a\"\nthroughput_units = 1\n");
    let live = layers("[[namespace]]\nname = \"a\"\nthroughput_units = 2\n");
    assert!(fixed_changes(&before, &live).is_empty());
    let fixed = layers(
        "[limits]\nidle_timeout = \"1m\"\n[[namespace]]\nname = \"a\"\n\
         [[listener]]\nname = \"x\"\naddress = \"0.0.0.0:1\"\n",
    );
    let changed: Vec<_> = fixed_changes(&before, &fixed).into_iter().collect();
    assert_eq!(changed, ["limits.idle_timeout", "listener"]);
}

/// Every literal of the key tables is read once, so that a typing mistake cannot reach a user.
#[test]
fn every_default_is_an_accepted_value() {
    fn walk(table: &Table) {
        for key in table.keys {
            let texts = match key.default {
                Default::Required(text) | Default::Absent(text) | Default::Literal(text) => {
                    vec![text]
                }
                Default::ByProfile(kafka, event_hubs) => vec![kafka, event_hubs],
            };
            for text in texts {
                let mut refusals = Refusals::default();
                let values = toml::Table::from_iter([(key.name.to_owned(), literal(text))]);
                check::check_table(table, &values, "", &Origin::Default, &mut refusals);
                assert_eq!(refusals, Refusals::default());
            }
        }
        table.tables.iter().for_each(walk);
    }
    walk(&ROOT);
}

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

#[test]
fn the_complete_file_lists_every_key_with_its_default() {
    let committed = std::fs::read_to_string(repository("config/complete.toml")).unwrap();
    assert_eq!(
        committed,
        complete_file(),
        "print it again: tidegate config complete"
    );

    let (_dir, sources) = file(&committed);
    let layers = Layers::read(&sources).unwrap();
    Settings::from_layers(&layers).unwrap();
    let from_file = Section::root(&layers);
    let nothing = Layers::default();
    compare(&from_file, &Section::root(&nothing), &committed);
}

/// Each key stands in the file, and where it has a default, with that value.
fn compare(in_file: &Section<'_>, by_default: &Section<'_>, text: &str) {
    for key in in_file.table().keys {
        let set = format!("{} = ", key.name);
        let listed = text
            .lines()
            .any(|line| line.starts_with(&set) || line.trim_start_matches("# ").starts_with(&set));
        assert!(listed, "{} is missing", in_file.path(key.name));
        if let Some((expected, _)) = by_default.value(key.name) {
            let (found, _) = in_file.value(key.name).unwrap();
            assert_eq!(found, expected, "{}", in_file.path(key.name));
        }
    }
    for table in in_file.table().tables {
        assert!(
            text.contains(&format!("{}{}", table.name, "]")),
            "{}",
            table.name
        );
        let defaults = if table.many {
            by_default.absent(table.name)
        } else {
            by_default.section(table.name)
        };
        if !table.many {
            compare(&in_file.section(table.name), &defaults, text);
        }
        for entry in in_file.sections(table.name) {
            compare(&entry, &defaults, text);
        }
    }
}

#[test]
fn the_reference_page_is_what_the_key_tables_print() {
    let committed = std::fs::read_to_string(repository("docs/configuration.md")).unwrap();
    assert_eq!(
        committed,
        reference_page(),
        "print it again: tidegate config reference"
    );
}

#[test]
fn the_sample_files_are_accepted() {
    for name in ["development", "production"] {
        let sources = Sources {
            file: Some(repository(&format!("config/{name}.toml"))),
            ..Sources::default()
        };
        if let Err(refusals) = Settings::load(&sources) {
            panic!("{name}: {refusals}");
        }
    }
}
