//! The admin's list: filtered and paged, at a cost that grows with the page and not with the table.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{Item, MAIL_INDEX, Record, RecordId, SERVICE, Status, Table, from_item, s};
use crate::Error;
use crate::ids::{Project, Step, ValidationError, fingerprint, project_step};

/// Which records are asked for; every part that is set must match.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The records of one mail, a person's or the stand-in of an upload that nobody asked for.
    pub mail: Option<String>,
    /// One project's records.
    pub project: Option<Project>,
    /// One step of that project.
    pub step: Option<Step>,
    /// Records in this state.
    pub status: Option<Status>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mail = if self.mail.is_some() { ".." } else { "any" };
        write!(f, "Filter({mail}, {:?}, {:?}, {:?})", self.project, self.step, self.status)
    }
}

/// Some records and where to go on.
#[derive(Debug)]
pub struct Page {
    /// At most as many as asked for; fewer, even none, when a filter passes few of those looked at.
    pub records: Vec<Record>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<Cursor>,
}

/// A place in one filter's list: the record after which the next page starts. Opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(RecordId);

#[derive(Serialize, Deserialize)]
struct CursorText<'a> {
    #[serde(borrow, rename = "p")]
    project_step: std::borrow::Cow<'a, str>,
    #[serde(borrow, rename = "m")]
    mail: std::borrow::Cow<'a, str>,
    #[serde(borrow, rename = "f")]
    filter: std::borrow::Cow<'a, str>,
}

const BAD_CURSOR: ValidationError =
    ValidationError { field: "cursor", rule: "taken unchanged from the Link header of a page with the same filters" };

impl Cursor {
    /// The cursor as text for a URL.
    #[must_use]
    pub fn encode(&self, filter: &Filter) -> String {
        let text = CursorText {
            project_step: (&self.0.project_step).into(),
            mail: (&self.0.mail).into(),
            filter: filter.fingerprint().into(),
        };
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&text).unwrap_or_default())
    }

    /// Reads a cursor that [`Self::encode`] made for the same filter.
    ///
    /// # Errors
    /// [`ValidationError`] for anything else.
    pub fn decode(text: &str, filter: &Filter) -> Result<Self, ValidationError> {
        let json = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| BAD_CURSOR)?;
        let text: CursorText = serde_json::from_slice(&json).map_err(|_| BAD_CURSOR)?;
        let within_key_limits = (1..=2048).contains(&text.project_step.len()) && (1..=1024).contains(&text.mail.len());
        let within_filter = filter.partition().is_none_or(|partition| partition == text.project_step)
            && filter.mail.as_ref().is_none_or(|mail| *mail == text.mail);
        if text.filter == filter.fingerprint() && within_key_limits && within_filter {
            Ok(Self(RecordId { project_step: text.project_step.into_owned(), mail: text.mail.into_owned() }))
        } else {
            Err(BAD_CURSOR)
        }
    }

    fn start_key(&self) -> Item {
        self.0.to_key()
    }
}

/// Items that one request to DynamoDB looks at when a filter may drop most of them.
const SCAN_LIMIT: i32 = 1000;
/// Requests to DynamoDB for one page: bounds the time of an answer when a filter matches next to nothing.
const MAX_REQUESTS: usize = 10;

impl Table {
    /// The next records of a filter, `limit` at most.
    ///
    /// # Errors
    /// [`Error::Unavailable`], or [`Error::Malformed`] for an item that is no record.
    pub async fn list(&self, filter: &Filter, limit: usize, after: Option<Cursor>) -> Result<Page, Error> {
        let mut records: Vec<Record> = Vec::new();
        let mut start = after.map(|cursor| cursor.start_key());
        for _ in 0..MAX_REQUESTS {
            let wanted = i32::try_from(limit - records.len()).unwrap_or(SCAN_LIMIT);
            let (mut found, next) = self.fetch(filter, wanted, start).await?;
            let overflow = found.len() > limit - records.len();
            found.truncate(limit - records.len());
            records.append(&mut found);
            if overflow {
                let next = records.last().map(|record| Cursor(record.id.clone()));
                return Ok(Page { records, next });
            }
            start = next;
            if start.is_none() || records.len() == limit {
                break;
            }
        }
        let next = start.map(from_item).transpose()?.map(Cursor);
        Ok(Page { records, next })
    }

