//! Pages of listings, by row number.

/// A page of a listing: at most `limit` rows after the row numbered `after`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    pub oldest_first: bool,
    pub after: Option<i64>,
    pub limit: usize,
}

impl Page {
    /// Returns the end of a SELECT, with the parameters `:after` and `:limit`.
    pub(super) fn sql(self) -> &'static str {
        if self.oldest_first {
            "(:after IS NULL OR number > :after) ORDER BY number LIMIT :limit"
        } else {
            "(:after IS NULL OR number < :after) ORDER BY number DESC LIMIT :limit"
        }
    }

    /// Returns the number of rows to read: one more than requested shows whether there is a next page.
    pub(super) fn rows_to_read(self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// Returns the rows of this page, and [`Page::after`] of the next page if there is one.
    pub(super) fn truncate<T>(self, mut rows: Vec<T>, number: impl Fn(&T) -> i64) -> (Vec<T>, Option<i64>) {
        let has_more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next = if has_more { rows.last().map(number) } else { None };
        (rows, next)
    }
}
