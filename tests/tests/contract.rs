//! Every row of the HTTP contract.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use video_tests::{TestSystem, Variables};

async fn expect_error(response: Response, status: u16, code: &str, message: &str) {
    let url = response.url().clone();
    assert_eq!(response.status().as_u16(), status, "{url}");
    assert_eq!(response.headers()["content-type"], "application/json", "{url}");
    assert_eq!(response.headers()["access-control-allow-origin"], "*", "{url}");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["Code"], code, "{url}");
    assert!(body["Message"].as_str().unwrap().contains(message), "{url}: {body}");
    assert_eq!(body.as_object().unwrap().len(), 2, "{url}");
}

#[tokio::test]
async fn the_root_says_hello_to_the_world() {
    let system = TestSystem::start().await;
    let response = system.get("/").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.json::<Value>().await.unwrap(), json!({ "hello": "world" }));
}

#[tokio::test]
async fn hello_greets_the_admin_by_name() {
    let system = TestSystem::start().await;
    for path in ["/hello", "/hello/"] {
        let response = system.get_as_admin(path).await;
        assert_eq!(response.status(), StatusCode::OK);
        let greeting = json!({ "hello": "admin", "context": { "is_admin": true, "principalId": "admin" } });
        assert_eq!(response.json::<Value>().await.unwrap(), greeting);
    }
}

#[tokio::test]
async fn missing_wrong_and_malformed_credentials_are_unauthorized_alike() {
    let system = TestSystem::start().await;
    let headers = [
        None,
        Some(""),
        Some("Basic"),
        Some("Basic "),
        Some("Basic !!!!"),
        Some("Basic YWRtaW4="),         // admin
        Some("Basic YWRtaW46d3Jvbmc="), // admin:wrong
        Some("Basic cm9vdDpsb2NhbA=="), // root:local
        Some("Basic /zpsb2NhbA=="),     // not UTF-8
        Some("Bearer YWRtaW46bG9jYWw="),
        Some("YWRtaW46bG9jYWw="),
    ];
    for path in ["/hello", "/videos", "/videos/"] {
        for header in headers {
            let mut request = system.http.get(format!("{}{path}", system.at.api));
            if let Some(header) = header {
                request = request.header("authorization", header);
            }
            let response = request.send().await.unwrap();
            assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic realm="), "{header:?}");
            expect_error(response, 401, "UnauthorizedError", "a valid user name and password are needed").await;
        }
    }
}

#[tokio::test]
async fn a_form_is_issued_and_its_record_is_written_first() {
    let system = TestSystem::start().await;
    // The original's example, with parameters that it ignores.
    let response = system.get("/presignedurl/testProject/0/?mail=eduard@orkei.com&project=Test&step=0").await;
    assert_eq!(response.status(), StatusCode::OK);
    let form: Value = response.json().await.unwrap();
    assert_eq!(form["url"], format!("{}/{}", system.at.s3, system.at.media_bucket));
    let fields = form["fields"].as_object().unwrap();
    assert_eq!(fields["key"], "testProject/0/e78b913d3d3d5eb5162a.webm");
    assert_eq!(fields["Content-Type"], "video/webm");
    assert_eq!(fields["success_action_status"], "201");
    let names = [
        "key",
        "Content-Type",
        "success_action_status",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "policy",
        "x-amz-signature",
    ];
    assert_eq!(fields.len(), names.len());
    assert!(names.iter().all(|name| fields.contains_key(*name)));
    assert!(form["expiresAt"].as_str().unwrap().ends_with('Z'));

    let videos = system.videos("").await;
    assert_eq!(videos.len(), 1);
    assert_eq!(videos[0]["ProjectStep"], "testProject-0");
    assert_eq!(videos[0]["Mail"], "eduard@orkei.com");
    assert_eq!(videos[0]["video"], "testProject/0/e78b913d3d3d5eb5162a.webm");
    assert_eq!(videos[0]["status"], "requested");
    assert!(videos[0]["requestedAt"].is_string());
}

#[tokio::test]
async fn the_media_type_chooses_extension_and_content_type() {
    let system = TestSystem::start().await;
    for (query, extension, content_type) in [
        ("", "webm", "video/webm"),
        ("&type=video/webm", "webm", "video/webm"),
        ("&type=video%2Fmp4", "mp4", "video/mp4"),
        ("&type=video/quicktime", "mov", "video/quicktime"),
    ] {
        let form = system.form(&format!("/presignedurl/Alba/0?mail=Eduard@orkei.com{query}")).await;
        assert_eq!(form.fields["key"], format!("Alba/0/c5e866594d810c0c3e1f.{extension}"));
        assert_eq!(form.fields["Content-Type"], content_type);
    }
}

