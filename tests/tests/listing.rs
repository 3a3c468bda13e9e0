//! The admin's list: filters, pages, cursors.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use reqwest::StatusCode;
use serde_json::Value;
use video_tests::TestSystem;

const RECORDS: usize = 2500;

/// Writes records as they would stand after a while: five projects of five steps, every status. The higher the number,
/// the newer.
async fn fill(system: &TestSystem, records: usize) {
    let statuses = ["requested", "uploaded", "transcoding", "ready", "failed"];
    let all: Vec<usize> = (0..records).collect();
    for chunk in all.chunks(25) {
        let requests = chunk.iter().map(|i| {
            let (project, step) = (i % 5, i / 5 % 5);
            let item = HashMap::from([
                ("ProjectStep", format!("p-{project}-{step}")),
                ("Mail", format!("person{}@example.com", i / 2)),
                ("video", format!("p-{project}/{step}/{i:020x}.webm")),
                ("status", statuses[i / 25 % 5].to_owned()),
                ("project", format!("p-{project}")),
                ("listedAt", format!("{:013}~{i:032x}", 1_700_000_000_000 + i)),
                ("output", format!("output/web/p-{project}/{step}/{i:020x}.webm")),
            ]);
            let item = item.into_iter().map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).collect();
            WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item)).build().unwrap()).build()
        });
        let write = system.dynamodb().batch_write_item().request_items(system.at.table, requests.collect());
        assert!(write.send().await.unwrap().unprocessed_items.is_none_or(|left| left.is_empty()));
    }
}

