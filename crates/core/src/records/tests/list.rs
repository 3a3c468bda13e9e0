//! The list: newest first, exact pages, and what may change between them.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::records::list::Cursor;

fn filter(project: Option<&str>, step: Option<&str>, mail: Option<&str>, status: Option<Status>) -> Filter {
    Filter {
        mail: mail.map(str::to_owned),
        project: project.map(|text| text.parse().unwrap()),
        step: step.map(|text| text.parse().unwrap()),
        status,
    }
}

const ALL: Filter = Filter { mail: None, project: None, step: None, status: None };

fn at(seconds: usize) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds as u64)
}

/// The record of number `i`: three projects of two steps, each mail in two of them.
fn id_of(i: usize) -> RecordId {
    RecordId { project_step: format!("p-{}-{}", i % 3, i / 3 % 2), mail: format!("person{}@x", i / 2) }
}

fn key_of(i: usize) -> ObjectKey {
    key(&format!("p-{}/{}/{i:020}.webm", i % 3, i / 3 % 2))
}

impl Table {
    /// Writes the record of number `i` as it is in this state; the higher the number, the newer.
    async fn put_record(&self, i: usize, status: Status) {
        let id = id_of(i);
        let update = transitions::form_issued(&id, &key_of(i), at(i)).and(Update::default().set("marker", i as u64));
        assert!(self.apply(&id, update).await.unwrap());
        assert!(self.apply(&id, Update::default().set("status", status)).await.unwrap());
    }

    /// The numbers of a filter's records, over all its pages.
    async fn numbers(&self, filter: &Filter, limit: usize) -> Vec<usize> {
        let (mut numbers, mut after) = (Vec::new(), None);
        loop {
            let page = self.list(filter, limit, after).await.unwrap();
            assert!(page.records.len() <= limit);
            assert!(page.next.is_none() || page.records.len() == limit, "only the last page is short");
            numbers.extend(page.records.iter().map(number));
            let Some(next) = page.next else { return numbers };
            after = Some(Cursor::decode(&next.encode(filter), filter).unwrap());
            assert!(numbers.len() <= 1000, "the pages never end");
        }
    }
}

fn number(record: &Record) -> usize {
    let video = record.video.as_deref().unwrap();
    video[video.len() - 25..video.len() - 5].parse().unwrap()
}

/// Thirty records, five of each state.
async fn filled() -> Table {
    let table = table().await;
    for i in 0..30 {
        table.put_record(i, Status::ALL[i % 6]).await;
    }
    table
}

#[tokio::test]
async fn every_filter_lists_what_matches_and_nothing_else_newest_first_on_pages_of_any_size() {
    let table = filled().await;
    let listed = |i: usize| Status::ALL[i % 6] != Status::Deleting;
    let filters: [(Filter, &dyn Fn(usize) -> bool); 10] = [
        (ALL, &listed),
        (filter(Some("p-1"), None, None, None), &|i| i % 3 == 1 && listed(i)),
        (filter(Some("p-1"), Some("1"), None, None), &|i| i % 3 == 1 && i / 3 % 2 == 1 && listed(i)),
        (filter(None, None, Some("person4@x"), None), &|i| i / 2 == 4 && listed(i)),
        (filter(Some("p-2"), None, Some("person4@x"), None), &|i| i / 2 == 4 && i % 3 == 2 && listed(i)),
        (filter(Some("p-2"), Some("0"), Some("person4@x"), None), &|i| {
            i / 2 == 4 && i % 3 == 2 && i / 3 % 2 == 0 && listed(i)
        }),
        (filter(None, None, None, Some(Status::Ready)), &|i| i % 6 == 3),
        (filter(None, None, None, Some(Status::Deleting)), &|i| i % 6 == 5),
        (filter(Some("p-0"), None, None, Some(Status::Ready)), &|i| i % 6 == 3),
        (filter(Some("p-0"), Some("1"), None, Some(Status::Ready)), &|i| i % 6 == 3 && i / 3 % 2 == 1),
    ];
    for (filter, matches) in filters {
        let expected: Vec<usize> = (0..30).rev().filter(|i| matches(*i)).collect();
        for limit in [1, 4, 100] {
            assert_eq!(table.numbers(&filter, limit).await, expected, "{filter:?} {limit}");
        }
    }
}

