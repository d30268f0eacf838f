//! From checked bytes to messages and back: the structure check first, then `kafka-protocol`,
//! with our own code where that library lacks a version of 4.4.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages as m;
use kafka_protocol::protocol::{Decodable, Encodable, Message};

use crate::api::ApiKey;
use crate::api_versions::ApiVersionsRequest;
use crate::frame::{self, LENGTH_BYTES, ResponseFrame};
use crate::newest;
use crate::shape::{self, ShapeError};
use crate::topic_ids;

/// Why bytes do not become a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("{api} version {version} is not supported")]
    UnsupportedVersion { api: ApiKey, version: i16 },
    #[error("{api} version {version}: {source}")]
    Shape {
        api: ApiKey,
        version: i16,
        source: ShapeError,
    },
    /// The structure is right and the library refuses it all the same.
    #[error("{api} version {version}: {reason}")]
    Refused {
        api: ApiKey,
        version: i16,
        reason: String,
    },
}

/// Why a message does not become bytes: a field holds what the version cannot say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{api} version {version}: {reason}")]
pub struct EncodeError {
    pub api: ApiKey,
    pub version: i16,
    pub reason: String,
}

/// Bytes to a message and back, without any check of structure: called behind it only.
pub trait Body: Sized {
    /// Reads a body whose structure has been proved; the error is a reason in words.
    fn read(body: &mut Bytes, version: i16) -> Result<Self, String>;

    /// Appends the body; the error is a reason in words.
    fn write(&self, buffer: &mut BytesMut, version: i16) -> Result<(), String>;
}

/// Every message of the library. A version beyond its newest is written as its newest: that is
/// what ListOffsets 11, the response of ApiVersions 5 and the requests of DescribeLogDirs 5 and
/// DeleteGroups 3 look like. The two responses and the two requests that differ have their own
/// way in [`Request`].
impl<M: Message + Decodable + Encodable> Body for M {
    fn read(body: &mut Bytes, version: i16) -> Result<Self, String> {
        Self::decode(body, version.min(M::VERSIONS.max)).map_err(|error| error.to_string())
    }

    fn write(&self, buffer: &mut BytesMut, version: i16) -> Result<(), String> {
        self.encode(buffer, version.min(M::VERSIONS.max))
            .map_err(|error| error.to_string())
    }
}

/// A request, and the response that belongs to it.
pub trait Request: Body {
    const API: ApiKey;
    type Response: Body;

    /// Reads the request, behind its structure check.
    fn read_request(body: &mut Bytes, version: i16) -> Result<Self, String> {
        Self::read(body, version)
    }

    /// Appends the request.
    fn write_request(&self, buffer: &mut BytesMut, version: i16) -> Result<(), String> {
        self.write(buffer, version)
    }

    /// Reads the response of this request, behind its structure check.
    fn read_response(body: &mut Bytes, version: i16) -> Result<Self::Response, String> {
        Self::Response::read(body, version)
    }

    /// Appends the response of this request.
    fn write_response(
        response: &Self::Response,
        buffer: &mut BytesMut,
        version: i16,
    ) -> Result<(), String> {
        response.write(buffer, version)
    }
}

macro_rules! requests {
    ($($request:ty => $response:ty, $api:ident;)*) => { $(
        impl Request for $request {
            const API: ApiKey = ApiKey::$api;
            type Response = $response;
        }
    )* };
}

