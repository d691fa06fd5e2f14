//! Which test makes which example of the two specifications true. An example whose test is gone fails here.

use mentor_gateway::auth::token::TokenKind;
use serde_json::json;

use crate::harness::Academy;

/// Section, file below `tests/`, and the test in it.
#[rustfmt::skip]
const EXAMPLES: &[(&str, &str, &str)] = &[
    ("6.3.2.1", "academy_v1/get_learner_enrollments.rs", "the_example_of_the_specification_comes_true"),
    ("6.3.2.2", "academy_v1/get_course_details.rs", "the_example_of_the_specification_comes_true"),
    ("6.3.2.3", "academy_v1/get_upcoming_cohorts.rs", "the_example_of_the_specification_comes_true"),
    ("6.3.2.4, enrolled", "academy_v1/check_enrollment_status.rs", "whoever_is_enrolled_is_told_so"),
    ("6.3.2.4, can enroll, and full", "academy_v1/check_enrollment_status.rs", "whoever_is_not_enrolled_learns_what_is_in_the_way"),
    ("6.3.2.5", "academy_v1/get_enablement_kit.rs", "the_example_of_the_specification_comes_true"),
    ("6.3.2.6", "academy_v1/get_certificate.rs", "the_example_of_the_specification_comes_true"),
    ("6.3.2.6, not available", "academy_v1/get_certificate.rs", "a_course_that_is_under_way_has_no_certificate_yet"),
    ("6.3.2.7", "academy_v1/create_enrollment.rs", "the_example_of_the_specification_comes_true"),
    ("6.3.2.7, full", "academy_v1/create_enrollment.rs", "a_full_cohort_refuses_enrollment"),
    ("6.3.2.8", "academy_v1/get_cohort_roster.rs", "the_example_of_the_specification_comes_true"),
    ("6.3.2.9", "academy_v1/update_cohort_status.rs", "the_example_of_the_specification_comes_true"),
    ("6.3.2.10", "academy_v1/send_cohort_notification.rs", "the_example_of_the_specification_comes_true"),
    ("6.3.3.1", "academy_v1/resources.rs", "the_catalog_counts_what_there_is"),
    ("6.3.3.2", "academy_v1/resources.rs", "cohorts_say_what_somebody_finds_who_wants_to_enroll"),
    ("6.3.3.3", "academy_v1/resources.rs", "a_learner_reads_their_own_enrollments_and_nobody_else_s"),
    ("6.3.3.4", "academy_v1/resources.rs", "a_certificate_is_what_the_tool_answers"),
    ("6.3.3.5", "academy_v1/resources.rs", "an_organization_is_for_administrators"),
    ("6.3.4.6, without a key", "every_call/mod.rs", "every_call_is_refused_without_a_key_and_with_one_of_another_kind"),
    ("6.3.4.6, without the scope", "every_call/mod.rs", "every_call_is_refused_with_every_scope_but_its_own"),
    ("6.3.5.2", "every_tool.rs", "every_call_counts_and_the_one_too_many_is_refused_in_the_face_s_words"),
    ("6.3.5.3", "academy_v1/bulk.rs", "the_streaming_example_of_the_specification_comes_true"),
    ("6.3.5.4", "every_refusal.rs", "every_code_of_the_first_face_is_earned_by_a_call"),
    ("6.3.5.6", "webhooks.rs", "a_subscriber_is_told_in_the_documented_words_and_can_check_the_signature"),
    ("6.3.6", "every_example.rs", "an_agent_finds_a_course_a_seat_and_where_it_stands"),
    ("8.2.1", "academy_v2/academy_get_enrollments.rs", "the_example_of_the_specification_comes_true"),
    ("8.2.2", "academy_v2/academy_get_materials.rs", "the_example_of_the_specification_comes_true"),
    ("8.2.3", "academy_v2/academy_chat.rs", "a_question_is_answered_from_the_materials_with_their_pages"),
    ("8.2.4", "academy_v2/academy_get_availability.rs", "the_example_of_the_specification_comes_true"),
    ("8.2.5", "academy_v2/academy_book_office_hours.rs", "the_example_of_the_specification_comes_true"),
    ("8.2.6", "academy_v2/academy_get_certificate.rs", "the_example_of_the_specification_comes_true"),
    ("8.2.7", "academy_v2/academy_admin_list_cohorts.rs", "the_example_of_the_specification_comes_true"),
    ("8.2.8", "academy_v2/academy_admin_enrollment_stats.rs", "the_example_of_the_specification_comes_true"),
    ("8.2.9", "academy_v2/academy_admin_send_email.rs", "a_cohort_s_mail_is_sent_when_the_mail_server_took_it"),
    ("8.2.10", "academy_v2/academy_admin_create_enrollment.rs", "the_example_of_the_specification_comes_true"),
    ("8.3.2, catalog and course", "academy_v2/resources.rs", "the_catalog_and_a_course_are_those_of_the_specification"),
    ("8.3.2, enrollments", "academy_v2/resources.rs", "a_user_s_history_has_its_totals"),
    ("8.3.2, roster and dashboard", "academy_v2/resources.rs", "rosters_and_dashboards_are_for_administrators"),
    ("8.5.2", "rate_limits.rs", "every_answer_says_how_the_allowance_stands"),
    ("8.5.3", "every_tool.rs", "every_call_counts_and_the_one_too_many_is_refused_in_the_face_s_words"),
    ("8.6.1", "every_refusal.rs", "every_code_of_the_second_face_is_earned_by_a_call"),
    ("8.6.2", "every_call/mod.rs", "every_call_is_refused_with_every_scope_but_its_own"),
    ("8.6.3", "academy_v2/academy_get_materials.rs", "who_is_not_enrolled_or_no_longer_gets_nothing"),
    ("8.7.2, example 1", "academy_v2/academy_get_enrollments.rs", "the_example_of_the_specification_comes_true"),
    ("8.7.2, example 2", "academy_v2/academy_get_materials.rs", "slides_are_four_and_content_is_their_text"),
    ("8.7.2, example 3", "academy_v2/academy_chat.rs", "a_question_is_answered_from_the_materials_with_their_pages"),
    ("8.7.2, example 4", "academy_v2/academy_book_office_hours.rs", "a_session_is_booked_once_while_there_is_a_place_and_four_at_most"),
    ("8.7.2, example 5", "academy_v2/academy_admin_enrollment_stats.rs", "the_example_of_the_specification_comes_true"),
    ("8.9.2", "academy_v2/academy_chat.rs", "the_chat_of_somebody_else_is_denied"),
];

