//! Text that someone might send to see what breaks: in paths, queries, headers and JSON.

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use proptest::prelude::*;
use proptest::sample::select;

const TARGET: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'?')
    .remove(b'&')
    .remove(b'=')
    .remove(b'%')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'+');

pub fn encoded(target: &str) -> String {
    percent_encode(target.as_bytes(), TARGET).to_string()
}

pub fn path() -> impl Strategy<Value = String> {
    let form = (project(), step()).prop_map(|(project, step)| format!("/presignedurl/{project}/{step}"));
    let retry = (project(), step()).prop_map(|(project, step)| format!("/videos/{project}/{step}/retry"));
    let known = select(vec![
        "/",
        "/hello",
        "/videos",
        "/videos/",
        "/upload",
        "/admin",
        "/openapi.yaml",
        "/presignedurl//0",
        "/links",
    ]);
    let random = prop::collection::vec(text(), 0..6).prop_map(|parts| format!("/{}", parts.join("/")));
    let slashes = select(vec!["", "/", "//", "%2f", "/.", "/..", ";a=b", "%00"]);
    let shape = prop_oneof![5 => form, 2 => retry, 2 => parts(), 3 => known.prop_map(str::to_owned), 2 => random];
    (shape, prop_oneof![3 => Just(""), 1 => slashes]).prop_map(|(path, end)| format!("{path}{end}"))
}

/// Generates the routes of uploads in parts, some of them below an upload link.
fn parts() -> impl Strategy<Value = String> {
    let prefix = prop_oneof![3 => Just(String::new()), 1 => text().prop_map(|token| format!("/u/{token}"))];
    let upload = prop_oneof![1 => text(), 1 => "[A-Za-z0-9._-]{1,40}"];
    let shape = select(vec!["/video", "/presignedurl", "/s3/params", "/s3/multipart", "/s3/multipart/ID"]);
    let end = prop_oneof![
        2 => Just(String::new()),
        1 => Just("/complete".to_owned()),
        1 => step().prop_map(|number| format!("/{number}")),
    ];
    (prefix, shape, upload, end).prop_map(|(prefix, shape, upload, end)| match shape.strip_suffix("ID") {
        Some(shape) => format!("{prefix}{shape}{upload}{end}"),
        None => format!("{prefix}{shape}"),
    })
}

/// Generates JSON bodies that a route might take.
pub fn json() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        2 => text().prop_map(serde_json::Value::from),
        1 => any::<i64>().prop_map(serde_json::Value::from),
        2 => select(vec!["a@b", "video/webm", "p", "0", "2027-01-01T00:00:00Z", ""]).prop_map(serde_json::Value::from),
    ];
    let name = select(vec!["type", "filename", "mail", "project", "step", "mails", "expiresAt", "PartNumber", "ETag"]);
    let object = prop::collection::vec((name, value), 0..6).prop_map(|fields| {
        serde_json::Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    });
    let shape = select(vec!["", "metadata", "parts", "mails"]);
    (object.clone(), object, shape).prop_map(|(mut outer, inner, shape)| {
        match shape {
            "" => {}
            "metadata" => outer[shape] = inner,
            _ => outer[shape] = serde_json::Value::Array(vec![inner]),
        }
        outer.to_string().into_bytes()
    })
}

fn project() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9._])?", 1 => Just("p".to_owned()), 2 => text()]
}

fn step() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => any::<i8>().prop_map(|n| n.to_string()),
        1 => any::<i128>().prop_map(|n| n.to_string()),
        2 => text(),
    ]
}

/// Names of parameters, the one that every form needs more often.
const PARAMETERS: [&str; 16] = [
    "mail",
    "mail",
    "mail",
    "mail",
    "mail",
    "type",
    "project",
    "step",
    "status",
    "limit",
    "cursor",
    "key",
    "size",
    "metadata[mail]",
    "metadata[project]",
    "metadata[step]",
];

pub fn query() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        9 => select(&PARAMETERS[..]).prop_map(str::to_owned),
        1 => text(),
    ];
    let value = prop_oneof![
        6 => mail(),
        2 => text(),
        1 => select(vec![
            "video/webm", "video/mp4", "video/quicktime", "requested", "ready", "failed", "p", "0", "1", "500", "501",
            "eyJwIjoicC0wIiwibSI6ImFAYiIsImYiOiIifQ", "unknown/x", "",
            "p/0/c5e866594d810c0c3e1f.webm", "p/0/c5e866594d810c0c3e1f.mov",
        ]).prop_map(str::to_owned),
    ];
    let pairs = prop::collection::vec((name, value), 0..5);
    pairs.prop_map(|pairs| pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"))
}

/// Generates few valid mails, so that the table stays small, and many that are almost valid.
fn mail() -> impl Strategy<Value = String> {
    let valid = select(vec!["a@b", "Eduard@orkei.com", "x%2By@z.w", "%C3%A9@x.y", "%F0%9F%8E%AC@%F0%9F%8E%AC"]);
    let almost = (text(), text()).prop_map(|(name, host)| format!("{name}@{host}"));
    prop_oneof![6 => valid.prop_map(str::to_owned), 1 => almost]
}

/// Generates a piece of hostile text.
pub fn text() -> impl Strategy<Value = String> {
    let known = select(vec![
        "..",
        "../..",
        "..%2f..%2f",
        "%00",
        "%0d%0aSet-Cookie:a=b",
        "%0d%0a%0d%0a<script>",
        "\r\nX-Injected: 1",
        "%ff%fe",
        "%",
        "%zz",
        "%u0041",
        "<script>alert(1)</script>",
        "'; DROP TABLE responses; --",
        "{\"$ne\":null}",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "a b",
        "\u{202e}moc.elpmaxe",
        "\u{feff}",
        "\u{0}",
        "\u{fffd}",
        "e\u{301}",
        "🎬",
        "-0",
        "+7",
        "1e9",
        "0x10",
        "NaN",
        "9223372036854775808",
        "-9223372036854775808",
        "true",
        "null",
        "[]",
        "?",
        "#",
        "&",
        "=",
        ";",
        ":",
        "@",
        "\"",
        "\\",
        "|",
        ">; rel=\"prev\"",
        "unknown/",
        "*",
        "$default",
        "con",
        "nul",
        ".",
        "_",
        "-",
    ]);
    let bytes = prop::collection::vec(any::<u8>(), 0..24);
    let bytes = bytes.prop_map(|bytes| percent_encode(&bytes, NON_ALPHANUMERIC).to_string());
    prop_oneof![
        6 => known.prop_map(str::to_owned),
        2 => any::<String>(),
        2 => bytes,
        1 => ("[a%é+@/.]", 1usize..3_000).prop_map(|(unit, count)| unit.repeat(count)),
    ]
}
