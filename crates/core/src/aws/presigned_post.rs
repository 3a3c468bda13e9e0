//! The upload form: an S3 presigned POST in boto3's shape, signed with SigV4.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Serialize, Serializer};

use super::Bucket;
use super::signer::{ALGORITHM, Signer};
use crate::time::rfc3339;

/// What a form allows: one key, fixed fields, a size. Every field becomes a condition of the policy.
#[derive(Debug)]
pub struct PostPolicy<'a> {
    /// Where the form posts to.
    pub bucket: &'a Bucket,
    /// The one object key that the form can write.
    pub key: &'a str,
    /// Further form fields with the value that each must have.
    pub fields: &'a [(&'a str, &'a str)],
    /// The sizes that are accepted, in bytes.
    pub length: Option<RangeInclusive<u64>>,
    /// How long the form can be used; it ends earlier when the credentials do.
    pub expires_in: Duration,
}

/// A signed form: the browser posts `fields` and then the file to `url`.
#[derive(Debug, Serialize)]
pub struct PresignedPost {
    /// Where to post.
    pub url: String,
    /// The form's fields in the order to send them.
    #[serde(serialize_with = "as_object")]
    pub fields: Vec<(String, String)>,
    /// When S3 stops accepting the form, RFC 3339.
    #[serde(rename = "expiresAt")]
    pub expires_at: String,
}

impl Signer {
    /// Signs a form that allows what `policy` says.
    #[must_use]
    pub fn presign_post(&self, policy: &PostPolicy, now: SystemTime) -> PresignedPost {
        let expires_at = self.expiry(now, policy.expires_in);
        let scope = self.scope(now);

        let mut fields: Vec<(&str, &str)> = vec![("key", policy.key)];
        fields.extend_from_slice(policy.fields);
        fields.extend([
            ("x-amz-algorithm", ALGORITHM),
            ("x-amz-credential", scope.credential.as_str()),
            ("x-amz-date", scope.date.as_str()),
        ]);
        fields.extend(self.session_token().map(|token| ("x-amz-security-token", token)));

        // SigV4 over a POST policy: the string to sign is the Base64 text itself.
        let document = policy.document(&fields, expires_at);
        let signature = self.signature(&document, now);
        fields.extend([("policy", document.as_str()), ("x-amz-signature", signature.as_str())]);

        PresignedPost {
            url: policy.bucket.url().to_owned(),
            fields: fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            expires_at: rfc3339(expires_at),
        }
    }
}

impl PostPolicy<'_> {
    /// Returns the policy document in Base64: what is signed.
    fn document(&self, fields: &[(&str, &str)], expires_at: SystemTime) -> String {
        let mut conditions = vec![Condition::Equals("bucket", &self.bucket.name)];
        conditions.extend(fields.iter().map(|(name, value)| Condition::Equals(name, value)));
        conditions.extend(self.length.as_ref().map(Condition::Length));
        let document = Document { expiration: rfc3339(expires_at), conditions };
        // Texts and numbers can always be written.
        BASE64_STANDARD.encode(serde_json::to_vec(&document).unwrap_or_default())
    }
}

#[derive(Serialize)]
struct Document<'a> {
    expiration: String,
    conditions: Vec<Condition<'a>>,
}

/// What S3 checks of a posted form.
enum Condition<'a> {
    Equals(&'a str, &'a str),
    Length(&'a RangeInclusive<u64>),
}

impl Serialize for Condition<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Equals(name, value) => serializer.collect_map([(name, value)]),
            Self::Length(range) => ("content-length-range", range.start(), range.end()).serialize(serializer),
        }
    }
}

