//! Places in a partition as people write them: `earliest`, `latest`, `1234`, `@1700000000000`.

use client::{CallError, Client, TimestampSpec};

/// A place that is the same in words for every partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    Offset(i64),
    Found(TimestampSpec),
}

impl Position {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parsed = match text {
            "earliest" => Some(Self::Found(TimestampSpec::Earliest)),
            "latest" => Some(Self::Found(TimestampSpec::Latest)),
            _ => match text.strip_prefix('@') {
                Some(millis) => millis
                    .parse()
                    .ok()
                    .filter(|millis| *millis >= 0)
                    .map(|millis| Self::Found(TimestampSpec::At(millis))),
                None => text.parse().ok().filter(|at| *at >= 0).map(Self::Offset),
            },
        };
        parsed.ok_or_else(|| "expected earliest, latest, an offset, or @milliseconds".to_owned())
    }

    /// The offset of the place in each of the partitions. A time after the last event is the end.
    pub(crate) async fn resolve(
        self,
        client: &mut Client,
        topic: &str,
        partitions: &[i32],
    ) -> anyhow::Result<Vec<(i32, i64)>> {
        let spec = match self {
            Self::Offset(offset) => {
                return Ok(partitions.iter().map(|index| (*index, offset)).collect());
            }
            Self::Found(spec) => spec,
        };
        let found = client.list_offsets(topic, partitions, spec).await?;
        let mut offsets = Vec::new();
        for partition in found {
            if let Some(error) = partition.error {
                let subject = format!("{topic}[{}]", partition.partition);
                return Err(CallError::Broker { subject, error }.into());
            }
            let offset = match partition.offset {
                Some(offset) => offset,
                None => end(client, topic, partition.partition).await?,
            };
            offsets.push((partition.partition, offset));
        }
        Ok(offsets)
    }
}

async fn end(client: &mut Client, topic: &str, partition: i32) -> anyhow::Result<i64> {
    let found = client
        .list_offsets(topic, &[partition], TimestampSpec::Latest)
        .await?;
    Ok(found.first().and_then(|found| found.offset).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_people_write_them() {
        let parse = |text| Position::parse(text).ok();
        assert_eq!(parse("12"), Some(Position::Offset(12)));
        assert_eq!(
            parse("latest"),
            Some(Position::Found(TimestampSpec::Latest))
        );
        assert_eq!(parse("@5"), Some(Position::Found(TimestampSpec::At(5))));
        for text in ["", "-1", "@", "@-1", "newest"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
