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
    let known =
        select(vec!["/", "/hello", "/videos", "/videos/", "/upload", "/admin", "/openapi.yaml", "/presignedurl//0"]);
    let random = prop::collection::vec(text(), 0..6).prop_map(|parts| format!("/{}", parts.join("/")));
    let slashes = select(vec!["", "/", "//", "%2f", "/.", "/..", ";a=b", "%00"]);
    let shape = prop_oneof![5 => form, 2 => retry, 3 => known.prop_map(str::to_owned), 2 => random];
    (shape, prop_oneof![3 => Just(""), 1 => slashes]).prop_map(|(path, end)| format!("{path}{end}"))
}

fn project() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[A-Za-z0-9][A-Za-z0-9._-]{0,63}", 1 => Just("p".to_owned()), 2 => text()]
}

fn step() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => any::<i8>().prop_map(|n| n.to_string()),
        1 => any::<i128>().prop_map(|n| n.to_string()),
        2 => text(),
    ]
}

/// Names of parameters, the one that every form needs more often.
const PARAMETERS: [&str; 9] = ["mail", "mail", "mail", "type", "project", "step", "status", "limit", "cursor"];

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