#[test]
fn every_example_has_the_test_that_is_named_for_it() {
    for (section, file, test) in EXAMPLES {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests")
            .join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            text.contains(&format!("async fn {test}")),
            "{section}: {file} has no {test}"
        );
    }
}

#[tokio::test]
async fn an_agent_finds_a_course_a_seat_and_where_it_stands() {
    let academy = Academy::v1().await;
    let newcomer = academy
        .gateway
        .with_key("carol", TokenKind::Aea, &["learner"])
        .await;
    let course = json!({ "courseSlug": "ai-fundamentals" });
    let course = academy.call(&newcomer, "get_course_details", course).await;
    assert_eq!(course["course"]["pricing"]["individual"], 2500);
    let id = course["course"]["id"].clone();
    let wanted = json!({ "courseId": id, "startDateAfter": 1_704_067_200_000_i64, "limit": 5 });
    let cohorts = academy
        .call(&newcomer, "get_upcoming_cohorts", wanted)
        .await;
    let first = &cohorts["cohorts"][0];
    assert_eq!(first["cohortId"], "coh_xyz789");
    assert_eq!(first["availableSeats"], 8);
    let asked = json!({ "cohortId": "coh_xyz789" });
    let stands = academy
        .call(&newcomer, "check_enrollment_status", asked)
        .await;
    assert_eq!(stands["enrollment"]["isEnrolled"], false);
}
