//! Every message that somebody may send a coordinator: its bytes, and what they are taken for.

#![no_main]

use prost::Message;
use selffer_core::{
    artifact::Manifest,
    ids::Claim,
    job::Failure,
    outcome::{JobResult, MetricPoint},
};
use selffer_proto::{convert, v1};

/// Reads the bytes as each of these messages.
macro_rules! decode_each {
    ($bytes:expr, $($message:ident),+ $(,)?) => { $(let _ = v1::$message::decode($bytes);)+ };
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    decode_each!(
        bytes,
        BeginImportRequest,
        CancelJobRequest,
        ChangeInterestRequest,
        ClaimRequest,
        CloseSessionRequest,
        CollectGarbageRequest,
        DeleteNetworksRequest,
        DrainWorkersRequest,
        GetCheckpointRequest,
        GetImportRequest,
        GetJobRequest,
        GetLogRequest,
        GetStudyRequest,
        HoldJobRequest,
        HoldStudyRequest,
        LimitStudyRequest,
        ListDeviceSpeedsRequest,
        ListImportsRequest,
        ListJobsRequest,
        ListStudiesRequest,
        ListWorkersRequest,
        LookUpJobsRequest,
        OpenSessionRequest,
        PrioritizeStudyRequest,
        PublishImportRequest,
        PutCheckpointChunkRequest,
        PutImportChunkRequest,
        ReadCheckpointChunkRequest,
        ReadImportChunkRequest,
        ReleaseWorkersRequest,
        RetryJobRequest,
        RetryStudyRequest,
        SetDeadlineRequest,
        SubmitRequest,
        WatchStudyRequest,
        AppendLogRequest,
    );
    if let Ok(message) = v1::ConfirmRequest::decode(bytes) {
        let _ = convert::required::<_, Claim>("claim", message.claim);
    }
    if let Ok(message) = v1::BeginCheckpointRequest::decode(bytes) {
        let _ = convert::required::<_, Manifest>("manifest", message.manifest);
    }
    if let Ok(message) = v1::CompleteAttemptRequest::decode(bytes) {
        let _ = convert::checkpoint_id("checkpoint_id", &message.checkpoint_id);
        let _ = convert::required::<_, JobResult>("result", message.result);
    }
    if let Ok(message) = v1::FailAttemptRequest::decode(bytes) {
        let _ = convert::required::<_, Failure>("failure", message.failure);
    }
    if let Ok(message) = v1::GiveBackRequest::decode(bytes) {
        let _ = convert::give_back_reason("reason", message.reason);
    }
    if let Ok(message) = v1::PublishCheckpointRequest::decode(bytes) {
        let _ = convert::checkpoint_id("checkpoint_id", &message.checkpoint_id);
    }
    if let Ok(message) = v1::HeartbeatRequest::decode(bytes) {
        for item in message.inventory {
            let _ = convert::required::<_, Claim>("claim", item.claim);
            let _ = convert::phase(item.phase);
            for point in item.metrics {
                let _ = MetricPoint::try_from(point);
            }
        }
    }
});