#[tokio::test]
async fn another_form_request_never_resets_the_status() {
    let system = TestSystem::start().await;
    let key = system.upload("/presignedurl/p/0?mail=a@b", b"no video".to_vec()).await;
    assert_eq!(system.settled(&key).await["status"], "failed");
    system.form("/presignedurl/p/0?mail=a@b").await;
    assert_eq!(system.video(&key).await.unwrap()["status"], "failed");
}

#[tokio::test]
async fn the_form_has_an_acl_only_if_one_is_configured() {
    let system =
        TestSystem::start_with(|options| options.variables.push(("UPLOAD_ACL".to_owned(), "public-read".to_owned())))
            .await;
    assert_eq!(system.form("/presignedurl/p/0?mail=a@b").await.fields["acl"], "public-read");
}

#[tokio::test]
async fn a_form_without_any_parameter_is_not_found() {
    let system = TestSystem::start().await;
    for path in ["/presignedurl/p/0", "/presignedurl/p/0/", "/presignedurl/p/0?", "/presignedurl//0"] {
        expect_error(system.get(path).await, 404, "NotFoundError", "No parameter has been sent").await;
    }
}

#[tokio::test]
async fn a_form_without_mail_or_project_is_not_found() {
    let system = TestSystem::start().await;
    for path in [
        "/presignedurl/p/0?project=Test",
        "/presignedurl/p/0?mail=",
        "/presignedurl//0?mail=",
        "/presignedurl/p/0?mail=a@b&mail=",
    ] {
        expect_error(system.get(path).await, 404, "NotFoundError", "mail is empty").await;
    }
    expect_error(system.get("/presignedurl//0?mail=a@b").await, 404, "NotFoundError", "project is empty").await;
}

#[tokio::test]
async fn a_step_that_is_not_a_number_is_0_and_one_that_is_too_large_is_rejected() {
    let system = TestSystem::start().await;
    for (step, stored) in [
        ("first", "0"),
        ("1.5", "0"),
        ("7", "7"),
        ("-3", "-3"),
        ("%2B7", "7"),
        ("007", "7"),
        ("9223372036854775807", "9223372036854775807"),
    ] {
        let form = system.form(&format!("/presignedurl/p/{step}/?mail=x%2By@z.w")).await;
        assert_eq!(form.fields["key"], format!("p/{stored}/bcf0e5ea498e204f0579.webm"));
    }
    expect_error(
        system.get("/presignedurl/p/9223372036854775808?mail=a@b").await,
        400,
        "BadRequestError",
        "step must be",
    )
    .await;
}

#[tokio::test]
async fn an_invalid_form_request_is_rejected_and_the_message_names_the_field() {
    let system = TestSystem::start().await;
    let long = "x".repeat(65);
    for (path, field) in [
        ("/presignedurl/-p/0?mail=a@b", "project must be"),
        ("/presignedurl/a%20b/0?mail=a@b", "project must be"),
        ("/presignedurl/a%2Fb/0?mail=a@b", "project must be"),
        ("/presignedurl/..%2f/0?mail=a@b", "project must be"),
        ("/presignedurl/%C3%A4/0?mail=a@b", "project must be"),
        (&format!("/presignedurl/{long}/0?mail=a@b"), "project must be"),
        ("/presignedurl/%ff/0?mail=a@b", "the path must be"),
        ("/presignedurl/p/0?mail=nobody", "mail must be"),
        ("/presignedurl/p/0?mail=a@b@c", "mail must be"),
        ("/presignedurl/p/0?mail=a+b@c", "mail must be"),
        ("/presignedurl/p/0?mail=a@b%00", "mail must be"),
        ("/presignedurl/p/0?mail=%ff@b", "mail must be valid UTF-8"),
        (&format!("/presignedurl/p/0?mail={}@b", "x".repeat(253)), "mail must be at most 254 bytes"),
        ("/presignedurl/p/0?mail=unknown/a@b", "mail must be an address that starts neither with unknown/"),
        ("/presignedurl/p/0?mail=a@b&type=video/x-msvideo", "type must be"),
        ("/presignedurl/p/0?mail=a@b&type=", "type must be"),
    ] {
        expect_error(system.get(path).await, 400, "BadRequestError", field).await;
    }
    assert_eq!(system.videos("").await.len(), 0);
}

