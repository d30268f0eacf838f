//! `docs/topic-settings.md` is printed from the table of topic settings.

use std::{env, fs, path::Path};

use model::topic_config::{DEFINITIONS, Effect};

const HEAD: &str = "\
# Topic settings

Every setting of a topic that Kafka 4.4 knows is accepted, kept and described, over Kafka's admin API, `kafka-configs`, and
under an event hub's `configs` in the file; unknown ones are refused by name. Printed from the code.
";

fn table(title: &str, effect: Effect) -> String {
    let settings = DEFINITIONS.iter();
    let rows = settings
        .filter(|setting| setting.effect == effect)
        .map(|setting| {
            let default = match setting.default {
                "" => "(empty)".to_owned(),
                default => format!("`{default}`"),
            };
            format!(
                "| `{}` | {default} | {} |\n",
                setting.name, setting.documentation
            )
        });
    let rows: String = rows.collect();
    format!("\n## {title}\n\n| Setting | Default | |\n|---|---|---|\n{rows}")
}

#[test]
fn the_page_of_topic_settings_is_the_codes() {
    let with = table("With an effect", Effect::Honoured);
    let without = table("Without an effect", Effect::Accepted);
    let printed = [HEAD, &with, &without].concat();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/topic-settings.md");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&page, &printed).unwrap();
    }
    let written = fs::read_to_string(&page).unwrap_or_default();
    assert_eq!(written, printed, "run with UPDATE_DOCS=1 to print it anew");
}
