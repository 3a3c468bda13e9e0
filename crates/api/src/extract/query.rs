//! The query string, read without losing the difference between an absent, an empty and a wrong parameter.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use video_core::ids::{Mail, MediaType};
use video_core::records::{Cursor, Filter, RecordId};

use crate::error::Error;

const DEFAULT_LIMIT: usize = 100;
/// With two links of 3 kB each, a page of so many stays under the 6 MB of a Lambda response.
const MAX_LIMIT: usize = 500;

pub const MAIL_IS_EMPTY: Error = Error::NotFound("mail is empty");
pub const PROJECT_IS_EMPTY: Error = Error::NotFound("project is empty");

/// Decoded parameters; the last one of a name counts, as in the original's framework.
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn new(raw: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(raw.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses parameters that a route does not know: a mistyped filter must not list, or delete, everything.
    ///
    /// # Errors
    /// [`Error::BadRequest`] names what is allowed.
    pub fn allow_only(&self, names: &[&str]) -> Result<(), Error> {
        if self.0.iter().all(|(name, _)| names.contains(&name.as_str())) {
            Ok(())
        } else {
            Err(Error::BadRequest(format!("the query must have no parameters but {}", names.join(", "))))
        }
    }

    /// Returns a parameter as it came, if it is given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    fn parse<T: FromStr<Err: Into<Error>>>(&self, name: &str) -> Result<Option<T>, Error> {
        self.get(name).map(str::parse).transpose().map_err(Into::into)
    }

    /// Returns the mail to issue a form for.
    pub fn required_mail(&self) -> Result<Mail, Error> {
        self.optional_mail()?.ok_or(MAIL_IS_EMPTY)
    }

    fn optional_mail(&self) -> Result<Option<Mail>, Error> {
        if self.get("mail") == Some("") { Err(MAIL_IS_EMPTY) } else { self.parse("mail") }
    }

    /// Returns the mail of a record: a person's, or the placeholder of an unsolicited upload.
    pub fn record_mail(&self) -> Result<String, Error> {
        self.optional_record_mail()?.ok_or(MAIL_IS_EMPTY)
    }

    fn optional_record_mail(&self) -> Result<Option<String>, Error> {
        match self.get("mail") {
            Some(mail) if RecordId::is_placeholder(mail) => Ok(Some(mail.to_owned())),
            _ => Ok(self.optional_mail()?.map(|mail| mail.as_str().to_owned())),
        }
    }

    /// Returns the value of a parameter that a request must have.
    pub fn required(&self, name: &'static str) -> Result<&str, Error> {
        self.get(name).ok_or_else(|| Error::BadRequest(format!("{name} must be given")))
    }

    /// Returns a whole number, if it is given.
    pub fn number<N>(&self, name: &'static str, range: RangeInclusive<N>) -> Result<Option<N>, Error>
    where
        N: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        let rule = || format!("{name} must be a whole number from {} to {}", range.start(), range.end());
        number.map(Some).ok_or_else(|| Error::BadRequest(rule()))
    }

    pub fn media_type(&self) -> Result<MediaType, Error> {
        Ok(self.parse("type")?.unwrap_or_default())
    }

    /// Returns the filters of a list.
    pub fn filter(&self) -> Result<Filter, Error> {
        if self.get("project") == Some("") {
            return Err(PROJECT_IS_EMPTY);
        }
        let filter = Filter {
            mail: self.optional_record_mail()?,
            project: self.parse("project")?,
            step: self.parse("step")?,
            status: self.parse("status")?,
        };
        if filter.step.is_some() && filter.project.is_none() {
            return Err(Error::BadRequest("step must be given together with project".to_owned()));
        }
        Ok(filter)
    }

    /// Returns how many records a page holds at most.
    pub fn limit(&self) -> Result<usize, Error> {
        Ok(self.number("limit", 1..=MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT))
    }

    /// Returns where the page starts.
    pub fn cursor(&self, filter: &Filter) -> Result<Option<Cursor>, Error> {
        Ok(self.get("cursor").map(|text| Cursor::decode(text, filter)).transpose()?)
    }

    /// Returns the same query for the page that starts at `cursor`.
    pub fn at(&self, cursor: &str) -> String {
        let others = self.0.iter().filter(|(name, _)| name != "cursor");
        form_urlencoded::Serializer::new(String::new()).extend_pairs(others).append_pair("cursor", cursor).finish()
    }
}
