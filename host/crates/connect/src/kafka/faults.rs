//! Whose fault an error of Kafka is, decided once for each of librdkafka's codes: its own, and those of brokers.
//!
//! What follows from it is the same everywhere. A record's fault makes a dead letter of that record, and of nothing
//! else. The cluster's, or a topic's, is waited for and told: what was refused is sent again when that is mended, so
//! nothing comes twice by it. A client that is of no use any more ends the attempt, and the next one goes on from what
//! is committed. What only Pelton itself can have done wrong ends it, too, and says that it is a bug.

use rdkafka::bindings::rd_kafka_resp_err_t;
use rdkafka::error::RDKafkaErrorCode;

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The record's: it comes back however often the record is sent.
    Record,
    /// A topic's, the cluster's, or that of the way to it: it passes, or somebody there has to mend it.
    Cluster,
    /// This client's, which has lost its place among others or its state: another one is needed.
    Client,
    /// Pelton's.
    Ours,
    /// Nobody's: it is news, and no error.
    Nobody,
}

/// Whose fault it is. Codes that no librdkafka of this release has are the cluster's: a broker may be newer.
pub(super) fn whose(code: RDKafkaErrorCode) -> Whose {
    rd_kafka_resp_err_t::try_from(code as i32).map_or(Whose::Cluster, of)
}

/// What is to be done about it, for people; where there is something to be said.
pub(super) fn advice(code: RDKafkaErrorCode) -> Option<&'static str> {
    use RDKafkaErrorCode as Code;
    Some(match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownTopicId => "create the topic",
        // So it is, too, for half a minute after a topic was deleted.
        Code::UnknownPartition => "create the topic, with as many partitions as it had",
        Code::TopicAuthorizationFailed => "grant the account of the settings Write and Describe on the topic",
        Code::ClusterAuthorizationFailed => "grant the account of the settings IdempotentWrite on the cluster",
        Code::PolicyViolation => "a policy of the cluster forbids it; ask who runs it",
        Code::InvalidRequiredAcks => "leave the producer's setting acks at all",
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => {
            "fewer replicas are in sync than the topic's min.insync.replicas"
        }
        Code::KafkaStorageError | Code::LogDirNotFound => "a disk of the broker fails or is full",
        Code::UnsupportedCompressionType => "choose another compression.type for the producer",
        Code::UnsupportedForMessageFormat => "the topic's message format is too old for an idempotent producer",
        _ => return None,
    })
}

