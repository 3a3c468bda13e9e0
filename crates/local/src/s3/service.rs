//! The S3 operations of the store, as AWS CLI, boto3 and browsers call them; s3s has parsed and authorised each request.

use std::io::{self, SeekFrom};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    self, AbortMultipartUploadInput, AbortMultipartUploadOutput, Bucket, BucketLocationConstraint, CommonPrefix,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, CopyObjectInput, CopyObjectOutput,
    CopyObjectResult, CopyPartResult, CopySource, CreateBucketInput, CreateBucketOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput,
    DeletedObject, ETag, ETagCondition, EncodingType, GetBucketLocationInput, GetBucketLocationOutput, GetObjectInput,
    GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput,
    ListBucketsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, ListPartsInput,
    ListPartsOutput, MetadataDirective, PostObjectInput, PostObjectOutput, PutObjectInput, PutObjectOutput, Range,
    StreamingBlob, Timestamp, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio_util::io::ReaderStream;

use super::body::{declared, receive};
use super::form::{self, Posted};
use super::listing::Query;
use super::multipart::Upload;
use super::notification::Cause;
use super::store::{Attributes, Expected, Object, Sealed, Staged, Store, StoreError};

/// Pages of listings have at most this many entries.
const MAX_KEYS: i32 = 1000;

/// Numbers of parts go from 1 to this.
const MAX_PART_NUMBER: i32 = 10_000;

/// How much is read from a file at once.
const READ_BUFFER: usize = 256 * 1024;

/// What stays as it is in a URL's path and in a listing with `encoding-type=url`.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The headers that S3 keeps, from any request that creates an object.
macro_rules! attributes {
    ($input:ident) => {
        Attributes {
            content_type: $input.content_type,
            cache_control: $input.cache_control,
            content_disposition: $input.content_disposition,
            content_encoding: $input.content_encoding.as_deref().and_then(without_aws_chunked),
            content_language: $input.content_language,
            metadata: $input.metadata.into_iter().flatten().collect(),
        }
    };
}

/// The store as s3s sees it.
pub(super) struct Service {
    pub(super) store: Store,
    pub(super) region: String,
}

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::NoSuchBucket(_) => S3ErrorCode::NoSuchBucket,
            StoreError::NoSuchKey(_) => S3ErrorCode::NoSuchKey,
            StoreError::NoSuchUpload(_) => S3ErrorCode::NoSuchUpload,
            StoreError::InvalidPart(_) => S3ErrorCode::InvalidPart,
            StoreError::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
            StoreError::PartTooSmall(_) => S3ErrorCode::EntityTooSmall,
            StoreError::PreconditionFailed => S3ErrorCode::PreconditionFailed,
            StoreError::Index(_) | StoreError::Files(_) => return S3Error::internal_error(error),
        };
        S3Error::with_message(code, error.to_string())
    }
}

