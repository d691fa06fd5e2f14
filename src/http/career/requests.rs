//! The records of a profile as they are written, for the documentation; the fields are read as they came, in any encoding.

use schemars::JsonSchema;
use serde_json::Value;

use crate::career::{Company, Education, Experience, Institution, InstitutionType, Record};

/// A record with the documentation of how it is written.
pub(crate) trait Written: Record {
    /// How it is written.
    type Request: JsonSchema;
}

/// A company as it is written.
#[derive(JsonSchema)]
#[schemars(rename = "CompanyRequest")]
#[expect(dead_code, reason = "documentation")]
pub(crate) struct CompanyRequest {
    /// Which one, on a change; may stand in the query instead.
    id: Option<i64>,
    name: String,
    industry: Option<String>,
    website: Option<String>,
    logo_url: Option<String>,
    data: Option<Value>,
    metadata: Option<Value>,
}

impl Written for Company {
    type Request = CompanyRequest;
}

/// An institution as it is written.
#[derive(JsonSchema)]
#[schemars(rename = "InstitutionRequest")]
#[expect(dead_code, reason = "documentation")]
pub(crate) struct InstitutionRequest {
    /// Which one, on a change; may stand in the query instead.
    id: Option<i64>,
    name: String,
    institution_type: Option<InstitutionType>,
    location: Option<String>,
    website: Option<String>,
    accreditation: Option<String>,
    established_year: Option<i64>,
    data: Option<Value>,
    metadata: Option<Value>,
}

impl Written for Institution {
    type Request = InstitutionRequest;
}

/// An education as it is written.
#[derive(JsonSchema)]
#[schemars(rename = "EducationRequest")]
#[expect(dead_code, reason = "documentation")]
pub(crate) struct EducationRequest {
    /// Which one, on a change; may stand in the query instead.
    id: Option<i64>,
    institution_id: i64,
    degree: Option<String>,
    field_of_study: Option<String>,
    /// `YYYY-MM-DD`.
    start_date: String,
    /// `YYYY-MM-DD`, not before the start.
    end_date: Option<String>,
    /// A decimal text, such as `3.75`; an empty one is none.
    grade: Option<String>,
    activities: Option<String>,
    description: Option<String>,
    is_current: Option<bool>,
    data: Option<Value>,
    metadata: Option<Value>,
}

impl Written for Education {
    type Request = EducationRequest;
}

/// An experience as it is written.
#[derive(JsonSchema)]
#[schemars(rename = "ExperienceRequest")]
#[expect(dead_code, reason = "documentation")]
pub(crate) struct ExperienceRequest {
    /// Which one, on a change; may stand in the query instead.
    id: Option<i64>,
    company_id: i64,
    title: String,
    employment_type: Option<String>,
    location: Option<String>,
    /// `YYYY-MM-DD`.
    start_date: String,
    /// `YYYY-MM-DD`, not before the start.
    end_date: Option<String>,
    is_current: Option<bool>,
    description: Option<String>,
    data: Option<Value>,
    metadata: Option<Value>,
}

impl Written for Experience {
    type Request = ExperienceRequest;
}
