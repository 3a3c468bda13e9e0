//! Listings.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::EncodingType;
use tempfile::TempDir;

use super::{Server, status_and_code};
use crate::store::MEDIA;

#[tokio::test]
async fn a_listing_rolls_up_prefixes_and_its_pages_neither_skip_nor_repeat_keys() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let highest = "b/\u{10ffff}";
    let keys = ["a", "a/1", "a/2", "a/b/3", "a0", "b/1", "b/2", "b/c/1", "b/c/2", "b/d", highest, "c", "z/1"];
    for key in keys {
        server.put(key, b"x").await;
    }
    for page_size in 1..=13 {
        let flat = list_all(&server.client, "", None, page_size).await;
        assert_eq!(flat, keys, "pages of {page_size}");
        let mut rolled = list_all(&server.client, "", Some("/"), page_size).await;
        rolled.sort_unstable();
        assert_eq!(rolled, ["a", "a/", "a0", "b/", "c", "z/"], "{page_size}");
        let mut below = list_all(&server.client, "b/", Some("/"), page_size).await;
        below.sort_unstable();
        assert_eq!(below, ["b/1", "b/2", "b/c/", "b/d", highest], "{page_size}");
    }
    let list = || server.client.list_objects_v2().bucket(MEDIA);
    let after = list().start_after("b/c/1").send().await.unwrap();
    assert_eq!(after.contents()[0].key(), Some("b/c/2"));
    assert_eq!(after.key_count(), Some(5));
    let none = list().max_keys(0).send().await.unwrap();
    assert_eq!(none.key_count(), Some(0));
    assert_eq!(none.is_truncated(), Some(false));
    let bad = list().continuation_token("?").send().await;
    assert_eq!(status_and_code(bad), (400, "InvalidArgument".to_owned()));
}

/// Returns every key and common prefix of a listing, page by page.
async fn list_all(client: &Client, prefix: &str, delimiter: Option<&str>, size: i32) -> Vec<String> {
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let page = client
            .list_objects_v2()
            .bucket(MEDIA)
            .prefix(prefix)
            .set_delimiter(delimiter.map(str::to_owned))
            .max_keys(size)
            .set_continuation_token(token)
            .send()
            .await
            .unwrap();
        assert!(page.key_count().unwrap() <= size);
        let keys = page.contents().iter().filter_map(|object| object.key());
        let prefixes = page.common_prefixes().iter();
        let prefixes = prefixes.filter_map(|common| common.prefix());
        found.extend(keys.chain(prefixes).map(str::to_owned));
        token = page.next_continuation_token().map(str::to_owned);
        assert_eq!(page.is_truncated(), Some(token.is_some()));
        if token.is_none() {
            return found;
        }
    }
}

#[tokio::test]
async fn a_listing_encodes_keys_on_request() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    for key in ["a b+c", "d/1", "d/2", "e"] {
        server.put(key, b"x").await;
    }
    let list = || {
        let list = server.client.list_objects_v2().bucket(MEDIA);
        list.delimiter("/").encoding_type(EncodingType::Url)
    };
    let first = list().max_keys(2).send().await.unwrap();
    assert_eq!(first.contents()[0].key(), Some("a%20b%2Bc"));
    assert_eq!(first.common_prefixes()[0].prefix(), Some("d/"));
    let token = first.next_continuation_token().unwrap();
    let second = list().continuation_token(token).send().await.unwrap();
    assert_eq!(second.contents()[0].key(), Some("e"));
    assert!(second.common_prefixes().is_empty());
}
