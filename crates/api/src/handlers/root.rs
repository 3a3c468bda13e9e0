//! `GET /` and `GET /hello`: the original's signs of life.

use axum::Json;
use serde_json::{Value, json};

use crate::extract::Admin;

/// `GET /`.
pub async fn root() -> Json<Value> {
    Json(json!({ "hello": "world" }))
}

/// `GET /hello`: who is signed in.
pub async fn hello(admin: Admin) -> Json<Value> {
    Json(json!({ "hello": admin.username, "context": { "is_admin": true, "principalId": admin.username } }))
}
