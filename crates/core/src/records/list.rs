//! The admin's list: newest first, filtered and paged, at a cost that grows with the page and not with the table.
//!
//! Each filter reads one index, or, without a state, the same index once for each state; the pages are merged by
//! `listedAt`, which is unique and so the cursor too. The indexes hold keys only, so the records themselves are
//! fetched.

use std::collections::HashSet;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::item::from_items;
use super::query::KeyQuery;
use super::record::{Record, RecordId, Status};
use super::table::{MAIL_INDEX, PROJECT_INDEX, STATUS_INDEX, STEP_INDEX, Table};
use crate::Error;
use crate::ids::{Project, Step, ValidationError, fingerprint, project_step};

/// Which records to list; every part that is set must match.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The records of one mail, a person's or the placeholder of an unsolicited upload.
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
    /// As many as requested, the newest first; fewer on the last page, and where many records changed meanwhile.
    pub records: Vec<Record>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<Cursor>,
}

/// A place in one filter's list: the `listedAt` behind which the next page starts. Opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(String);

const BAD_CURSOR: ValidationError =
    ValidationError { field: "cursor", rule: "taken unchanged from the Link header of a page with the same filters" };

impl Cursor {
    /// Returns the cursor of a place in the list.
    #[cfg(test)]
    pub(super) fn at(listed_at: &str) -> Self {
        Self(listed_at.to_owned())
    }

    /// Returns the cursor as text for a URL.
    #[must_use]
    pub fn encode(&self, filter: &Filter) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("{}~{}", self.0, filter.fingerprint()))
    }

    /// Reads a cursor that [`Self::encode`] made for the same filter.
    ///
    /// # Errors
    /// [`ValidationError`] for anything else.
    pub fn decode(text: &str, filter: &Filter) -> Result<Self, ValidationError> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| BAD_CURSOR)?;
        let text = String::from_utf8(bytes).map_err(|_| BAD_CURSOR)?;
        let (listed_at, made_for) = text.rsplit_once('~').ok_or(BAD_CURSOR)?;
        if made_for == filter.fingerprint() && is_listed_at(listed_at) {
            Ok(Self(listed_at.to_owned()))
        } else {
            Err(BAD_CURSOR)
        }
    }
}

