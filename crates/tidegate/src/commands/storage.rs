//! `tidegate storage`: looks through a data directory without changing it.

mod salvage;

use std::{
    cell::LazyCell,
    collections::BTreeMap,
    io::{BufWriter, IsTerminal, Write},
    path::Path,
};

use hub::LogName;
use indicatif::ProgressBar;
use model::LogId;
use serde_json::{Value, json};
use storage::{EntryFacts, EntryFactsKind, ExtentSequence, VerifyEvent, VerifySummary};

use super::connection_string::broker_settings;
use crate::{
    arguments::{DumpArguments, SettingsArguments, StorageCommand},
    output::{self, Style, paint},
};

/// Whether everything is sound.
pub(crate) fn run(command: &StorageCommand) -> anyhow::Result<bool> {
    match command {
        StorageCommand::Verify(arguments) => verify(arguments),
        StorageCommand::Dump(arguments) => dump(arguments),
        StorageCommand::Salvage(arguments) => salvage::run(arguments),
    }
}

/// Prints what is worth a look, and the sums.
fn verify(arguments: &SettingsArguments) -> anyhow::Result<bool> {
    let data_dir = broker_settings(arguments)?.storage.data_dir;
    let progress = if std::io::stderr().is_terminal() {
        ProgressBar::new_spinner()
    } else {
        ProgressBar::hidden()
    };
    let colours = output::colours();
    let mut failed = None;
    // Only damage needs them.
    let names = LazyCell::new(|| names(&data_dir));
    let summary = storage::verify(&data_dir, &mut |event| {
        if let VerifyEvent::Extent { extent, .. } = event {
            progress.set_message(file_name(extent));
            progress.tick();
        }
        if let Some(style) = weight(&event) {
            let line = paint(style, &describe(&event, &names), colours);
            failed = output::line(&line).err().or_else(|| failed.take());
        }
    })?;
    progress.finish_and_clear();
    if let Some(error) = failed {
        return Err(error);
    }
    output::line(&sums(&summary))?;
    Ok(summary.damages == 0)
}

fn sums(summary: &VerifySummary) -> String {
    let VerifySummary {
        extents,
        entries,
        batches,
        bytes,
        damages,
    } = summary;
    let end = match damages {
        0 => "all sound".to_owned(),
        1 => "1 damaged place".to_owned(),
        many => format!("{many} damaged places"),
    };
    format!("{extents} files, {entries} entries, {batches} batches, {bytes} bytes: {end}")
}

/// How an event is shown by `verify`; the ordinary ones are not.
fn weight(event: &VerifyEvent) -> Option<Style> {
    match event {
        VerifyEvent::ManifestDamaged
        | VerifyEvent::ExtentHeaderDamaged { .. }
        | VerifyEvent::Damaged { .. }
        | VerifyEvent::LostEnd { .. }
        | VerifyEvent::IndexUnsound { .. } => Some(Style::Bad),
        VerifyEvent::NoManifest | VerifyEvent::Tail { .. } => Some(Style::Faint),
        VerifyEvent::Manifest { .. }
        | VerifyEvent::Extent { .. }
        | VerifyEvent::Entry(_)
        | VerifyEvent::Hole { .. } => None,
    }
}

