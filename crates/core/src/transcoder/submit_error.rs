//! Why a job was not created, and whether there may be one all the same.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::Error;
use crate::aws::never_connected;
use crate::error::describe;
use crate::transcoder_kind::TranscoderKind;

/// Why a job was not created.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The service will never accept this job; the reason is fit for the admin.
    #[error("{0}")]
    Rejected(String),
    /// There is no job: the service throttled, or it could not be reached. A later try may succeed.
    #[error(transparent)]
    Unavailable(Error),
    /// There may be a job: no answer came, or the service failed over it. Look for it before creating another, and not
    /// at once, since the request may still be on its way.
    #[error(transparent)]
    Unknown(Error),
}

/// Codes that may pass although their status is 4xx: throttling, and credentials or clocks that are soon right again.
const RETRYABLE: [&str; 10] = [
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "LimitExceededException",
    "ExpiredTokenException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "UnrecognizedClientException",
];

/// Statuses that blame the deployment and not the video: an account without the service, missing permissions, a
/// conflict. Whoever runs it can fix that, so the upload is retried, and then waits in the dead-letter queue, whose
/// alarm says so.
const DEPLOYMENT_FAULTS: [u16; 3] = [402, 403, 409];

pub(super) fn is_code<E>(error: &SdkError<E, HttpResponse>, code: &str) -> bool
where
    E: ProvideErrorMetadata,
{
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some(code)
}

/// Tells a permanent refusal (4xx other than throttling) from a failure that may pass, and whether a job may exist all
/// the same.
pub(super) fn submit_error<E>(kind: TranscoderKind, error: &SdkError<E, HttpResponse>) -> SubmitError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let service = kind.service_name();
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    let was_answered = (400..500).contains(&status) && status != 408;
    let may_pass = status == 429 || DEPLOYMENT_FAULTS.contains(&status) || RETRYABLE.contains(&code);
    if was_answered && !may_pass {
        SubmitError::Rejected(format!("{service} rejected the job: {}", describe(error)))
    } else if was_answered || never_left(error) {
        SubmitError::Unavailable(Error::unavailable(service, "CreateJob", error))
    } else {
        SubmitError::Unknown(Error::unavailable(service, "CreateJob", error))
    }
}

/// Returns the ID of a job that was created.
pub(super) fn created(kind: TranscoderKind, job_id: Option<String>) -> Result<String, SubmitError> {
    job_id.ok_or_else(|| {
        let service = kind.service_name();
        let reason = "the answer names no job".to_owned();
        SubmitError::Unknown(Error::Unavailable { service, operation: "CreateJob", reason })
    })
}

/// Returns whether the request cannot have reached the service.
fn never_left<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: std::error::Error + 'static,
{
    matches!(error, SdkError::ConstructionFailure(_)) || never_connected(error)
}

#[cfg(test)]
mod tests {
    use aws_sdk_mediaconvert::operation::create_job::CreateJobError;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    const KIND: TranscoderKind = TranscoderKind::MediaConvert;

    /// What becomes of a `CreateJob` that the service answers so.
    fn answered(status: u16, code: &str) -> SubmitError {
        let error = CreateJobError::generic(ErrorMetadata::builder().code(code).build());
        let response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        submit_error(KIND, &SdkError::service_error(error, response))
    }

    #[test]
    fn a_job_is_rejected_only_by_an_answer_that_blames_it() {
        for (status, code) in [(400, "BadRequestException"), (404, "NotFoundException")] {
            let SubmitError::Rejected(reason) = answered(status, code) else { panic!("{status} {code}") };
            assert!(reason.starts_with(&format!("MediaConvert rejected the job: {code} ({status})")), "{reason}");
        }
    }

    #[test]
    fn what_only_the_deployment_can_fix_fails_no_video() {
        for (status, code) in [(402, "Anything"), (403, "AccessDeniedException"), (409, "ConflictException")] {
            assert!(matches!(answered(status, code), SubmitError::Unavailable(_)), "{status} {code}");
        }
    }

    #[test]
    fn throttling_and_credentials_say_that_there_is_no_job_yet() {
        for (status, code) in [(429, "Anything"), (400, "ThrottlingException"), (403, "ExpiredTokenException")] {
            assert!(matches!(answered(status, code), SubmitError::Unavailable(_)), "{status} {code}");
        }
        let never_sent = SdkError::<CreateJobError, HttpResponse>::construction_failure("no region");
        assert!(matches!(submit_error(KIND, &never_sent), SubmitError::Unavailable(_)));
    }

    #[test]
    fn there_may_be_a_job_when_no_answer_or_none_of_use_came() {
        for status in [408, 500, 503] {
            assert!(matches!(answered(status, "Anything"), SubmitError::Unknown(_)), "{status}");
        }
        let hung_up = ConnectorError::io("connection reset".into());
        let hung_up = SdkError::<CreateJobError, HttpResponse>::dispatch_failure(hung_up);
        assert!(matches!(submit_error(KIND, &hung_up), SubmitError::Unknown(_)));
        assert!(matches!(created(KIND, None), Err(SubmitError::Unknown(_))));
        assert_eq!(created(KIND, Some("1-a".to_owned())).unwrap(), "1-a");
    }

    #[test]
    fn a_code_is_the_services_own() {
        let error = CreateJobError::generic(ErrorMetadata::builder().code("NotFoundException").build());
        let error = SdkError::service_error(error, HttpResponse::new(404.try_into().unwrap(), SdkBody::empty()));
        assert!(is_code(&error, "NotFoundException") && !is_code(&error, "NotFound"));
    }
}
