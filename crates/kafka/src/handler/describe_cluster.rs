//! DescribeCluster (60): the namespace as a cluster of one broker.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 2 |
//! | Behaviour | One broker, also the controller, at the connection's own address. Authorized operations where asked for |
//! | Differs | Controllers as endpoint type are MISMATCHED_ENDPOINT_TYPE, as from a Kafka broker |
//! | Skipped | Fenced brokers: there are none |

use kafka_protocol::messages::{
    DescribeClusterRequest, DescribeClusterResponse,
    describe_cluster_response::DescribeClusterBroker,
};
use wire::error_code::ErrorCode;

use super::{
    Answer, Call, Handler, operations,
    words::{BROKER, text},
};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) struct DescribeCluster;

impl Handler for DescribeCluster {
    type Request = DescribeClusterRequest;

    fn reply_bytes(_call: &Call<'_>, _request: &DescribeClusterRequest, _enough: usize) -> usize {
        0
    }

    fn handle(call: &Call<'_>, request: DescribeClusterRequest) -> Answer<DescribeClusterResponse> {
        match request.endpoint_type {
            BROKERS => {}
            CONTROLLERS => {
                let message = "the request was sent to a broker, but asks for controllers";
                return Answer::ready(failed(ErrorCode::MismatchedEndpointType, message));
            }
            _ => {
                let message = "unknown endpoint type";
                return Answer::ready(failed(ErrorCode::UnsupportedEndpointType, message));
            }
        }
        let endpoint = call.session.endpoint();
        let broker = DescribeClusterBroker::default()
            .with_broker_id(BROKER)
            .with_host(text(endpoint.host))
            .with_port(endpoint.port.into());
        let mut response = DescribeClusterResponse::default()
            .with_endpoint_type(BROKERS)
            .with_cluster_id(text(call.access.cluster_id()))
            .with_controller_id(BROKER)
            .with_brokers(vec![broker]);
        if request.include_cluster_authorized_operations {
            let operations = operations::on_cluster(call.access.cluster_rights());
            response = response.with_cluster_authorized_operations(operations);
        }
        Answer::ready(response)
    }
}

fn failed(error: ErrorCode, message: &str) -> DescribeClusterResponse {
    DescribeClusterResponse::default()
        .with_error_code(error.code())
        .with_error_message(Some(text(message)))
}
