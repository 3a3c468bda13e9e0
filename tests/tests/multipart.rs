//! Uploads in parts, by the routes of Uppy's Companion.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use video_tests::multipart::{MIN_PART, MultipartUpload, create};
use video_tests::{Form, TestSystem, media};

const MAIL: &str = "ana@example.com";

/// Starts a system that takes little more than two parts.
async fn small_system() -> TestSystem {
    let limit = ("MAX_UPLOAD_BYTES".to_owned(), (2 * MIN_PART).to_string());
    TestSystem::start_with(|options| options.variables.push(limit)).await
}

/// Asserts an error of this status, and returns its message, which Uppy 5 looks for under another name.
async fn rejection(response: Response, status: StatusCode) -> String {
    assert_eq!(response.status(), status);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["message"], body["Message"]);
    assert!(body["Code"].as_str().unwrap().ends_with("Error"), "{body}");
    body["Message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_in_parts_becomes_ready() {
    let system = TestSystem::start().await;
    let upload = MultipartUpload::begin(&system, "/s3", MAIL).await;
    let requested = system.video(&upload.key).await.unwrap();
    assert_eq!((&requested["status"], &requested["Mail"]), (&json!("requested"), &json!(MAIL)));

    let part = upload.put(1, media::small_webm()).await;
    let response = upload.complete(&[part]).await;
    assert_eq!(response.status(), StatusCode::OK);
    let completed: Value = response.json().await.unwrap();
    assert_eq!((&completed["key"], &completed["bucket"]), (&json!(upload.key), &json!(system.at.media_bucket)));
    assert!(completed["location"].as_str().unwrap().ends_with(&upload.key), "{completed}");
    assert_eq!(system.settled(&upload.key).await["status"], "ready");
}

#[tokio::test]
async fn what_was_uploaded_is_listed_and_the_rest_may_follow() {
    let system = small_system().await;
    let upload = MultipartUpload::begin(&system, "/s3", MAIL).await;
    let first = upload.put(1, vec![1; MIN_PART]).await;
    let listed: Value = upload.parts().await.json().await.unwrap();
    assert_eq!(listed, json!([{ "PartNumber": 1, "ETag": first["ETag"], "Size": MIN_PART }]));

    let second = upload.put(2, vec![2; 3]).await;
    // Uppy 6 takes the quotes off an ETag, and sends the parts as they come.
    let bare = json!({ "PartNumber": 1, "ETag": first["ETag"].as_str().unwrap().trim_matches('"') });
    assert_eq!(upload.complete(&[second, bare]).await.status(), StatusCode::OK);
    let object = system.s3().head_object().bucket(system.at.media_bucket).key(&upload.key).send().await.unwrap();
    assert_eq!(object.content_length(), Some(i64::try_from(MIN_PART).unwrap() + 3));
    assert_eq!(object.content_type(), Some("video/webm"));
}

