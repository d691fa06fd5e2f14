//! Statements that are put together from what is asked for, so that an index serves each list: `($1 IS NULL OR column = $1)`
//! is served by none. Every piece of text stands in the source; what comes from outside is bound, never written.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow};

use super::{PageRequest, StorageError, Tx};

/// A value that a condition compares with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// A number: an id, a time.
    Number(i64),
    /// A word, a name, a pattern.
    Text(String),
    /// Yes or no.
    Flag(bool),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// What rows must be, all of it.
#[derive(Debug, Clone)]
pub struct Conditions {
    text: String,
    values: Vec<Value>,
}

impl Conditions {
    /// The first condition; `?` stands for the value, and `$1` for the same one in every later condition.
    pub fn of(condition: &'static str, value: impl Into<Value>) -> Self {
        let mut conditions = Self {
            text: String::new(),
            values: Vec::new(),
        };
        conditions.and(condition, value);
        conditions
    }

    /// A further condition; each `?` stands for the value.
    pub fn and(&mut self, condition: &'static str, value: impl Into<Value>) {
        self.values.push(value.into());
        let place = format!("${}", self.values.len());
        self.and_also(&condition.replace('?', &place));
    }

    /// A further condition, if there is a value for it.
    pub fn and_if(&mut self, condition: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.and(condition, value);
        }
    }

    fn and_also(&mut self, condition: &str) {
        if !self.text.is_empty() {
            self.text.push_str(" AND ");
        }
        self.text.extend(["(", condition, ")"]);
    }

    /// How many rows there are: `SELECT COUNT(*) FROM t WHERE {all}`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn count(&self, tx: &mut Tx, select: &'static str) -> Result<i64, StorageError> {
        let text = select.replace("{all}", &self.text);
        let found: Vec<(i64,)> = fetch_all(tx, text, &self.values).await?;
        Ok(found.first().map_or(0, |(count,)| *count))
    }

    /// The rows of a page: `SELECT … WHERE {all} ORDER BY … {page}`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn page<R: Readable>(
        &self,
        tx: &mut Tx,
        select: &'static str,
        page: PageRequest,
    ) -> Result<Vec<R>, StorageError> {
        let mut values = self.values.clone();
        values.extend([Value::Number(page.size), Value::Number(page.offset())]);
        let place = format!("LIMIT ${} OFFSET ${}", values.len() - 1, values.len());
        let text = select
            .replace("{all}", &self.text)
            .replace("{page}", &place);
        fetch_all(tx, text, &values).await
    }
}

/// A row that can be read from both databases.
pub trait Readable:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<R> Readable for R where
    R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

/// Binds values to a statement of either database, in their order.
macro_rules! bound {
    ($query:expr, $values:expr) => {{
        let mut query = $query;
        for value in $values {
            query = match value {
                Value::Number(number) => query.bind(*number),
                Value::Text(text) => query.bind(text.clone()),
                Value::Flag(flag) => query.bind(*flag),
            };
        }
        query
    }};
}

/// The rows of a statement, `$1` and so on standing for the values.
///
/// # Errors
/// If the database fails.
pub async fn fetch_all<R: Readable>(
    tx: &mut Tx,
    text: String,
    values: &[Value],
) -> Result<Vec<R>, StorageError> {
    let text = AssertSqlSafe(text);
    Ok(match tx {
        Tx::Sqlite(tx) => {
            bound!(sqlx::query_as(text), values)
                .fetch_all(&mut **tx)
                .await?
        }
        Tx::Postgres(tx) => {
            bound!(sqlx::query_as(text), values)
                .fetch_all(&mut **tx)
                .await?
        }
    })
}

/// Runs a statement and returns how many rows it changed.
///
/// # Errors
/// If the database fails.
pub async fn execute(tx: &mut Tx, text: String, values: &[Value]) -> Result<u64, StorageError> {
    let text = AssertSqlSafe(text);
    Ok(match tx {
        Tx::Sqlite(tx) => bound!(sqlx::query(text), values)
            .execute(&mut **tx)
            .await?
            .rows_affected(),
        Tx::Postgres(tx) => bound!(sqlx::query(text), values)
            .execute(&mut **tx)
            .await?
            .rows_affected(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_without_a_value_is_not_there_and_the_others_are_numbered() {
        let mut all = Conditions::of("tenant_id = ?", 7);
        all.and_if("outcome = ?", None::<&str>);
        all.and_if("username = ? OR actor = ?", Some("bob"));
        all.and(
            "id IN (SELECT id FROM t WHERE tenant_id = $1 AND is_on = ?)",
            true,
        );
        assert_eq!(
            all.text,
            "(tenant_id = $1) AND (username = $2 OR actor = $2) \
             AND (id IN (SELECT id FROM t WHERE tenant_id = $1 AND is_on = $3))"
        );
        let values = [Value::from(7), Value::from("bob"), Value::from(true)];
        assert_eq!(all.values, values);
    }
}
