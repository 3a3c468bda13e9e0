//! The upload form against S3's own checks: a signed form is accepted; one that was tampered with is rejected and
//! stores nothing.

use reqwest::StatusCode;
use serde_json::Value;
use video_tests::{Form, TestSystem};

const FILE: &[u8] = b"any bytes will do for S3";
const LIMIT: usize = 1024;

async fn system() -> TestSystem {
    TestSystem::start_with(|options| options.variables.push(("MAX_UPLOAD_BYTES".to_owned(), LIMIT.to_string()))).await
}

async fn anything_is_stored(system: &TestSystem) -> bool {
    let objects = system.s3().list_objects_v2().bucket(system.at.media_bucket).send().await.unwrap();
    objects.key_count() != Some(0)
}

#[tokio::test]
async fn a_form_is_accepted_as_signed() {
    let system = system().await;
    for media_type in ["video/webm", "video/mp4", "video/quicktime"] {
        let form = system.form(&format!("/presignedurl/p/0?mail=a@b&type={media_type}")).await;
        let response = system.post(&form, FILE.to_vec()).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let xml = response.text().await.unwrap();
        assert!(xml.contains("<PostResponse>") && xml.contains(&format!("<Key>{}</Key>", form.fields["key"])), "{xml}");
        let stored =
            system.s3().get_object().bucket(system.at.media_bucket).key(&form.fields["key"]).send().await.unwrap();
        assert_eq!(stored.content_type(), Some(media_type));
        assert!(stored.metadata().is_none_or(std::collections::HashMap::is_empty));
        assert_eq!(stored.body.collect().await.unwrap().to_vec(), FILE);
    }
}

#[tokio::test]
async fn a_form_accepts_files_up_to_the_limit() {
    let system = system().await;
    let form = system.form("/presignedurl/p/0?mail=a@b").await;
    assert_eq!(system.post(&form, vec![b'x'; LIMIT]).await.status(), StatusCode::CREATED);
    assert_eq!(system.post(&form, vec![b'x']).await.status(), StatusCode::CREATED);
}

/// How a form is changed before it is posted.
type Tamper = fn(&mut Form);

#[tokio::test]
async fn every_tampered_form_is_rejected_with_an_error_of_s3() {
    let tampered: &[(&str, &str, Tamper)] = &[
        ("another key", "InvalidPolicyDocument|AccessDenied", |form| set(form, "key", "p/0/00000000000000000000.webm")),
        ("a key in another folder", "InvalidPolicyDocument|AccessDenied", |form| set(form, "key", "other.webm")),
        ("another type", "InvalidPolicyDocument|AccessDenied", |form| set(form, "Content-Type", "text/html")),
        ("another status", "InvalidPolicyDocument|AccessDenied", |form| set(form, "success_action_status", "200")),
        ("another algorithm", "", |form| set(form, "x-amz-algorithm", "AWS4-HMAC-SHA1")),
        ("another access key", "", |form| replace(form, "x-amz-credential", "local/", "other/")),
        ("another day", "", |form| set(form, "x-amz-date", "20200101T000000Z")),
        ("another region", "", |form| replace(form, "x-amz-credential", "us-east-1", "us-west-1")),
        ("another service", "", |form| replace(form, "x-amz-credential", "/s3/", "/ec2/")),
        ("another signature", "SignatureDoesNotMatch", |form| set(form, "x-amz-signature", &"0".repeat(64))),
        ("a policy that allows another key", "SignatureDoesNotMatch|InvalidPolicyDocument", |form| {
            edit_policy(form, "p/0/", "q/0/")
        }),
        ("a policy that allows more bytes", "SignatureDoesNotMatch", |form| edit_policy(form, "1024", "9999")),
        ("a policy that lives longer", "SignatureDoesNotMatch", |form| {
            edit_policy(form, "\"expiration\":\"20", "\"expiration\":\"21")
        }),
        ("a policy that is not Base64", "", |form| set(form, "policy", "!")),
        ("an empty policy", "", |form| set(form, "policy", "")),
        ("no key", "", |form| drop_field(form, "key")),
        ("no type", "InvalidPolicyDocument|AccessDenied", |form| drop_field(form, "Content-Type")),
        ("no status", "InvalidPolicyDocument|AccessDenied", |form| drop_field(form, "success_action_status")),
        ("no algorithm", "", |form| drop_field(form, "x-amz-algorithm")),
        ("no credential", "", |form| drop_field(form, "x-amz-credential")),
        ("no date", "", |form| drop_field(form, "x-amz-date")),
        ("no policy", "", |form| drop_field(form, "policy")),
        ("no signature", "AccessDenied", |form| drop_field(form, "x-amz-signature")),
        ("an ACL that the form does not have", "AccessDenied", |form| set(form, "acl", "public-read")),
        ("metadata that the form does not have", "AccessDenied", |form| set(form, "x-amz-meta-note", "x")),
        ("a redirect that the form does not have", "AccessDenied", |form| {
            set(form, "success_action_redirect", "https://evil.example")
        }),
        ("a website redirect", "AccessDenied", |form| {
            set(form, "x-amz-website-redirect-location", "https://evil.example")
        }),
    ];
    let system = system().await;
    let original = system.form("/presignedurl/p/0?mail=a@b").await;
    for (what, codes, tamper) in tampered {
        let mut form = original.clone();
        tamper(&mut form);
        assert_rejected(&system, &form, FILE.to_vec(), what, codes).await;
    }
    assert!(!anything_is_stored(&system).await);
}

