//! The upload form as a browser receives and posts it.

use std::collections::BTreeMap;

use reqwest::Response;
use reqwest::multipart::{self, Part};
use serde_json::Value;

/// An upload form.
#[derive(Debug, Clone)]
pub struct Form {
    pub url: String,
    pub fields: BTreeMap<String, String>,
}

impl Form {
    /// Reads the API's JSON; `None` when it is not a form.
    pub fn read(json: &Value) -> Option<Self> {
        let fields = json["fields"].as_object()?.iter();
        Some(Self {
            url: json["url"].as_str()?.to_owned(),
            fields: fields
                .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect::<Option<_>>()?,
        })
    }

    /// Posts the form with a file, which comes last.
    ///
    /// # Errors
    /// When there is no response.
    pub async fn post(&self, http: &reqwest::Client, file: Vec<u8>) -> reqwest::Result<Response> {
        let mut body = multipart::Form::new();
        for (name, value) in &self.fields {
            body = body.text(name.clone(), value.clone());
        }
        let file = Part::bytes(file).file_name("video");
        http.post(&self.url).multipart(body.part("file", file)).send().await
    }
}
