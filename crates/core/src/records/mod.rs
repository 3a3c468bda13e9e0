//! The table of records: one item for each person's video of a step, from the first form to the playable result.
//!
//! [`transitions`] declares every write.

mod backfill;
mod batch_get;
mod counts;
mod erase;
mod find;
mod form;
mod item;
mod job;
mod list;
mod outbox;
mod query;
mod record;
mod schema;
mod stuck;
mod table;
#[cfg(test)]
mod tests;
mod transitions;
mod update;
mod upload;

pub use backfill::SEGMENTS;
pub use counts::Counts;
pub use job::Applied;
pub use list::{Cursor, Entry, Filter, Page};
pub use outbox::{Owed, SHARDS};
pub use record::{Record, RecordId, Status};
pub use stuck::NotRetryable;
pub use table::Table;
pub use upload::{Claim, ClaimTerms};
