//! The learner server: the career profile of a learner and what they have learned, for agents with a platform key.
//! Spells what `career` and `learner` decide, in the shapes of the REST surface; holds no rule and no SQL.

mod error;
mod get_company;
mod get_education;
mod get_experience;
mod get_institution;
mod get_learner_analytics;
mod get_learner_details;
mod get_user_resume;
mod ping;
mod post_company;
mod post_education;
mod post_experience;
mod post_institution;
mod post_user_resume;
mod put_company;
mod put_education;
mod put_experience;
mod put_institution;
mod put_user_resume;
mod records;
mod resumes;
mod spans;

use crate::face::Face;
use crate::tool::{ToolEntry, entry, long_entry};
use learning::career::FILE_BYTES_MAX;
use tenancy::auth::token::TokenKind;
use tenancy::rate_limit;

/// The tools, in the order of their specification.
const TOOLS: &[ToolEntry] = &[
    entry::<ping::Ping>(),
    entry::<get_user_resume::GetUserResume>(),
    long_entry::<post_user_resume::PostUserResume>(),
    long_entry::<put_user_resume::PutUserResume>(),
    entry::<get_company::GetCompany>(),
    entry::<post_company::PostCompany>(),
    entry::<put_company::PutCompany>(),
    entry::<get_institution::GetInstitution>(),
    entry::<post_institution::PostInstitution>(),
    entry::<put_institution::PutInstitution>(),
    entry::<get_education::GetEducation>(),
    entry::<post_education::PostEducation>(),
    entry::<put_education::PutEducation>(),
    entry::<get_experience::GetExperience>(),
    entry::<post_experience::PostExperience>(),
    entry::<put_experience::PutExperience>(),
    entry::<get_learner_analytics::GetLearnerAnalytics>(),
    entry::<get_learner_details::GetLearnerDetails>(),
];

/// The face.
pub(super) static FACE: Face = Face {
    name: "user",
    server_name: "iblai-user",
    title: "Learner profile and analytics",
    version: "1.0.0",
    instructions: "A learner's career profile (companies, institutions, education, experience, resume) and what they \
                   have learned (enrollments, grades, time spent, engagement). Before an experience is added its \
                   company must be there, before an education its institution. Dates are YYYY-MM-DD, times ISO 8601 \
                   in UTC.",
    key: TokenKind::Platform,
    every_scope: "",
    file_bytes_max: FILE_BYTES_MAX,
    tools: TOOLS,
    resources: &[],
    charges: |caller, _| rate_limit::learner(caller),
    spell: error::spell,
};
