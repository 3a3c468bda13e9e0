//! Multipart uploads.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::complete_multipart_upload::{CompleteMultipartUploadError, CompleteMultipartUploadOutput};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use tempfile::TempDir;
use video_local::s3::{Precondition, Upload};

use super::{Server, status_and_code};
use crate::http::send;
use crate::store::{MEDIA, object_files};

const PART_SIZE: usize = 5 * 1024 * 1024;

pub async fn create_upload(server: &Server) -> String {
    let create = server.client.create_multipart_upload().bucket(MEDIA);
    let create = create.key("big").content_type("video/mp4");
    let created = create.send().await.unwrap();
    created.upload_id().unwrap().to_owned()
}

pub async fn put_part(server: &Server, upload: &str, number: i32, body: &[u8]) -> String {
    let part = server.client.upload_part().bucket(MEDIA).key("big");
    let part = part.upload_id(upload).part_number(number).body(ByteStream::from(body.to_vec()));
    part.send().await.unwrap().e_tag().unwrap().to_owned()
}

pub async fn complete(
    server: &Server,
    upload: &str,
    parts: &[(i32, &str)],
) -> Result<CompleteMultipartUploadOutput, SdkError<CompleteMultipartUploadError>> {
    complete_with(&server.client, MEDIA, "big", upload, parts).await
}

pub async fn complete_with(
    client: &Client,
    bucket: &str,
    key: &str,
    upload: &str,
    parts: &[(i32, &str)],
) -> Result<CompleteMultipartUploadOutput, SdkError<CompleteMultipartUploadError>> {
    let parts = parts.iter().map(|(number, etag)| {
        let part = CompletedPart::builder().part_number(*number);
        part.e_tag(*etag).build()
    });
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
    let complete = client.complete_multipart_upload();
    let complete = complete.bucket(bucket).key(key).upload_id(upload);
    complete.multipart_upload(parts).send().await
}

#[tokio::test]
async fn a_multipart_upload_becomes_one_object() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let upload = create_upload(&server).await;
    let first = vec![b'1'; PART_SIZE];
    put_part(&server, &upload, 1, b"superseded").await;
    let one = put_part(&server, &upload, 1, &first).await;
    let three = put_part(&server, &upload, 3, b"end").await;

    let page = server.client.list_parts().bucket(MEDIA).key("big");
    let page = page.upload_id(&upload).max_parts(1);
    let page = page.send().await.unwrap();
    assert_eq!(page.parts()[0].size(), Some(5 * 1024 * 1024));
    assert_eq!(page.is_truncated(), Some(true));
    assert_eq!(page.next_part_number_marker(), Some("1"));

    let done = complete(&server, &upload, &[(1, &one), (3, &three)]).await;
    let done = done.unwrap();
    assert!(done.e_tag().unwrap().ends_with("-2\""));
    let whole = [first.as_slice(), b"end"].concat();
    assert!(server.get("big").await == whole);
    let head = server.client.head_object().bucket(MEDIA).key("big");
    let head = head.send().await.unwrap();
    assert_eq!(head.content_type(), Some("video/mp4"));
    assert_eq!(head.e_tag(), done.e_tag());
    assert_eq!(object_files(dir.path()), 1);
    let name = &server.events(1).await[0]["Records"][0]["eventName"];
    assert_eq!(name, "ObjectCreated:CompleteMultipartUpload");
}

#[tokio::test]
async fn a_browser_uploads_parts_with_presigned_urls() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let upload = create_upload(&server).await;
    let one = put_presigned_part(&server, &upload, None, "Content-Length: 5\r\n", b"video").await;
    assert!(one.starts_with("HTTP/1.1 200"), "{one}");
    for header in [
        "etag: \"421b47ffd946ca083b65cd668c6b17e6\"\r\n",
        "access-control-allow-origin: *\r\n",
        "access-control-expose-headers: etag,location\r\n",
    ] {
        assert!(one.contains(header), "{header}: {one}");
    }
    complete(&server, &upload, &[(1, "421b47ffd946ca083b65cd668c6b17e6")]).await.unwrap();
    assert_eq!(server.get("big").await, b"video");
}

