//! A JSON body, with errors that name the field and the rule and never repeat what was sent.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum_extra::TypedHeader;
use axum_extra::headers::ContentType;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use video_core::ids::{Step, ValidationError};

use crate::error::Error;
use crate::state::AppState;

/// A JSON body.
pub struct Body<T>(pub T);

/// A step in a JSON body: a number, or a text that is read as in a path.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a whole number or a text")]
pub enum StepField {
    Number(i64),
    Text(String),
}

impl Default for StepField {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl StepField {
    pub fn step(&self) -> Result<Step, ValidationError> {
        match self {
            Self::Number(step) => Ok((*step).into()),
            Self::Text(step) => step.parse(),
        }
    }
}

impl<T: DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let content_type = axum::RequestPartsExt::extract::<TypedHeader<ContentType>>(&mut parts).await;
        // A page of another site cannot send this type without asking first.
        if !content_type.is_ok_and(|TypedHeader(content_type)| is_json(&content_type)) {
            return Err(Error::BadRequest("the Content-Type must be application/json".to_owned()));
        }
        let bytes = Bytes::from_request(Request::from_parts(parts, body), state).await;
        let bytes = bytes.map_err(|_| Error::BadRequest("the body must be complete and below 2 MB".to_owned()))?;
        let body = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(&bytes));
        body.map(Self).map_err(|error| Error::BadRequest(rule(&error)))
    }
}

fn is_json(content_type: &ContentType) -> bool {
    content_type.to_string().split(';').next() == Some("application/json")
}

/// Returns which rule a body breaks, out of serde's message, which quotes the value.
fn rule(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let (path, inner) = (error.path().to_string(), error.inner());
    let path = if path == "." { "the body".to_owned() } else { path };
    let text = inner.to_string();
    // From the end, since the value may contain anything.
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let expected = text.rsplit_once(", expected ").map(|(_, expected)| expected);
    match expected {
        _ if !inner.is_data() => "the body must be JSON".to_owned(),
        Some(names) if text.starts_with("unknown field") => {
            format!("the body must have no fields but {}", names.trim_start_matches("one of "))
        }
        Some(expected) if expected.starts_with("struct ") => format!("{path} must be an object"),
        Some(expected) => format!("{path} must be {expected}"),
        None if text.starts_with("missing field") => format!("{path} must be complete: {text}"),
        // What an enum of ours expects.
        None => format!("{path} must be {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[allow(dead_code)]
        mails: Vec<String>,
        #[allow(dead_code)]
        #[serde(default)]
        step: StepField,
    }

    fn broken(body: &str) -> String {
        let sample: Result<Sample, _> = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(body));
        rule(&sample.err().unwrap())
    }

    #[test]
    fn an_error_names_the_field_and_the_rule_and_no_value() {
        assert_eq!(broken("{"), "the body must be JSON");
        assert_eq!(broken("\"canary\""), "the body must be an object");
        assert_eq!(broken(r#"{"mails":"canary"}"#), "mails must be a sequence");
        assert_eq!(broken(r#"{"mails":["a",7]}"#), "mails[1] must be a string");
        assert_eq!(broken(r#"{"mails":"canary at line , expected canary"}"#), "mails must be a sequence");
        assert_eq!(broken("{}"), "the body must be complete: missing field `mails`");
        assert_eq!(broken(r#"{"canary":1}"#), "the body must have no fields but `mails` or `step`");
        assert_eq!(broken(r#"{"mails":[],"step":{"canary":1}}"#), "step must be a whole number or a text");
    }
}
