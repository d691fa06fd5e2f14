//! Which pages fit a question, by BM25, and which of their sentences answer it. The same on every database.
//!
//! The relevance of a page is its score over the best score that any page could reach for the question.

use std::collections::HashMap;

/// How soon more of the same word stops to count (BM25's k1).
const SATURATION: f64 = 1.2;
/// How much long pages are held back (BM25's b).
const LENGTH_WEIGHT: f64 = 0.75;
/// Fewer known words than this, and the question before lends its own.
const WORDS_ENOUGH: usize = 2;
/// Words of a topic.
const TOPIC_WORDS: usize = 2;

/// Words that say nothing about what is asked.
const STOP_WORDS: &[&str] = &[
    "a", "about", "an", "and", "any", "are", "as", "at", "be", "best", "by", "can", "do", "does",
    "for", "from", "have", "how", "i", "in", "is", "it", "me", "my", "of", "on", "or", "our",
    "should", "tell", "that", "the", "this", "to", "was", "we", "what", "when", "where", "which",
    "who", "why", "with", "you", "your",
];

/// A page that fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ranked {
    /// Its index.
    pub(super) page: usize,
    /// From 0 to 1.
    pub(super) relevance: f64,
}

/// The pages of a course in the light of one question.
#[derive(Debug)]
pub(super) struct Ranking {
    /// The words of the question that some page has, each with its weight.
    terms: Vec<(String, f64)>,
    scores: Vec<f64>,
}

impl Ranking {
    /// Ranks pages for a question; one with hardly a word of its own goes on with the question before.
    pub(super) fn new(pages: &[&str], question: &str, before: &str) -> Self {
        let pages: Vec<HashMap<String, f64>> = pages.iter().map(|page| counted(page)).collect();
        let mut terms = known(&pages, question);
        if terms.len() < WORDS_ENOUGH {
            let more = known(&pages, before);
            terms.extend(
                more.into_iter()
                    .filter(|(word, _)| !question.contains(word.as_str())),
            );
        }
        let lengths: Vec<f64> = pages.iter().map(|page| page.values().sum()).collect();
        let mean = lengths.iter().sum::<f64>() / size(pages.len()).max(1.0);
        let score = |(page, length): (&HashMap<String, f64>, &f64)| {
            let held_back = 1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * length / mean.max(1.0);
            let of_term = |(word, weight): &(String, f64)| {
                let times = page.get(word).copied().unwrap_or(0.0);
                weight * times * (SATURATION + 1.0) / (times + SATURATION * held_back)
            };
            terms.iter().map(of_term).sum()
        };
        let scores = pages.iter().zip(&lengths).map(score).collect();
        Self { terms, scores }
    }

    /// The pages that fit best, at most so many.
    pub(super) fn best(&self, max: usize) -> Vec<Ranked> {
        let ideal: f64 = self
            .terms
            .iter()
            .map(|(_, weight)| weight * (SATURATION + 1.0))
            .sum();
        let mut fitting: Vec<Ranked> = (0..self.scores.len())
            .filter(|page| self.scores[*page] > 0.0)
            .map(|page| Ranked {
                page,
                relevance: self.scores[page] / ideal,
            })
            .collect();
        fitting.sort_by(|a, b| {
            b.relevance
                .total_cmp(&a.relevance)
                .then(a.page.cmp(&b.page))
        });
        fitting.truncate(max);
        fitting
    }

    /// The share of the question's words, by weight, that stand in these texts.
    pub(super) fn covered(&self, texts: &[&str]) -> f64 {
        let all: f64 = self.terms.iter().map(|(_, weight)| weight).sum();
        let words = counted(&texts.join(" "));
        let found = self
            .terms
            .iter()
            .filter(|(word, _)| words.contains_key(word));
        if all > 0.0 {
            found.map(|(_, weight)| weight).sum::<f64>() / all
        } else {
            0.0
        }
    }