#[tokio::test]
async fn a_page_says_whether_there_is_another_one() {
    let table = filled().await;
    let ready = filter(None, None, None, Some(Status::Ready));
    assert_eq!(table.list(&ready, 5, None).await.unwrap().next, None, "there is no page behind the last record");
    assert!(table.list(&ready, 4, None).await.unwrap().next.is_some());
}

#[tokio::test]
async fn a_project_is_told_by_the_key_and_not_by_the_project_step() {
    let table = table().await;
    for (project, step) in [("a", "-1"), ("a-", "1")] {
        let id = RecordId { project_step: "a--1".to_owned(), mail: format!("{project}@x") };
        let key = key(&format!("{project}/{step}/c5e866594d810c0c3e1f.webm"));
        table.record_form(&id, &key, SystemTime::now()).await.unwrap();
    }
    let page = table.list(&filter(Some("a"), Some("-1"), None, None), 10, None).await.unwrap();
    assert_eq!(page.records.iter().map(|record| record.id.mail.as_str()).collect::<Vec<_>>(), ["a@x"]);
}

#[tokio::test]
async fn counts_are_by_state_and_capped() {
    let table = filled().await;
    let counts = |filter: Filter| {
        let table = table.clone();
        async move { serde_json::to_value(table.counts(&filter).await.unwrap()).unwrap() }
    };
    let five_each =
        serde_json::json!({ "requested": 5, "uploaded": 5, "transcoding": 5, "ready": 5, "failed": 5, "capped": [] });
    assert_eq!(counts(ALL).await, five_each);
    let of_project = counts(filter(Some("p-0"), None, None, None)).await;
    assert_eq!((&of_project["ready"], &of_project["requested"]), (&5.into(), &5.into()));
    let of_step = counts(filter(Some("p-0"), Some("1"), None, None)).await;
    assert_eq!(of_step["ready"], 5);
    for i in 30..30 + 6 * 1000 {
        if i % 6 == 4 {
            table.put_record(i, Status::Failed).await;
        }
    }
    let many = counts(ALL).await;
    assert_eq!((&many["failed"], &many["capped"]), (&1000.into(), &serde_json::json!(["failed"])));
}

fn cursor() -> Cursor {
    Cursor::at(&id_of(7).listed_at(at(7)))
}

#[test]
fn a_cursor_reads_back_for_its_own_filter_only_and_holds_no_mail() {
    let filters = [
        ALL,
        filter(Some("Alba"), None, None, None),
        filter(Some("Alba"), Some("0"), None, None),
        filter(None, None, Some("canary@b"), None),
        filter(None, None, None, Some(Status::Ready)),
    ];
    for (i, made_for) in filters.iter().enumerate() {
        let text = cursor().encode(made_for);
        for (j, read_for) in filters.iter().enumerate() {
            assert_eq!(Cursor::decode(&text, read_for).is_ok(), i == j);
        }
        let decoded = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, &text).unwrap();
        assert!(!String::from_utf8(decoded).unwrap().contains("canary"));
    }
}

#[test]
fn what_is_no_cursor_is_refused() {
    let altered = |listed_at: &str| Cursor::at(listed_at).encode(&ALL);
    let good = id_of(7).listed_at(at(7));
    for text in [
        "",
        "e30",
        "not base64!",
        "bnVsbA",
        &altered(""),
        &altered(&good[1..]),
        &altered(&good[..good.len() - 1]),
        &altered(&good.replace('~', "-")),
        &altered(&good.replacen('1', "x", 1)),
    ] {
        assert_eq!(Cursor::decode(text, &ALL).unwrap_err().field, "cursor", "{text}");
    }
}

/// What happens between two pages.
#[derive(Debug, Clone)]
enum Change {
    Arrives,
    MovesOn(usize, usize),
    Vanishes(usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Arrives),
        (0..24_usize, 0..6_usize).prop_map(|(record, status)| Change::MovesOn(record, status)),
        (0..24_usize).prop_map(Change::Vanishes),
    ]
}