/// Returns whether this has the form of [`RecordId::listed_at`].
fn is_listed_at(text: &str) -> bool {
    text.split_once('~').is_some_and(|(millis, fingerprint)| {
        millis.len() >= 13
            && millis.bytes().all(|b| b.is_ascii_digit())
            && fingerprint.len() == 32
            && fingerprint.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// An item of an index.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The record.
    #[serde(flatten)]
    pub id: RecordId,
    /// Its place in the list.
    pub listed_at: String,
}

/// Entries of a filter in the order of its list, without gaps.
struct Entries {
    in_order: Vec<Entry>,
    /// Whether there may be more behind the last one.
    more: bool,
    /// Requests that it took.
    requests: usize,
}

/// Requests to DynamoDB for one page, as long as it has a record.
const MAX_REQUESTS: usize = 12;
/// Requests in search of the first record, which only a mail's records with a rare state or project take.
const MAX_REQUESTS_OF_A_SEARCH: usize = 100;
/// What one `BatchGetItem` takes.
const BATCH_SIZE: usize = 100;

impl Table {
    /// Returns the next records of a filter, at most `limit`, the newest first.
    ///
    /// Records that did not change since the first page neither repeat nor are skipped, whatever others do.
    ///
    /// # Errors
    /// [`Error::Unavailable`], or [`Error::Malformed`] for an item that is no record.
    pub async fn list(&self, filter: &Filter, limit: usize, after: Option<Cursor>) -> Result<Page, Error> {
        if let Some(id) = filter.id() {
            return self.list_one(filter, &id, after).await;
        }
        let mut position = after.map(|cursor| cursor.0);
        let mut records: Vec<Record> = Vec::new();
        let mut requests = 0;
        loop {
            let wanted = limit - records.len();
            // One more than wanted tells whether there is a next page.
            let page = self.entries(filter, position.as_deref(), wanted + 1).await?;
            requests += page.requests;
            let mut entries = page.in_order.into_iter().peekable();
            while entries.peek().is_some() && records.len() < limit {
                let batch: Vec<Entry> = entries.by_ref().take((limit - records.len()).min(BATCH_SIZE)).collect();
                position = batch.last().map(|entry| entry.listed_at.clone());
                records.extend(self.fetch(filter, &batch).await?);
                requests += 1;
            }
            let more = entries.peek().is_some() || page.more;
            let may_go_on = requests + filter.round_cost(limit - records.len()) <= MAX_REQUESTS
                || (records.is_empty() && requests < MAX_REQUESTS_OF_A_SEARCH);
            if records.len() == limit || !more || !may_go_on {
                return Ok(Page { records, next: position.filter(|_| more).map(Cursor) });
            }
        }
    }

    /// Reads the one record that a filter can match.
    async fn list_one(&self, filter: &Filter, id: &RecordId, after: Option<Cursor>) -> Result<Page, Error> {
        let record = self.get(id).await?.filter(|record| filter.matches(record));
        let is_behind = |record: &Record| after.as_ref().is_none_or(|after| record.listed_at < Some(after.0.clone()));
        Ok(Page { records: record.into_iter().filter(is_behind).collect(), next: None })
    }

    /// Reads the next entries of a filter from its index, at least `wanted` of them if there are so many.
    async fn entries(&self, filter: &Filter, position: Option<&str>, wanted: usize) -> Result<Entries, Error> {
        let queries = filter.queries();
        let requests = queries.len();
        let mut entries: Vec<Entry> = Vec::new();
        // Behind the last entry of a query that has more, the entries of the others are not yet in order.
        let mut horizon = String::new();
        for query in queries {
            let page = self.query(query.before("listedAt", position).descending(), wanted).await?;
            let found: Vec<Entry> = from_items(Some(page.items))?;
            if let Some(last) = found.last().filter(|_| page.more) {
                horizon = horizon.max(last.listed_at.clone());
            }
            entries.extend(found);
        }
        entries.retain(|entry| entry.listed_at >= horizon);
        entries.sort_by(|a, b| b.listed_at.cmp(&a.listed_at));
        let mut seen = HashSet::new();
        entries.retain(|entry| seen.insert(entry.id.clone()));
        Ok(Entries { in_order: entries, more: !horizon.is_empty(), requests })
    }

    /// Reads the records of entries; those that no longer match the filter are left out.
    async fn fetch(&self, filter: &Filter, entries: &[Entry]) -> Result<Vec<Record>, Error> {
        let ids: Vec<RecordId> = entries.iter().map(|entry| entry.id.clone()).collect();
        let mut found = self.get_all(&ids).await?;
        Ok(ids.iter().filter_map(|id| found.remove(id)).filter(|record| filter.matches(record)).collect())
    }
}

impl Filter {
    /// Returns the one record that can match, when mail, project and step are given.
    fn id(&self) -> Option<RecordId> {
        let project_step = project_step(self.project.as_ref()?, self.step?);
        Some(RecordId { project_step, mail: self.mail.clone()? })
    }

    /// Returns the queries whose merged entries are this filter's list.
    fn queries(&self) -> Vec<KeyQuery> {
        match (&self.mail, self.status) {
            (Some(mail), _) => vec![KeyQuery::new(MAIL_INDEX, &[("Mail", mail)])],
            (None, Some(status)) => vec![self.state_query(status)],
            (None, None) => Status::LISTED.into_iter().map(|status| self.state_query(status)).collect(),
        }
    }

    /// Returns the query of one state's entries, whatever state and mail the filter names.
    pub(super) fn state_query(&self, status: Status) -> KeyQuery {
        let status = ("status", status.as_str());
        match (&self.project, self.step) {
            (None, _) => KeyQuery::new(STATUS_INDEX, &[status]),
            (Some(project), None) => KeyQuery::new(PROJECT_INDEX, &[("project", &project.to_string()), status]),
            (Some(project), Some(step)) => {
                KeyQuery::new(STEP_INDEX, &[("ProjectStep", &project_step(project, step)), status])
            }
        }
    }

    /// Returns how many requests another round of `wanted` records takes.
    fn round_cost(&self, wanted: usize) -> usize {
        self.queries().len() + wanted.div_ceil(BATCH_SIZE)
    }

    fn matches(&self, record: &Record) -> bool {
        let status = record.status.unwrap_or(Status::Requested);
        let status_matches = self.status.map_or(status != Status::Deleting, |wanted| status == wanted);
        let project = self.project.as_ref().map(ToString::to_string);
        // The project of the key: a ProjectStep cannot tell `a-b` step 1 from `a` step `b-1`.
        let project_matches = project.is_none_or(|project| record.key().is_some_and(|key| key.project() == project));
        status_matches && project_matches
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
