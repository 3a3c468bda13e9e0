//! Objects and buckets.

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{Delete, MetadataDirective, ObjectIdentifier};
use tempfile::TempDir;

use super::{Server, status_and_code};
use crate::store::{MEDIA, OUTPUT, object_files};

#[tokio::test]
async fn an_object_is_returned_with_its_bytes_headers_and_metadata() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let client = &server.client;
    let put = client
        .put_object()
        .bucket(MEDIA)
        .key("a/b.webm")
        .body(ByteStream::from_static(b"hello"))
        .content_type("video/webm")
        .cache_control("no-store")
        .metadata("project", "Alba")
        .send()
        .await
        .unwrap();
    assert_eq!(put.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));

    let got = client.get_object().bucket(MEDIA).key("a/b.webm");
    let got = got.send().await.unwrap();
    assert_eq!(got.content_type(), Some("video/webm"));
    assert_eq!(got.cache_control(), Some("no-store"));
    assert_eq!(got.content_encoding(), None);
    assert_eq!(got.metadata().unwrap()["project"], "Alba");
    assert_eq!(got.content_length(), Some(5));
    assert_eq!(got.e_tag(), put.e_tag());
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"hello");

    let head = client.head_object().bucket(MEDIA).key("a/b.webm");
    let head = head.send().await.unwrap();
    assert_eq!(head.content_length(), Some(5));
    assert_eq!(head.content_type(), Some("video/webm"));
    assert_eq!(head.metadata().unwrap()["project"], "Alba");
    assert!(head.last_modified().is_some());
}

#[tokio::test]
async fn an_empty_object_and_a_large_streamed_one_are_stored_completely() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("empty", b"").await;
    assert_eq!(server.get("empty").await, b"");

    let large: Vec<u8> = (0..=250).cycle().take(7_000_003).collect();
    let file = dir.path().join("upload");
    std::fs::write(&file, &large).unwrap();
    let streamed = ByteStream::from_path(&file).await.unwrap();
    let put = server.client.put_object().bucket(MEDIA).key("large");
    put.body(streamed).send().await.unwrap();
    assert!(server.get("large").await == large);
}

#[tokio::test]
async fn ranges_are_served_as_http_specifies() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("x", b"0123456789").await;
    let get = |range: &str| {
        let get = server.client.get_object().bucket(MEDIA).key("x");
        get.range(range).send()
    };
    let cases = [
        ("bytes=2-4", "bytes 2-4/10", "234"),
        ("bytes=7-", "bytes 7-9/10", "789"),
        ("bytes=-3", "bytes 7-9/10", "789"),
        ("bytes=0-99", "bytes 0-9/10", "0123456789"),
    ];
    for (range, content_range, expected) in cases {
        let got = get(range).await.unwrap();
        assert_eq!(got.content_range(), Some(content_range), "{range}");
        let bytes = got.body.collect().await.unwrap().to_vec();
        assert_eq!(bytes, expected.as_bytes(), "{range}");
    }
    let beyond = get("bytes=10-").await;
    assert_eq!(status_and_code(beyond), (416, "InvalidRange".to_owned()));
}

#[tokio::test]
async fn conditions_of_reads_and_writes_hold() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("x", b"one").await;
    let head = server.client.head_object().bucket(MEDIA).key("x");
    let head = head.send().await.unwrap();
    let etag = head.e_tag().unwrap();
    let modified = *head.last_modified().unwrap();
    let get = || server.client.get_object().bucket(MEDIA).key("x");
    let put = |key: &str| {
        let body = ByteStream::from_static(b"two");
        server.client.put_object().bucket(MEDIA).key(key).body(body)
    };

    let known = get().if_none_match(etag).send().await;
    assert_eq!(status_and_code(known).0, 304);
    let unchanged = get().if_modified_since(modified).send().await;
    assert_eq!(status_and_code(unchanged).0, 304);
    assert!(get().if_match(etag).send().await.is_ok());
    let other = get().if_match("\"other\"").send().await;
    assert_eq!(status_and_code(other), (412, "PreconditionFailed".to_owned()));
    let long_ago = get().if_unmodified_since(DateTime::from_secs(0));
    assert_eq!(status_and_code(long_ago.send().await).0, 412);

    let taken = put("x").if_none_match("*").send().await;
    assert_eq!(status_and_code(taken), (412, "PreconditionFailed".to_owned()));
    assert!(put("y").if_none_match("*").send().await.is_ok());
    assert!(put("x").if_match(etag).send().await.is_ok());
    assert_eq!(status_and_code(put("x").if_match(etag).send().await).0, 412);
    assert_eq!(server.get("x").await, b"two");
}

#[tokio::test]
async fn buckets_and_keys_that_do_not_exist_are_errors_of_their_own() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let client = &server.client;
    let no_key = client.get_object().bucket(MEDIA).key("none").send().await;
    assert_eq!(status_and_code(no_key), (404, "NoSuchKey".to_owned()));
    let no_bucket = client.get_object().bucket("nowhere").key("x").send().await;
    assert_eq!(status_and_code(no_bucket), (404, "NoSuchBucket".to_owned()));
    let put = client.put_object().bucket("nowhere").key("x");
    let put = put.body(ByteStream::from_static(b"x")).send().await;
    assert_eq!(status_and_code(put), (404, "NoSuchBucket".to_owned()));
    let head = client.head_object().bucket(MEDIA).key("none").send().await;
    assert_eq!(status_and_code(head).0, 404);
    assert_eq!(object_files(dir.path()), 0);
}

