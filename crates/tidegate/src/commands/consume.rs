//! `tidegate consume`: events to the terminal or as JSON lines.

use std::{
    collections::BTreeMap,
    io::{BufWriter, IsTerminal, Write},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use client::{
    CallError, Client, ConsumedRecord, FetchFrom, FetchLimits, FetchedPartition, TimestampSpec,
};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use wire::error_code::ErrorCode;

use super::{block_on, position::Position, produce::progress, target::connect};
use crate::{
    arguments::ConsumeArguments,
    output::{self, Style, paint},
};

/// How long one fetch waits for events.
const WAIT: Duration = Duration::from_millis(500);

pub(crate) fn run(arguments: &ConsumeArguments) -> anyhow::Result<()> {
    block_on(async {
        let client = connect(&arguments.target).await?;
        let mut reader = Reader::new(client, arguments).await?;
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        // A fetch that is dropped in the middle leaves its connection unusable, so the signal is
        // looked at between fetches only; they wait half a second at most.
        loop {
            let done = reader.step().await?;
            let stop = tokio::select! {
                biased;
                signal = &mut interrupted => { signal?; true }
                () = std::future::ready(()) => done,
            };
            if stop {
                return reader.finish().await;
            }
        }
    })
}

struct Reader<'a> {
    client: Client,
    arguments: &'a ConsumeArguments,
    /// Where to read on, by partition.
    next: BTreeMap<i32, i64>,
    /// Where to stop, by partition, with `--exit`.
    ends: Option<BTreeMap<i32, i64>>,
    /// Whether something was read since the last commit.
    dirty: bool,
    count: u64,
    progress: ProgressBar,
    colours: bool,
}

impl<'a> Reader<'a> {
    async fn new(mut client: Client, arguments: &'a ConsumeArguments) -> anyhow::Result<Self> {
        let hub = &arguments.event_hub;
        let topic = client.topic(hub, false).await?;
        let mut partitions: Vec<i32> = topic.partitions.iter().map(|p| p.index).collect();
        if !arguments.partitions.is_empty() {
            let missing = arguments
                .partitions
                .iter()
                .find(|p| !partitions.contains(p));
            if let Some(missing) = missing {
                anyhow::bail!("{hub} has no partition {missing}");
            }
            partitions.clone_from(&arguments.partitions);
        }
        let starts = arguments
            .from
            .resolve(&mut client, hub, &partitions)
            .await?;
        let mut next: BTreeMap<i32, i64> = starts.into_iter().collect();
        if let Some(group) = &arguments.group {
            for committed in client.committed_offsets(group).await? {
                if committed.topic == *hub
                    && let Some(offset) = next.get_mut(&committed.partition)
                {
                    *offset = committed.offset;
                }
            }
        }
        let ends = match arguments.exit {
            true => {
                let latest = Position::Found(TimestampSpec::Latest);
                let ends = latest.resolve(&mut client, hub, &partitions).await?;
                Some(ends.into_iter().collect())
            }
            false => None,
        };
        let quiet = std::io::stdout().is_terminal();
        Ok(Self {
            client,
            arguments,
            next,
            ends,
            dirty: false,
            count: 0,
            progress: if quiet {
                ProgressBar::hidden()
            } else {
                progress("read")
            },
            colours: output::colours(),
        })
    }

    /// One fetch, printed and committed; whether it was the last.
    async fn step(&mut self) -> anyhow::Result<bool> {
        if self.is_done() {
            return Ok(true);
        }
        let from: Vec<FetchFrom> = self
            .next
            .iter()
            .filter(|(partition, offset)| !self.is_at_end(**partition, **offset))
            .map(|(partition, offset)| FetchFrom {
                partition: *partition,
                offset: *offset,
            })
            .collect();
        let limits = FetchLimits {
            wait: WAIT,
            ..FetchLimits::default()
        };
        let hub = &self.arguments.event_hub;
        let fetched = self.client.fetch(hub, &from, limits).await?;
        let mut trouble = None;
        for partition in fetched {
            let failed = self.take(partition).await?;
            trouble = trouble.or(failed);
        }
        // What was printed counts as read, whatever follows it.
        self.commit().await?;
        match trouble {
            Some(trouble) if !self.is_done() => Err(trouble.into()),
            _ => Ok(self.is_done()),
        }
    }

    fn is_at_end(&self, partition: i32, offset: i64) -> bool {
        let ends = self.ends.as_ref();
        ends.is_some_and(|ends| ends.get(&partition).is_none_or(|end| offset >= *end))
    }

    fn is_done(&self) -> bool {
        let counted = self
            .arguments
            .count
            .is_some_and(|limit| self.count >= limit);
        let at_end = self
            .next
            .iter()
            .all(|(p, offset)| self.is_at_end(*p, *offset));
        counted || (self.ends.is_some() && at_end)
    }