requests! {
    m::ProduceRequest => m::ProduceResponse, Produce;
    m::FetchRequest => m::FetchResponse, Fetch;
    m::ListOffsetsRequest => m::ListOffsetsResponse, ListOffsets;
    m::MetadataRequest => m::MetadataResponse, Metadata;
    m::FindCoordinatorRequest => m::FindCoordinatorResponse, FindCoordinator;
    m::JoinGroupRequest => m::JoinGroupResponse, JoinGroup;
    m::HeartbeatRequest => m::HeartbeatResponse, Heartbeat;
    m::LeaveGroupRequest => m::LeaveGroupResponse, LeaveGroup;
    m::SyncGroupRequest => m::SyncGroupResponse, SyncGroup;
    m::DescribeGroupsRequest => m::DescribeGroupsResponse, DescribeGroups;
    m::ListGroupsRequest => m::ListGroupsResponse, ListGroups;
    m::SaslHandshakeRequest => m::SaslHandshakeResponse, SaslHandshake;
    ApiVersionsRequest => m::ApiVersionsResponse, ApiVersions;
    m::CreateTopicsRequest => m::CreateTopicsResponse, CreateTopics;
    m::DeleteTopicsRequest => m::DeleteTopicsResponse, DeleteTopics;
    m::DeleteRecordsRequest => m::DeleteRecordsResponse, DeleteRecords;
    m::InitProducerIdRequest => m::InitProducerIdResponse, InitProducerId;
    m::OffsetForLeaderEpochRequest => m::OffsetForLeaderEpochResponse, OffsetForLeaderEpoch;
    m::DescribeConfigsRequest => m::DescribeConfigsResponse, DescribeConfigs;
    m::AlterConfigsRequest => m::AlterConfigsResponse, AlterConfigs;
    m::SaslAuthenticateRequest => m::SaslAuthenticateResponse, SaslAuthenticate;
    m::CreatePartitionsRequest => m::CreatePartitionsResponse, CreatePartitions;
    m::IncrementalAlterConfigsRequest => m::IncrementalAlterConfigsResponse,
        IncrementalAlterConfigs;
    m::ListPartitionReassignmentsRequest => m::ListPartitionReassignmentsResponse,
        ListPartitionReassignments;
    m::OffsetDeleteRequest => m::OffsetDeleteResponse, OffsetDelete;
    m::DescribeClusterRequest => m::DescribeClusterResponse, DescribeCluster;
    m::ListConfigResourcesRequest => m::ListConfigResourcesResponse, ListConfigResources;
    m::DescribeTopicPartitionsRequest => m::DescribeTopicPartitionsResponse,
        DescribeTopicPartitions;
}

impl Request for m::OffsetCommitRequest {
    const API: ApiKey = ApiKey::OffsetCommit;
    type Response = m::OffsetCommitResponse;

    fn read_request(body: &mut Bytes, version: i16) -> Result<Self, String> {
        match version {
            topic_ids::IDS_FROM.. => {
                topic_ids::read_offset_commit(body).map_err(|error| error.to_string())
            }
            _ => Self::read(body, version),
        }
    }

    fn write_request(&self, buffer: &mut BytesMut, version: i16) -> Result<(), String> {
        match version {
            topic_ids::IDS_FROM.. => {
                topic_ids::write_offset_commit(self, buffer);
                Ok(())
            }
            _ => self.write(buffer, version),
        }
    }
}

impl Request for m::OffsetFetchRequest {
    const API: ApiKey = ApiKey::OffsetFetch;
    type Response = m::OffsetFetchResponse;

    fn read_request(body: &mut Bytes, version: i16) -> Result<Self, String> {
        match version {
            topic_ids::IDS_FROM.. => {
                topic_ids::read_offset_fetch(body).map_err(|error| error.to_string())
            }
            _ => Self::read(body, version),
        }
    }

    fn write_request(&self, buffer: &mut BytesMut, version: i16) -> Result<(), String> {
        match version {
            topic_ids::IDS_FROM.. => {
                topic_ids::write_offset_fetch(self, buffer);
                Ok(())
            }
            _ => self.write(buffer, version),
        }
    }
}

impl Request for m::DeleteGroupsRequest {
    const API: ApiKey = ApiKey::DeleteGroups;
    type Response = m::DeleteGroupsResponse;

    fn read_response(body: &mut Bytes, version: i16) -> Result<Self::Response, String> {
        match version {
            3.. => newest::read_delete_groups_3(body).map_err(|error| error.to_string()),
            _ => Self::Response::read(body, version),
        }
    }

    fn write_response(
        response: &Self::Response,
        buffer: &mut BytesMut,
        version: i16,
    ) -> Result<(), String> {
        match version {
            3.. => newest::write_delete_groups_3(response, buffer),
            _ => response.write(buffer, version),
        }
    }
}

impl Request for m::DescribeLogDirsRequest {
    const API: ApiKey = ApiKey::DescribeLogDirs;
    type Response = m::DescribeLogDirsResponse;

    fn read_response(body: &mut Bytes, version: i16) -> Result<Self::Response, String> {
        match version {
            5.. => newest::read_describe_log_dirs_5(body),
            _ => Self::Response::read(body, version),
        }
    }

    fn write_response(
        response: &Self::Response,
        buffer: &mut BytesMut,
        version: i16,
    ) -> Result<(), String> {
        match version {
            5.. => newest::write_describe_log_dirs_5(response, buffer),
            _ => response.write(buffer, version),
        }
    }
}

