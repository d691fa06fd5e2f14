//! What a learner studied, where and when.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;

use super::Institution;
use super::input::Input;
use super::record::{self, Record};
use crate::academy::Json;
use crate::clock::{Iso, UnixMs};
use crate::error::{Error, Result};
use crate::learner::{Learner, UserInfo};
use crate::sql;
use crate::storage::{StorageError, Tx};

/// Longest degree and field of study.
const CHARACTERS_MAX: usize = 100;
/// Longest list of activities.
const ACTIVITIES_CHARACTERS_MAX: usize = 255;
/// Longest description.
const DESCRIPTION_CHARACTERS_MAX: usize = 5000;

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
    const REQUIRED: &'static [&'static str] = &["institution_id", "start_date"];
    const FIELDS: &'static [&'static str] = &[
        "institution_id",
        "degree",
        "field_of_study",
        "start_date",
        "end_date",
        "grade",
        "activities",
        "description",
        "is_current",
        "data",
        "metadata",
    ];
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

    async fn read(
        tx: &mut Tx,
        learner: Option<&Learner>,
        input: &mut Input<'_>,
        stored: Values,
    ) -> Result<Values> {
        let institution = input.id("institution_id");
        if let (Some(id), Some(learner)) = (institution, learner)
            && Institution::rows(tx, learner, Some(id)).await?.is_empty()
        {
            input.refuse("institution_id", record::no_such(id));
        }
        let start_date = input.date("start_date", Some(stored.start_date));
        let values = Values {
            institution_id: institution.unwrap_or_default(),
            degree: input.text("degree", CHARACTERS_MAX, stored.degree),
            field_of_study: input.text("field_of_study", CHARACTERS_MAX, stored.field_of_study),
            start_date: start_date.unwrap_or_default(),
            end_date: input.date("end_date", stored.end_date),
            grade: input.grade("grade", stored.grade),
            activities: input.text("activities", ACTIVITIES_CHARACTERS_MAX, stored.activities),
            description: input.text(
                "description",
                DESCRIPTION_CHARACTERS_MAX,
                stored.description,
            ),
            is_current: input.boolean("is_current", stored.is_current),
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
