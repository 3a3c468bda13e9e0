//! The admin's list at several sizes of the table: what a page of each filter asks of DynamoDB, and how long it takes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::runtime::Runtime;
use video_core::records::{Filter, Status, Table};

use crate::figures::{Figure, Figures};
use crate::records::{self, NAME};

/// The filters of the list; failed records are one of 20,000.
pub const FILTERS: [&str; 6] =
    ["no filter", "status (rare)", "project", "project and status (rare)", "project and step", "mail"];
/// How many records a page holds.
const PAGE: usize = 100;

/// Returns the report's name of a filter's page out of `count` records.
pub fn list_of(filter: &str, count: usize) -> String {
    format!("list, {filter}, {count} records")
}

/// Measures a page of each filter in a table of `count` records.
pub fn measure(runtime: &Runtime, endpoint: &str, count: usize, pages: usize, figures: &mut Figures) -> io::Result<()> {
    let seen = Arc::new(Seen::default());
    let table = table(endpoint, &seen)?;
    for name in FILTERS {
        let (filter, name) = (filter(name), list_of(name, count));
        seen.reset();
        page(runtime, &table, &filter)?;
        figures.add(&name, Figure::Requests, seen.requests());
        figures.add(&name, Figure::Items, seen.items());
        for _ in 0..pages {
            let start = Instant::now();
            page(runtime, &table, &filter)?;
            figures.add(&name, Figure::Latency, start.elapsed().as_secs_f64() * 1000.0);
        }
    }
    Ok(())
}

fn page(runtime: &Runtime, table: &Table, filter: &Filter) -> io::Result<()> {
    let page = runtime.block_on(table.list(filter, PAGE, None)).map_err(io::Error::other)?;
    if page.records.is_empty() && filter.status.is_none() {
        return Err(io::Error::other("the page is empty"));
    }
    Ok(())
}

fn filter(name: &str) -> Filter {
    let project = || "project7".parse().ok();
    let failed = Some(Status::Failed);
    match name {
        "status (rare)" => Filter { status: failed, ..Filter::default() },
        "project" => Filter { project: project(), ..Filter::default() },
        "project and status (rare)" => Filter { project: project(), status: failed, ..Filter::default() },
        "project and step" => Filter { project: project(), step: "0".parse().ok(), ..Filter::default() },
        "mail" => Filter { mail: Some("person7@example.com".to_owned()), ..Filter::default() },
        _ => Filter::default(),
    }
}

fn table(endpoint: &str, seen: &Arc<Seen>) -> io::Result<Table> {
    let sdk = records::aws(endpoint)?.sdk_config();
    let inner = aws_smithy_http_client::Connector::builder().build_http();
    let counting = SharedHttpConnector::new(Counting { inner: SharedHttpConnector::new(inner), seen: seen.clone() });
    let sdk = sdk.into_builder().http_client(http_client_fn(move |_, _| counting.clone())).build();
    Ok(Table::new(&sdk, NAME))
}

/// What went through the connector.
#[derive(Debug, Default)]
struct Seen {
    requests: AtomicUsize,
    items: AtomicUsize,
}

impl Seen {
    fn reset(&self) {
        self.requests.store(0, Ordering::Relaxed);
        self.items.store(0, Ordering::Relaxed);
    }

    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn requests(&self) -> f64 {
        self.requests.load(Ordering::Relaxed) as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn items(&self) -> f64 {
        self.items.load(Ordering::Relaxed) as f64
    }

    fn count(&self, body: &Value) {
        let of_batch = body["Responses"].as_object().into_iter().flat_map(|tables| tables.values());
        let items = of_batch.chain([&body["Items"]]).filter_map(Value::as_array).map(Vec::len).sum::<usize>();
        self.items.fetch_add(items + usize::from(body["Item"].is_object()), Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connector that counts requests and the items of their responses.
#[derive(Debug)]
struct Counting {
    inner: SharedHttpConnector,
    seen: Arc<Seen>,
}

impl HttpConnector for Counting {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (response, seen) = (self.inner.call(request), Arc::clone(&self.seen));
        HttpConnectorFuture::new(async move {
            let mut response: HttpResponse = response.await?;
            let body = std::mem::replace(response.body_mut(), SdkBody::taken());
            let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            seen.count(&serde_json::from_slice(&bytes).unwrap_or_default());
            *response.body_mut() = SdkBody::from(bytes);
            Ok(response)
        })
    }
}
