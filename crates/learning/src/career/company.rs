//! Companies at which a learner worked.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;

use super::record::{self, Record};
use crate::academy::Json;
use crate::learner::{Learner, UserInfo};
use base::clock::{Iso, UnixMs};
use base::error::{Error, FieldErrors, Result};
use base::fields::entry::{Data, Line, WebAddress};
use base::fields::{Given, optional, request, required};
use base::sql;
use base::storage::{StorageError, Tx};

/// Longest name, and longest industry.
const CHARACTERS_MAX: usize = 100;

request! {
    /// A company as it is written.
    pub struct Written {
        /// Company name
        name: Option<String> = required(Line(CHARACTERS_MAX)) => "Acme";
        /// Industry sector
        industry: Given<String> = optional(Line(CHARACTERS_MAX)) => "Manufacturing";
        /// Company website URL
        website: Given<String> = optional(WebAddress) => "https://acme.example";
        /// Logo URL
        logo_url: Given<String> = optional(WebAddress) => "https://acme.example/logo.png";
        /// What a client keeps with it
        data: Given<Value> = optional(Data) => {};
        /// What a client knows of it
        metadata: Given<Value> = optional(Data) => {};
    }
}

/// What is set of a company.
#[derive(Debug, Clone, Default, FromRow, Serialize, JsonSchema)]
pub struct Values {
    name: String,
    industry: Option<String>,
    website: Option<String>,
    logo_url: Option<String>,
    #[sqlx(try_from = "String")]
    data: Json<Value>,
    #[sqlx(try_from = "String")]
    metadata: Json<Value>,
}

/// A company as it is stored.
#[derive(Debug, Clone, FromRow, Serialize, JsonSchema)]
pub(super) struct Row {
    pub(super) id: i64,
    #[sqlx(rename = "user_id")]
    user: i64,
    #[sqlx(flatten)]
    #[serde(flatten)]
    values: Values,
    created_at: Iso,
    updated_at: Iso,
}

/// A company.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Company")]
pub struct Company {
    #[serde(flatten)]
    pub(super) row: Row,
    user_info: UserInfo,
}

impl Record for Company {
    const NAME: &'static str = "company";
    const REQUESTS: [&'static str; 2] = ["CompanyRequest", "CompanyChange"];
    type Written = Written;
    type Values = Values;

    async fn rows(tx: &mut Tx, learner: &Learner, id: Option<i64>) -> Result<Vec<Self>> {
        let rows = sql!(
            tx,
            fetch_all as Row,
            "SELECT * FROM career_companies WHERE tenant_id = $1 AND user_id = $2 AND ($3 IS NULL OR id = $3)
             ORDER BY id DESC",
            learner.tenant,
            learner.user,
            id
        )?;
        let with_info = |row| Self {
            row,
            user_info: learner.info.clone(),
        };
        Ok(rows.into_iter().map(with_info).collect())
    }

    fn id(&self) -> i64 {
        self.row.id
    }

    fn values(&self) -> &Values {
        &self.row.values
    }

    async fn values_of(
        _: &mut Tx,
        _: Option<&Learner>,
        (written, stored): (Written, Values),
        _: &mut FieldErrors,
    ) -> Result<Values> {
        Ok(Values {
            name: written.name.unwrap_or(stored.name),
            industry: written.industry.over(stored.industry),
            website: written.website.over(stored.website),
            logo_url: written.logo_url.over(stored.logo_url),
            data: record::json(written.data, stored.data),
            metadata: record::json(written.metadata, stored.metadata),
        })
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
            "INSERT INTO career_companies (tenant_id, user_id, name, industry, website, logo_url, data, metadata,
                 created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) RETURNING id",
            learner.tenant,
            learner.user,
            &values.name,
            values.industry.as_deref(),
            values.website.as_deref(),
            values.logo_url.as_deref(),
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
            "UPDATE career_companies SET name = $2, industry = $3, website = $4, logo_url = $5, data = $6,
                 metadata = $7, updated_at = $8
             WHERE id = $1",
            id,
            &values.name,
            values.industry.as_deref(),
            values.website.as_deref(),
            values.logo_url.as_deref(),
            values.data.to_text(),
            values.metadata.to_text(),
            now
        )
    }

    async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
        let deleted = sql!(
            tx,
            execute,
            "DELETE FROM career_companies
             WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM career_experience WHERE company_id = $1)",
            id
        )?;
        if deleted == 0 {
            return Err(Error::Conflict(
                "an experience refers to this company".into(),
            ));
        }
        Ok(())
    }
}