#[tokio::test]
async fn another_bucket_is_rejected() {
    let system = system().await;
    let mut form = system.form("/presignedurl/p/0?mail=a@b").await;
    form.url = format!("{}/{}", system.at.s3, system.at.output_bucket);
    assert_rejected(&system, &form, FILE.to_vec(), "another bucket", "InvalidPolicyDocument|AccessDenied").await;
}

#[tokio::test]
async fn too_large_and_empty_files_are_rejected() {
    let system = system().await;
    let form = system.form("/presignedurl/p/0?mail=a@b").await;
    assert_rejected(&system, &form, vec![b'x'; LIMIT + 1], "one byte too many", "EntityTooLarge").await;
    assert_rejected(&system, &form, vec![b'x'; 300 * LIMIT], "far too many bytes", "EntityTooLarge").await;
    assert_rejected(&system, &form, Vec::new(), "an empty file", "EntityTooSmall").await;
    assert!(!anything_is_stored(&system).await);
}

#[tokio::test]
async fn an_expired_form_is_rejected() {
    let one_second = ("UPLOAD_EXPIRES_SECONDS".to_owned(), "1".to_owned());
    let system = TestSystem::start_with(|options| options.variables.push(one_second)).await;
    let form = system.form("/presignedurl/p/0?mail=a@b").await;
    let rejection = video_tests::eventually("the form has expired", async || {
        let response = system.post(&form, FILE.to_vec()).await;
        if response.status() == StatusCode::CREATED { None } else { Some(response.text().await.unwrap()) }
    });
    let rejection = rejection.await;
    assert!(rejection.contains("<Code>AccessDenied</Code>") && rejection.contains("expired"), "{rejection}");
}

async fn assert_rejected(system: &TestSystem, form: &Form, file: Vec<u8>, what: &str, codes: &str) {
    let response = system.post(form, file).await;
    let status = response.status();
    let xml = response.text().await.unwrap();
    assert!(!status.is_success(), "{what}: {status} {xml}");
    let code = xml.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    let code = code.unwrap_or_else(|| panic!("{what}: no S3 error in {xml}"));
    assert!(codes.is_empty() || codes.split('|').any(|expected| expected == code), "{what}: {xml}");
}

fn set(form: &mut Form, name: &str, value: &str) {
    form.fields.insert(name.to_owned(), value.to_owned());
}

fn drop_field(form: &mut Form, name: &str) {
    form.fields.remove(name).unwrap();
}

fn replace(form: &mut Form, name: &str, from: &str, to: &str) {
    let value = form.fields[name].replace(from, to);
    assert_ne!(value, form.fields[name]);
    set(form, name, &value);
}

fn edit_policy(form: &mut Form, from: &str, to: &str) {
    use base64::Engine;
    let engine = base64::prelude::BASE64_STANDARD;
    let policy = String::from_utf8(engine.decode(&form.fields["policy"]).unwrap()).unwrap();
    serde_json::from_str::<Value>(&policy).unwrap();
    assert!(policy.contains(from), "{policy}");
    set(form, "policy", &engine.encode(policy.replace(from, to)));
}
