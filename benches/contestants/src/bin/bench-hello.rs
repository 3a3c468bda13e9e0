//! The trimmed hello world: `lambda_http` and nothing else, the smallest Rust function on the official runtime.

use lambda_http::http::header::CONTENT_TYPE;
use lambda_http::{Body, Error, Request, Response, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_http::run(service_fn(hello)).await
}

async fn hello(_: Request) -> Result<Response<Body>, Error> {
    Ok(Response::builder().header(CONTENT_TYPE, "application/json").body(r#"{"hello":"world"}"#.into())?)
}
