//! A conditional write, built of names and values instead of expressions by hand: every name is aliased, so none can be
//! a reserved word of DynamoDB.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{Item, n, s};
use super::record::Status;

/// One transition of a record: what it sets and removes, under which conditions. All conditions must hold.
#[derive(Debug, Default)]
pub(super) struct Update {
    set: Vec<Assignment>,
    remove: Vec<&'static str>,
    conditions: Vec<When>,
}

#[derive(Debug)]
struct Assignment {
    name: &'static str,
    value: AttributeValue,
    kind: Kind,
}

/// What becomes of the value that an attribute has.
#[derive(Debug)]
enum Kind {
    Replaced,
    Kept,
    Increased,
}

/// The aliases of an expression's names and values.
#[derive(Default)]
struct Aliases {
    names: HashMap<String, String>,
    values: Item,
}

/// A clause of a condition.
#[derive(Debug)]
pub(super) enum When {
    /// The attribute exists.
    Exists(&'static str),
    /// The attribute does not exist.
    Absent(&'static str),
    /// The attribute compares so to the value: `=`, `<>` or `<`.
    Compare(&'static str, &'static str, AttributeValue),
    /// The attribute is one of these values.
    In(&'static str, Vec<AttributeValue>),
    /// All of these hold.
    All(Vec<When>),
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

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self(AttributeValue::Bool(flag))
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
        self.set.push(Assignment { name, value: value.into().0, kind: Kind::Replaced });
        self
    }

    /// Sets an attribute whose value is known.
    pub(super) fn set_known(self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// Sets an attribute that the record does not have yet; one that it has stays.
    pub(super) fn set_if_absent(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.set.push(Assignment { name, value: value.into().0, kind: Kind::Kept });
        self
    }

    /// Adds one to a number, which starts at zero.
    pub(super) fn increment(mut self, name: &'static str) -> Self {
        self.set.push(Assignment { name, value: n(1), kind: Kind::Increased });
        self
    }

    /// Removes attributes.
    pub(super) fn remove(mut self, names: &[&'static str]) -> Self {
        self.remove.extend(names);
        self
    }

    /// Adds a condition.
    pub(super) fn when(mut self, condition: When) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Adds everything that another update sets, removes and requires.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.set.extend(other.set);
        self.remove.extend(other.remove);
        self.conditions.extend(other.conditions);
        self
    }

    /// Puts the expressions into a request.
    pub(super) fn into_request(self, request: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        let mut aliases = Aliases::default();
        let set: Vec<_> = self.set.into_iter().map(|assignment| aliases.assignment(assignment)).collect();
        let remove: Vec<_> = self.remove.into_iter().map(|name| aliases.name(name)).collect();
        let conditions: Vec<_> = self.conditions.into_iter().map(|condition| aliases.clause(condition)).collect();
        let sections = [("SET ", set), ("REMOVE ", remove)];
        let sections = sections.into_iter().filter(|(_, clauses)| !clauses.is_empty());
        let sections: Vec<_> = sections.map(|(keyword, clauses)| format!("{keyword}{}", clauses.join(", "))).collect();
        request
            .update_expression(sections.join(" "))
            .set_condition_expression((!conditions.is_empty()).then(|| conditions.join(" AND ")))
            .set_expression_attribute_names(Some(aliases.names))
            .set_expression_attribute_values((!aliases.values.is_empty()).then_some(aliases.values))
    }
}

impl Aliases {
    fn assignment(&mut self, Assignment { name, value, kind }: Assignment) -> String {
        let (name, value) = (self.name(name), self.value(value));
        match kind {
            Kind::Replaced => format!("{name} = {value}"),
            Kind::Kept => format!("{name} = if_not_exists({name}, {value})"),
            Kind::Increased => format!("{name} = if_not_exists({name}, {}) + {value}", self.value(n(0))),
        }
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
            When::All(clauses) => self.joined(clauses, " AND "),
            When::Any(clauses) => self.joined(clauses, " OR "),
        }
    }

    fn joined(&mut self, clauses: Vec<When>, operator: &str) -> String {
        let clauses: Vec<_> = clauses.into_iter().map(|clause| self.clause(clause)).collect();
        format!("({})", clauses.join(operator))
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