#[async_trait]
impl S3 for Service {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.store.create_bucket(&req.input.bucket)?;
        Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{}", req.input.bucket)) }))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.store.require_bucket(&req.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput {
            bucket_region: Some(self.region.clone()),
            ..HeadBucketOutput::default()
        }))
    }

    async fn list_buckets(&self, _req: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets = self.store.buckets()?;
        let buckets = buckets.into_iter().map(|(name, created_at)| Bucket {
            name: Some(name),
            creation_date: Some(created_at.into()),
            ..Bucket::default()
        });
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets.collect()), ..ListBucketsOutput::default() }))
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.store.require_bucket(&req.input.bucket)?;
        // AWS leaves the oldest region's name empty.
        let elsewhere = (self.region != "us-east-1").then(|| self.region.clone());
        Ok(S3Response::new(GetBucketLocationOutput {
            location_constraint: elsewhere.map(BucketLocationConstraint::from),
        }))
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let S3Request { mut input, headers, trailing_headers, .. } = req;
        let declared = declared!(input, headers, trailing_headers);
        let expected = expected(input.if_match.as_ref(), input.if_none_match.as_ref());
        self.store.require_bucket(&input.bucket)?;
        let content = receive(self.store.stage()?, input.body, declared).await?;
        let (bucket, key) = (input.bucket, input.key);
        let attributes = attributes!(input);
        let object = self.store.change(|change| {
            change.expect(&bucket, &key, &expected)?;
            change.put(&bucket, &key, content, &attributes, Cause::Put)
        })?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(ETag::Strong(object.etag)), ..PutObjectOutput::default() }))
    }

    async fn post_object(&self, req: S3Request<PostObjectInput>) -> S3Result<S3Response<PostObjectOutput>> {
        let S3Request { mut input, headers, .. } = req;
        form::check_key(&input.key)?;
        let declared = declared!(input, headers, None);
        self.store.require_bucket(&input.bucket)?;
        let content = receive(self.store.stage()?, input.body, declared).await?;
        let (bucket, key) = (input.bucket, input.key);
        let attributes = attributes!(input);
        let object = self.store.change(|change| change.put(&bucket, &key, content, &attributes, Cause::Post))?;
        let posted = Posted::new(&headers, &bucket, &key, &object.etag)?;
        let mut response =
            S3Response::new(PostObjectOutput { e_tag: Some(ETag::Strong(object.etag)), ..PostObjectOutput::default() });
        // A redirect has its own Location.
        if input.success_action_redirect.is_none() {
            response.headers = posted.headers.clone();
            response.extensions.insert(posted);
        }
        Ok(response)
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        refuse_part_number(input.part_number)?;
        let (object, file) = self.store.read(&input.bucket, &input.key)?.ok_or(StoreError::NoSuchKey(input.key))?;
        Conditions {
            matches: input.if_match.as_ref(),
            none_matches: input.if_none_match.as_ref(),
            modified_since: input.if_modified_since.as_ref(),
            unmodified_since: input.if_unmodified_since.as_ref(),
        }
        .check(&object)?;
        let range = match &input.range {
            Some(range) => range.check(object.size)?,
            None => 0..object.size,
        };
        let content_range =
            input.range.map(|_| format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), object.size));
        let length = range.end - range.start;
        let mut file = tokio::fs::File::from_std(file);
        file.seek(SeekFrom::Start(range.start)).await.map_err(S3Error::internal_error)?;
        let body = ReaderStream::with_capacity(file.take(length), READ_BUFFER);
        let Attributes {
            content_type,
            cache_control,
            content_disposition,
            content_encoding,
            content_language,
            metadata,
        } = object.attributes;
        Ok(S3Response::new(GetObjectOutput {
            body: Some(StreamingBlob::wrap(body)),
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(signed(length)),
            content_range,
            content_type: Some(content_type_of(content_type)),
            cache_control,
            content_disposition,
            content_encoding,
            content_language,
            metadata: Some(metadata.into_iter().collect()),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.last_modified.into()),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        refuse_part_number(input.part_number)?;
        let object = self.store.find(&input.bucket, &input.key)?.ok_or(StoreError::NoSuchKey(input.key))?;
        Conditions {
            matches: input.if_match.as_ref(),
            none_matches: input.if_none_match.as_ref(),
            modified_since: input.if_modified_since.as_ref(),
            unmodified_since: input.if_unmodified_since.as_ref(),
        }
        .check(&object)?;
        let Attributes {
            content_type,
            cache_control,
            content_disposition,
            content_encoding,
            content_language,
            metadata,
        } = object.attributes;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(signed(object.size)),
            content_type: Some(content_type_of(content_type)),
            cache_control,
            content_disposition,
            content_encoding,
            content_language,
            metadata: Some(metadata.into_iter().collect()),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.last_modified.into()),
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = req.input;
        self.store.change(|change| change.delete(&input.bucket, &input.key))?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput { bucket, delete, .. } = req.input;
        self.store.change(|change| delete.objects.iter().try_for_each(|object| change.delete(&bucket, &object.key)))?;
        let deleted = delete
            .objects
            .into_iter()
            .map(|object| DeletedObject { key: Some(object.key), ..DeletedObject::default() });
        let is_quiet = delete.quiet.unwrap_or_default();
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: (!is_quiet).then(|| deleted.collect()),
            ..DeleteObjectsOutput::default()
        }))
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = req.input;
        let (source_bucket, source_key) = copy_source(input.copy_source)?;
        let replace =
            input.metadata_directive.is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        if !replace && source_bucket == input.bucket && source_key == input.key {
            return Err(s3_error!(InvalidRequest, "an object can be copied to itself only with new metadata"));
        }
        let conditions = Conditions {
            matches: input.copy_source_if_match.as_ref(),
            none_matches: input.copy_source_if_none_match.as_ref(),
            modified_since: input.copy_source_if_modified_since.as_ref(),
            unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
        };
        let (bucket, key) = (input.bucket, input.key);
        let given = attributes!(input);
        let object = self.store.change(|change| {
            let source =
                change.find(&source_bucket, &source_key)?.ok_or_else(|| StoreError::NoSuchKey(source_key.clone()))?;
            conditions.check_copy(&source)?;
            let attributes = if replace { &given } else { &source.attributes };
            let content = self.store.link(&source)?;
            change.put(&bucket, &key, content, attributes, Cause::Copy)
        })?;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                e_tag: Some(ETag::Strong(object.etag)),
                last_modified: Some(object.last_modified.into()),
                ..CopyObjectResult::default()
            }),
            ..CopyObjectOutput::default()
        }))
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let max_keys = max_keys(input.max_keys)?;
        let after = match &input.continuation_token {
            Some(token) => after_token(token)?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let page = self.store.list(Query {
            bucket: &input.bucket,
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().filter(|text| !text.is_empty()),
            after: &after,
            limit: max_keys.unsigned_abs() as usize,
        })?;
        let write = Writer::new(input.encoding_type.as_ref());
        Ok(S3Response::new(ListObjectsV2Output {
            key_count: i32::try_from(page.objects.len() + page.common_prefixes.len()).ok(),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.as_ref().map(|last| URL_SAFE_NO_PAD.encode(last)),
            contents: Some(write.contents(page.objects)),
            common_prefixes: Some(write.common_prefixes(page.common_prefixes)),
            max_keys: Some(max_keys),
            name: Some(input.bucket),
            prefix: Some(write.text(input.prefix.as_deref().unwrap_or_default())),
            delimiter: input.delimiter.as_deref().map(|text| write.text(text)),
            start_after: input.start_after.as_deref().map(|text| write.text(text)),
            continuation_token: input.continuation_token,
            encoding_type: input.encoding_type,
            ..ListObjectsV2Output::default()
        }))
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = req.input;
        let max_keys = max_keys(input.max_keys)?;
        let marker = input.marker.as_deref().unwrap_or_default();
        let page = self.store.list(Query {
            bucket: &input.bucket,
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().filter(|text| !text.is_empty()),
            after: marker,
            limit: max_keys.unsigned_abs() as usize,
        })?;
        let write = Writer::new(input.encoding_type.as_ref());
        Ok(S3Response::new(ListObjectsOutput {
            is_truncated: Some(page.next.is_some()),
            next_marker: page.next.as_deref().map(|last| write.text(last)),
            contents: Some(write.contents(page.objects)),
            common_prefixes: Some(write.common_prefixes(page.common_prefixes)),
            max_keys: Some(max_keys),
            marker: Some(write.text(marker)),
            name: Some(input.bucket),
            prefix: Some(write.text(input.prefix.as_deref().unwrap_or_default())),
            delimiter: input.delimiter.as_deref().map(|text| write.text(text)),
            encoding_type: input.encoding_type,
            ..ListObjectsOutput::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = req.input;
        let (bucket, key) = (input.bucket, input.key);
        let upload_id = self.store.create_upload(&bucket, &key, &attributes!(input))?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(key),
            upload_id: Some(upload_id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let S3Request { mut input, headers, trailing_headers, .. } = req;
        check_part_number(input.part_number)?;
        let declared = declared!(input, headers, trailing_headers);
        let upload = Upload { bucket: &input.bucket, key: &input.key, id: &input.upload_id };
        self.store.parts(upload)?;
        let content = receive(self.store.stage()?, input.body, declared).await?;
        let etag = content.etag.clone();
        self.store.put_part(upload, input.part_number, content)?;
        Ok(S3Response::new(UploadPartOutput { e_tag: Some(ETag::Strong(etag)), ..UploadPartOutput::default() }))
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let input = req.input;
        check_part_number(input.part_number)?;
        let (source_bucket, source_key) = copy_source(input.copy_source)?;
        let upload = Upload { bucket: &input.bucket, key: &input.key, id: &input.upload_id };
        self.store.parts(upload)?;
        let (source, file) = self.store.read(&source_bucket, &source_key)?.ok_or(StoreError::NoSuchKey(source_key))?;
        let conditions = Conditions {
            matches: input.copy_source_if_match.as_ref(),
            none_matches: input.copy_source_if_none_match.as_ref(),
            modified_since: input.copy_source_if_modified_since.as_ref(),
            unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
        };
        conditions.check_copy(&source)?;
        let range = match &input.copy_source_range {
            Some(range) => {
                Range::parse(range).map_err(|error| s3_error!(error, InvalidArgument))?.check(source.size)?
            }
            None => 0..source.size,
        };
        let staged = self.store.stage()?;
        let content = copy_range(file, range, staged).await.map_err(S3Error::internal_error)?;
        let etag = content.etag.clone();
        self.store.put_part(upload, input.part_number, content)?;
        Ok(S3Response::new(UploadPartCopyOutput {
            copy_part_result: Some(CopyPartResult {
                e_tag: Some(ETag::Strong(etag)),
                last_modified: Some(SystemTime::now().into()),
                ..CopyPartResult::default()
            }),
            ..UploadPartCopyOutput::default()
        }))
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let input = req.input;
        let limit = max_keys(input.max_parts)?;
        let marker = input.part_number_marker.unwrap_or_default();
        let parts = self.store.parts(Upload { bucket: &input.bucket, key: &input.key, id: &input.upload_id })?;
        let mut later = parts.into_iter().filter(|part| part.number > marker);
        let page: Vec<_> = later.by_ref().take(limit.unsigned_abs() as usize).collect();
        let is_truncated = later.next().is_some();
        let last = page.last().map(|part| part.number);
        let parts = page.into_iter().map(|part| dto::Part {
            part_number: Some(part.number),
            size: Some(signed(part.size)),
            e_tag: Some(ETag::Strong(part.etag)),
            last_modified: Some(part.last_modified.into()),
            ..dto::Part::default()
        });
        Ok(S3Response::new(ListPartsOutput {
            parts: Some(parts.collect()),
            is_truncated: Some(is_truncated),
            next_part_number_marker: last.filter(|_| is_truncated),
            part_number_marker: Some(marker),
            max_parts: Some(limit),
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            ..ListPartsOutput::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = req.input;
        let listed = input.multipart_upload.and_then(|upload| upload.parts);
        let listed = listed_parts(listed.unwrap_or_default())?;
        let upload = Upload { bucket: &input.bucket, key: &input.key, id: &input.upload_id };
        let expected = expected(input.if_match.as_ref(), input.if_none_match.as_ref());
        let object = self.store.complete_upload(upload, &listed, &expected).await?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, path_encoded(&input.key))),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(object.etag)),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.store.abort_upload(Upload { bucket: &req.input.bucket, key: &req.input.key, id: &req.input.upload_id })?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

/// The conditions of a read, under the precedence of RFC 9110, section 13.2.2.
struct Conditions<'a> {
    matches: Option<&'a ETagCondition>,
    none_matches: Option<&'a ETagCondition>,
    modified_since: Option<&'a Timestamp>,
    unmodified_since: Option<&'a Timestamp>,
}

impl Conditions<'_> {
    fn check(&self, object: &Object) -> S3Result<()> {
        let names = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => etag.value() == object.etag,
        };
        let is_newer_than = |time: &Timestamp| Timestamp::from(whole_seconds(object.last_modified)) > *time;
        let is_wanted = match (self.matches, self.unmodified_since) {
            (Some(condition), _) => names(condition),
            (None, Some(time)) => !is_newer_than(time),
            (None, None) => true,
        };
        if !is_wanted {
            return Err(StoreError::PreconditionFailed.into());
        }
        let is_known = match (self.none_matches, self.modified_since) {
            (Some(condition), _) => names(condition),
            (None, Some(time)) => !is_newer_than(time),
            (None, None) => false,
        };
        if is_known {
            return Err(s3_error!(NotModified));
        }
        Ok(())
    }

    /// A copy has no answer for what has not changed: every condition that fails refuses it.
    fn check_copy(&self, source: &Object) -> Result<(), StoreError> {
        self.check(source).map_err(|_| StoreError::PreconditionFailed)
    }
}

/// Writes a range of a file's bytes to the staged one.
async fn copy_range(file: std::fs::File, range: std::ops::Range<u64>, staged: Staged) -> io::Result<Sealed> {
    let mut source = tokio::fs::File::from_std(file);
    source.seek(SeekFrom::Start(range.start)).await?;
    let mut target = tokio::fs::File::create(staged.path()).await?;
    tokio::io::copy(&mut source.take(range.end - range.start), &mut target).await?;
    target.flush().await?;
    staged.seal().await
}

/// What a write asks of the present object. S3 knows `If-None-Match: *` only, not with an ETag.
fn expected(if_match: Option<&ETagCondition>, if_none_match: Option<&ETagCondition>) -> Expected {
    match (if_match, if_none_match) {
        (Some(ETagCondition::ETag(etag)), _) => Expected::Etag(etag.value().to_owned()),
        (Some(ETagCondition::Any), _) => Expected::Present,
        (None, Some(_)) => Expected::Absent,
        (None, None) => Expected::Anything,
    }
}

/// Writes a listing's keys as the client asked: plain, or encoded so that XML can carry any of them.
struct Writer {
    url: bool,
}

impl Writer {
    fn new(encoding: Option<&EncodingType>) -> Self {
        Self { url: encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL) }
    }

    fn text(&self, text: &str) -> String {
        if self.url { path_encoded(text) } else { text.to_owned() }
    }

    fn contents(&self, objects: Vec<(String, Object)>) -> Vec<dto::Object> {
        let entries = objects.into_iter().map(|(key, object)| dto::Object {
            key: Some(self.text(&key)),
            size: Some(signed(object.size)),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.last_modified.into()),
            storage_class: Some(dto::ObjectStorageClass::from_static(dto::ObjectStorageClass::STANDARD)),
            ..dto::Object::default()
        });
        entries.collect()
    }

    fn common_prefixes(&self, prefixes: Vec<String>) -> Vec<CommonPrefix> {
        let entries = prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(self.text(&prefix)) });
        entries.collect()
    }
}

