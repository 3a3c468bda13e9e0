//! Reading an index or a partition in the order of its sort key, every name aliased.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{Item, s};
use super::table::{SERVICE, Table};
use crate::Error;

/// The key of a query: an index, its partition and a bound of its sort key.
#[derive(Debug, Clone)]
pub(super) struct KeyQuery {
    index: &'static str,
    partition: Vec<(&'static str, AttributeValue)>,
    bound: Option<Bound>,
    descending: bool,
    start: Option<Item>,
}

/// A bound of the sort key.
#[derive(Debug, Clone)]
enum Bound {
    Before(&'static str, AttributeValue),
    Between(&'static str, AttributeValue, AttributeValue),
}

impl KeyQuery {
    /// Queries the index `index`, whose partition key is made of one or more attributes.
    pub(super) fn new(index: &'static str, partition: &[(&'static str, &str)]) -> Self {
        let partition = partition.iter().map(|(name, value)| (*name, s(*value))).collect();
        Self { index, partition, bound: None, descending: false, start: None }
    }

    /// Leaves out what does not sort before `value`.
    pub(super) fn before(mut self, sort_key: &'static str, value: Option<&str>) -> Self {
        self.bound = value.map(|value| Bound::Before(sort_key, s(value)));
        self
    }

    /// Leaves out what does not sort from `low` to `high`, both included.
    pub(super) fn between(mut self, sort_key: &'static str, low: &str, high: &str) -> Self {
        self.bound = Some(Bound::Between(sort_key, s(low), s(high)));
        self
    }

    /// Begins with what sorts last.
    pub(super) fn descending(mut self) -> Self {
        self.descending = true;
        self
    }

    /// Goes on behind an item of an earlier page, given by its keys.
    pub(super) fn behind(mut self, item: Option<Item>) -> Self {
        self.start = item;
        self
    }

    /// Puts the key into a request.
    pub(super) fn into_request(self, request: QueryFluentBuilder) -> QueryFluentBuilder {
        let mut request =
            request.index_name(self.index).scan_index_forward(!self.descending).set_exclusive_start_key(self.start);
        let mut clauses = Vec::new();
        for (name, value) in self.partition {
            clauses.push(format!("#{name} = :{name}"));
            request = request.expression_attribute_names(format!("#{name}"), name);
            request = request.expression_attribute_values(format!(":{name}"), value);
        }
        let (clause, name, values) = match self.bound {
            None => return request.key_condition_expression(clauses.join(" AND ")),
            Some(Bound::Before(name, high)) => ("#sort < :high", name, vec![(":high", high)]),
            Some(Bound::Between(name, low, high)) => {
                ("#sort BETWEEN :low AND :high", name, vec![(":low", low), (":high", high)])
            }
        };
        clauses.push(clause.to_owned());
        request = request.expression_attribute_names("#sort", name);
        for (alias, value) in values {
            request = request.expression_attribute_values(alias, value);
        }
        request.key_condition_expression(clauses.join(" AND "))
    }
}

/// What one request returned.
pub(super) struct QueryPage {
    pub(super) items: Vec<Item>,
    /// Whether there may be more.
    pub(super) more: bool,
}

impl Table {
    /// Sends one request for at most `limit` items.
    pub(super) async fn query(&self, query: KeyQuery, limit: usize) -> Result<QueryPage, Error> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let request = query.into_request(self.client.query().table_name(&self.name)).limit(limit);
        let page = request.send().await.map_err(|error| Error::unavailable(SERVICE, "Query", &error))?;
        let more = page.last_evaluated_key.is_some_and(|key| !key.is_empty());
        Ok(QueryPage { items: page.items.unwrap_or_default(), more })
    }

    /// Counts at most `limit` items in one request; `true` when there may be more.
    pub(super) async fn count(&self, query: KeyQuery, limit: i32) -> Result<(u64, bool), Error> {
        let request = query.into_request(self.client.query().table_name(&self.name)).limit(limit);
        let request = request.select(aws_sdk_dynamodb::types::Select::Count);
        let page = request.send().await.map_err(|error| Error::unavailable(SERVICE, "Query", &error))?;
        let more = page.last_evaluated_key.is_some_and(|key| !key.is_empty());
        Ok((u64::try_from(page.count).unwrap_or_default(), more))
    }
}