/// The table.
#[rustfmt::skip]
fn of(code: rd_kafka_resp_err_t) -> Whose {
    use Whose::{Client, Cluster, Nobody, Ours, Record};
    use rd_kafka_resp_err_t::*;
    match code {
        // What the broker holds against one record, or against what a record alone makes of a request.
        RD_KAFKA_RESP_ERR_INVALID_MSG
        | RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE
        | RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
        | RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE
        | RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP
        | RD_KAFKA_RESP_ERR_INVALID_RECORD
        | RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD
        | RD_KAFKA_RESP_ERR__BAD_MSG
        | RD_KAFKA_RESP_ERR__KEY_SERIALIZATION
        | RD_KAFKA_RESP_ERR__VALUE_SERIALIZATION
        | RD_KAFKA_RESP_ERR__KEY_DESERIALIZATION
        | RD_KAFKA_RESP_ERR__VALUE_DESERIALIZATION => Record,

        // The way to the brokers.
        RD_KAFKA_RESP_ERR__TRANSPORT
        | RD_KAFKA_RESP_ERR__RESOLVE
        | RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
        | RD_KAFKA_RESP_ERR__SSL
        | RD_KAFKA_RESP_ERR__AUTHENTICATION
        | RD_KAFKA_RESP_ERR__UNKNOWN_BROKER
        | RD_KAFKA_RESP_ERR__DESTROY_BROKER
        | RD_KAFKA_RESP_ERR__NODE_UPDATE
        | RD_KAFKA_RESP_ERR__TIMED_OUT
        | RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE
        | RD_KAFKA_RESP_ERR__MSG_TIMED_OUT
        | RD_KAFKA_RESP_ERR__ISR_INSUFF
        | RD_KAFKA_RESP_ERR__WAIT_COORD
        | RD_KAFKA_RESP_ERR__WAIT_CACHE
        | RD_KAFKA_RESP_ERR__RETRY
        | RD_KAFKA_RESP_ERR__INTR
        | RD_KAFKA_RESP_ERR__PARTIAL
        | RD_KAFKA_RESP_ERR__QUEUE_FULL
        | RD_KAFKA_RESP_ERR__UNDERFLOW
        | RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE
        | RD_KAFKA_RESP_ERR_UNKNOWN
        | RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT
        | RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION
        | RD_KAFKA_RESP_ERR_SECURITY_DISABLED
        | RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM
        | RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE
        | RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED
        | RD_KAFKA_RESP_ERR_UNACCEPTABLE_CREDENTIAL
        | RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_AUTH_DISABLED
        | RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_NOT_FOUND
        | RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_OWNER_MISMATCH
        | RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED
        | RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_EXPIRED
        | RD_KAFKA_RESP_ERR_REBOOTSTRAP_REQUIRED => Cluster,

        // A topic and its partitions: gone, forbidden, without a leader or enough replicas, or full.
        RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
        | RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION
        | RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION
        | RD_KAFKA_RESP_ERR__BAD_COMPRESSION
        | RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET
        | RD_KAFKA_RESP_ERR__LOG_TRUNCATION
        | RD_KAFKA_RESP_ERR__NO_OFFSET
        | RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE
        | RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
        | RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID
        | RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
        | RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION
        | RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE
        | RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE
        | RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS
        | RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND
        | RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS
        | RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_POLICY_VIOLATION
        | RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT
        | RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE
        | RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION
        | RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR
        | RD_KAFKA_RESP_ERR_LOG_DIR_NOT_FOUND
        | RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH
        | RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH
        | RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE
        | RD_KAFKA_RESP_ERR_PREFERRED_LEADER_NOT_AVAILABLE
        | RD_KAFKA_RESP_ERR_ELIGIBLE_LEADERS_NOT_AVAILABLE
        | RD_KAFKA_RESP_ERR_ELECTION_NOT_NEEDED
        | RD_KAFKA_RESP_ERR_REASSIGNMENT_IN_PROGRESS
        | RD_KAFKA_RESP_ERR_NO_REASSIGNMENT_IN_PROGRESS
        | RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED
        | RD_KAFKA_RESP_ERR_LISTENER_NOT_FOUND
        | RD_KAFKA_RESP_ERR_FETCH_SESSION_ID_NOT_FOUND
        | RD_KAFKA_RESP_ERR_INVALID_FETCH_SESSION_EPOCH => Cluster,

        // Groups, their coordinators, and the administration of a cluster.
        RD_KAFKA_RESP_ERR__UNKNOWN_GROUP
        | RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS
        | RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE
        | RD_KAFKA_RESP_ERR_NOT_COORDINATOR
        | RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL
        | RD_KAFKA_RESP_ERR_INVALID_GROUP_ID
        | RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT
        | RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE
        | RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE
        | RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED
        | RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND
        | RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP
        | RD_KAFKA_RESP_ERR_GROUP_SUBSCRIBED_TO_TOPIC
        | RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT
        | RD_KAFKA_RESP_ERR_UNSUPPORTED_ASSIGNOR
        | RD_KAFKA_RESP_ERR_UNRELEASED_INSTANCE_ID
        | RD_KAFKA_RESP_ERR_STALE_CTRL_EPOCH
        | RD_KAFKA_RESP_ERR_NOT_CONTROLLER
        | RD_KAFKA_RESP_ERR_STALE_BROKER_EPOCH
        | RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS
        | RD_KAFKA_RESP_ERR_TOPIC_DELETION_DISABLED
        | RD_KAFKA_RESP_ERR_INVALID_PARTITIONS
        | RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR
        | RD_KAFKA_RESP_ERR_INVALID_REPLICA_ASSIGNMENT
        | RD_KAFKA_RESP_ERR_INVALID_CONFIG
        | RD_KAFKA_RESP_ERR_OPERATION_NOT_ATTEMPTED
        | RD_KAFKA_RESP_ERR_RESOURCE_NOT_FOUND
        | RD_KAFKA_RESP_ERR_INCONSISTENT_VOTER_SET
        | RD_KAFKA_RESP_ERR_INVALID_UPDATE_VERSION
        | RD_KAFKA_RESP_ERR_FEATURE_UPDATE_FAILED
        | RD_KAFKA_RESP_ERR_PRINCIPAL_DESERIALIZATION_FAILURE
        | RD_KAFKA_RESP_ERR_UNKNOWN_SUBSCRIPTION_ID
        | RD_KAFKA_RESP_ERR_TELEMETRY_TOO_LARGE
        | RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT
        | RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS => Cluster,

        // A client that others have taken the place of, whose state is lost, or that is being closed.
        RD_KAFKA_RESP_ERR__FATAL
        | RD_KAFKA_RESP_ERR__FENCED
        | RD_KAFKA_RESP_ERR__DESTROY
        | RD_KAFKA_RESP_ERR__PURGE_QUEUE
        | RD_KAFKA_RESP_ERR__PURGE_INFLIGHT
        | RD_KAFKA_RESP_ERR__INCONSISTENT
        | RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE
        | RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED
        | RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST
        | RD_KAFKA_RESP_ERR__OUTDATED
        | RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE
        | RD_KAFKA_RESP_ERR__FS
        | RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION
        | RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID
        | RD_KAFKA_RESP_ERR_MEMBER_ID_REQUIRED
        | RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS
        | RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID
        | RD_KAFKA_RESP_ERR_FENCED_MEMBER_EPOCH
        | RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH
        | RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER
        | RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER
        | RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID
        | RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH
        | RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING
        | RD_KAFKA_RESP_ERR_PRODUCER_FENCED
        | RD_KAFKA_RESP_ERR_TRANSACTION_COORDINATOR_FENCED => Client,

        // What no call and no setting of Pelton's should ever bring about.
        RD_KAFKA_RESP_ERR__BEGIN
        | RD_KAFKA_RESP_ERR__END
        | RD_KAFKA_RESP_ERR_END_ALL
        | RD_KAFKA_RESP_ERR__FAIL
        | RD_KAFKA_RESP_ERR__INVALID_ARG
        | RD_KAFKA_RESP_ERR__IN_PROGRESS
        | RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS
        | RD_KAFKA_RESP_ERR__EXISTING_SUBSCRIPTION
        | RD_KAFKA_RESP_ERR__CONFLICT
        | RD_KAFKA_RESP_ERR__STATE
        | RD_KAFKA_RESP_ERR__UNKNOWN_PROTOCOL
        | RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED
        | RD_KAFKA_RESP_ERR__READ_ONLY
        | RD_KAFKA_RESP_ERR__NOENT
        | RD_KAFKA_RESP_ERR__INVALID_TYPE
        | RD_KAFKA_RESP_ERR__NOT_CONFIGURED
        | RD_KAFKA_RESP_ERR__APPLICATION
        | RD_KAFKA_RESP_ERR_INVALID_REQUEST
        | RD_KAFKA_RESP_ERR_INVALID_TXN_STATE
        | RD_KAFKA_RESP_ERR_INVALID_PRINCIPAL_TYPE
        | RD_KAFKA_RESP_ERR_DUPLICATE_RESOURCE => Ours,

        RD_KAFKA_RESP_ERR_NO_ERROR
        | RD_KAFKA_RESP_ERR__PARTITION_EOF
        | RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS
        | RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS
        | RD_KAFKA_RESP_ERR__NOOP => Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_librdkafka_is_in_the_table() {
        /// As `rd_kafka_err_desc`, with a code that may be any.
        #[repr(C)]
        struct Described {
            code: i32,
            name: *const std::ffi::c_char,
            text: *const std::ffi::c_char,
        }

        // The compiler holds the table to the binding; this holds the binding to the library that is linked.
        let (mut list, mut count) = (std::ptr::null(), 0);
        #[expect(unsafe_code, reason = "the binding has no call for this")]
        // SAFETY: the call gives a static table of so many codes, some of which have no name.
        let described = unsafe {
            rdkafka::bindings::rd_kafka_get_err_descs(&raw mut list, &raw mut count);
            std::slice::from_raw_parts(list.cast::<Described>(), count)
        };
        let known = described.iter().filter(|described| !described.name.is_null() && !described.text.is_null());
        let codes: Vec<_> = known.map(|described| described.code).collect();
        let missing: Vec<_> = codes.iter().filter(|&&code| rd_kafka_resp_err_t::try_from(code).is_err()).collect();
        assert!(codes.len() > 150 && missing.is_empty(), "{} codes, without {missing:?}", codes.len());
    }

    #[test]
    fn faults_are_where_people_look_for_them() {
        use RDKafkaErrorCode as Code;
        let of_records = [Code::InvalidTimestamp, Code::InvalidRecord, Code::MessageSizeTooLarge];
        assert_eq!(of_records.map(whose), [Whose::Record; 3]);
        let of_others = [Code::TopicAuthorizationFailed, Code::UnknownTopic, Code::KafkaStorageError];
        assert_eq!(of_others.map(whose), [Whose::Cluster; 3]);
        assert_eq!([Code::Fatal, Code::OutOfOrderSequenceNumber].map(whose), [Whose::Client; 2]);
        assert_eq!([Code::InvalidArgument, Code::State].map(whose), [Whose::Ours; 2]);
        assert_eq!(whose(Code::NoError), Whose::Nobody);
    }
}