/// Decodes the body of a request. Payloads are slices of `body`, nothing is copied.
pub fn decode_request<R: Request>(version: i16, body: &Bytes) -> Result<R, DecodeError> {
    let api = supported::<R>(version)?;
    shape::check_request(api.code(), version, body).map_err(|source| DecodeError::Shape {
        api,
        version,
        source,
    })?;
    R::read_request(&mut body.clone(), version).map_err(|reason| DecodeError::Refused {
        api,
        version,
        reason,
    })
}

/// As [`decode_request`] for what takes no more memory than this; none for what takes more, which is
/// neither decoded nor refused.
pub fn decode_small_request<R: Request>(
    version: i16,
    body: &Bytes,
    decoded_bytes_max: usize,
) -> Result<Option<R>, DecodeError> {
    let api = supported::<R>(version)?;
    match shape::check_small_request(api.code(), version, body, decoded_bytes_max) {
        Ok(_) => {}
        Err(ShapeError::OverBudget { budget, .. }) if budget == decoded_bytes_max => {
            return Ok(None);
        }
        Err(source) => {
            return Err(DecodeError::Shape {
                api,
                version,
                source,
            });
        }
    }
    let read = R::read_request(&mut body.clone(), version);
    read.map(Some).map_err(|reason| DecodeError::Refused {
        api,
        version,
        reason,
    })
}

/// Upper estimate of the memory that a decoded request takes, whose structure is proved by this.
pub fn request_bytes<R: Request>(version: i16, body: &[u8]) -> Result<usize, DecodeError> {
    let api = supported::<R>(version)?;
    let checked = shape::check_request(api.code(), version, body);
    checked
        .map(|walked| walked.decoded_bytes)
        .map_err(|source| DecodeError::Shape {
            api,
            version,
            source,
        })
}

/// Decodes a response frame whose length prefix has been taken off.
pub fn decode_response<R: Request>(
    version: i16,
    mut frame: Bytes,
) -> Result<(i32, R::Response), DecodeError> {
    let api = supported::<R>(version)?;
    let shape = |source| DecodeError::Shape {
        api,
        version,
        source,
    };
    let correlation_id = frame::take_response_header(&mut frame, api, version).map_err(shape)?;
    shape::check_response(api.code(), version, &frame).map_err(shape)?;
    let response =
        R::read_response(&mut frame, version).map_err(|reason| DecodeError::Refused {
            api,
            version,
            reason,
        })?;
    Ok((correlation_id, response))
}

fn supported<R: Request>(version: i16) -> Result<ApiKey, DecodeError> {
    if R::API.accepts(version) {
        Ok(R::API)
    } else {
        Err(DecodeError::UnsupportedVersion {
            api: R::API,
            version,
        })
    }
}

/// Encodes a whole response: length, header, body.
pub fn encode_response<R: Request>(
    version: i16,
    correlation_id: i32,
    response: &R::Response,
) -> Result<ResponseFrame, EncodeError> {
    let api = R::API;
    let mut buffer = BytesMut::with_capacity(RESPONSE_CAPACITY);
    frame::put_response_head(&mut buffer, api, version, correlation_id, 0);
    R::write_response(response, &mut buffer, version).map_err(|reason| EncodeError {
        api,
        version,
        reason,
    })?;
    Ok(ResponseFrame {
        chunks: vec![finish(buffer).into()],
    })
}

/// Encodes a whole request: length, header, body.
pub fn encode_request<R: Request>(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    request: &R,
) -> Result<Bytes, EncodeError> {
    let api = R::API;
    let failed = |reason| EncodeError {
        api,
        version,
        reason,
    };
    let client_id_length = i16::try_from(client_id.len())
        .map_err(|_| failed("client id is longer than 32767 bytes".to_owned()))?;
    let mut buffer = BytesMut::with_capacity(RESPONSE_CAPACITY);
    buffer.put_i32(0);
    buffer.put_i16(api.code());
    buffer.put_i16(version);
    buffer.put_i32(correlation_id);
    buffer.put_i16(client_id_length);
    buffer.put_slice(client_id.as_bytes());
    if api.is_flexible(version) {
        buffer.put_u8(0);
    }
    request
        .write_request(&mut buffer, version)
        .map_err(failed)?;
    Ok(finish(buffer))
}

/// Room for the common small message, so that it is written without growing.
const RESPONSE_CAPACITY: usize = 256;

/// Writes the length that stood open in front.
fn finish(mut buffer: BytesMut) -> Bytes {
    let length = i32::try_from(buffer.len() - LENGTH_BYTES)
        .expect("a message of ours is bounded far below 2 GiB");
    if let Some(open) = buffer.first_chunk_mut() {
        *open = length.to_be_bytes();
    }
    buffer.freeze()
}
