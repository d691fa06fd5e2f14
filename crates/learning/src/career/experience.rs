//! At which companies a learner worked, as what and when.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;

use super::Company;
use super::record::{self, Record};
use crate::academy::Json;
use crate::learner::{Learner, UserInfo};
use base::clock::{Iso, UnixMs};
use base::error::{Error, FieldErrors, Result};
use base::fields::entry::{Data, Date, Flag, Line, RecordNumber};
use base::fields::{Given, no_such, optional, request, required};
use base::sql;
use base::storage::{StorageError, Tx};

/// Longest title and location.
const CHARACTERS_MAX: usize = 100;
/// Longest type of employment.
const EMPLOYMENT_CHARACTERS_MAX: usize = 50;
/// Longest description.
const DESCRIPTION_CHARACTERS_MAX: usize = 5000;

request! {
    /// An experience as it is written.
    pub struct Written {
        /// Company ID
        company_id: Option<i64> = required(RecordNumber) => 1;
        /// Job title
        title: Option<String> = required(Line(CHARACTERS_MAX)) => "Engineer";
        /// Employment type (e.g. "Full-time", "Part-time")
        employment_type: Given<String> = optional(Line(EMPLOYMENT_CHARACTERS_MAX)) => "Full-time";
        /// Work location
        location: Given<String> = optional(Line(CHARACTERS_MAX)) => "Boston";
        /// Start date in YYYY-MM-DD format
        start_date: Option<String> = required(Date) => "2022-07-01";
        /// End date in YYYY-MM-DD format
        end_date: Given<String> = optional(Date) => "2024-06-30";
        /// Whether this is the current position
        is_current: Given<bool> = optional(Flag) => false;
        /// Role description
        description: Given<String> = optional(Line(DESCRIPTION_CHARACTERS_MAX)) => "Built bridges";
        /// What a client keeps with it
        data: Given<Value> = optional(Data) => {};
        /// What a client knows of it
        metadata: Given<Value> = optional(Data) => {};
    }
}

/// What is set of an experience.
#[derive(Debug, Clone, Default, FromRow, Serialize, JsonSchema)]
pub struct Values {
    company_id: i64,
    title: String,
    employment_type: Option<String>,
    location: Option<String>,
    start_date: String,
    end_date: Option<String>,
    is_current: bool,
    description: Option<String>,
    #[sqlx(try_from = "String")]
    data: Json<Value>,
    #[sqlx(try_from = "String")]
    metadata: Json<Value>,
}

/// An experience as it is stored.
#[derive(Debug, Clone, FromRow, Serialize, JsonSchema)]
struct Row {
    id: i64,
    #[sqlx(rename = "user_id")]
    user: i64,
    #[sqlx(flatten)]
    #[serde(flatten)]
    values: Values,
    created_at: Iso,
    updated_at: Iso,
}

/// An experience, with the company.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Experience")]
pub struct Experience {
    #[serde(flatten)]
    row: Row,
    user_info: UserInfo,
    company: Company,
}

impl Record for Experience {
    const NAME: &'static str = "experience";
    const REQUESTS: [&'static str; 2] = ["ExperienceRequest", "ExperienceChange"];
    type Written = Written;
    type Values = Values;

    async fn rows(tx: &mut Tx, learner: &Learner, id: Option<i64>) -> Result<Vec<Self>> {
        let companies = record::list::<Company>(tx, learner).await?;
        let rows = sql!(
            tx,
            fetch_all as Row,
            "SELECT * FROM career_experience WHERE tenant_id = $1 AND user_id = $2 AND ($3 IS NULL OR id = $3)
             ORDER BY start_date DESC, id DESC",
            learner.tenant,
            learner.user,
            id
        )?;
        let with_company = |row: Row| {
            let is_its = |company: &&Company| company.row.id == row.values.company_id;
            let company = companies.iter().find(is_its)?.clone();
            let user_info = learner.info.clone();
            Some(Self {
                row,
                user_info,
                company,
            })
        };
        Ok(rows.into_iter().filter_map(with_company).collect())
    }

    fn id(&self) -> i64 {
        self.row.id
    }

    fn values(&self) -> &Values {
        &self.row.values
    }

    async fn values_of(
        tx: &mut Tx,
        learner: Option<&Learner>,
        (written, stored): (Written, Values),
        errors: &mut FieldErrors,
    ) -> Result<Values> {
        let company = written.company_id;
        if let (Some(id), Some(learner)) = (company, learner)
            && Company::rows(tx, learner, Some(id)).await?.is_empty()
        {
            errors.add("company_id", no_such(id));
        }
        let values = Values {
            company_id: company.unwrap_or_default(),
            title: written.title.unwrap_or(stored.title),
            employment_type: written.employment_type.over(stored.employment_type),
            location: written.location.over(stored.location),
            start_date: written.start_date.unwrap_or(stored.start_date),
            end_date: written.end_date.over(stored.end_date),
            is_current: written
                .is_current
                .over(Some(stored.is_current))
                .unwrap_or_default(),
            description: written.description.over(stored.description),
            data: record::json(written.data, stored.data),
            metadata: record::json(written.metadata, stored.metadata),
        };
        let end = values.end_date.as_deref();
        record::check_span((&values.start_date, end), values.is_current, errors);
        Ok(values)
    }

    async fn insert(
        tx: &mut Tx,
        learner: &Learner,
        values: Values,
        now: UnixMs,
    ) -> Result<i64, StorageError> {
        sql!(
            tx,
            scalar as i64,
            "INSERT INTO career_experience (tenant_id, user_id, company_id, title, employment_type, location,
                 start_date, end_date, is_current, description, data, metadata, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13) RETURNING id",
            learner.tenant,
            learner.user,
            values.company_id,
            &values.title,
            values.employment_type.as_deref(),
            values.location.as_deref(),
            &values.start_date,
            values.end_date.as_deref(),
            values.is_current,
            values.description.as_deref(),
            values.data.to_text(),
            values.metadata.to_text(),
            now
        )
    }

    async fn update(
        tx: &mut Tx,
        id: i64,
        values: Values,
        now: UnixMs,
    ) -> Result<u64, StorageError> {
        sql!(
            tx,
            execute,
            "UPDATE career_experience SET company_id = $2, title = $3, employment_type = $4, location = $5,
                 start_date = $6, end_date = $7, is_current = $8, description = $9, data = $10, metadata = $11,
                 updated_at = $12
             WHERE id = $1",
            id,
            values.company_id,
            &values.title,
            values.employment_type.as_deref(),
            values.location.as_deref(),
            &values.start_date,
            values.end_date.as_deref(),
            values.is_current,
            values.description.as_deref(),
            values.data.to_text(),
            values.metadata.to_text(),
            now
        )
    }

    async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
        let deleted = sql!(
            tx,
            execute,
            "DELETE FROM career_experience WHERE id = $1",
            id
        )?;
        (deleted > 0)
            .then_some(())
            .ok_or(Error::NotFound(Self::NAME))
    }
}