fn as_object<S: Serializer>(fields: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fields.iter().map(|(name, value)| (name, value)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;
    use crate::aws::AwsConfig;
    use crate::time::parse_rfc3339;

    /// `fixtures/presigned_post.json`: what boto3 signs.
    #[derive(Deserialize)]
    struct Golden {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        now: String,
        region: String,
        access_key_id: String,
        secret_access_key: String,
        session_token: Option<String>,
        endpoint_url: Option<String>,
        bucket: String,
        key: String,
        #[serde(default)]
        fields: serde_json::Map<String, Value>,
        #[serde(default)]
        conditions: Vec<Value>,
        expires_in: u64,
        expect: Expected,
    }

    #[derive(Deserialize)]
    struct Expected {
        url: String,
        fields: serde_json::Map<String, Value>,
        policy_decoded: Value,
    }

    fn golden() -> Vec<Case> {
        serde_json::from_str::<Golden>(include_str!("../../fixtures/presigned_post.json")).unwrap().cases
    }

    impl Case {
        fn now(&self) -> SystemTime {
            parse_rfc3339(&format!("{}Z", self.now)).unwrap()
        }

        fn aws(&self) -> AwsConfig {
            let lookup = |name: &str| match name {
                "AWS_REGION" => Some(self.region.clone()),
                "AWS_ACCESS_KEY_ID" => Some(self.access_key_id.clone()),
                "AWS_SECRET_ACCESS_KEY" => Some(self.secret_access_key.clone()),
                "AWS_SESSION_TOKEN" => self.session_token.clone(),
                "AWS_ENDPOINT_URL_S3" => self.endpoint_url.clone(),
                _ => None,
            };
            AwsConfig::from_env(&lookup).unwrap()
        }

        fn sign(&self) -> PresignedPost {
            let aws = self.aws();
            let fields: Vec<(&str, &str)> =
                self.fields.iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap())).collect();
            let length = self.conditions.iter().find(|c| c[0] == "content-length-range");
            let policy = PostPolicy {
                bucket: &Bucket::new(&self.bucket, &aws),
                key: &self.key,
                fields: &fields,
                length: length.map(|c| c[1].as_u64().unwrap()..=c[2].as_u64().unwrap()),
                expires_in: Duration::from_secs(self.expires_in),
            };
            Signer::new(&aws).presign_post(&policy, self.now())
        }

        fn signature(&self, policy: &str) -> String {
            Signer::new(&self.aws()).signature(policy, self.now())
        }
    }

    fn decoded(policy: &str) -> Value {
        serde_json::from_slice(&BASE64_STANDARD.decode(policy).unwrap()).unwrap()
    }

    fn condition_set(policy: &Value) -> BTreeSet<String> {
        policy["conditions"].as_array().unwrap().iter().map(Value::to_string).collect()
    }

    #[test]
    fn the_form_equals_boto3s_for_the_same_inputs() {
        for case in golden() {
            let form = case.sign();
            let fields: serde_json::Map<_, _> =
                form.fields.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect();
            assert_eq!(form.url, case.expect.url, "{}", case.name);
            let signed = ["policy", "x-amz-signature"];
            for (name, value) in case.expect.fields.iter().filter(|(name, _)| !signed.contains(&name.as_str())) {
                assert_eq!(fields.get(name), Some(value), "{}: {name}", case.name);
            }
            assert_eq!(fields.len(), case.expect.fields.len(), "{}", case.name);
            let policy = decoded(fields["policy"].as_str().unwrap());
            assert_eq!(policy["expiration"], case.expect.policy_decoded["expiration"], "{}", case.name);
            assert_eq!(condition_set(&policy), condition_set(&case.expect.policy_decoded), "{}", case.name);
        }
    }

    #[test]
    fn boto3s_policy_gets_boto3s_signature() {
        for case in golden() {
            let policy = case.expect.fields["policy"].as_str().unwrap();
            assert_eq!(case.signature(policy), case.expect.fields["x-amz-signature"], "{}", case.name);
        }
    }

    #[test]
    fn every_field_but_policy_and_signature_has_its_condition() {
        for case in golden() {
            let form = case.sign();
            let value = |name: &str| form.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap();
            let conditions = condition_set(&decoded(&value("policy")));
            for (name, value) in form.fields.iter().filter(|(name, _)| name != "policy" && name != "x-amz-signature") {
                assert!(conditions.contains(&json!({ name: value }).to_string()), "{name}");
            }
            assert_eq!(value("x-amz-signature"), case.signature(&value("policy")));
        }
    }

    #[test]
    fn the_form_is_an_object_of_url_fields_and_expiry() {
        let form = serde_json::to_value(golden()[0].sign()).unwrap();
        assert_eq!(form["expiresAt"], "2026-11-24T04:00:00Z");
        assert_eq!(form["fields"]["key"], golden()[0].key);
    }
}