/// Prints everything, entry by entry.
fn dump(arguments: &DumpArguments) -> anyhow::Result<bool> {
    let data_dir = broker_settings(&arguments.settings)?.storage.data_dir;
    let names = names(&data_dir);
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut failed = None;
    let summary = storage::verify(&data_dir, &mut |event| {
        if failed.is_some() {
            return;
        }
        let line = if arguments.json {
            as_json(&event, &names).to_string()
        } else {
            describe(&event, &names)
        };
        failed = writeln!(out, "{line}").err();
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    out.flush()?;
    Ok(summary.damages == 0)
}

/// The file's name in the folder `log`.
fn file_name(extent: ExtentSequence) -> String {
    format!("{:010}.log", extent.0)
}

type Names = BTreeMap<LogId, LogName>;

/// What the logs are called; nothing where that cannot be read any more.
fn names(data_dir: &Path) -> Names {
    hub::log_names(data_dir).unwrap_or_default()
}

fn describe(event: &VerifyEvent, names: &Names) -> String {
    match event {
        VerifyEvent::Manifest {
            partitions,
            scan_from,
            synced,
        } => format!(
            "manifest: {partitions} partitions, a start reads from {}, synced to {synced}",
            file_name(*scan_from)
        ),
        VerifyEvent::NoManifest => "no manifest: a start reads everything".to_owned(),
        VerifyEvent::ManifestDamaged => "the manifest is damaged".to_owned(),
        VerifyEvent::Extent { extent, bytes } => format!("{}: {bytes} bytes", file_name(*extent)),
        VerifyEvent::ExtentHeaderDamaged { extent } => {
            format!("{}: its header is damaged", file_name(*extent))
        }
        VerifyEvent::Entry(facts) => format!("  {}", entry(facts, names)),
        VerifyEvent::Damaged { at, bytes, known } => match known {
            Some(facts) => format!("  damaged at {at}, {bytes} bytes: {}", entry(facts, names)),
            None => format!("  damaged at {at}, {bytes} bytes"),
        },
        VerifyEvent::Hole { at, bytes } => format!("  freed at {at}, {bytes} bytes"),
        VerifyEvent::Tail { at, bytes } => {
            format!("  unfinished at {at}, {bytes} bytes: the next start cuts them off")
        }
        VerifyEvent::LostEnd { found, synced } => {
            format!("the log was synced to {synced} and ends at {found}: what was between is lost")
        }
        VerifyEvent::IndexUnsound { extent } => {
            format!(
                "{}: its index is unsound and will be built again",
                file_name(*extent)
            )
        }
    }
}

fn entry(facts: &EntryFacts, names: &Names) -> String {
    let EntryFacts {
        id,
        at,
        bytes,
        batches,
        base,
        next,
        ..
    } = facts;
    let id = match names.get(id) {
        Some(name) => format!("{id} ({name})"),
        None => id.to_string(),
    };
    match facts.kind {
        EntryFactsKind::Batches => {
            format!("{at}: log {id}, offsets {base} up to {next}, {batches} batches, {bytes} bytes")
        }
        EntryFactsKind::Trim => format!("{at}: log {id} starts at {base}"),
        EntryFactsKind::Remove => format!("{at}: log {id} is removed"),
        EntryFactsKind::End => format!("{at}: end of the file"),
    }
}

fn as_json(event: &VerifyEvent, names: &Names) -> Value {
    match event {
        VerifyEvent::Manifest {
            partitions,
            scan_from,
            synced,
        } => json!({
            "event": "manifest", "partitions": partitions,
            "scan_from": file_name(*scan_from), "synced": synced.to_string(),
        }),
        VerifyEvent::NoManifest => json!({"event": "no_manifest"}),
        VerifyEvent::ManifestDamaged => json!({"event": "manifest_damaged"}),
        VerifyEvent::Extent { extent, bytes } => {
            json!({"event": "file", "file": file_name(*extent), "bytes": bytes})
        }
        VerifyEvent::ExtentHeaderDamaged { extent } => {
            json!({"event": "file_header_damaged", "file": file_name(*extent)})
        }
        VerifyEvent::Entry(facts) => json!({"event": "entry", "entry": facts_json(facts, names)}),
        VerifyEvent::Damaged { at, bytes, known } => json!({
            "event": "damaged", "at": at.to_string(), "bytes": bytes,
            "entry": known.as_ref().map(|facts| facts_json(facts, names)),
        }),
        VerifyEvent::Hole { at, bytes } => {
            json!({"event": "freed", "at": at.to_string(), "bytes": bytes})
        }
        VerifyEvent::Tail { at, bytes } => {
            json!({"event": "unfinished", "at": at.to_string(), "bytes": bytes})
        }
        VerifyEvent::LostEnd { found, synced } => {
            json!({
                "event": "lost_end", "found": found.to_string(), "synced": synced.to_string(),
            })
        }
        VerifyEvent::IndexUnsound { extent } => {
            json!({"event": "index_unsound", "file": file_name(*extent)})
        }
    }
}

fn facts_json(facts: &EntryFacts, names: &Names) -> Value {
    let kind = match facts.kind {
        EntryFactsKind::Batches => "batches",
        EntryFactsKind::Trim => "trim",
        EntryFactsKind::Remove => "remove",
        EntryFactsKind::End => "end",
    };
    json!({
        "kind": kind,
        "log": facts.id.0,
        "of": names.get(&facts.id).map(name_json),
        "at": facts.at.to_string(),
        "bytes": facts.bytes,
        "batches": facts.batches,
        "base_offset": facts.base.0,
        "next_offset": facts.next.0,
        "max_timestamp": facts.max_timestamp.0,
    })
}

fn name_json(name: &LogName) -> Value {
    match name {
        LogName::Metadata => json!({"internal": "metadata"}),
        LogName::Groups(namespace) => {
            json!({"internal": "groups", "namespace": namespace.as_str()})
        }
        LogName::Partition {
            namespace,
            topic,
            partition,
            is_deleted,
        } => json!({
            "namespace": namespace.as_str(), "event_hub": topic.as_str(),
            "partition": partition.0, "deleted": is_deleted,
        }),
    }
}
