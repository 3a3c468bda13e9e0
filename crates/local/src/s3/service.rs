//! The S3 operations over the store; s3s has parsed and authorized each request.

use std::io::{self, SeekFrom};
use std::time::SystemTime;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Bucket, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedPart, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult,
    CopySource, CreateBucketInput, CreateBucketOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput,
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, ETag, GetObjectInput,
    GetObjectOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsV2Input,
    ListObjectsV2Output, ListPartsInput, ListPartsOutput, MetadataDirective, PostObjectInput, PostObjectOutput,
    PutObjectInput, PutObjectOutput, Range, StreamingBlob, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio_util::io::ReaderStream;

use super::body::{MAX_SIZE, declared_digests, receive};
use super::conditions::{copy_source_conditions, read_conditions, write_precondition};
use super::error::{StoreError, internal_error};
use super::files::{SealedFile, StagedFile};
use super::form::{self, FormResponse};
use super::form_request::FormFile;
use super::headers::{attributes_from, content_length, object_output};
use super::multipart::Upload;
use super::notification::EventName;
use super::percent_encoding::encode_path;
use super::store::Store;
use super::versions::check_version;
use super::{listing_requests, versions};

/// Parts are numbered from 1.
const MAX_PART_NUMBER: i32 = 10_000;

/// How much is read from a file at once.
const READ_BUFFER: usize = 256 * 1024;

/// The implementation of s3s's operations.
pub(super) struct Service {
    pub(super) store: Store,
}