    /// One request to DynamoDB, over the cheapest path that the filter allows.
    async fn fetch(
        &self,
        filter: &Filter,
        wanted: i32,
        start: Option<Item>,
    ) -> Result<(Vec<Record>, Option<Item>), Error> {
        if let (Some(mail), None) = (&filter.mail, filter.partition()) {
            return self.query_by_mail(filter, mail, wanted, start).await;
        }
        let conditions = filter.conditions();
        let limit = if conditions.expression.is_some() { SCAN_LIMIT } else { wanted };
        let (items, next) = match filter.partition() {
            Some(partition) => self.query(filter.key(partition), conditions, limit, start).await?,
            None => self.scan(conditions, limit, start).await?,
        };
        Ok((items.into_iter().map(from_item).collect::<Result<_, _>>()?, next))
    }

    async fn query(
        &self,
        key: (&str, Item),
        conditions: Conditions,
        limit: i32,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), Error> {
        let (key_condition, key_values) = key;
        let values = conditions.values.unwrap_or_default().into_iter().chain(key_values).collect();
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression(key_condition)
            .limit(limit)
            .set_exclusive_start_key(start)
            .set_filter_expression(conditions.expression)
            .set_expression_attribute_names(conditions.names)
            .set_expression_attribute_values(Some(values));
        let page = query.send().await.map_err(|error| Error::unavailable(SERVICE, "Query", &error))?;
        Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
    }

    async fn scan(
        &self,
        conditions: Conditions,
        limit: i32,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), Error> {
        let scan = self
            .client
            .scan()
            .table_name(&self.name)
            .limit(limit)
            .set_exclusive_start_key(start)
            .set_filter_expression(conditions.expression)
            .set_expression_attribute_names(conditions.names)
            .set_expression_attribute_values(conditions.values);
        let page = scan.send().await.map_err(|error| Error::unavailable(SERVICE, "Scan", &error))?;
        Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
    }

    /// The index of mails holds keys only, so the records themselves are fetched and filtered here.
    async fn query_by_mail(
        &self,
        filter: &Filter,
        mail: &str,
        wanted: i32,
        start: Option<Item>,
    ) -> Result<(Vec<Record>, Option<Item>), Error> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(MAIL_INDEX)
            .key_condition_expression("Mail = :mail")
            .expression_attribute_values(":mail", s(mail))
            .limit(wanted)
            .set_exclusive_start_key(start);
        let page = query.send().await.map_err(|error| Error::unavailable(SERVICE, "Query", &error))?;
        let ids = page.items.unwrap_or_default().into_iter().map(from_item).collect::<Result<Vec<RecordId>, _>>()?;
        let mut found = self.get_all(&ids).await?;
        let in_order = ids.iter().filter_map(|id| found.remove(id)).filter(|record| filter.matches(record));
        Ok((in_order.collect(), page.last_evaluated_key))
    }
}

/// A filter expression with its names and values; all `None` where nothing is filtered.
#[derive(Default)]
struct Conditions {
    expression: Option<String>,
    names: Option<HashMap<String, String>>,
    values: Option<Item>,
}

impl Filter {
    /// The one partition that can hold matching records, when project and step are given.
    fn partition(&self) -> Option<String> {
        Some(project_step(self.project.as_ref()?, self.step?))
    }

    /// Keys of a project's videos start so; a `ProjectStep` cannot tell `a-b` step 1 from `a` step `b-1`.
    fn video_prefix(&self) -> Option<String> {
        self.project.as_ref().map(|project| format!("{project}/"))
    }

    /// The key condition of a query on the table.
    fn key(&self, partition: String) -> (&'static str, Item) {
        let partition = (":partition".to_owned(), s(partition));
        match &self.mail {
            Some(mail) => {
                ("ProjectStep = :partition AND Mail = :mail", Item::from([partition, (":mail".to_owned(), s(mail))]))
            }
            None => ("ProjectStep = :partition", Item::from([partition])),
        }
    }