#[tokio::test]
async fn a_presigned_url_with_a_signed_length_accepts_no_other_length() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let upload = create_upload(&server).await;
    let rejected = [
        ("Content-Length: 4\r\n", &b"vide"[..]),
        ("Content-Length: 6\r\n", b"videos"),
        ("Transfer-Encoding: chunked\r\n", b"5\r\nvideo\r\n0\r\n\r\n"),
    ];
    for (length, body) in rejected {
        let response = put_presigned_part(&server, &upload, Some(5), length, body).await;
        assert!(response.starts_with("HTTP/1.1 403"), "{length}: {response}");
        assert!(response.contains("<Code>SignatureDoesNotMatch</Code>"), "{length}: {response}");
    }
    assert_eq!(object_files(dir.path()), 0);
    let accepted = put_presigned_part(&server, &upload, Some(5), "Content-Length: 5\r\n", b"video").await;
    assert!(accepted.starts_with("HTTP/1.1 200"), "{accepted}");
}

/// Uploads part 1 with a presigned URL that allows a body of this length, or of any, as a browser does.
async fn put_presigned_part(server: &Server, upload: &str, signed: Option<i64>, length: &str, body: &[u8]) -> String {
    let part = server.client.upload_part().bucket(MEDIA).key("big").upload_id(upload).part_number(1);
    let expires = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let url = part.set_content_length(signed).presigned(expires).await.unwrap();
    assert_eq!(url.uri().contains("X-Amz-SignedHeaders=content-length%3Bhost"), signed.is_some(), "{}", url.uri());
    let address = server.address;
    let path = url.uri().strip_prefix(&format!("http://{address}")).unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nOrigin: http://localhost\r\n{length}\r\n"
    );
    send(address, &head, body).await
}

#[tokio::test]
async fn parts_are_listed_in_pages_by_number() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let upload = create_upload(&server).await;
    let mut expected = Vec::new();
    for number in [10_000, 3, 1, 20, 2] {
        let body = vec![b'x'; usize::try_from(number).unwrap()];
        expected.push((number, put_part(&server, &upload, number, &body).await, i64::from(number)));
    }
    expected.sort();
    for page_size in [1, 2, 4, 5, 1000] {
        let list = server.client.list_parts().bucket(MEDIA).key("big").upload_id(&upload).max_parts(page_size);
        let mut pages = list.into_paginator().send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            assert!(page.parts().len() <= usize::try_from(page_size).unwrap());
            listed.extend(
                page.parts()
                    .iter()
                    .map(|part| (part.part_number().unwrap(), part.e_tag().unwrap().to_owned(), part.size().unwrap())),
            );
        }
        assert_eq!(listed, expected, "{page_size}");
    }
}

#[tokio::test]
async fn an_upload_exists_only_with_its_own_key() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let upload = create_upload(&server).await;
    put_part(&server, &upload, 1, b"part").await;
    let none = "000000000000".to_owned();
    for (key, id) in [("other", &upload), ("big", &none)] {
        let part = server.client.upload_part().bucket(MEDIA).key(key).upload_id(id).part_number(2);
        let part = part.body(ByteStream::from_static(b"part")).send().await;
        let list = server.client.list_parts().bucket(MEDIA).key(key).upload_id(id).send().await;
        let abort = server.client.abort_multipart_upload().bucket(MEDIA).key(key).upload_id(id).send().await;
        let complete = server.client.complete_multipart_upload().bucket(MEDIA).key(key).upload_id(id);
        let part_1 = CompletedPart::builder().part_number(1).e_tag("\"1ae0b5d4a8a0c1d1\"").build();
        let parts = CompletedMultipartUpload::builder().parts(part_1).build();
        let complete = complete.multipart_upload(parts).send().await;
        let outcomes =
            [status_and_code(part), status_and_code(list), status_and_code(abort), status_and_code(complete)];
        for outcome in outcomes {
            assert_eq!(outcome, (404, "NoSuchUpload".to_owned()), "{key} {id}");
        }
    }
    assert_eq!(object_files(dir.path()), 1);
}

