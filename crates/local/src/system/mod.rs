//! Starts all services, connects them by their addresses as in a deployment, and stops them together.

mod data_dir;
mod description;
mod environment;
mod error;
mod functions;
mod listeners;
mod options;
mod services;
mod tasks;

use std::fs::File;
use std::sync::Arc;

use self::environment::{ACCESS_KEY_ID, Environment};
use self::functions::{Functions, deliver_events, schedule_sweeps};
use self::listeners::{Listeners, listen, serve, url};
use self::services::{Services, credentials};
use self::tasks::{Tasks, infallible};
use crate::origins::Origin;
use crate::{aws_json, dynamodb, eventbridge, s3, transcoder, webhook};

pub use description::{Description, Login};
pub use error::StartError;
pub use options::Options;

/// A running system.
#[derive(Debug)]
pub struct System {
    description: Description,
    events_function: video_events::State,
    tasks: Tasks,
    // Dropped last, when no task writes any more.
    _lock: File,
}

impl System {
    /// Starts all services and returns when they accept connections.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let lock = data_dir::lock(&options.data_dir).await?;
        let listeners = Listeners::bind(options.port).await?;
        let dynamodb_listener = listen(0, "DynamoDB").await?;
        let services = Services::open(&options.data_dir, options.ffmpeg, options.listing_lag)?;

        let environment = Environment::new(&listeners, options.transcoder, &services.pipeline, &options.variables);
        let functions = Functions::configure(&environment)?;
        services.prepare_table(&environment).await?;
        let description = Description::new(&listeners, &environment);
        let events_function = functions.events.clone();

        let mut tasks = Tasks::default();
        let Services { database, store, transcoder, event_bus, dynamodb_dir, dead_letter_file, .. } = services;
        let origins: Arc<[Origin]> = options.allowed_origins.into();
        let mut serve_port = |name, listener, router| {
            tasks.spawn(name, |stop| serve(listener, router, origins.clone(), stop));
        };
        serve_port("DynamoDB's port", listeners.dynamodb, dynamodb::relay(&url(&dynamodb_listener)));
        serve_port("S3", listeners.s3, s3::router(store.discarding_parts(options.discard_parts), credentials()));
        let json_services = transcoder::routes(transcoder.clone()).merge(eventbridge::routes(event_bus));
        let json_services = aws_json::router(json_services, ACCESS_KEY_ID);
        serve_port("the transcoders and EventBridge", listeners.transcoder, json_services);
        serve_port("the API", listeners.api, video_api::router(functions.api));
        tasks.spawn("DynamoDB", |stop| async move { dynamodb::serve(dynamodb_listener, &dynamodb_dir, stop).await });
        tasks.spawn("the transcoding worker", |stop| infallible(transcoder::work(transcoder, stop)));
        if let Some(webhook) = options.webhook {
            let dead_letter_file = services.webhook_dead_letter_file;
            tasks.spawn("the webhook's queue", |stop| {
                webhook::deliver(database.clone(), webhook, options.webhook_retry_delays, dead_letter_file, stop)
            });
        }
        if options.deliver_events {
            tasks.spawn("the sweep schedule", |stop| schedule_sweeps(database.clone(), stop));
            tasks.spawn("the event queue", |stop| {
                deliver_events(database, functions.events, options.retry_delays, dead_letter_file, stop)
            });
        }
        Ok(Self { description, events_function, tasks, _lock: lock })
    }

    /// Returns the URLs and logins.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Returns the events function, to be invoked without the queue.
    #[must_use]
    pub fn events_function(&self) -> &video_events::State {
        &self.events_function
    }

    /// Waits for a service that stops by itself, which none should, and returns which one and why.
    pub async fn failure(&mut self) -> String {
        self.tasks.failure().await
    }

    /// Stops all services. Unfinished work continues at the next start.
    pub async fn stop(self) {
        self.tasks.stop().await;
    }
}
