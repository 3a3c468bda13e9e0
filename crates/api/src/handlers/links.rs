//! Upload links: made by the admin, used by one person each.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Extension, State as Shared};
use axum::http::HeaderMap;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use video_core::ids::{Mail, MediaType, Project};
use video_core::time::{parse_rfc3339, rfc3339};

use crate::error::Error;
use crate::extract::{Admin, Body, ClientPath, StepField, client_url};
use crate::links::UploadLink;
use crate::state::{App, AppState};
use crate::upload_target::UploadTarget;

/// Links that one request makes.
const MAX_LINKS: usize = 500;
/// Records that are written at the same time: API Gateway waits 30 s for all.
const CONCURRENCY: usize = 10;
const DEFAULT_LIFETIME: Duration = Duration::from_hours(14 * 24);
const MAX_LIFETIME: Duration = Duration::from_hours(366 * 24);

/// Who is invited to what, until when.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinksRequest {
    project: String,
    #[serde(default)]
    step: StepField,
    mails: Vec<String>,
    expires_at: Option<String>,
}

/// One person's link.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuedLink {
    mail: String,
    url: String,
    expires_at: String,
}

/// `POST /links`: makes a link for each mail. The records are written first, as by a form.
pub async fn create_links(
    _admin: Admin,
    Shared(state): Shared<AppState>,
    Extension(path): Extension<ClientPath>,
    headers: HeaderMap,
    Body(request): Body<LinksRequest>,
) -> Result<Json<Vec<IssuedLink>>, Error> {
    let now = SystemTime::now();
    let links = request.links(now)?;
    let tokens = state.links.seal(&links).await?;
    let app: &App = &state;
    let targets: Vec<_> = links.iter().map(|link| link.target.clone()).collect();
    let recorded = stream::iter(targets).map(|target| async move { app.record_link(&target, now).await });
    recorded.buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
    tracing::info!(links = links.len(), "upload links created");

    let own_path = path.0.trim_end_matches('/');
    let base = client_url(&headers, own_path.strip_suffix("/links").unwrap_or(own_path))?;
    let issued = links.iter().zip(tokens).map(|(link, token)| IssuedLink {
        mail: link.target.mail.as_str().to_owned(),
        url: format!("{base}/u/{token}"),
        expires_at: rfc3339(link.expires_at),
    });
    Ok(Json(issued.collect()))
}

impl LinksRequest {
    fn links(&self, now: SystemTime) -> Result<Vec<UploadLink>, Error> {
        let project: Project = self.project.parse()?;
        let step = self.step.step()?;
        let expires_at = self.expires_at(now)?;
        if !(1..=MAX_LINKS).contains(&self.mails.len()) {
            return Err(Error::BadRequest(format!("mails must be 1 to {MAX_LINKS} addresses")));
        }
        let link = |(index, mail): (usize, &String)| {
            let mail: Mail = mail.parse().map_err(|error| Error::BadRequest(format!("mails[{index}]: {error}")))?;
            Ok(UploadLink { target: UploadTarget { project: project.clone(), step, mail }, expires_at })
        };
        self.mails.iter().enumerate().map(link).collect()
    }

    fn expires_at(&self, now: SystemTime) -> Result<SystemTime, Error> {
        let Some(text) = &self.expires_at else { return Ok(now + DEFAULT_LIFETIME) };
        let allowed = now + Duration::from_secs(1)..now + MAX_LIFETIME;
        let expires_at = parse_rfc3339(text).filter(|time| allowed.contains(time));
        let rule = "expiresAt must be an RFC 3339 time of the next 366 days";
        expires_at.ok_or_else(|| Error::BadRequest(rule.to_owned()))
    }
}

impl App {
    async fn record_link(&self, target: &UploadTarget, now: SystemTime) -> Result<(), Error> {
        let key = target.key(MediaType::default());
        if self.table.record_form(&target.record_id(), &key, now).await? {
            Ok(())
        } else {
            Err(Error::Conflict("a video of these mails is being deleted; try again in a minute"))
        }
    }
}
