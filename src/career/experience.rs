//! At which companies a learner worked, as what and when.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;

use super::Company;
use super::input::Input;
use super::record::{self, Record};
use crate::academy::Json;
use crate::clock::{Iso, UnixMs};
use crate::error::{Error, Result};
use crate::learner::{Learner, UserInfo};
use crate::sql;
use crate::storage::{StorageError, Tx};

/// Longest title and location.
const CHARACTERS_MAX: usize = 100;
/// Longest type of employment.
const EMPLOYMENT_CHARACTERS_MAX: usize = 50;
/// Longest description.
const DESCRIPTION_CHARACTERS_MAX: usize = 5000;

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
    const REQUIRED: &'static [&'static str] = &["company_id", "title", "start_date"];
    const FIELDS: &'static [&'static str] = &[
        "company_id",
        "title",
        "employment_type",
        "location",
        "start_date",
        "end_date",
        "is_current",
        "description",
        "data",
        "metadata",
    ];
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

    async fn read(
        tx: &mut Tx,
        learner: Option<&Learner>,
        input: &mut Input<'_>,
        stored: Values,
    ) -> Result<Values> {
        let company = input.id("company_id");
        if let (Some(id), Some(learner)) = (company, learner)
            && Company::rows(tx, learner, Some(id)).await?.is_empty()
        {
            input.refuse("company_id", record::no_such(id));
        }
        let start_date = input.date("start_date", Some(stored.start_date));
        let title = input.text("title", CHARACTERS_MAX, Some(stored.title));
        let kind = stored.employment_type;
        let values = Values {
            company_id: company.unwrap_or_default(),
            title: title.unwrap_or_default(),
            employment_type: input.text("employment_type", EMPLOYMENT_CHARACTERS_MAX, kind),
            location: input.text("location", CHARACTERS_MAX, stored.location),
            start_date: start_date.unwrap_or_default(),
            end_date: input.date("end_date", stored.end_date),
            is_current: input.boolean("is_current", stored.is_current),
            description: input.text(
                "description",
                DESCRIPTION_CHARACTERS_MAX,
                stored.description,
            ),
            data: input.json("data", stored.data),
            metadata: input.json("metadata", stored.metadata),
        };
        let end = values.end_date.as_deref();
        input.check_span(&values.start_date, end, values.is_current);
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