/// Reads all pages while records arrive, change their state and vanish; returns what was listed and what changed.
async fn read_while(changes: &[Change], limit: usize, filter: &Filter) -> (Vec<usize>, BTreeSet<usize>, usize) {
    let table = table().await;
    for i in 0..24 {
        table.put_record(i, Status::LISTED[i % 5]).await;
    }
    let (mut listed, mut changed, mut after, mut newest) = (Vec::new(), BTreeSet::new(), None, 24);
    let mut changes = changes.iter();
    loop {
        let page = table.list(filter, limit, after).await.unwrap();
        listed.extend(page.records.iter().map(number));
        let Some(next) = page.next else { return (listed, changed, newest) };
        assert!(!page.records.is_empty(), "an empty page before the last record");
        after = Some(next);
        for change in changes.by_ref().take(2) {
            match change {
                Change::Arrives => {
                    table.put_record(newest, Status::Requested).await;
                    changed.insert(newest);
                    newest += 1;
                }
                Change::MovesOn(i, status) => {
                    let update = Update::default().set("status", Status::ALL[*status]);
                    table.apply(&id_of(*i), update.when(super::update::When::Exists("Mail"))).await.unwrap();
                    changed.insert(*i);
                }
                Change::Vanishes(i) => {
                    let delete = table.client.delete_item().table_name(&table.name);
                    delete.set_key(Some(id_of(*i).to_key())).send().await.unwrap();
                    changed.insert(*i);
                }
            }
        }
    }
}

#[test]
fn records_that_do_not_change_neither_repeat_nor_are_skipped_whatever_others_do() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() });
    let filters = prop_oneof![Just(ALL), Just(filter(Some("p-1"), None, None, None))];
    let strategy = (prop::collection::vec(change(), 0..16), 1..6_usize, filters);
    runner
        .run(&strategy, |(changes, limit, filter)| {
            let (listed, changed, _) = runtime.block_on(read_while(&changes, limit, &filter));
            let once: BTreeSet<usize> = listed.iter().copied().collect();
            let unchanged = (0..24).filter(|i| !changed.contains(i) && (filter == ALL || i % 3 == 1));
            for i in unchanged {
                prop_assert!(once.contains(&i), "{i} was skipped: {listed:?}");
            }
            let repeated = listed.iter().filter(|i| !changed.contains(i)).count();
            prop_assert_eq!(
                repeated,
                once.iter().filter(|i| !changed.contains(i)).count(),
                "one repeats: {:?}",
                listed
            );
            Ok(())
        })
        .unwrap();
}

/// A table whose service answers each request with the next of these bodies.
async fn answering(bodies: [&'static str; 2]) -> Table {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for body in bodies {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = [0; 8 * 1024];
            // These requests are small enough for one read.
            let _ = connection.read(&mut request).await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            connection.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
    });
    table_at(endpoint)
}

#[tokio::test]
async fn keys_that_dynamodb_left_unprocessed_are_asked_for_again() {
    let table = answering([
        r#"{"Responses":{"responses":[{"ProjectStep":{"S":"p-0"},"Mail":{"S":"a@b"}}]},
            "UnprocessedKeys":{"responses":{"Keys":[{"ProjectStep":{"S":"p-0"},"Mail":{"S":"c@d"}}]}}}"#,
        r#"{"Responses":{"responses":[{"ProjectStep":{"S":"p-0"},"Mail":{"S":"c@d"}}]},
            "UnprocessedKeys":{"responses":{"Keys":[]}}}"#,
    ])
    .await;
    let ids = ["a@b", "c@d"].map(|mail| RecordId { project_step: "p-0".to_owned(), mail: mail.to_owned() });
    let found = table.get_all(&ids).await.unwrap();
    assert!(ids.iter().all(|id| found.contains_key(id)));
}

/// An index lags: it lists a record under a state that the record has left.
#[tokio::test]
async fn a_record_whose_state_changed_since_the_index_knew_it_is_left_out_and_the_page_filled_up() {
    let table = answering([
        r#"{"Items":[{"ProjectStep":{"S":"p-0"},"Mail":{"S":"a@b"},"status":{"S":"failed"},
            "listedAt":{"S":"1700000000000~aa"}}],"Count":1}"#,
        r#"{"Responses":{"responses":[{"ProjectStep":{"S":"p-0"},"Mail":{"S":"a@b"},"status":{"S":"uploaded"}}]}}"#,
    ])
    .await;
    let failed = filter(None, None, None, Some(Status::Failed));
    let page = table.list(&failed, 1, None).await.unwrap();
    assert!(page.records.is_empty() && page.next.is_none());
}