#[tokio::test]
async fn an_invalid_list_request_is_rejected_and_the_message_names_the_field() {
    let system = TestSystem::start().await;
    for (path, status, code, message) in [
        ("/videos?mail=", 404, "NotFoundError", "mail is empty"),
        ("/videos?project=", 404, "NotFoundError", "project is empty"),
        ("/videos?mail=nobody", 400, "BadRequestError", "mail must be"),
        ("/videos?project=a%20b", 400, "BadRequestError", "project must be"),
        ("/videos?project=p&step=9223372036854775808", 400, "BadRequestError", "step must be"),
        ("/videos?step=1", 400, "BadRequestError", "step must be given together with project"),
        ("/videos?status=done", 400, "BadRequestError", "status must be"),
        ("/videos?limit=0", 400, "BadRequestError", "limit must be a whole number from 1 to 500"),
        ("/videos?limit=501", 400, "BadRequestError", "limit must be"),
        ("/videos?limit=ten", 400, "BadRequestError", "limit must be"),
        ("/videos?limit=", 400, "BadRequestError", "limit must be"),
        ("/videos?state=failed", 400, "BadRequestError", "the query must have no parameters but"),
        ("/videos?cursor=", 400, "BadRequestError", "cursor must be"),
        ("/videos?cursor=AAAA", 400, "BadRequestError", "cursor must be"),
    ] {
        expect_error(system.get_as_admin(path).await, status, code, message).await;
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_get_errors_of_the_same_form() {
    let system = TestSystem::start().await;
    for path in ["/nothing", "/presignedurl", "/presignedurl/p", "/presignedurl/p/0/more?mail=a@b", "/videos/p", "/%ff"]
    {
        expect_error(system.get(path).await, 404, "NotFoundError", "there is nothing at this path").await;
    }
    for (path, allow) in [
        ("/", "GET,HEAD"),
        ("/hello", "GET,HEAD"),
        ("/presignedurl/p/0?mail=a@b", "GET,HEAD"),
        ("/videos/counts", "GET,HEAD"),
        ("/videos", "GET,HEAD,DELETE"),
        ("/videos/p/0?mail=a@b", "DELETE"),
    ] {
        let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];
        for method in methods.into_iter().filter(|method| !allow.contains(method.as_str())) {
            let response = system.http.request(method, format!("{}{path}", system.at.api)).send().await.unwrap();
            assert_eq!(response.headers()["allow"], allow, "{path}");
            expect_error(response, 405, "MethodNotAllowedError", "method not allowed").await;
        }
    }
}

#[tokio::test]
async fn every_route_answers_a_preflight_request() {
    // Not through the local system, which rejects foreign origins.
    let (address, server) = serve(Variables::without_aws().api()).await;
    let http = reqwest::Client::new();
    for path in ["/", "/hello", "/presignedurl/p/0?mail=a@b", "/videos", "/nothing"] {
        let request = http.request(Method::OPTIONS, format!("http://{address}{path}"));
        let request = request.header("origin", "https://example.com").header("access-control-request-method", "GET");
        let response = request.header("access-control-request-headers", "authorization").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let headers = response.headers();
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(headers["access-control-allow-methods"].to_str().unwrap().contains("GET"));
        assert!(headers["access-control-allow-headers"].to_str().unwrap().contains("authorization"));
    }
    server.abort();
}

#[tokio::test]
async fn the_allowed_origin_narrows_cors() {
    let origin = "https://www.example.com";
    let (address, server) = serve(Variables::without_aws().with("ALLOWED_ORIGIN", origin).api()).await;
    let http = reqwest::Client::new();
    for path in ["/", "/nothing", "/videos"] {
        let request = http.get(format!("http://{address}{path}")).header("origin", "https://evil.example");
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["access-control-allow-origin"], origin, "{path}");
    }
    server.abort();
}

#[tokio::test]
async fn responses_are_never_cached_or_sniffed() {
    let system = TestSystem::start().await;
    for path in ["/", "/presignedurl/p/0?mail=a@b", "/videos", "/nothing"] {
        let headers = system.get(path).await.headers().clone();
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
    }
}

#[tokio::test]
async fn trailing_slashes_are_accepted_everywhere() {
    let system = TestSystem::start().await;
    assert_eq!(system.get_as_admin("/videos/").await.status(), StatusCode::OK);
    assert_eq!(system.get_as_admin("/videos//?limit=1").await.status(), StatusCode::OK);
    assert_eq!(system.get("/presignedurl/p/0/?mail=a@b").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn while_dynamodb_is_unreachable_no_form_is_issued_and_no_list_returned() {
    let (address, server) = serve(Variables::without_aws().api()).await;
    let http = reqwest::Client::new();
    for path in ["/presignedurl/p/0?mail=canary@example.com", "/videos"] {
        let request = http.get(format!("http://{address}{path}")).basic_auth("admin", Some("local"));
        let response = request.send().await.unwrap();
        let text = "the service is not available at the moment, please try again";
        expect_error(response, 503, "ServiceUnavailableError", text).await;
    }
    server.abort();
}

async fn serve(router: axum::Router) -> (std::net::SocketAddr, tokio::task::JoinHandle<std::io::Result<()>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, tokio::spawn(async move { axum::serve(listener, router).await }))
}
