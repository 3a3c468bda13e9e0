//! Generated JSON, and mutations of JSON.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::text::text;

#[derive(Debug, Clone)]
pub struct Mutation {
    at: Index,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    Put(Value),
    Remove,
    Repeat,
}

/// Generates up to three mutations.
pub fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let change = prop_oneof![
        6 => value().prop_map(Change::Put),
        2 => Just(Change::Remove),
        1 => Just(Change::Repeat),
    ];
    prop::collection::vec((any::<Index>(), change).prop_map(|(at, change)| Mutation { at, change }), 0..4)
}

/// Values of events that the functions interpret.
const EVENT_TEXTS: [&str; 21] = [
    "ObjectCreated:Put",
    "s3:ObjectCreated:Copy",
    "x/y/z.mp4",
    "%E2%98%83+%2B.MOV",
    "0055AED6DCD90281E5",
    "FF",
    "COMPLETED",
    "ERROR",
    "PROGRESSING",
    "WARNING",
    "CANCELED",
    "STATUS_UPDATE",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
    "+262143-12-31T23:59:59Z",
    "0000-01-01T00:00:00Z",
    "2026-11-24T03:00:00+23:59",
    "s3://b/",
    "s3://b/k",
    "aws:s3",
    "aws:sns",
];

/// Generates any JSON.
pub fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        8 => text().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => select(&EVENT_TEXTS[..]).prop_map(Value::from),
        1 => (1usize..4_000).prop_map(|count| Value::from("é".repeat(count))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(text(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Applies mutations to a value.
pub fn mutate(mut value: Value, mutations: &[Mutation]) -> Value {
    for mutation in mutations {
        let place = mutation.at.index(nodes(&value));
        change_at(&mut value, &mut { place }, &mutation.change);
    }
    value
}

/// Counts the values within a value, itself included.
fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Object(fields) => fields.values().map(nodes).sum(),
        _ => 0,
    }
}

/// Walks to the node number `place` and changes it; returns whether it was found.
fn change_at(value: &mut Value, place: &mut usize, change: &Change) -> bool {
    if *place == 0 {
        match change {
            Change::Put(new) => *value = new.clone(),
            Change::Remove => *value = Value::Null,
            Change::Repeat => *value = json!([value.clone(), value.clone()]),
        }
        return true;
    }
    *place -= 1;
    match value {
        Value::Array(items) => {
            if *place == 0 && matches!(change, Change::Repeat) && !items.is_empty() {
                items.push(items[0].clone());
                return true;
            }
            items.iter_mut().any(|item| change_at(item, place, change))
        }
        Value::Object(fields) => {
            let names: Vec<String> = fields.keys().cloned().collect();
            for name in names {
                if *place == 0 && matches!(change, Change::Remove) {
                    fields.remove(&name);
                    return true;
                }
                if fields.get_mut(&name).is_some_and(|field| change_at(field, place, change)) {
                    return true;
                }
            }
            false
        }
        _ => false,
    }
}