#[async_trait]
impl S3 for Service {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.store.create_bucket(&req.input.bucket)?;
        Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{}", req.input.bucket)) }))
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

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let S3Request { mut input, headers, trailing_headers, .. } = req;
        let declared = declared_digests!(input, headers, trailing_headers);
        let precondition = write_precondition(input.if_match.as_ref(), input.if_none_match.as_ref());
        self.store.require_bucket(&input.bucket)?;
        let body = stream::iter(input.body).flatten();
        let content = receive(self.store.stage()?, body, declared, 0..=MAX_SIZE).await?;
        let (bucket, key) = (input.bucket, input.key);
        let attributes = attributes_from!(input);
        let object = self.store.transaction(|tx| {
            tx.check(&bucket, &key, &precondition)?;
            tx.put(&bucket, &key, content, &attributes, EventName::Put)
        })?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(ETag::Strong(object.etag)), ..PutObjectOutput::default() }))
    }

    async fn post_object(&self, req: S3Request<PostObjectInput>) -> S3Result<S3Response<PostObjectOutput>> {
        let S3Request { mut input, headers, extensions, .. } = req;
        form::check_key(&input.key)?;
        let declared = declared_digests!(input, headers, None);
        self.store.require_bucket(&input.bucket)?;
        // The body of the request itself is a placeholder.
        let file = extensions.get::<FormFile>().ok_or_else(|| s3_error!(MalformedPOSTRequest))?;
        let content = receive(self.store.stage()?, file.stream(), declared, file.sizes.clone()).await?;
        let (bucket, key) = (input.bucket, input.key);
        let attributes = attributes_from!(input);
        let object = self.store.transaction(|tx| tx.put(&bucket, &key, content, &attributes, EventName::Post))?;
        let form = FormResponse::new(&headers, &bucket, &key, &object.etag)?;
        let mut response =
            S3Response::new(PostObjectOutput { e_tag: Some(ETag::Strong(object.etag)), ..PostObjectOutput::default() });
        // A redirect sets its own Location.
        if input.success_action_redirect.is_none() {
            response.headers = form.headers.clone();
            response.extensions.insert(form);
        }
        Ok(response)
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        reject_part_number(input.part_number)?;
        check_version(input.version_id.as_deref())?;
        let (object, file) = self.store.read(&input.bucket, &input.key)?.ok_or(StoreError::NoSuchKey(input.key))?;
        read_conditions!(input).check(&object)?;
        let range = match &input.range {
            Some(range) => range.check(object.size)?,
            None => 0..object.size,
        };
        let content_range =
            input.range.map(|_| format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), object.size));
        let length = range.end - range.start;
        let mut file = tokio::fs::File::from_std(file);
        file.seek(SeekFrom::Start(range.start)).await.map_err(internal_error)?;
        let body = ReaderStream::with_capacity(file.take(length), READ_BUFFER);
        Ok(S3Response::new(object_output!(GetObjectOutput, object, {
            body: Some(StreamingBlob::wrap(body)),
            content_length: Some(content_length(length)),
            content_range: content_range,
        })))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        reject_part_number(input.part_number)?;
        check_version(input.version_id.as_deref())?;
        let object = self.store.find(&input.bucket, &input.key)?.ok_or(StoreError::NoSuchKey(input.key))?;
        read_conditions!(input).check(&object)?;
        Ok(S3Response::new(object_output!(HeadObjectOutput, object, {
            content_length: Some(content_length(object.size)),
        })))
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        versions::delete_object(&self.store, req.input).map(S3Response::new)
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        versions::delete_objects(&self.store, req.input, &req.headers).map(S3Response::new)
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = req.input;
        let (source_bucket, source_key) = copy_source(input.copy_source)?;
        let replace =
            input.metadata_directive.is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        if !replace && source_bucket == input.bucket && source_key == input.key {
            return Err(s3_error!(InvalidRequest, "an object can be copied to itself only with new metadata"));
        }
        let conditions = copy_source_conditions!(input);
        let (bucket, key) = (input.bucket, input.key);
        let given = attributes_from!(input);
        let object = self.store.transaction(|tx| {
            let source =
                tx.find(&source_bucket, &source_key)?.ok_or_else(|| StoreError::NoSuchKey(source_key.clone()))?;
            conditions.check_copy_source(&source)?;
            let attributes = if replace { &given } else { &source.attributes };
            let content = tx.link(&source)?;
            tx.put(&bucket, &key, content, attributes, EventName::Copy)
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
        listing_requests::list_objects(&self.store, req.input).map(S3Response::new)
    }

    async fn list_object_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        listing_requests::list_versions(&self.store, req.input).map(S3Response::new)
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = req.input;
        let (bucket, key) = (input.bucket, input.key);
        let upload_id = self.store.create_upload(&bucket, &key, &attributes_from!(input))?;
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
        let declared = declared_digests!(input, headers, trailing_headers);
        let upload = Upload { bucket: &input.bucket, key: &input.key, id: &input.upload_id };
        self.store.parts(upload)?;
        let body = stream::iter(input.body).flatten();
        let content = receive(self.store.stage_part()?, body, declared, 0..=MAX_SIZE).await?;
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
        let conditions = copy_source_conditions!(input);
        conditions.check_copy_source(&source)?;
        let range = match &input.copy_source_range {
            Some(range) => {
                Range::parse(range).map_err(|error| s3_error!(error, InvalidArgument))?.check(source.size)?
            }
            None => 0..source.size,
        };
        let staged = self.store.stage()?;
        let content = copy_range(file, range, staged).await.map_err(internal_error)?;
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
        listing_requests::list_parts(&self.store, req.input).map(S3Response::new)
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        listing_requests::list_uploads(&self.store, req.input).map(S3Response::new)
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = req.input;
        let listed = input.multipart_upload.and_then(|upload| upload.parts);
        let listed = listed_parts(listed.unwrap_or_default())?;
        let upload = Upload { bucket: &input.bucket, key: &input.key, id: &input.upload_id };
        let precondition = write_precondition(input.if_match.as_ref(), input.if_none_match.as_ref());
        let object = self.store.complete_upload(upload, &listed, &precondition).await?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, encode_path(&input.key))),
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

/// Copies a range of a file's bytes to the staged file.
async fn copy_range(file: std::fs::File, range: std::ops::Range<u64>, staged: StagedFile) -> io::Result<SealedFile> {
    let mut source = tokio::fs::File::from_std(file);
    source.seek(SeekFrom::Start(range.start)).await?;
    let mut target = tokio::fs::File::create(staged.path()).await?;
    tokio::io::copy(&mut source.take(range.end - range.start), &mut target).await?;
    target.flush().await?;
    staged.seal().await
}

fn listed_parts(parts: Vec<CompletedPart>) -> S3Result<Vec<(i32, String)>> {
    let complete =
        parts.into_iter().map(|part| Some((part.part_number?, part.e_tag?.into_value()))).collect::<Option<Vec<_>>>();
    complete
        .filter(|parts| !parts.is_empty())
        .ok_or_else(|| s3_error!(MalformedXML, "a completion lists at least one part, each with its number and ETag"))
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

fn reject_part_number(number: Option<i32>) -> S3Result<()> {
    match number {
        Some(_) => Err(s3_error!(NotImplemented, "reading one part of an object is not supported here")),
        None => Ok(()),
    }
}
