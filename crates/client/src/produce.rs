//! Sending one batch to one partition.

use bytes::Bytes;
use kafka_protocol::messages::{
    InitProducerIdRequest, ProduceRequest,
    produce_request::{PartitionProduceData, TopicProduceData},
};

use crate::{CallError, Client, client::topic_name};

/// The newest version that names topics; later ones want their ids.
const NEWEST_BY_NAME: i16 = 12;

/// When the broker answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Not at all.
    None,
    /// Once written.
    Leader,
    /// Once durable.
    All,
}

/// Where a batch landed; unknown without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    pub base_offset: Option<i64>,
}

impl Client {
    /// A new idempotent producer's id.
    ///
    /// # Errors
    /// No answer, or the caller may not send.
    pub async fn init_producer_id(&mut self) -> Result<i64, CallError> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(self.timeout_ms());
        let answer = self.call(&request).await?;
        CallError::check(|| "producer id".to_owned(), answer.error_code, None)?;
        Ok(answer.producer_id.0)
    }

    /// Sends a batch (of `model::batch::BatchBuilder`).
    ///
    /// # Errors
    /// No answer, or the broker refuses the batch.
    pub async fn produce(
        &mut self,
        topic: &str,
        partition: i32,
        batch: Bytes,
        acks: Acks,
    ) -> Result<Produced, CallError> {
        let data = PartitionProduceData::default()
            .with_index(partition)
            .with_records(Some(batch));
        let request = ProduceRequest::default()
            .with_acks(match acks {
                Acks::None => 0,
                Acks::Leader => 1,
                Acks::All => -1,
            })
            .with_timeout_ms(self.timeout_ms())
            .with_topic_data(vec![
                TopicProduceData::default()
                    .with_name(topic_name(topic))
                    .with_partition_data(vec![data]),
            ]);
        if acks == Acks::None {
            self.connection()
                .call_without_answer(&request, NEWEST_BY_NAME)
                .await?;
            return Ok(Produced { base_offset: None });
        }
        let answer = self.call_up_to(&request, NEWEST_BY_NAME).await?;
        let subject = || format!("{topic}[{partition}]");
        let result = answer
            .responses
            .first()
            .and_then(|topic| topic.partition_responses.first())
            .ok_or_else(|| CallError::Missing { subject: subject() })?;
        let message = result.error_message.as_deref();
        CallError::check(subject, result.error_code, message)?;
        Ok(Produced {
            base_offset: Some(result.base_offset),
        })
    }
}
