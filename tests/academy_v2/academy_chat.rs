//! 8.2.3.

use serde_json::json;

use crate::harness::Academy;

const TOOL: &str = "academy_chat";

#[tokio::test]
async fn a_question_is_answered_from_the_materials_with_their_pages() {
    let academy = Academy::v2().await;
    let arguments = json!({
        "enrollmentId": "enr_123", "message": "What is prompt engineering?", "includeContext": true
    });
    let mut answer = academy.call(&academy.learner, TOOL, arguments).await;
    assert!(
        answer["conversationId"]
            .as_str()
            .unwrap()
            .starts_with("conv_")
    );
    assert!(answer["messageId"].as_str().unwrap().starts_with("msg_"));
    let text = answer["response"]["text"].as_str().unwrap();
    assert!(
        text.contains("Prompt engineering is the practice of designing"),
        "{text}"
    );
    assert_eq!(answer["response"]["confidence"], 1.0);
    let sources = answer["response"]["sources"].as_array().unwrap();
    let context = answer["context"].as_array().unwrap();
    assert_eq!((sources.len(), context.len()), (3, 3));
    for (source, chunk) in sources.iter().zip(context) {
        assert_eq!(source["materialId"], chunk["source"]);
        assert_eq!(source["page"], chunk["page"]);
    }
    assert_eq!(answer["metadata"]["tokensUsed"], 0);
    let next = json!({
        "enrollmentId": "enr_123", "message": "Why?", "conversationId": answer["conversationId"].take()
    });
    let next = academy.call(&academy.learner, TOOL, next).await;
    assert!(next["context"].is_null());
    assert!(!next["response"]["sources"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn what_the_materials_do_not_say_is_not_made_up() {
    let academy = Academy::v2().await;
    let arguments = json!({ "enrollmentId": "enr_123", "message": "' OR 1=1-- NEAR( %" });
    let answer = academy.call(&academy.learner, TOOL, arguments).await;
    assert_eq!(
        answer["response"],
        json!({
            "text": "The materials of this course do not say anything about that.",
            "confidence": 0.0,
            "sources": []
        })
    );
}

#[tokio::test]
async fn the_chat_of_somebody_else_is_denied() {
    let academy = Academy::v2().await;
    for id in ["invalid_enrollment", "enr_200"] {
        let arguments = json!({ "enrollmentId": id, "message": "test message" });
        let refused = academy.refusal(&academy.learner, TOOL, arguments).await;
        assert_eq!(refused["error"]["code"], "ACCESS_DENIED");
    }
    let arguments =
        json!({ "enrollmentId": "enr_123", "message": "Why?", "conversationId": "conv_200" });
    let refused = academy.refusal(&academy.learner, TOOL, arguments).await;
    assert_eq!(refused["error"]["code"], "ACCESS_DENIED");
}
