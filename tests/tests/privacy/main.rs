//! A canary mail and canary passwords are sent through every path, including the failing ones: they must be nowhere but
//! in the table and the admin's responses.
//!
//! The log is captured at DEBUG, that of our own crates at TRACE; a deployment logs at INFO. At TRACE the AWS SDK,
//! dynoxide and lambda_runtime log whole requests, as SECURITY.md says.

mod canaries;
mod log;
mod malformed;
mod program;
mod system;

use video_core::records::Filter;

use canaries::assert_clean;

const MAIL: &str = "canarymail7q3x9v+tag@privacy-canary.example";
const PASSWORD: &str = "canarypass5k2w8z";
const WRONG_PASSWORD: &str = "canarywrong4h6j1";

const FORM: &str = "/presignedurl/p/0?mail=canarymail7q3x9v%2Btag@privacy-canary.example";
const RETRY: &str = "/videos/p/0/retry?mail=canarymail7q3x9v%2Btag%40privacy-canary.example";
const LIST: &str = "/videos?mail=canarymail7q3x9v%2Btag%40privacy-canary.example";

#[tokio::test]
async fn debug_output_holds_no_mail() {
    let filter = Filter { mail: Some(MAIL.to_owned()), ..Default::default() };
    assert_clean("a filter", format!("{filter:?}"));
}
