//! How a bucket is addressed: virtual-hosted, or path-style where that is not possible.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>.

use percent_encoding::utf8_percent_encode;

use super::AwsConfig;
use crate::percent::PATH;

/// A bucket and its address.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// The bucket's name.
    pub name: String,
    url: String,
}

impl Bucket {
    /// Returns the bucket `name` in the region, or behind the S3 endpoint, of `aws`.
    #[must_use]
    pub fn new(name: &str, aws: &AwsConfig) -> Self {
        Self { name: name.to_owned(), url: address(name, &aws.region, aws.endpoints.of("S3")) }
    }

    /// Returns where a form is posted to.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns where an object is, its key percent-encoded as SigV4 wants it: everything but the unreserved characters
    /// and `/`.
    #[must_use]
    pub fn object_url(&self, key: &str) -> String {
        format!("{}/{}", self.url.trim_end_matches('/'), utf8_percent_encode(key, PATH))
    }
}

fn address(bucket: &str, region: &str, endpoint: Option<&str>) -> String {
    if let Some(endpoint) = endpoint {
        return format!("{endpoint}/{bucket}");
    }
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let host = if region == "us-east-1" { format!("s3.{domain}") } else { format!("s3.{region}.{domain}") };
    // The certificate of *.s3.amazonaws.com covers one label only, so a bucket with dots has no HTTPS host of its own.
    if bucket.contains('.') { format!("https://{host}/{bucket}") } else { format!("https://{bucket}.{host}/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_virtual_hosted_unless_dots_or_an_endpoint_forbid_it() {
        for (bucket, region, endpoint, url) in [
            ("media-bucket", "us-east-1", None, "https://media-bucket.s3.amazonaws.com/"),
            ("media-bucket", "eu-west-1", None, "https://media-bucket.s3.eu-west-1.amazonaws.com/"),
            ("media-bucket", "cn-north-1", None, "https://media-bucket.s3.cn-north-1.amazonaws.com.cn/"),
            ("videos.oico.com", "eu-west-1", None, "https://s3.eu-west-1.amazonaws.com/videos.oico.com"),
            ("media", "us-east-1", Some("http://127.0.0.1:9001"), "http://127.0.0.1:9001/media"),
        ] {
            assert_eq!(address(bucket, region, endpoint), url);
        }
    }

    #[test]
    fn an_object_url_encodes_all_but_unreserved_characters() {
        let bucket = Bucket { name: "b".to_owned(), url: "https://b.s3.amazonaws.com/".to_owned() };
        assert_eq!(bucket.object_url("a b/ü+%~.mp4"), "https://b.s3.amazonaws.com/a%20b/%C3%BC%2B%25~.mp4");
    }
}