fn max_keys(asked: Option<i32>) -> S3Result<i32> {
    match asked {
        None => Ok(MAX_KEYS),
        Some(number) if number >= 0 => Ok(number.min(MAX_KEYS)),
        Some(_) => Err(s3_error!(InvalidArgument, "the number of entries must not be negative")),
    }
}

fn after_token(token: &str) -> S3Result<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| s3_error!(InvalidArgument, "the continuation token provided is incorrect"))
}

fn listed_parts(parts: Vec<CompletedPart>) -> S3Result<Vec<(i32, String)>> {
    let complete =
        parts.into_iter().map(|part| Some((part.part_number?, part.e_tag?.into_value()))).collect::<Option<Vec<_>>>();
    complete
        .filter(|parts| !parts.is_empty())
        .ok_or_else(|| s3_error!(MalformedXML, "a completion lists at least one part, each with number and ETag"))
}

fn copy_source(source: CopySource) -> S3Result<(String, String)> {
    match source {
        CopySource::Bucket { bucket, key, .. } => Ok((bucket.into_string(), key.into_string())),
        _ => Err(s3_error!(NotImplemented, "only copies from a bucket are supported here")),
    }
}

fn check_part_number(number: i32) -> S3Result<()> {
    if (1..=MAX_PART_NUMBER).contains(&number) {
        Ok(())
    } else {
        Err(s3_error!(InvalidArgument, "the part number must be between 1 and {MAX_PART_NUMBER}"))
    }
}

fn refuse_part_number(number: Option<i32>) -> S3Result<()> {
    match number {
        Some(_) => Err(s3_error!(NotImplemented, "reading one part of an object is not supported here")),
        None => Ok(()),
    }
}

/// SDKs name their own framing in `Content-Encoding`; it is no property of the object.
fn without_aws_chunked(encoding: &str) -> Option<String> {
    let rest: Vec<&str> = encoding
        .split(',')
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!rest.is_empty()).then(|| rest.join(", "))
}

/// S3's answer for an object that was stored without a type.
fn content_type_of(stored: Option<String>) -> String {
    stored.unwrap_or_else(|| "binary/octet-stream".to_owned())
}

pub(super) fn path_encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// HTTP dates have no fractions: a date that we sent must not count as older than the object.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(elapsed.as_secs())
}