#[tokio::test]
async fn parts_may_be_copied_from_ranges_of_an_object() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("source +", b"0123456789").await;
    let upload = create_upload(&server).await;
    let copy = |range: &str| {
        let copy = server.client.upload_part_copy().bucket(MEDIA).key("big");
        let copy = copy.upload_id(&upload).part_number(1);
        copy.copy_source("media/source%20%2B").copy_source_range(range)
    };
    let beyond = copy("bytes=10-11").send().await;
    assert_eq!(status_and_code(beyond), (416, "InvalidRange".to_owned()));
    let copied = copy("bytes=3-5").send().await.unwrap();
    let etag = copied.copy_part_result().unwrap().e_tag().unwrap();
    complete(&server, &upload, &[(1, etag)]).await.unwrap();
    assert_eq!(server.get("big").await, b"345");
}

#[tokio::test]
async fn a_completion_that_breaks_a_rule_does_not_change_the_upload() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let upload = create_upload(&server).await;
    let one = put_part(&server, &upload, 1, b"small").await;
    let two = put_part(&server, &upload, 2, b"end").await;
    let (one, two) = (one.as_str(), two.as_str());
    let cases = [
        (vec![(2, two), (1, one)], "InvalidPartOrder"),
        (vec![(1, two)], "InvalidPart"),
        (vec![(3, one)], "InvalidPart"),
        (vec![(1, one), (2, two)], "EntityTooSmall"),
        (vec![], "MalformedXML"),
    ];
    for (parts, code) in cases {
        let rejected = status_and_code(complete(&server, &upload, &parts).await);
        assert_eq!(rejected, (400, code.to_owned()));
    }
    assert_eq!(server.queued(), 0);
    complete(&server, &upload, &[(1, one)]).await.unwrap();
    assert_eq!(server.get("big").await, b"small");
    let again = complete(&server, &upload, &[(1, one)]).await;
    assert_eq!(status_and_code(again), (404, "NoSuchUpload".to_owned()));
}

#[tokio::test]
async fn a_store_that_discards_parts_keeps_their_sizes_and_etags() {
    let dir = TempDir::new().unwrap();
    let server = Server::start_with(dir.path(), |store| store.discarding_parts(true)).await;
    let upload = create_upload(&server).await;
    let one = put_part(&server, &upload, 1, &vec![b'x'; PART_SIZE]).await;
    let two = put_part(&server, &upload, 2, b"video").await;
    assert_eq!(two, "\"421b47ffd946ca083b65cd668c6b17e6\"");
    let done = complete(&server, &upload, &[(1, &one), (2, &two)]).await.unwrap();
    assert_eq!(done.e_tag(), Some("\"29a4d43044656456b4b3f96b8eab39bf-2\""));
    assert!(server.get("big").await == vec![0; PART_SIZE + 5]);
    let file = server.store.find(MEDIA, "big").unwrap().unwrap().path;
    assert_eq!(std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(file).unwrap()), 0);
    server.put("small", b"kept").await;
    assert_eq!(server.get("small").await, b"kept");
}

#[tokio::test]
async fn a_completion_goes_on_when_its_client_gives_up_and_another_waits_for_it() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let upload = create_upload(&server).await;
    let one = put_part(&server, &upload, 1, b"video").await;
    let listed = [(1, one.trim_matches('"').to_owned())];
    let at = Upload { bucket: MEDIA, key: "big", id: &upload };
    let mut completing = Box::pin(server.store.complete_upload(at, &listed, &Precondition::None));
    assert!(futures_util::poll!(&mut completing).is_pending());
    drop(completing);
    let again = complete(&server, &upload, &[(1, &one)]).await;
    assert_eq!(status_and_code(again), (404, "NoSuchUpload".to_owned()));
    assert_eq!(server.get("big").await, b"video");
    assert_eq!((object_files(dir.path()), server.queued()), (1, 1));
}

