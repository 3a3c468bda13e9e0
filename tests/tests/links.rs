//! Upload links: who was invited can upload, and nobody else.

use std::time::{Duration, SystemTime};

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use video_core::TranscoderKind;
use video_core::event_bus::EventType;
use video_core::ids::ObjectKey;
use video_core::records::RecordId;
use video_core::time::rfc3339;
use video_tests::multipart::{MultipartUpload, create};
use video_tests::secrets_manager::SecretsManager;
use video_tests::{Form, TestSystem, events, eventually, media};

const MAIL: &str = "ana@example.com";

async fn post_links(system: &TestSystem, request: &Value) -> Response {
    let admin = &system.at.admin;
    let request = system.http.post(format!("{}/links", system.at.api)).json(request);
    request.basic_auth(&admin.username, Some(&admin.password)).send().await.unwrap()
}

/// Makes a link for Ana and returns its path.
async fn link(system: &TestSystem) -> String {
    let response = post_links(system, &json!({ "project": "Alba", "step": 2, "mails": [MAIL] })).await;
    assert_eq!(response.status(), StatusCode::OK);
    let links: Value = response.json().await.unwrap();
    assert_eq!(links[0]["mail"], MAIL);
    links[0]["url"].as_str().unwrap().strip_prefix(&system.at.api).unwrap().to_owned()
}

async fn message(response: Response, status: StatusCode) -> String {
    assert_eq!(response.status(), status);
    response.json::<Value>().await.unwrap()["Message"].as_str().unwrap().to_owned()
}

