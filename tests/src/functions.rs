//! Events functions on a system, freshly started as on Lambda, and the jobs that they created.

use std::collections::HashMap;

use video_core::TranscoderKind;

use crate::faults::Network;
use crate::{TestSystem, Variables};

/// Starts events functions on a system, each as a new sandbox on Lambda.
pub struct Functions {
    /// The transcoder of their jobs.
    pub kind: TranscoderKind,
    variables: Variables,
    pipeline: String,
}

impl Functions {
    /// Configures functions that work on `system` and create their jobs on `kind`.
    pub async fn of(system: &TestSystem, kind: TranscoderKind) -> Self {
        Self::with(system.variables(), kind).await
    }

    /// Configures functions with these variables that create their jobs on `kind`.
    pub async fn with(variables: Variables, kind: TranscoderKind) -> Self {
        let mut functions = Self { variables, kind, pipeline: String::new() };
        let pipelines = functions.elastic_transcoder().list_pipelines().send().await.unwrap();
        pipelines.pipelines()[0].id().unwrap().clone_into(&mut functions.pipeline);
        let named = functions.variables.clone().with("TRANSCODER", kind.as_str());
        functions.variables = named.with("PIPELINE_NAME", functions.pipeline.clone());
        functions
    }

    /// Starts a function with nothing between it and AWS and a lease of `lease` seconds.
    pub fn direct(&self, lease: u64) -> video_events::State {
        function(self.variables.clone(), lease)
    }

    /// Starts a function behind this network with a lease of `lease` seconds.
    pub fn behind(&self, network: &Network, lease: u64) -> video_events::State {
        function(self.variables.clone().with_aws_at(network.url()), lease)
    }

    fn elastic_transcoder(&self) -> aws_sdk_elastictranscoder::Client {
        aws_sdk_elastictranscoder::Client::new(&self.variables.aws().sdk_config())
    }

    /// Returns every job of the transcoder: its token and its ID.
    pub async fn jobs(&self) -> Vec<(String, String)> {
        let job = |metadata: Option<&HashMap<String, String>>, id: Option<&str>| {
            (metadata.unwrap()["token"].clone(), id.unwrap().to_owned())
        };
        match self.kind {
            TranscoderKind::ElasticTranscoder => {
                let client = self.elastic_transcoder();
                let mut pages =
                    client.list_jobs_by_pipeline().pipeline_id(&self.pipeline).into_paginator().items().send();
                let mut jobs = Vec::new();
                while let Some(item) = pages.next().await {
                    let item = item.unwrap();
                    jobs.push(job(item.user_metadata(), item.id()));
                }
                jobs
            }
            TranscoderKind::MediaConvert => {
                let client = aws_sdk_mediaconvert::Client::new(&self.variables.aws().sdk_config());
                let mut pages = client.list_jobs().into_paginator().items().send();
                let mut jobs = Vec::new();
                while let Some(item) = pages.next().await {
                    let item = item.unwrap();
                    jobs.push(job(item.user_metadata(), item.id()));
                }
                jobs
            }
        }
    }
}

fn function(variables: Variables, lease: u64) -> video_events::State {
    variables.with("UPLOAD_LEASE_SECONDS", lease.to_string()).events()
}
