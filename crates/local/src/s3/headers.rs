//! Object headers: from requests into attributes, and from attributes into responses.

/// Takes the attributes out of any request that creates an object.
macro_rules! attributes_from {
    ($input:ident) => {
        crate::s3::object::Attributes {
            content_type: $input.content_type,
            cache_control: $input.cache_control,
            content_disposition: $input.content_disposition,
            content_encoding: $input.content_encoding.as_deref().and_then(crate::s3::headers::without_aws_chunked),
            content_language: $input.content_language,
            metadata: $input.metadata.into_iter().flatten().collect(),
        }
    };
}
pub(super) use attributes_from;

/// Builds the output of a `GetObject` or a `HeadObject` from an object and the fields that differ.
macro_rules! object_output {
    ($output:ident, $object:ident, { $($field:ident: $value:expr),* $(,)? }) => {
        $output {
            accept_ranges: Some("bytes".to_owned()),
            content_type: $object.attributes.content_type.or_else(|| Some("binary/octet-stream".to_owned())),
            cache_control: $object.attributes.cache_control,
            content_disposition: $object.attributes.content_disposition,
            content_encoding: $object.attributes.content_encoding,
            content_language: $object.attributes.content_language,
            metadata: Some($object.attributes.metadata.into_iter().collect()),
            e_tag: Some(s3s::dto::ETag::Strong($object.etag)),
            last_modified: Some($object.last_modified.into()),
            $($field: $value,)*
            ..$output::default()
        }
    };
}
pub(super) use object_output;

/// Removes `aws-chunked` from a `Content-Encoding`: it is the SDKs' own framing, not a property of the object.
pub(super) fn without_aws_chunked(encoding: &str) -> Option<String> {
    let rest: Vec<&str> = encoding
        .split(',')
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!rest.is_empty()).then(|| rest.join(", "))
}

/// Converts a size to the type of S3's headers.
pub(super) fn content_length(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