/// Follows the links from the first page to the last and returns the pages.
async fn pages(system: &TestSystem, first: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut next = Some(first.to_owned());
    while let Some(path) = next {
        let response = system.get_as_admin(&path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        next = response.headers().get("link").map(|link| {
            let link = link.to_str().unwrap();
            link.strip_prefix('<').unwrap().strip_suffix(r#">; rel="next""#).unwrap().to_owned()
        });
        pages.push(response.json().await.unwrap());
        assert!(pages.len() < 1000, "the list never ends");
    }
    pages
}

fn number(name: &str) -> usize {
    usize::from_str_radix(&name.rsplit('/').next().unwrap()[..20], 16).unwrap()
}

fn names(pages: &[Vec<Value>]) -> Vec<String> {
    pages.iter().flatten().map(|video| video["video"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_record_is_on_exactly_one_full_page_newest_first() {
    let system = TestSystem::start().await;
    fill(&system, RECORDS).await;
    let pages = pages(&system, "/videos?limit=97").await;
    assert!(pages[..pages.len() - 1].iter().all(|page| page.len() == 97));
    let numbers: Vec<usize> = names(&pages).iter().map(|name| number(name)).collect();
    assert_eq!(numbers, (0..RECORDS).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_record_that_does_not_change_is_on_exactly_one_page_while_others_change() {
    let system = TestSystem::start().await;
    fill(&system, RECORDS).await;
    let changing = 200;
    let writes = async {
        let client = system.dynamodb();
        for i in 0..changing {
            let update = client.update_item().table_name(system.at.table);
            let update = update.key("ProjectStep", AttributeValue::S(format!("p-{}-{}", i % 5, i / 5 % 5)));
            let update = update.key("Mail", AttributeValue::S(format!("person{}@example.com", i / 2)));
            let update = update.update_expression("SET #s = :s").expression_attribute_names("#s", "status");
            update.expression_attribute_values(":s", AttributeValue::S("ready".to_owned())).send().await.unwrap();
        }
    };
    let (pages, ()) = tokio::join!(pages(&system, "/videos?limit=97"), writes);
    assert!(pages.iter().all(|page| page.len() <= 97 && !page.is_empty()));
    let unchanged: Vec<usize> = names(&pages).iter().map(|name| number(name)).filter(|i| *i >= changing).collect();
    assert_eq!(unchanged, (changing..RECORDS).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_page_holds_a_hundred_records_unless_asked_otherwise() {
    let system = TestSystem::start().await;
    fill(&system, 150).await;
    assert_eq!(system.videos("").await.len(), 100);
    assert_eq!(system.videos("?limit=1").await.len(), 1);
    assert_eq!(system.videos("?limit=500").await.len(), 150);
}

#[tokio::test]
async fn filters_pass_what_matches_and_nothing_else() {
    let system = TestSystem::start().await;
    fill(&system, RECORDS).await;
    let filters: [(&str, &dyn Fn(usize) -> bool); 8] = [
        ("project=p-3", &|i| i % 5 == 3),
        ("project=p-3&step=2", &|i| i % 5 == 3 && i / 5 % 5 == 2),
        ("status=failed", &|i| i / 25 % 5 == 4),
        ("project=p-3&status=failed", &|i| i % 5 == 3 && i / 25 % 5 == 4),
        ("project=p-3&step=2&status=failed", &|i| i % 5 == 3 && i / 5 % 5 == 2 && i / 25 % 5 == 4),
        ("mail=person7@example.com", &|i| i / 2 == 7),
        ("mail=person7@example.com&project=p-4", &|i| i / 2 == 7 && i % 5 == 4),
        ("mail=person7@example.com&project=p-4&step=2", &|i| i / 2 == 7 && i % 5 == 4 && i / 5 % 5 == 2),
    ];
    for (filter, matches) in filters {
        for limit in [7, 500] {
            let pages = pages(&system, &format!("/videos?{filter}&limit={limit}")).await;
            assert!(pages.iter().all(|page| page.len() <= limit), "{filter}");
            let found: Vec<usize> = names(&pages).iter().map(|name| number(name)).collect();
            let expected: Vec<usize> = (0..RECORDS).rev().filter(|i| matches(*i)).collect();
            assert_eq!(found, expected, "{filter}");
        }
    }
    assert!(system.videos("?mail=nobody@example.com").await.is_empty());
    assert!(system.videos("?project=p").await.is_empty());
}

#[tokio::test]
async fn an_unsolicited_upload_is_found_by_its_placeholder() {
    let system = TestSystem::start_with(|options| options.deliver_events = false).await;
    let key = video_core::ids::ObjectKey::from_decoded("Alba/0/my clip.webm").unwrap();
    system.table().find_or_adopt(&key, std::time::SystemTime::now()).await.unwrap();
    system.form("/presignedurl/Alba/0?mail=a@b").await;
    assert_eq!(system.videos("?mail=unknown/my%20clip.webm").await.len(), 1);
    assert_eq!(system.videos("?mail=unknown/my+clip.webm&project=Alba&step=0").await.len(), 1);
}

#[tokio::test]
async fn a_project_is_not_mistaken_for_another_with_a_hyphen() {
    let system = TestSystem::start().await;
    system.form("/presignedurl/a/-1?mail=a@b").await;
    system.form("/presignedurl/a-1/1?mail=c@d").await;
    system.form("/presignedurl/a-b/1?mail=a@b").await;
    assert_eq!(system.videos("?project=a").await.len(), 1);
    assert_eq!(system.videos("?project=a-1").await.len(), 1);
    assert_eq!(system.videos("?project=a-b&step=1").await.len(), 1);
}

#[tokio::test]
async fn only_ready_videos_can_be_played() {
    let system = TestSystem::start().await;
    fill(&system, 125).await;
    for video in system.videos("?limit=500").await {
        assert_eq!(video.get("playback").is_some(), video["status"] == "ready", "{video}");
    }
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_list_only() {
    let system = TestSystem::start().await;
    fill(&system, 200).await;
    let link = system.get_as_admin("/videos?limit=10&project=p-1").await.headers()["link"].to_str().unwrap().to_owned();
    let cursor = link.split_once("cursor=").unwrap().1.split_once('>').unwrap().0;
    assert_eq!(
        system.get_as_admin(&format!("/videos?project=p-1&limit=20&cursor={cursor}")).await.status(),
        StatusCode::OK
    );
    let truncated = &cursor[..cursor.len() - 3];
    for query in [
        format!("cursor={cursor}"),
        format!("project=p-2&cursor={cursor}"),
        format!("project=p-1&status=ready&cursor={cursor}"),
        format!("project=p-1&cursor={truncated}"),
        format!("project=p-1&cursor={cursor}AAAA"),
    ] {
        assert_eq!(system.get_as_admin(&format!("/videos?{query}")).await.status(), StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn counts_are_those_of_the_filter() {
    let system = TestSystem::start().await;
    fill(&system, RECORDS).await;
    let counts = async |query: &str| -> Value { system.get_as_admin(query).await.json().await.unwrap() };
    let all = counts("/videos/counts").await;
    assert_eq!((&all["failed"], &all["ready"], &all["capped"]), (&500.into(), &500.into(), &serde_json::json!([])));
    assert_eq!(counts("/videos/counts?project=p-3").await["failed"], 100);
    assert_eq!(counts("/videos/counts?project=p-3&step=2").await["failed"], 20);
    assert_eq!(system.get("/videos/counts").await.status(), StatusCode::UNAUTHORIZED);
    for query in ["status=failed", "mail=a@b", "limit=1", "step=2"] {
        let refused = system.get_as_admin(&format!("/videos/counts?{query}")).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_filter_that_is_not_known_is_refused_and_never_ignored() {
    let system = TestSystem::start().await;
    for query in ["state=failed", "Status=failed", "limit=501", "limit=0", "status=done"] {
        let refused = system.get_as_admin(&format!("/videos?{query}")).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{query}");
    }
}
