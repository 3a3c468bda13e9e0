//! A local DynamoDB with a table of finished videos.

use std::io;

use dynoxide::{AttributeValue, Database, ImportOptions, Item};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use video_core::aws::AwsConfig;
use video_core::records::Table;

/// The table's name.
pub const NAME: &str = "responses";
/// Of so many records, one is failed and the others are ready.
const RARE: usize = 20_000;

/// Returns the settings of clients of this DynamoDB.
pub fn aws(endpoint: &str) -> io::Result<AwsConfig> {
    let lookup = |name: &str| match name {
        "AWS_REGION" => Some("eu-west-1".to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("bench".to_owned()),
        "AWS_ENDPOINT_URL_DYNAMODB" => Some(endpoint.to_owned()),
        _ => None,
    };
    AwsConfig::from_env(&lookup).map_err(io::Error::other)
}

/// Serves a table of `count` records from memory and returns its endpoint.
pub fn serve(runtime: &Runtime, count: usize) -> io::Result<String> {
    let database = Database::memory().map_err(io::Error::other)?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    runtime.spawn(dynoxide::server::serve_on(listener, database.clone()));
    runtime.block_on(Table::new(&aws(&endpoint)?.sdk_config(), NAME).create()).map_err(io::Error::other)?;
    let items = (0..count).map(record).collect();
    database.import_items(NAME, items, ImportOptions::default()).map_err(io::Error::other)?;
    Ok(endpoint)
}

/// Returns the record of a video that has ended.
fn record(number: usize) -> Item {
    let (project, key) = (number % 50, format!("project{}/0/{number:020x}.webm", number % 50));
    let at = "2026-11-24T03:00:00Z".to_owned();
    let text = [
        ("ProjectStep", format!("project{project}-0")),
        ("Mail", format!("person{number}@example.com")),
        ("output", format!("output/web/project{project}/0/{number:020x}.mp4")),
        ("video", key.clone()),
        ("uploadedKey", key),
        ("status", if number % RARE == 7 { "failed" } else { "ready" }.to_owned()),
        ("project", format!("project{project}")),
        ("listedAt", format!("{:013}~{number:032x}", 1_700_000_000_000 + number)),
        ("requestedAt", at.clone()),
        ("uploadedAt", at.clone()),
        ("updatedAt", at),
        ("sequencer", format!("{number:040X}")),
        ("transcoder", "mediaconvert".to_owned()),
        ("jobId", format!("1700000000000-{number:06}")),
    ];
    let mut item: Item = text.into_iter().map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).collect();
    item.insert("size".to_owned(), AttributeValue::N("1048576".to_owned()));
    item
}
