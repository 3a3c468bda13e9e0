//! A conditional write, built of names and values instead of expressions by hand: every name is aliased, so none can be
//! a reserved word of DynamoDB.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Item, Status, n, s};

/// One transition of a record: what it sets and removes, under which conditions. All conditions must hold.
#[derive(Debug, Default)]
pub(super) struct Update {
    set: Vec<String>,
    remove: Vec<String>,
    conditions: Vec<String>,
    names: HashMap<String, String>,
    values: Item,
}

/// A clause of a condition.
pub(super) enum When {
    /// The attribute exists.
    Exists(&'static str),
    /// The attribute does not exist.
    Absent(&'static str),
    /// The attribute compares so to the value: `=`, `<>` or `<`.
    Compare(&'static str, &'static str, AttributeValue),
    /// The attribute is one of these values.
    In(&'static str, Vec<AttributeValue>),
    /// At least one of these holds.
    Any(Vec<When>),
}

/// The attribute equals the value.
pub(super) fn equals(name: &'static str, value: impl Into<Value>) -> When {
    When::Compare(name, "=", value.into().0)
}

/// The attribute exists and differs from the value.
pub(super) fn differs(name: &'static str, value: impl Into<Value>) -> When {
    When::Compare(name, "<>", value.into().0)
}

/// The attribute sorts before the value.
pub(super) fn less(name: &'static str, value: impl Into<Value>) -> When {
    When::Compare(name, "<", value.into().0)
}

/// The record is in one of these states.
pub(super) fn status_is(states: &[Status]) -> When {
    When::In("status", states.iter().map(|status| s(status.as_str())).collect())
}

/// A text or a number as DynamoDB stores it.
pub(super) struct Value(AttributeValue);

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(s(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self(s(text))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self(n(number))
    }
}

impl From<Status> for Value {
    fn from(status: Status) -> Self {
        Self(s(status.as_str()))
    }
}

impl Update {
    /// Sets an attribute.
    pub(super) fn set(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        let clause = format!("{} = {}", self.name(name), self.value(value.into().0));
        self.set.push(clause);
        self
    }

    /// Sets an attribute that the record does not have yet; one that it has stays.
    pub(super) fn set_if_absent(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        let (name, value) = (self.name(name), self.value(value.into().0));
        self.set.push(format!("{name} = if_not_exists({name}, {value})"));
        self
    }

    /// Removes attributes.
    pub(super) fn remove(mut self, names: &[&'static str]) -> Self {
        for name in names {
            let name = self.name(name);
            self.remove.push(name);
        }
        self
    }

    /// Adds a condition.
    pub(super) fn when(mut self, condition: When) -> Self {
        let clause = self.clause(condition);
        self.conditions.push(clause);
        self
    }

    /// Puts the expressions into a request.
    pub(super) fn into_request(self, request: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        let sections = [("SET ", self.set), ("REMOVE ", self.remove)];
        let sections = sections.into_iter().filter(|(_, clauses)| !clauses.is_empty());
        let sections: Vec<_> = sections.map(|(keyword, clauses)| format!("{keyword}{}", clauses.join(", "))).collect();
        let condition = (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "));
        request
            .update_expression(sections.join(" "))
            .set_condition_expression(condition)
            .set_expression_attribute_names(Some(self.names))
            .set_expression_attribute_values((!self.values.is_empty()).then_some(self.values))
    }

    fn clause(&mut self, condition: When) -> String {
        match condition {
            When::Exists(name) => format!("attribute_exists({})", self.name(name)),
            When::Absent(name) => format!("attribute_not_exists({})", self.name(name)),
            When::Compare(name, operator, value) => format!("{} {operator} {}", self.name(name), self.value(value)),
            When::In(name, values) => {
                let values: Vec<_> = values.into_iter().map(|value| self.value(value)).collect();
                format!("{} IN ({})", self.name(name), values.join(", "))
            }
            When::Any(clauses) => {
                let clauses: Vec<_> = clauses.into_iter().map(|clause| self.clause(clause)).collect();
                format!("({})", clauses.join(" OR "))
            }
        }
    }

    fn name(&mut self, name: &str) -> String {
        let alias = format!("#{name}");
        self.names.insert(alias.clone(), name.to_owned());
        alias
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let alias = format!(":{}", self.values.len());
        self.values.insert(alias.clone(), value);
        alias
    }
}
