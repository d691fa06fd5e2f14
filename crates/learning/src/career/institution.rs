//! Institutions at which a learner studied.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;

use super::record::{self, Record};
use crate::academy::Json;
use crate::learner::Learner;
use base::clock::{Iso, UnixMs};
use base::error::{Error, FieldErrors, Result};
use base::fields::entry::{Data, Line, OneOf, WebAddress, Year};
use base::fields::{Given, optional, request, required};
use base::sql;
use base::storage::{StorageError, Tx, words};

/// Longest name, location and accreditation.
const CHARACTERS_MAX: usize = 100;

words! {
    /// What kinds of institution there are.
    #[derive(Default)]
    InstitutionType {
        /// A university.
        University = "university",
        /// A college.
        College = "college",
        /// An institute.
        Institute = "institute",
        /// An academy.
        Academy = "academy",
        /// Anything else.
        #[default]
        Other = "other",
    }
}

request! {
    /// An institution as it is written.
    pub struct Written {
        /// Institution name
        name: Option<String> = required(Line(CHARACTERS_MAX)) => "State University";
        /// Type (e.g. "university", "academy", "institute")
        institution_type: Given<InstitutionType> = optional(OneOf::<InstitutionType>::any()) => "university";
        /// Location
        location: Given<String> = optional(Line(CHARACTERS_MAX)) => "Boston";
        /// Institution website URL
        website: Given<String> = optional(WebAddress) => "https://university.example";
        /// Who accredited it
        accreditation: Given<String> = optional(Line(CHARACTERS_MAX)) => "NECHE";
        /// Since when it is there
        established_year: Given<i64> = optional(Year) => 1869;
        /// What a client keeps with it
        data: Given<Value> = optional(Data) => {};
        /// What a client knows of it
        metadata: Given<Value> = optional(Data) => {};
    }
}

/// What is set of an institution.
#[derive(Debug, Clone, Default, FromRow, Serialize, JsonSchema)]
pub struct Values {
    name: String,
    #[sqlx(try_from = "String")]
    institution_type: InstitutionType,
    location: Option<String>,
    website: Option<String>,
    accreditation: Option<String>,
    established_year: Option<i64>,
    #[sqlx(try_from = "String")]
    data: Json<Value>,
    #[sqlx(try_from = "String")]
    metadata: Json<Value>,
}

/// An institution.
#[derive(Debug, Clone, FromRow, Serialize, JsonSchema)]
pub struct Institution {
    pub(super) id: i64,
    #[sqlx(flatten)]
    #[serde(flatten)]
    values: Values,
    created_at: Iso,
    updated_at: Iso,
}

impl Record for Institution {
    const NAME: &'static str = "institution";
    const REQUESTS: [&'static str; 2] = ["InstitutionRequest", "InstitutionChange"];
    type Written = Written;
    type Values = Values;

    async fn rows(tx: &mut Tx, learner: &Learner, id: Option<i64>) -> Result<Vec<Self>> {
        Ok(sql!(
            tx,
            fetch_all as Self,
            "SELECT * FROM career_institutions WHERE tenant_id = $1 AND user_id = $2 AND ($3 IS NULL OR id = $3)
             ORDER BY id DESC",
            learner.tenant,
            learner.user,
            id
        )?)
    }

    fn id(&self) -> i64 {
        self.id
    }

    fn values(&self) -> &Values {
        &self.values
    }

    async fn values_of(
        _: &mut Tx,
        _: Option<&Learner>,
        (written, stored): (Written, Values),
        _: &mut FieldErrors,
    ) -> Result<Values> {
        Ok(Values {
            name: written.name.unwrap_or(stored.name),
            institution_type: written
                .institution_type
                .over(Some(stored.institution_type))
                .unwrap_or_default(),
            location: written.location.over(stored.location),
            website: written.website.over(stored.website),
            accreditation: written.accreditation.over(stored.accreditation),
            established_year: written.established_year.over(stored.established_year),
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
            "INSERT INTO career_institutions (tenant_id, user_id, name, institution_type, location, website,
                 accreditation, established_year, data, metadata, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) RETURNING id",
            learner.tenant,
            learner.user,
            &values.name,
            values.institution_type.as_str(),
            values.location.as_deref(),
            values.website.as_deref(),
            values.accreditation.as_deref(),
            values.established_year,
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
            "UPDATE career_institutions SET name = $2, institution_type = $3, location = $4, website = $5,
                 accreditation = $6, established_year = $7, data = $8, metadata = $9, updated_at = $10
             WHERE id = $1",
            id,
            &values.name,
            values.institution_type.as_str(),
            values.location.as_deref(),
            values.website.as_deref(),
            values.accreditation.as_deref(),
            values.established_year,
            values.data.to_text(),
            values.metadata.to_text(),
            now
        )
    }

    async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
        let deleted = sql!(
            tx,
            execute,
            "DELETE FROM career_institutions
             WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM career_education WHERE institution_id = $1)",
            id
        )?;
        if deleted == 0 {
            return Err(Error::Conflict(
                "an education refers to this institution".into(),
            ));
        }
        Ok(())
    }
}
