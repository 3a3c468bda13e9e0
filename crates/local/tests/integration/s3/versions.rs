//! Versions, of which each object has one, and deleting all of them.

use aws_sdk_s3::types::{Delete, EncodingType, ObjectIdentifier};
use tempfile::TempDir;

use super::{Server, status_and_code};
use crate::http::send;
use crate::store::{MEDIA, object_files};

/// Returns the key and version of everything below a prefix, page by page, and the common prefixes.
async fn list_versions(
    server: &Server,
    prefix: &str,
    delimiter: Option<&str>,
    page_size: i32,
) -> (Vec<(String, String)>, Vec<String>) {
    let (mut versions, mut prefixes) = (Vec::new(), Vec::new());
    let (mut key, mut version) = (None, None);
    loop {
        let list = server.client.list_object_versions().bucket(MEDIA).prefix(prefix).max_keys(page_size);
        let list = list.set_delimiter(delimiter.map(str::to_owned));
        let page = list.set_key_marker(key).set_version_id_marker(version).send().await.unwrap();
        assert!(page.versions().len() + page.common_prefixes().len() <= usize::try_from(page_size).unwrap());
        assert!(page.delete_markers().is_empty());
        for found in page.versions() {
            assert_eq!((found.is_latest(), found.size()), (Some(true), Some(1)));
            assert_eq!(found.e_tag(), Some("\"9dd4e461268c8034f5c8564e155c67a6\""));
            versions.push((found.key().unwrap().to_owned(), found.version_id().unwrap().to_owned()));
        }
        prefixes.extend(page.common_prefixes().iter().map(|common| common.prefix().unwrap().to_owned()));
        if page.is_truncated() != Some(true) {
            return (versions, prefixes);
        }
        (key, version) = (page.next_key_marker, page.next_version_id_marker);
    }
}

fn delete(objects: &[(&str, Option<&str>)]) -> Delete {
    let objects = objects.iter().map(|(key, version)| {
        let object = ObjectIdentifier::builder().key(*key);
        object.set_version_id(version.map(str::to_owned)).build().unwrap()
    });
    Delete::builder().set_objects(Some(objects.collect())).build().unwrap()
}

#[tokio::test]
async fn each_object_has_one_version_and_pages_neither_skip_nor_repeat_any() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let keys = ["Alba/0/x.mp4", "Alba/0/x.webm", "Alba/0/x/1.mp4", "Alba/0/x/2.mp4", "Alba/0/y", "B/ü z"];
    for key in keys {
        server.put(key, b"x").await;
        server.put(key, b"x").await;
    }
    let with_null =
        |keys: &[&str]| -> Vec<_> { keys.iter().map(|key| ((*key).to_owned(), "null".to_owned())).collect() };
    for page_size in 1..=6 {
        assert_eq!(list_versions(&server, "", None, page_size).await, (with_null(&keys), vec![]));
        assert_eq!(list_versions(&server, "Alba/0/x", None, page_size).await, (with_null(&keys[..4]), vec![]));
        let rolled_up = list_versions(&server, "Alba/0/", Some("/"), page_size).await;
        assert_eq!(rolled_up, (with_null(&[keys[0], keys[1], keys[4]]), vec!["Alba/0/x/".to_owned()]));
    }
    let list = || server.client.list_object_versions().bucket(MEDIA);
    let encoded = list().encoding_type(EncodingType::Url).prefix("B/").send().await.unwrap();
    assert_eq!(encoded.versions()[0].key(), Some("B/%C3%BC%20z"));
    let half = list().version_id_marker("null").send().await;
    assert_eq!(status_and_code(half), (400, "InvalidArgument".to_owned()));
    let elsewhere = server.client.list_object_versions().bucket("no-such-bucket").send().await;
    assert_eq!(status_and_code(elsewhere), (404, "NoSuchBucket".to_owned()));
}

#[tokio::test]
async fn versions_are_deleted_together_and_one_that_does_not_exist_is_named() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    for key in ["one", "two", "three", "kept"] {
        server.put(key, b"x").await;
    }
    let objects = [("one", Some("null")), ("two", None), ("kept", Some("v2")), ("never there", Some("null"))];
    let deleting = server.client.delete_objects().bucket(MEDIA).delete(delete(&objects));
    let deleted = deleting.send().await.unwrap();
    let names: Vec<_> =
        deleted.deleted().iter().map(|deleted| (deleted.key().unwrap(), deleted.version_id())).collect();
    assert_eq!(names, [("one", Some("null")), ("two", None), ("never there", Some("null"))]);
    let error = &deleted.errors()[0];
    assert_eq!((error.key(), error.version_id(), error.code()), (Some("kept"), Some("v2"), Some("NoSuchVersion")));
    let one = |key: &str, version: &str| server.client.delete_object().bucket(MEDIA).key(key).version_id(version);
    assert_eq!(one("three", "null").send().await.unwrap().version_id(), Some("null"));
    assert_eq!(status_and_code(one("kept", "v2").send().await), (404, "NoSuchVersion".to_owned()));
    assert_eq!(list_versions(&server, "", None, 10).await.0, [("kept".to_owned(), "null".to_owned())]);
    assert_eq!(object_files(dir.path()), 1);

    let too_many = vec![("kept", None); 1001];
    let too_many = server.client.delete_objects().bucket(MEDIA).delete(delete(&too_many)).send().await;
    assert_eq!(status_and_code(too_many), (400, "MalformedXML".to_owned()));
    let elsewhere = server.client.delete_objects().bucket("no-such-bucket").delete(delete(&[("x", None)])).send().await;
    assert_eq!(status_and_code(elsewhere), (404, "NoSuchBucket".to_owned()));
}

#[tokio::test]
async fn head_object_tells_what_is_there_from_what_is_gone() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("x", b"x").await;
    let head = |key: &str| server.client.head_object().bucket(MEDIA).key(key);
    assert_eq!(head("x").version_id("null").send().await.unwrap().content_length(), Some(1));
    let gone = head("y").send().await.unwrap_err();
    assert!(gone.into_service_error().is_not_found());
    let version = head("x").version_id("v2").send().await.unwrap_err();
    assert_eq!(version.raw_response().unwrap().status().as_u16(), 404);
}

#[tokio::test]
async fn a_delete_of_several_objects_declares_a_digest_of_its_body() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("x", b"x").await;
    let deleting = |md5: Option<&'static str>| {
        let request = server.client.delete_objects().bucket(MEDIA).delete(delete(&[("y", None)]));
        request.customize().mutate_request(move |request| {
            let headers = request.headers_mut();
            headers.remove("x-amz-checksum-crc32");
            if let Some(md5) = md5 {
                headers.insert("content-md5", md5);
            }
        })
    };
    assert_eq!(status_and_code(deleting(None).send().await), (400, "InvalidRequest".to_owned()));
    assert_eq!(deleting(Some("XUFAKrxLKna5cZ2REBfFkg==")).send().await.unwrap().deleted().len(), 1);
    assert_eq!(server.get("x").await, b"x");
    let unsigned = format!(
        "POST /{MEDIA}?delete HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        server.address
    );
    assert!(send(server.address, &unsigned, b"").await.starts_with("HTTP/1.1 403 "));
}