    /// The sentences that have most of the question's words, in the order in which they stand.
    pub(super) fn sentences(&self, texts: &[&str], max: usize) -> String {
        let sentences: Vec<&str> = texts
            .iter()
            .flat_map(|text| text.split_inclusive(['.', '!', '?']))
            .map(str::trim)
            .filter(|sentence| !sentence.is_empty())
            .collect();
        let weight = |sentence: &str| -> f64 {
            let words = counted(sentence);
            let found = self
                .terms
                .iter()
                .filter(|(word, _)| words.contains_key(word));
            found.map(|(_, weight)| weight).sum()
        };
        let mut order: Vec<(usize, f64)> = sentences
            .iter()
            .enumerate()
            .map(|(at, sentence)| (at, weight(sentence)))
            .filter(|(_, weight)| *weight > 0.0)
            .collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        order.truncate(max);
        order.sort_by_key(|(at, _)| *at);
        let chosen: Vec<&str> = order.into_iter().map(|(at, _)| sentences[at]).collect();
        chosen.join(" ")
    }

    /// What the question is about: its first words that the materials know.
    pub(super) fn topic(&self) -> String {
        let words = self
            .terms
            .iter()
            .take(TOPIC_WORDS)
            .map(|(word, _)| word.as_str());
        words.collect::<Vec<_>>().join(" ")
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a course has far fewer than 2^52 pages"
)]
fn size(count: usize) -> f64 {
    count as f64
}

/// The words of a question that some page has, in its order, each weighted by how few pages have it.
fn known(pages: &[HashMap<String, f64>], question: &str) -> Vec<(String, f64)> {
    let mut terms: Vec<(String, f64)> = Vec::new();
    for word in words(question) {
        let with = pages.iter().filter(|page| page.contains_key(&word)).count();
        if with > 0 && !terms.iter().any(|(known, _)| *known == word) {
            let (all, with) = (size(pages.len()), size(with));
            terms.push((word, (1.0 + (all - with + 0.5) / (with + 0.5)).ln()));
        }
    }
    terms
}

fn counted(text: &str) -> HashMap<String, f64> {
    let mut counts = HashMap::new();
    for word in words(text) {
        *counts.entry(word).or_insert(0.0) += 1.0;
    }
    counts
}

/// Lower-case words without their plural.
fn words(text: &str) -> impl Iterator<Item = String> {
    let parts = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|part| !part.is_empty());
    parts
        .map(str::to_lowercase)
        .filter(|word| !STOP_WORDS.contains(&word.as_str()))
        .map(|word| {
            let is_plural = word.len() > 3 && word.ends_with('s') && !word.ends_with("ss");
            if is_plural {
                word[..word.len() - 1].to_owned()
            } else {
                word
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: [&str; 3] = [
        "Machine learning finds patterns in data.",
        "Prompt engineering is the practice of designing inputs. It takes time.",
        "Prompts state a task. Engineering teams review prompts.",
    ];

    #[test]
    fn the_page_that_is_about_the_question_comes_first() {
        let ranking = Ranking::new(&PAGES, "What is prompt engineering?", "");
        let best = ranking.best(3);
        assert_eq!(
            best.iter().map(|ranked| ranked.page).collect::<Vec<_>>(),
            [2, 1]
        );
        assert!(
            best.iter()
                .all(|ranked| (0.0..=1.0).contains(&ranked.relevance))
        );
        let answer = ranking.sentences(&[PAGES[1]], 1);
        assert_eq!(
            answer,
            "Prompt engineering is the practice of designing inputs."
        );
        assert_eq!(ranking.topic(), "prompt engineering");
        assert!((ranking.covered(&PAGES) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_question_without_words_of_the_course_finds_nothing_by_itself() {
        let alone = Ranking::new(&PAGES, "NEAR( title:x * \" %", "");
        assert!(alone.best(3).is_empty());
        assert_eq!(alone.sentences(&[], 3), "");
        assert_eq!(alone.covered(&[]), 0.0);
        let after = Ranking::new(&PAGES, "Why?", "How does machine learning work?");
        assert_eq!(after.best(1)[0].page, 0);
    }
}