    /// What is left to filter beside the keys.
    fn conditions(&self) -> Conditions {
        let mut clauses = Vec::new();
        let mut conditions = Conditions::default();
        if let (Some(prefix), None) = (self.video_prefix(), self.step) {
            clauses.push("begins_with(video, :prefix)");
            conditions.values.get_or_insert_default().insert(":prefix".to_owned(), s(prefix));
        }
        if let Some(status) = self.status {
            clauses.push("#status = :status");
            conditions.names = Some(HashMap::from([("#status".to_owned(), "status".to_owned())]));
            conditions.values.get_or_insert_default().insert(":status".to_owned(), s(status.as_str()));
        }
        conditions.expression = (!clauses.is_empty()).then(|| clauses.join(" AND "));
        conditions
    }

    fn matches(&self, record: &Record) -> bool {
        let in_project = |prefix: String| record.video.as_ref().is_some_and(|video| video.starts_with(&prefix));
        self.video_prefix().is_none_or(in_project) && self.status.is_none_or(|status| record.status == Some(status))
    }

    fn fingerprint(&self) -> String {
        let text = |part: Option<String>| part.unwrap_or_default();
        fingerprint(&[
            self.mail.as_deref().unwrap_or_default(),
            &text(self.project.as_ref().map(ToString::to_string)),
            &text(self.step.map(|step| step.to_string())),
            self.status.map_or("", Status::as_str),
        ])
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::tests as conditions;
    use super::super::update::Update;
    use super::*;

    fn filter(project: Option<&str>, step: Option<&str>, mail: Option<&str>) -> Filter {
        Filter {
            mail: mail.map(str::to_owned),
            project: project.map(|text| text.parse().unwrap()),
            step: step.map(|text| text.parse().unwrap()),
            status: None,
        }
    }

    fn cursor() -> Cursor {
        Cursor(RecordId { project_step: "Alba-0".to_owned(), mail: "a@b".to_owned() })
    }

    #[test]
    fn a_cursor_reads_back_for_its_own_filter_only() {
        let filters = [
            filter(None, None, None),
            filter(Some("Alba"), None, None),
            filter(Some("Alba"), Some("0"), None),
            filter(None, None, Some("a@b")),
        ];
        for (i, made_for) in filters.iter().enumerate() {
            let text = cursor().encode(made_for);
            for (j, read_for) in filters.iter().enumerate() {
                assert_eq!(Cursor::decode(&text, read_for).is_ok(), i == j);
            }
        }
    }

    #[test]
    fn a_cursor_outside_its_filter_is_refused() {
        let other_step = filter(Some("Alba"), Some("1"), None);
        assert!(Cursor::decode(&cursor().encode(&other_step), &other_step).is_err());
        let other_mail = filter(None, None, Some("b@b"));
        assert!(Cursor::decode(&cursor().encode(&other_mail), &other_mail).is_err());
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let all = filter(None, None, None);
        let empty_key = Cursor(RecordId { project_step: String::new(), mail: "a@b".to_owned() }).encode(&all);
        let long_mail = Cursor(RecordId { project_step: "p".to_owned(), mail: "m".repeat(1025) }).encode(&all);
        for text in ["", "e30", "not base64!", "bnVsbA", &empty_key, &long_mail] {
            assert_eq!(Cursor::decode(text, &all), Err(BAD_CURSOR), "{text}");
        }
    }

    /// Thirty records: three projects of two steps, every status, each mail in two of them.
    async fn filled() -> Table {
        let table = conditions::table().await;
        for i in 0..30 {
            let (project, step, status) = (i % 3, i / 3 % 2, Status::ALL[i / 6]);
            let id = RecordId { project_step: format!("p-{project}-{step}"), mail: format!("person{}@x", i / 2) };
            let video = format!("p-{project}/{step}/{i:020}.webm");
            let update = Update::default().set("video", video).set("status", status);
            assert!(table.apply(&id, update).await.unwrap());
        }
        table
    }

    /// The numbers of a filter's records, over all its pages.
    async fn numbers(table: &Table, filter: &Filter, limit: usize) -> Vec<usize> {
        let (mut numbers, mut after) = (Vec::new(), None);
        loop {
            let page = table.list(filter, limit, after).await.unwrap();
            assert!(page.records.len() <= limit);
            for record in page.records {
                let video = record.video.unwrap();
                numbers.push(video[video.len() - 25..video.len() - 5].parse().unwrap());
            }
            let Some(next) = page.next else { break };
            after = Some(Cursor::decode(&next.encode(filter), filter).unwrap());
            assert!(numbers.len() <= 30, "a record comes twice");
        }
        numbers.sort_unstable();
        numbers
    }

    #[tokio::test]
    async fn every_filter_passes_what_matches_and_nothing_else_on_pages_of_any_size() {
        let table = filled().await;
        let with_status = |filter: Filter, status| Filter { status: Some(status), ..filter };
        let filters: [(Filter, &dyn Fn(usize) -> bool); 8] = [
            (filter(None, None, None), &|_| true),
            (filter(Some("p-1"), None, None), &|i| i % 3 == 1),
            (filter(Some("p-1"), Some("1"), None), &|i| i % 3 == 1 && i / 3 % 2 == 1),
            (filter(None, None, Some("person4@x")), &|i| i / 2 == 4),
            (filter(Some("p-2"), None, Some("person4@x")), &|i| i / 2 == 4 && i % 3 == 2),
            (filter(Some("p-2"), Some("0"), Some("person4@x")), &|i| i / 2 == 4 && i % 3 == 2 && i / 3 % 2 == 0),
            (with_status(filter(None, None, None), Status::Ready), &|i| i / 6 == 3),
            (with_status(filter(Some("p-1"), None, Some("person9@x")), Status::Ready), &|i| {
                i / 2 == 9 && i % 3 == 1 && i / 6 == 3
            }),
        ];
        for (filter, matches) in filters {
            let expected: Vec<usize> = (0..30).filter(|i| matches(*i)).collect();
            for limit in [1, 4, 100] {
                assert_eq!(numbers(&table, &filter, limit).await, expected, "{filter:?} {limit}");
            }
        }
    }

    #[tokio::test]
    async fn a_page_is_full_while_there_are_records() {
        let table = filled().await;
        let page = table.list(&filter(None, None, None), 7, None).await.unwrap();
        assert_eq!(page.records.len(), 7);
        assert_eq!(page.next, Some(Cursor(page.records[6].id.clone())));
    }

    /// One step's videos, which are failed but for those of these numbers.
    async fn mostly_failed(ready: &[usize]) -> Table {
        let table = conditions::table().await;
        let record = |i: usize| {
            let status = if ready.contains(&i) { Status::Ready } else { Status::Failed };
            let text = [("ProjectStep", "p-0"), ("Mail", &format!("person{i:04}@x")), ("status", status.as_str())];
            let item = text.map(|(name, value)| (name.to_owned(), s(value)));
            let video = ("video".to_owned(), s(format!("p/0/{i:020}.webm")));
            PutRequest::builder().set_item(Some(item.into_iter().chain([video]).collect())).build().unwrap()
        };
        let numbers: Vec<usize> = (0..1100).collect();
        for batch in numbers.chunks(25) {
            let puts = batch.iter().map(|i| WriteRequest::builder().put_request(record(*i)).build()).collect();
            table.client.batch_write_item().request_items(&table.name, puts).send().await.unwrap();
        }
        table
    }

    #[tokio::test]
    async fn a_page_goes_on_behind_a_thousand_that_do_not_match_and_leaves_out_none() {
        let ready_ones = Filter { status: Some(Status::Ready), ..filter(Some("p"), Some("0"), None) };
        let table = mostly_failed(&[5, 1050, 1051]).await;
        assert_eq!(numbers(&table, &ready_ones, 2).await, [5, 1050, 1051]);
        let table = mostly_failed(&[5, 1050]).await;
        let page = table.list(&ready_ones, 2, None).await.unwrap();
        assert_eq!((page.records.len(), page.next), (2, None), "there is no page behind the last record");
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
        conditions::table_at(endpoint)
    }

    #[tokio::test]
    async fn what_dynamodb_leaves_of_a_batch_is_asked_for_again() {
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
}