#[tokio::test]
async fn of_completions_at_the_same_time_one_creates_the_object() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let upload = create_upload(&server).await;
    let one = put_part(&server, &upload, 1, b"video").await;
    let parts = [(1, one.as_str())];
    let outcomes = futures_util::future::join_all((0..4).map(|_| complete(&server, &upload, &parts))).await;
    let (done, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(done.len(), 1);
    for refused in refused {
        assert_eq!(status_and_code(refused), (404, "NoSuchUpload".to_owned()));
    }
    assert_eq!((object_files(dir.path()), server.queued()), (1, 1));
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let upload = create_upload(&server).await;
    put_part(&server, &upload, 1, b"part").await;
    let abort = || {
        let abort = server.client.abort_multipart_upload().bucket(MEDIA);
        abort.key("big").upload_id(&upload).send()
    };
    abort().await.unwrap();
    assert_eq!(status_and_code(abort().await), (404, "NoSuchUpload".to_owned()));
    assert_eq!(object_files(dir.path()), 0);
}

#[tokio::test]
async fn unfinished_uploads_are_listed_by_key_and_then_by_age_until_they_end() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let mut expected = Vec::new();
    for key in ["Alba/0/a b.webm", "Alba/0/ü.webm", "Alba/0/ü.webm", "Alba/01.webm", "other"] {
        // IDs sort by time to the millisecond.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        let create = server.client.create_multipart_upload().bucket(MEDIA).key(key);
        let id = create.send().await.unwrap().upload_id.unwrap();
        expected.push((key.to_owned(), id));
    }
    expected.sort();
    assert_eq!(expected[2].0, "Alba/0/ü.webm");
    for (prefix, count) in [("", 5), ("Alba/0", 4), ("Alba/0/", 3), ("Alba/0/ü", 2), ("nothing", 0)] {
        for page_size in 1..=5 {
            let listed = list_uploads(&server, prefix, page_size).await;
            let matching = expected.iter().filter(|(key, _)| key.starts_with(prefix)).cloned();
            assert_eq!(listed, matching.collect::<Vec<_>>(), "{prefix} {page_size}");
            assert_eq!(listed.len(), count);
        }
    }
    let after = server.client.list_multipart_uploads().bucket(MEDIA).key_marker("Alba/0/ü.webm");
    let after = after.send().await.unwrap();
    assert_eq!(after.uploads()[0].key(), Some("Alba/01.webm"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let age = now - after.uploads()[0].initiated().unwrap().as_secs_f64();
    assert!((-1.0..60.0).contains(&age), "{age}");
    let by_folder = server.client.list_multipart_uploads().bucket(MEDIA).delimiter("/").send().await;
    assert_eq!(status_and_code(by_folder), (501, "NotImplemented".to_owned()));

    for (key, id) in &expected {
        let abort = server.client.abort_multipart_upload().bucket(MEDIA).key(key).upload_id(id);
        abort.send().await.unwrap();
    }
    assert_eq!(list_uploads(&server, "", 5).await, []);
    let elsewhere = server.client.list_multipart_uploads().bucket("no-such-bucket").send().await;
    assert_eq!(status_and_code(elsewhere), (404, "NoSuchBucket".to_owned()));
}

/// Returns the key and ID of every upload, page by page.
async fn list_uploads(server: &Server, prefix: &str, page_size: i32) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut key, mut id) = (None, None);
    loop {
        let list = server.client.list_multipart_uploads().bucket(MEDIA).prefix(prefix).max_uploads(page_size);
        let page = list.set_key_marker(key).set_upload_id_marker(id).send().await.unwrap();
        assert!(page.uploads().len() <= usize::try_from(page_size).unwrap());
        let uploads = page.uploads().iter();
        found.extend(uploads.map(|upload| (upload.key().unwrap().to_owned(), upload.upload_id().unwrap().to_owned())));
        if page.is_truncated() != Some(true) {
            return found;
        }
        (key, id) = (page.next_key_marker, page.next_upload_id_marker);
    }
}
