//! A topic as librdkafka's own programs hold it. The crate's safe call has librdkafka look the topic
//! up by its name and allocates for each record: the load would measure that.

#![expect(unsafe_code, reason = "librdkafka's cheapest call has no safe one")]

use std::ffi::CString;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use anyhow::{Context, Result};
use rdkafka::bindings as native;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};

/// A topic that a producer sends to.
pub(crate) struct Topic<'a, C: ProducerContext<DeliveryOpaque = usize>> {
    handle: NonNull<native::rd_kafka_topic_t>,
    producer: PhantomData<&'a BaseProducer<C>>,
}

impl<'a, C: ProducerContext<DeliveryOpaque = usize>> Topic<'a, C> {
    pub(crate) fn new(producer: &'a BaseProducer<C>, name: &str) -> Result<Self> {
        let name = CString::new(name)?;
        let client = producer.client().native_ptr();
        // SAFETY: the client is the producer's, which outlives `self`; without settings of its own
        // the topic has the client's.
        let handle = unsafe { native::rd_kafka_topic_new(client, name.as_ptr(), ptr::null_mut()) };
        Ok(Self {
            handle: NonNull::new(handle).context("librdkafka refuses the topic")?,
            producer: PhantomData,
        })
    }

    /// Queues a copy of the value; the number comes back with its delivery.
    pub(crate) fn send_copy(
        &self,
        partition: i32,
        value: &[u8],
        number: usize,
    ) -> Result<(), RDKafkaErrorCode> {
        // SAFETY: a copy is asked for.
        unsafe { self.send(partition, value, number, native::RD_KAFKA_MSG_F_COPY) }
    }

    /// Queues the value itself.
    pub(crate) fn send_shared(
        &self,
        partition: i32,
        value: &'static [u8],
        number: usize,
    ) -> Result<(), RDKafkaErrorCode> {
        // SAFETY: the value lives as long as the process.
        unsafe { self.send(partition, value, number, 0) }
    }

    /// # Safety
    /// Without the flag for a copy, the value lives as long as the process.
    unsafe fn send(
        &self,
        partition: i32,
        value: &[u8],
        number: usize,
        flags: i32,
    ) -> Result<(), RDKafkaErrorCode> {
        // SAFETY: the handle is valid while `self` is. The value is copied before the call returns
        // or lives on, and is not written to, whatever its type says; there is no key; the opaque
        // pointer is never followed, it is the number.
        let result = unsafe {
            native::rd_kafka_produce(
                self.handle.as_ptr(),
                partition,
                flags,
                value.as_ptr().cast_mut().cast(),
                value.len(),
                ptr::null(),
                0,
                ptr::without_provenance_mut(number),
            )
        };
        if result == 0 {
            return Ok(());
        }
        // SAFETY: reads what this thread's last call left.
        Err(unsafe { native::rd_kafka_last_error() }.into())
    }
}

impl<C: ProducerContext<DeliveryOpaque = usize>> Drop for Topic<'_, C> {
    fn drop(&mut self) {
        // SAFETY: the handle is this topic's, and nobody else has it.
        unsafe { native::rd_kafka_topic_destroy(self.handle.as_ptr()) }
    }
}
