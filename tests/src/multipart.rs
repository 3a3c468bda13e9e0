//! An upload in parts, as Uppy and the page make it.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::TestSystem;

/// The smallest part but for the last.
pub const MIN_PART: usize = 5 * 1024 * 1024;

/// An upload in parts by the routes under `base`, such as `/s3`.
pub struct MultipartUpload<'a> {
    system: &'a TestSystem,
    base: String,
    pub key: String,
    pub id: String,
}

impl<'a> MultipartUpload<'a> {
    /// Begins an upload for this person.
    pub async fn begin(system: &'a TestSystem, base: &str, mail: &str) -> Self {
        let request = json!({
            "filename": "clip.webm",
            "type": "video/webm;codecs=vp8,opus",
            "metadata": { "name": "clip.webm", "mail": mail, "project": "Alba", "step": "2" },
        });
        let response = create(system, base, &request).await;
        assert_eq!(response.status(), StatusCode::OK);
        let created: Value = response.json().await.unwrap();
        assert_eq!(created["bucket"], system.at.media_bucket);
        let text = |name: &str| created[name].as_str().unwrap().to_owned();
        Self { system, base: base.to_owned(), key: text("key"), id: text("uploadId") }
    }

    /// Requests the link of a part; `query` may add to it, such as `&size=1`.
    pub async fn link(&self, number: u32, query: &str) -> String {
        let response = self.send(Method::GET, &format!("/{number}"), query, None).await;
        assert_eq!(response.status(), StatusCode::OK);
        let part: Value = response.json().await.unwrap();
        assert_eq!(part["expires"], 3600);
        part["url"].as_str().unwrap().to_owned()
    }

    /// Uploads a part and returns it as the completion names it.
    pub async fn put(&self, number: u32, bytes: Vec<u8>) -> Value {
        let link = self.link(number, "").await;
        let response = self.system.http.put(link).body(bytes).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        json!({ "PartNumber": number, "ETag": response.headers()["etag"].to_str().unwrap() })
    }

    /// Lists the parts.
    pub async fn parts(&self) -> Response {
        self.send(Method::GET, "", "", None).await
    }

    /// Completes the upload with these parts.
    pub async fn complete(&self, parts: &[Value]) -> Response {
        self.send(Method::POST, "/complete", "", Some(json!({ "parts": parts }))).await
    }

    /// Aborts the upload.
    pub async fn abort(&self) -> Response {
        self.send(Method::DELETE, "", "", None).await
    }

    async fn send(&self, method: Method, path: &str, query: &str, body: Option<Value>) -> Response {
        let url = format!("{}{}/multipart/{}{path}?key={}{query}", self.system.at.api, self.base, self.id, self.key);
        let request = self.system.http.request(method, url);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        request.send().await.unwrap()
    }
}

/// Sends the request that begins an upload.
pub async fn create(system: &TestSystem, base: &str, request: &Value) -> Response {
    system.http.post(format!("{}{base}/multipart", system.at.api)).json(request).send().await.unwrap()
}