    /// Prints what the partition had; gives what is wrong behind that.
    async fn take(&mut self, fetched: FetchedPartition) -> anyhow::Result<Option<CallError>> {
        let partition = fetched.partition;
        let trouble = fetched.trouble(&self.arguments.event_hub);
        if let Some(error) = &fetched.error {
            if error.is(ErrorCode::OffsetOutOfRange) {
                let earliest = Position::Found(TimestampSpec::Earliest);
                let hub = &self.arguments.event_hub;
                let found = earliest
                    .resolve(&mut self.client, hub, &[partition])
                    .await?;
                output::note(&format!(
                    "{hub}[{partition}]: the offset is gone, reading on"
                ));
                self.next.extend(found);
                return Ok(None);
            }
            return Ok(trouble);
        }
        let mut next = fetched.next_offset;
        let mut out = BufWriter::new(std::io::stdout().lock());
        for record in &fetched.records {
            let enough = self
                .arguments
                .count
                .is_some_and(|limit| self.count >= limit);
            if enough || self.is_at_end(partition, record.offset) {
                next = record.offset;
                break;
            }
            writeln!(out, "{}", output::read_line(&self.line(record)))?;
            self.count += 1;
            self.dirty = true;
        }
        out.flush()?;
        self.progress.set_position(self.count);
        self.next.insert(partition, next);
        Ok(trouble)
    }

    fn line(&self, record: &ConsumedRecord) -> String {
        if self.arguments.json {
            return as_json(&self.arguments.event_hub, record).to_string();
        }
        let value = lossy(record.value.as_deref()).unwrap_or_default();
        if self.arguments.values {
            return value;
        }
        let place = format!("{}:{}", record.partition, record.offset);
        let place = paint(Style::Faint, &place, self.colours);
        match lossy(record.key.as_deref()) {
            None => format!("{place}\t{value}"),
            Some(key) => format!(
                "{place}\t{}\t{value}",
                paint(Style::Name, &key, self.colours)
            ),
        }
    }

    async fn commit(&mut self) -> anyhow::Result<()> {
        let Some(group) = self.arguments.group.as_ref().filter(|_| self.dirty) else {
            return Ok(());
        };
        let offsets: Vec<(i32, i64)> = self.next.iter().map(|(p, offset)| (*p, *offset)).collect();
        let hub = &self.arguments.event_hub;
        self.client.commit_offsets(group, hub, &offsets).await?;
        self.dirty = false;
        Ok(())
    }

    async fn finish(mut self) -> anyhow::Result<()> {
        self.commit().await?;
        self.progress.finish_and_clear();
        if !std::io::stdout().is_terminal() {
            let hub = &self.arguments.event_hub;
            output::note(&format!("read {} events from {hub}", self.count));
        }
        Ok(())
    }
}

fn lossy(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// One object; what is no text stands under `<name>_base64`.
fn as_json(hub: &str, record: &ConsumedRecord) -> Value {
    let mut object = serde_json::Map::new();
    object.insert("event_hub".to_owned(), json!(hub));
    object.insert("partition".to_owned(), json!(record.partition));
    object.insert("offset".to_owned(), json!(record.offset));
    object.insert("timestamp".to_owned(), json!(record.timestamp));
    put_bytes(&mut object, "key", record.key.as_deref());
    put_bytes(&mut object, "value", record.value.as_deref());
    let headers: Vec<Value> = record
        .headers
        .iter()
        .map(|(name, value)| {
            let mut header = serde_json::Map::new();
            header.insert("name".to_owned(), json!(name));
            put_bytes(&mut header, "value", value.as_deref());
            Value::Object(header)
        })
        .collect();
    if !headers.is_empty() {
        object.insert("headers".to_owned(), Value::Array(headers));
    }
    Value::Object(object)
}

fn put_bytes(object: &mut serde_json::Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    let (name, value) = match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => (name.to_owned(), Value::Null),
        Some((_, Ok(text))) => (name.to_owned(), json!(text)),
        Some((bytes, Err(_))) => (format!("{name}_base64"), json!(STANDARD.encode(bytes))),
    };
    object.insert(name, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_base64_under_another_name() {
        let record = ConsumedRecord {
            partition: 1,
            offset: 2,
            timestamp: 3,
            key: None,
            value: Some(vec![0xff].into()),
            headers: vec![("h".to_owned(), Some("v".into()))],
        };
        assert_eq!(
            as_json("orders", &record),
            json!({
                "event_hub": "orders", "partition": 1, "offset": 2, "timestamp": 3,
                "key": null, "value_base64": "/w==",
                "headers": [{"name": "h", "value": "v"}],
            })
        );
    }
}