async fn system_that_requires_links() -> TestSystem {
    let required = ("REQUIRE_UPLOAD_LINK".to_owned(), "true".to_owned());
    TestSystem::start_with(|options| options.variables.push(required)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_invited_uploads_and_sees_the_result() {
    let system = system_that_requires_links().await;
    let link = link(&system).await;
    let video = async || system.get(&format!("{link}/video")).await.json::<Value>().await.unwrap();
    let invited = video().await;
    assert_eq!((&invited["project"], &invited["step"]), (&json!("Alba"), &json!("2")));
    assert_eq!(invited["status"], "requested");
    assert!(!invited.to_string().contains(MAIL), "{invited}");

    // What a client says of the video is not what counts.
    let upload = MultipartUpload::begin(&system, &format!("{link}/s3"), "somebody@example.com").await;
    assert_eq!(system.video(&upload.key).await.unwrap()["Mail"], MAIL);
    let part = upload.put(1, media::small_webm()).await;
    assert_eq!(upload.complete(&[part]).await.status(), StatusCode::OK);
    let ready = eventually("the video is ready", async || Some(video().await).filter(|v| v["status"] == "ready")).await;
    assert!(!system.play(&ready).await.is_empty());
}

#[tokio::test]
async fn a_link_issues_the_plain_form_too() {
    let system = system_that_requires_links().await;
    let link = link(&system).await;
    let form = system.form(&format!("{link}/presignedurl?type=video/mp4")).await;
    assert!(form.fields["key"].ends_with(".mp4"));
    assert_eq!(system.post(&form, vec![1]).await.status(), StatusCode::CREATED);
    let params: Value = system.get(&format!("{link}/s3/params?type=video/mp4")).await.json().await.unwrap();
    assert_eq!(Form::read(&params).unwrap().fields["key"], form.fields["key"]);
}

#[tokio::test]
async fn without_a_link_nobody_uploads_where_links_are_required() {
    let system = system_that_requires_links().await;
    let metadata = json!({ "mail": MAIL, "project": "Alba", "step": 2 });
    let created = create(&system, "/s3", &json!({ "type": "video/webm", "metadata": metadata })).await;
    assert_eq!(message(created, StatusCode::FORBIDDEN).await, "an upload needs an upload link");
    for path in [
        "/presignedurl/Alba/2?mail=ana@example.com",
        "/s3/params?metadata[mail]=ana@example.com&metadata[project]=Alba",
        "/s3/multipart/x?key=Alba/2/c5e866594d810c0c3e1f.webm",
        "/s3/multipart/x/1?key=Alba/2/c5e866594d810c0c3e1f.webm",
    ] {
        assert_eq!(message(system.get(path).await, StatusCode::FORBIDDEN).await, "an upload needs an upload link");
    }
    assert!(system.videos("").await.is_empty());
}

#[tokio::test]
async fn forged_truncated_and_expired_tokens_are_refused_alike() {
    let system = TestSystem::start().await;
    let expires_at = rfc3339(SystemTime::now() + Duration::from_secs(3));
    let request = json!({ "project": "Alba", "step": 2, "mails": [MAIL], "expiresAt": expires_at });
    let links: Value = post_links(&system, &request).await.json().await.unwrap();
    assert_eq!(links[0]["expiresAt"], expires_at);
    let short = links[0]["url"].as_str().unwrap().strip_prefix(&system.at.api).unwrap().to_owned();
    eventually("the link has expired", async || {
        (system.get(&format!("{short}/video")).await.status() == StatusCode::UNAUTHORIZED).then_some(())
    })
    .await;

    let link = link(&system).await;
    let forged = format!("{}{}", &link[..link.len() - 10], "AAAAAAAAAA");
    let mut responses = Vec::new();
    for bad in [short, forged, link[..link.len() - 1].to_owned(), "/u/v4.local.x".to_owned(), "/u/x".to_owned()] {
        for route in ["/video", "/presignedurl", "/s3/params", "/s3/multipart/x?key=y"] {
            let response = system.get(&format!("{bad}{route}")).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{bad}{route}");
            assert!(!response.headers().contains_key("www-authenticate"), "a browser would ask for a password");
            let body: Value = response.json().await.unwrap();
            responses.push((body["Code"].clone(), body["Message"].clone()));
        }
    }
    assert!(responses.iter().all(|response| *response == responses[0]), "{responses:?}");
    assert_eq!(responses[0].1, "the upload link is invalid or has expired");
}

#[tokio::test]
async fn a_link_reaches_no_other_persons_upload() {
    let system = TestSystem::start().await;
    let link = link(&system).await;
    let mut bob = MultipartUpload::begin(&system, "/s3", "bob@example.com").await;
    let part = bob.put(1, vec![1; 1]).await;
    let key = std::mem::take(&mut bob.key);
    let as_ana = |path: &str| format!("{link}/s3/multipart/{}{path}?key={key}", bob.id);
    let complete =
        system.http.post(format!("{}{}", system.at.api, as_ana("/complete"))).json(&json!({ "parts": [part] }));
    let abort = system.http.delete(format!("{}{}", system.at.api, as_ana("")));
    for response in [
        complete.send().await.unwrap(),
        abort.send().await.unwrap(),
        system.get(&as_ana("")).await,
        system.get(&as_ana("/1")).await,
    ] {
        assert_eq!(message(response, StatusCode::FORBIDDEN).await, "the upload link is for another video");
    }
}

#[tokio::test]
async fn the_link_of_an_erased_video_is_gone_and_brings_nothing_back() {
    let system = TestSystem::start_without_events(TranscoderKind::ElasticTranscoder).await;
    let link = link(&system).await;
    let key = ObjectKey::from_upload(system.videos("").await[0]["video"].as_str().unwrap()).unwrap();
    let deleted = system.send_as_admin(Method::DELETE, "/videos/Alba/2?mail=ana@example.com").await;
    assert_eq!(deleted.status(), StatusCode::ACCEPTED);
    let assert_gone = async || {
        for path in ["/video", "/presignedurl", "/s3/params?type=video/webm"] {
            let response = system.get(&format!("{link}{path}")).await;
            assert_eq!(message(response, StatusCode::GONE).await, "the video of this upload link was deleted");
        }
        let created = create(&system, &format!("{link}/s3"), &json!({ "type": "video/webm" })).await;
        assert_eq!(created.status(), StatusCode::GONE);
    };
    assert_gone().await;
    system.invoke(events::requested(EventType::EraseRequested, &key)).await.unwrap();
    let id = RecordId { project_step: "Alba-2".to_owned(), mail: MAIL.to_owned() };
    assert_eq!(system.table().get(&id).await.unwrap(), None);
    assert_gone().await;
    assert_eq!(system.table().get(&id).await.unwrap(), None);
}

#[tokio::test]
async fn a_request_for_links_names_what_is_wrong() {
    let system = TestSystem::start().await;
    let anonymous = system.http.post(format!("{}/links", system.at.api)).json(&json!({}));
    assert_eq!(anonymous.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let too_many = vec![MAIL; 501];
    for (request, rule) in [
        (json!({ "project": "-", "step": 0, "mails": [MAIL] }), "project must be"),
        (json!({ "project": "p", "step": 0, "mails": [] }), "mails must be 1 to 500 addresses"),
        (json!({ "project": "p", "step": 0, "mails": too_many }), "mails must be 1 to 500 addresses"),
        (json!({ "project": "p", "step": 0, "mails": [MAIL, "bob"] }), "mails[1]: mail must be"),
        (json!({ "project": "p", "step": "99999999999999999999", "mails": [MAIL] }), "step must be"),
        (json!({ "project": "p", "mails": [MAIL], "expiresAt": "tomorrow" }), "expiresAt must be"),
        (json!({ "project": "p", "mails": [MAIL], "expiresAt": "2001-01-01T00:00:00Z" }), "expiresAt must be"),
        (json!({ "project": "p", "mails": [MAIL], "expiresAt": "9999-01-01T00:00:00Z" }), "expiresAt must be"),
        (json!({ "project": "p", "mails": [MAIL], "expires": "soon" }), "the body must have no fields but"),
        (json!({ "project": "p" }), "the body must be complete: missing field `mails`"),
    ] {
        let message = message(post_links(&system, &request).await, StatusCode::BAD_REQUEST).await;
        assert!(message.starts_with(rule), "{message}");
    }
    assert!(system.videos("").await.is_empty(), "nothing is recorded of a request that is rejected");
}

#[tokio::test]
async fn a_rotated_secret_opens_the_links_of_the_one_before() {
    let service = SecretsManager::with("the-first-secret-of-upload-links!");
    let endpoint = service.serve().await;
    let system = TestSystem::start_with(|options| {
        options.variables.push(("UPLOAD_LINK_SECRET_ARN".to_owned(), SecretsManager::ARN.to_owned()));
        options.variables.push(("AWS_ENDPOINT_URL_SECRETS_MANAGER".to_owned(), endpoint));
    })
    .await;
    let status = async |link: &str| system.get(&format!("{link}/video")).await.status();
    let first = link(&system).await;
    service.rotate("the-second-secret-of-upload-links");
    // Sealed elsewhere with the new secret, a link opens once this process asks for the secret again.
    let forged = "/u/v4.local.AAAA";
    let calls = service.calls();
    eventually("the secret is read again", async || {
        assert_eq!(status(forged).await, StatusCode::UNAUTHORIZED);
        (service.calls() > calls).then_some(())
    })
    .await;
    assert_eq!(status(&first).await, StatusCode::OK);
    let second = link(&system).await;
    service.rotate("the-third-secret-of-upload-links!");
    eventually("the link of two secrets ago has ended", async || {
        assert_eq!(status(forged).await, StatusCode::UNAUTHORIZED);
        (status(&first).await == StatusCode::UNAUTHORIZED).then_some(())
    })
    .await;
    assert_eq!(status(&second).await, StatusCode::OK);
}