#[tokio::test]
async fn whoever_lost_the_answer_of_a_completion_asks_again() {
    let system = small_system().await;
    let upload = MultipartUpload::begin(&system, "/s3", MAIL).await;
    let (first, second) = (upload.put(1, vec![1; MIN_PART]).await, upload.put(2, vec![2; 3]).await);
    let parts = [first, second];
    let answer: Value = upload.complete(&parts).await.json().await.unwrap();
    for _ in 0..2 {
        let again = upload.complete(&parts).await;
        assert_eq!(again.status(), StatusCode::OK);
        assert_eq!(again.json::<Value>().await.unwrap(), answer);
    }
    // Other parts are another object, which is not there.
    rejection(upload.complete(&parts[..1]).await, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn parts_over_the_limit_are_aborted_and_the_limit_is_named() {
    let system = small_system().await;
    let upload = MultipartUpload::begin(&system, "/s3", MAIL).await;
    let parts = [upload.put(1, vec![1; 2 * MIN_PART]).await, upload.put(2, vec![2; 1]).await];
    let message = rejection(upload.complete(&parts).await, StatusCode::BAD_REQUEST).await;
    assert_eq!(message, "the video must have 1 to 10485760 bytes; it has 10485761");
    rejection(upload.parts().await, StatusCode::NOT_FOUND).await;
    assert_eq!(system.video(&upload.key).await.unwrap()["status"], "requested");
}

#[tokio::test]
async fn parts_that_are_empty_missing_different_or_too_small_are_rejected() {
    let system = small_system().await;
    let upload = MultipartUpload::begin(&system, "/s3", MAIL).await;
    let first = upload.put(1, vec![1; 1]).await;
    let second = upload.put(2, vec![2; 1]).await;
    let third = json!({ "PartNumber": 3, "ETag": first["ETag"] });
    let other = json!({ "PartNumber": 1, "ETag": second["ETag"] });
    let zero = json!({ "PartNumber": 0, "ETag": "x" });
    let too_high = json!({ "PartNumber": 10_001, "ETag": "x" });
    for (parts, rule) in [
        (vec![], "parts must be at least one"),
        (vec![zero], "parts must be numbered from 1 to 10000"),
        (vec![too_high], "parts must be numbered from 1 to 10000"),
        (vec![first.clone(), first.clone()], "parts must be given once each"),
        (vec![first.clone(), third], "parts must be those that were uploaded, each with its ETag"),
        (vec![other], "parts must be those that were uploaded, each with its ETag"),
        (vec![first, second], "parts must be of at least 5 MiB each, but for the last"),
    ] {
        assert_eq!(rejection(upload.complete(&parts).await, StatusCode::BAD_REQUEST).await, rule);
    }
    let empty = MultipartUpload::begin(&system, "/s3", MAIL).await;
    let part = empty.put(1, Vec::new()).await;
    let message = rejection(empty.complete(&[part]).await, StatusCode::BAD_REQUEST).await;
    assert!(message.starts_with("the video must have 1 to"), "{message}");
}

#[tokio::test]
async fn the_link_of_a_part_may_fix_its_size() {
    let system = small_system().await;
    let upload = MultipartUpload::begin(&system, "/s3", MAIL).await;
    let link = upload.link(1, "&size=3").await;
    for (size, status) in [(2, StatusCode::FORBIDDEN), (4, StatusCode::FORBIDDEN), (3, StatusCode::OK)] {
        let response = system.http.put(&link).body(vec![0; size]).send().await.unwrap();
        assert_eq!(response.status(), status, "{size} bytes");
    }
}

#[tokio::test]
async fn an_aborted_upload_is_gone() {
    let system = small_system().await;
    let upload = MultipartUpload::begin(&system, "/s3", MAIL).await;
    let part = upload.put(1, vec![1; 1]).await;
    let aborted = upload.abort().await;
    assert_eq!((aborted.status(), aborted.text().await.unwrap()), (StatusCode::OK, "{}".to_owned()));
    let message = rejection(upload.complete(&[part]).await, StatusCode::NOT_FOUND).await;
    assert_eq!(message, "there is no such multipart upload");
    rejection(upload.parts().await, StatusCode::NOT_FOUND).await;
    rejection(upload.abort().await, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn the_upload_of_one_key_is_no_upload_of_another() {
    let system = small_system().await;
    let ana = MultipartUpload::begin(&system, "/s3", MAIL).await;
    let part = ana.put(1, vec![1; 1]).await;
    let mut bob = MultipartUpload::begin(&system, "/s3", "bob@example.com").await;
    bob.id.clone_from(&ana.id);
    rejection(bob.complete(&[part]).await, StatusCode::NOT_FOUND).await;
    rejection(bob.parts().await, StatusCode::NOT_FOUND).await;
    rejection(bob.abort().await, StatusCode::NOT_FOUND).await;
    assert_eq!(ana.parts().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_key_that_no_form_signs_and_a_bad_part_are_rejected() {
    let system = small_system().await;
    let upload = MultipartUpload::begin(&system, "/s3", MAIL).await;
    let key = &upload.key;
    for (path, rule) in [
        (format!("/s3/multipart/{}", upload.id), "key must be given".to_owned()),
        (format!("/s3/multipart/{}?key=Alba/2/clip.webm", upload.id), "key must be the key of an upload".to_owned()),
        (format!("/s3/multipart/{}/1?key={key}.exe", upload.id), "key must be the key of an upload".to_owned()),
        (
            format!("/s3/multipart/{}/0?key={key}", upload.id),
            "the part number must be a whole number from 1 to 2".to_owned(),
        ),
        (
            format!("/s3/multipart/{}/3?key={key}", upload.id),
            "the part number must be a whole number from 1 to 2".to_owned(),
        ),
        (
            format!("/s3/multipart/{}/x?key={key}", upload.id),
            "the part number must be a whole number from 1 to 2".to_owned(),
        ),
        (format!("/s3/multipart/{}/1?key={key}&size=0", upload.id), "size must be a whole number from 1 to".to_owned()),
    ] {
        let message = rejection(system.get(&path).await, StatusCode::BAD_REQUEST).await;
        assert!(message.starts_with(&rule), "{path}: {message}");
    }
}

#[tokio::test]
async fn an_upload_begins_only_with_a_mail_a_project_and_a_media_type() {
    let system = small_system().await;
    let request = |change: fn(&mut Value)| {
        let metadata = json!({ "mail": MAIL, "project": "Alba", "step": 2 });
        let mut request = json!({ "filename": "clip.MOV", "type": "", "metadata": metadata });
        change(&mut request);
        request
    };
    let created: Value = create(&system, "/s3", &request(|_| ())).await.json().await.unwrap();
    assert!(created["key"].as_str().unwrap().ends_with(".mov"), "the file's name tells the type: {created}");
    for (change, status, rule) in [
        ((|request| request["metadata"]["mail"] = json!("")) as fn(&mut Value), 404, "mail is empty"),
        (|request| request["metadata"] = json!({}), 404, "mail is empty"),
        (|request| request["metadata"]["project"] = json!(""), 404, "project is empty"),
        (|request| request["metadata"]["project"] = json!("-"), 400, "project must be"),
        (|request| request["metadata"]["mail"] = json!("nobody"), 400, "mail must be"),
        (|request| request["type"] = json!("image/png"), 400, "type must be"),
        (|request| request["filename"] = json!("clip.avi"), 400, "type must be"),
        (|request| request["metadata"] = json!("none"), 400, "metadata must be an object"),
    ] {
        let response = create(&system, "/s3", &request(change)).await;
        let message = rejection(response, StatusCode::from_u16(status).unwrap()).await;
        assert!(message.starts_with(rule), "{message}");
    }
}

#[tokio::test]
async fn the_plain_form_has_companions_shape() {
    let system = small_system().await;
    let path = "/s3/params?filename=clip.mp4&type=video%2Fmp4&metadata%5Bmail%5D=ana%40example.com\
                &metadata%5Bproject%5D=Alba&metadata%5Bstep%5D=2&metadata%5Bname%5D=clip.mp4";
    let response = system.get(path).await;
    assert_eq!(response.status(), StatusCode::OK);
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["method"], &body["expires"]), (&json!("POST"), &json!(3600)));
    let form = Form::read(&body).unwrap();
    assert_eq!(form.fields["Content-Type"], "video/mp4");
    assert_eq!(system.post(&form, vec![1]).await.status(), StatusCode::CREATED);
    let same = system.form("/presignedurl/Alba/2?mail=ana%40example.com&type=video%2Fmp4").await;
    assert_eq!(form.fields["key"], same.fields["key"]);
}