#[tokio::test]
async fn buckets_are_created_and_listed() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let client = &server.client;
    for _ in 0..2 {
        let create = client.create_bucket().bucket("another");
        create.send().await.unwrap();
    }
    let buckets = client.list_buckets().send().await.unwrap();
    let names: Vec<_> = buckets.buckets().iter().filter_map(|bucket| bucket.name()).collect();
    assert_eq!(names, ["another", MEDIA, OUTPUT]);
}

#[tokio::test]
async fn any_key_that_s3_allows_is_stored() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let long = "k".repeat(900);
    let keys = [
        "a b.webm",
        "a+b.webm",
        "a%20b.webm",
        "100%.webm",
        "ü/日本/😀.webm",
        "x",
        "x/y",
        "x/",
        "a//b",
        "a...b",
        "*?\"<>|'\\",
        "~tilde",
        &long,
    ];
    for (number, key) in keys.iter().enumerate() {
        server.put(key, number.to_string().as_bytes()).await;
    }
    for (number, key) in keys.iter().enumerate() {
        let expected = number.to_string();
        assert_eq!(server.get(key).await, expected.as_bytes(), "{key}");
    }
    let listing = server.client.list_objects_v2().bucket(MEDIA);
    let page = listing.send().await.unwrap();
    let listed: Vec<_> = page.contents().iter().filter_map(|object| object.key()).collect();
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    assert_eq!(listed, sorted);

    let too_long = server.client.put_object().bucket(MEDIA);
    let too_long = too_long.key("k".repeat(1025)).send().await;
    assert_eq!(status_and_code(too_long), (400, "KeyTooLongError".to_owned()));
}

#[tokio::test]
async fn deleted_objects_are_gone_with_their_files() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    for key in ["one", "two", "three"] {
        server.put(key, b"x").await;
    }
    for _ in 0..2 {
        let delete = server.client.delete_object().bucket(MEDIA).key("one");
        delete.send().await.unwrap();
    }
    let objects = ["two", "three", "four"].map(|key| ObjectIdentifier::builder().key(key).build().unwrap()).to_vec();
    let delete = Delete::builder().set_objects(Some(objects));
    let deleted = server.client.delete_objects().bucket(MEDIA);
    let deleted = deleted.delete(delete.build().unwrap());
    let deleted = deleted.send().await.unwrap();
    assert_eq!(deleted.deleted().len(), 3);
    assert!(deleted.errors().is_empty());
    assert_eq!(object_files(dir.path()), 0);
}

#[tokio::test]
async fn a_copy_keeps_or_replaces_metadata_and_outlives_its_source() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let client = &server.client;
    let put = client.put_object().bucket(MEDIA).key("a b+ü");
    put.content_type("video/webm").metadata("n", "1").body(ByteStream::from_static(b"bytes")).send().await.unwrap();
    let copy = |key: &str| {
        let copy = client.copy_object().bucket(MEDIA).key(key);
        copy.copy_source("media/a%20b%2B%C3%BC")
    };
    copy("kept").send().await.unwrap();
    copy("replaced")
        .metadata_directive(MetadataDirective::Replace)
        .content_type("text/plain")
        .metadata("n", "2")
        .send()
        .await
        .unwrap();
    let onto_itself = copy("a b+ü").send().await;
    assert_eq!(status_and_code(onto_itself), (400, "InvalidRequest".to_owned()));
    let conditional = copy("never").copy_source_if_match("\"other\"");
    let rejected = status_and_code(conditional.send().await);
    assert_eq!(rejected, (412, "PreconditionFailed".to_owned()));
    let delete = client.delete_object().bucket(MEDIA).key("a b+ü");
    delete.send().await.unwrap();

    for (key, content_type, n) in [("kept", "video/webm", "1"), ("replaced", "text/plain", "2")] {
        let head = client.head_object().bucket(MEDIA).key(key);
        let head = head.send().await.unwrap();
        assert_eq!(head.content_type(), Some(content_type));
        assert_eq!(head.metadata().unwrap()["n"], n);
        assert_eq!(server.get(key).await, b"bytes");
    }
    let gone = copy("never").send().await;
    assert_eq!(status_and_code(gone), (404, "NoSuchKey".to_owned()));
}

#[tokio::test]
async fn a_body_with_a_wrong_digest_is_not_stored() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let put = || {
        let put = server.client.put_object().bucket(MEDIA).key("x");
        put.body(ByteStream::from_static(b"x"))
    };
    let bad_digest = (400, "BadDigest".to_owned());
    let md5 = put().content_md5("XUFAKrxLKna5cZ2REBfFkg==");
    assert_eq!(status_and_code(md5.send().await), bad_digest);
    let crc = put().checksum_crc32("AAAAAA==");
    assert_eq!(status_and_code(crc.send().await), bad_digest);
    let sha = put().checksum_sha256("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    assert_eq!(status_and_code(sha.send().await), bad_digest);
    assert!(server.store.find(MEDIA, "x").unwrap().is_none());
    assert_eq!(object_files(dir.path()), 0);
    assert_eq!(server.queued(), 0);
}

#[tokio::test]
async fn operations_that_are_not_supported_are_not_implemented_errors() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let tagging = server.client.get_object_tagging().bucket(MEDIA).key("x");
    let tagging = status_and_code(tagging.send().await);
    assert_eq!(tagging, (501, "NotImplemented".to_owned()));
    let part = server.client.get_object().bucket(MEDIA).key("x");
    let part = status_and_code(part.part_number(1).send().await);
    assert_eq!(part, (501, "NotImplemented".to_owned()));
}
