//! The stage of an API Gateway: `/api/videos` of stage `api` is the route `/videos`.

use axum::extract::Request;
use axum::http::{HeaderMap, Uri, header};
use lambda_http::request::RequestContext;

use crate::error::Error;

/// The path as the client wrote it, with the stage: what a link to the next page must start with.
#[derive(Debug, Clone)]
pub struct ClientPath(pub String);

/// Returns the URL of a path as the client reaches this API: API Gateway passes on how, a local system has no proxy.
///
/// # Errors
/// [`Error::BadRequest`] for a request without a host.
pub fn client_url(headers: &HeaderMap, path: &str) -> Result<String, Error> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host =
        text(header::HOST.as_str()).ok_or_else(|| Error::BadRequest("the Host header must be given".to_owned()))?;
    let scheme = text("x-forwarded-proto").filter(|scheme| *scheme == "https").unwrap_or("http");
    Ok(format!("{scheme}://{host}{path}"))
}

/// Removes the stage, which `lambda_http` puts before the path.
pub async fn strip_stage(mut request: Request) -> Request {
    let mut client_path = request.uri().path().to_owned();
    let context = match request.extensions().get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV1(context)) => Some((context.stage.clone(), context.path.clone())),
        Some(RequestContext::ApiGatewayV2(context)) => Some((context.stage.clone(), context.http.path.clone())),
        _ => None,
    };
    if let Some((stage, path)) = context {
        client_path = path.unwrap_or(client_path);
        let stripped = stage.and_then(|stage| without_stage(request.uri(), &stage));
        if let Some(uri) = stripped {
            *request.uri_mut() = uri;
        }
    }
    request.extensions_mut().insert(ClientPath(client_path));
    request
}

fn without_stage(uri: &Uri, stage: &str) -> Option<Uri> {
    let path = uri.path().strip_prefix('/')?.strip_prefix(stage)?;
    let path = if path.is_empty() { "/" } else { path };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    path.starts_with('/').then(|| format!("{path}{query}").parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_first_part_is_a_stage() {
        let strip = |uri: &str| without_stage(&uri.parse().unwrap(), "api").map(|uri| uri.to_string());
        assert_eq!(strip("https://host/api/videos?limit=1").as_deref(), Some("/videos?limit=1"));
        assert_eq!(strip("/api/").as_deref(), Some("/"));
        assert_eq!(strip("/api").as_deref(), Some("/"));
        assert_eq!(strip("/apiary/videos"), None);
        assert_eq!(strip("/videos/api"), None);
    }
}
