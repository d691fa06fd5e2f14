//! What a learner studied, where and when.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;

use super::Institution;
use super::record::{self, Record};
use crate::academy::Json;
use crate::learner::{Learner, UserInfo};
use base::clock::{Iso, UnixMs};
use base::error::{Error, FieldErrors, Result};
use base::fields::entry::{Data, Date, Flag, Grade, Line, RecordNumber};
use base::fields::{Given, no_such, optional, request, required};
use base::sql;
use base::storage::{StorageError, Tx};

/// Longest degree and field of study.
const CHARACTERS_MAX: usize = 100;
/// Longest list of activities.
const ACTIVITIES_CHARACTERS_MAX: usize = 255;
/// Longest description.
const DESCRIPTION_CHARACTERS_MAX: usize = 5000;

request! {
    /// An education as it is written.
    pub struct Written {
        /// Institution ID
        institution_id: Option<i64> = required(RecordNumber) => 1;
        /// Degree name
        degree: Given<String> = optional(Line(CHARACTERS_MAX)) => "BSc";
        /// Field of study
        field_of_study: Given<String> = optional(Line(CHARACTERS_MAX)) => "Physics";
        /// Start date in YYYY-MM-DD format
        start_date: Option<String> = required(Date) => "2018-09-01";
        /// End date in YYYY-MM-DD format
        end_date: Given<String> = optional(Date) => "2022-06-30";
        /// A decimal text, such as 3.75; an empty one is none
        grade: Given<String> = optional(Grade) => "3.75";
        /// What else was done there
        activities: Given<String> = optional(Line(ACTIVITIES_CHARACTERS_MAX)) => "Chess club";
        /// Description of studies
        description: Given<String> = optional(Line(DESCRIPTION_CHARACTERS_MAX)) => "Thesis on crystals";
        /// Whether it is still going on
        is_current: Given<bool> = optional(Flag) => false;
        /// What a client keeps with it
        data: Given<Value> = optional(Data) => {};
        /// What a client knows of it
        metadata: Given<Value> = optional(Data) => {};
    }
}

/// What is set of an education.
#[derive(Debug, Clone, Default, FromRow, Serialize, JsonSchema)]
pub struct Values {
    institution_id: i64,
    degree: Option<String>,
    field_of_study: Option<String>,
    start_date: String,
    end_date: Option<String>,
    /// A decimal, such as `3.75`.
    grade: Option<String>,
    activities: Option<String>,
    description: Option<String>,
    is_current: bool,
    #[sqlx(try_from = "String")]
    data: Json<Value>,
    #[sqlx(try_from = "String")]
    metadata: Json<Value>,
}

/// An education as it is stored.
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

/// An education, with the institution.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Education")]
pub struct Education {
    #[serde(flatten)]
    row: Row,
    user_info: UserInfo,
    institution: Institution,
}

impl Record for Education {
    const NAME: &'static str = "education";
    const REQUESTS: [&'static str; 2] = ["EducationRequest", "EducationChange"];
    type Written = Written;
    type Values = Values;

    async fn rows(tx: &mut Tx, learner: &Learner, id: Option<i64>) -> Result<Vec<Self>> {
        let institutions = record::list::<Institution>(tx, learner).await?;
        let rows = sql!(
            tx,
            fetch_all as Row,
            "SELECT * FROM career_education WHERE tenant_id = $1 AND user_id = $2 AND ($3 IS NULL OR id = $3)
             ORDER BY start_date DESC, id DESC",
            learner.tenant,
            learner.user,
            id
        )?;
        let with_institution = |row: Row| {
            let is_its = |institution: &&Institution| institution.id == row.values.institution_id;
            let institution = institutions.iter().find(is_its)?.clone();
            let user_info = learner.info.clone();
            Some(Self {
                row,
                user_info,
                institution,
            })
        };
        Ok(rows.into_iter().filter_map(with_institution).collect())
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
        let institution = written.institution_id;
        if let (Some(id), Some(learner)) = (institution, learner)
            && Institution::rows(tx, learner, Some(id)).await?.is_empty()
        {
            errors.add("institution_id", no_such(id));
        }
        let values = Values {
            institution_id: institution.unwrap_or_default(),
            degree: written.degree.over(stored.degree),
            field_of_study: written.field_of_study.over(stored.field_of_study),
            start_date: written.start_date.unwrap_or(stored.start_date),
            end_date: written.end_date.over(stored.end_date),
            grade: written.grade.over(stored.grade),
            activities: written.activities.over(stored.activities),
            description: written.description.over(stored.description),
            is_current: written
                .is_current
                .over(Some(stored.is_current))
                .unwrap_or_default(),
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
            "INSERT INTO career_education (tenant_id, user_id, institution_id, degree, field_of_study, start_date,
                 end_date, grade, activities, description, is_current, data, metadata, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14) RETURNING id",
            learner.tenant,
            learner.user,
            values.institution_id,
            values.degree.as_deref(),
            values.field_of_study.as_deref(),
            &values.start_date,
            values.end_date.as_deref(),
            values.grade.as_deref(),
            values.activities.as_deref(),
            values.description.as_deref(),
            values.is_current,
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
            "UPDATE career_education SET institution_id = $2, degree = $3, field_of_study = $4, start_date = $5,
                 end_date = $6, grade = $7, activities = $8, description = $9, is_current = $10, data = $11,
                 metadata = $12, updated_at = $13
             WHERE id = $1",
            id,
            values.institution_id,
            values.degree.as_deref(),
            values.field_of_study.as_deref(),
            &values.start_date,
            values.end_date.as_deref(),
            values.grade.as_deref(),
            values.activities.as_deref(),
            values.description.as_deref(),
            values.is_current,
            values.data.to_text(),
            values.metadata.to_text(),
            now
        )
    }

    async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
        let deleted = sql!(
            tx,
            execute,
            "DELETE FROM career_education WHERE id = $1",
            id
        )?;
        (deleted > 0)
            .then_some(())
            .ok_or(Error::NotFound(Self::NAME))
    }
}
