//! Which of the pages that were found fit a question, by BM25, and which of their sentences answer it.
//!
//! The relevance of a page is its score over the best score that any page could reach for the question.

use super::words::counted;

/// How soon more of the same word stops to count (BM25's k1).
const SATURATION: f64 = 1.2;
/// How much long pages are held back (BM25's b).
const LENGTH_WEIGHT: f64 = 0.75;
/// Fewer known words than this, and the question before lends its own.
pub(super) const WORDS_ENOUGH: usize = 2;
/// Words of a topic.
const TOPIC_WORDS: usize = 2;

/// A word of a question that some page of the course has.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Term {
    pub(super) word: String,
    /// How much it tells: more, the fewer pages have it.
    pub(super) weight: f64,
}

/// What a word tells that stands on so many pages of all.
pub(super) fn weight(pages: i64, with: i64) -> f64 {
    let (pages, with) = (figure(pages), figure(with));
    (1.0 + (pages - with + 0.5) / (with + 0.5)).ln()
}

/// A page that fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ranked {
    /// Its index.
    pub(super) page: usize,
    /// From 0 to 1.
    pub(super) relevance: f64,
}

/// Pages in the light of one question.
#[derive(Debug)]
pub(super) struct Ranking {
    terms: Vec<Term>,
    /// What the words of the question tell together that no page has.
    unknown: f64,
    scores: Vec<f64>,
}

impl Ranking {
    /// Ranks pages for the words of a question; `mean_length`: the words of a page of the course on average.
    pub(super) fn new(
        (terms, unknown): (Vec<Term>, f64),
        pages: &[&str],
        mean_length: f64,
    ) -> Self {
        let score = |page: &&str| {
            let words = counted(page);
            let length: f64 = words.values().sum();
            let held_back = 1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * length / mean_length.max(1.0);
            let of_term = |term: &Term| {
                let times = words.get(&term.word).copied().unwrap_or(0.0);
                term.weight * times * (SATURATION + 1.0) / (times + SATURATION * held_back)
            };
            terms.iter().map(of_term).sum()
        };
        let scores = pages.iter().map(score).collect();
        Self {
            terms,
            unknown,
            scores,
        }
    }

    /// The pages that fit best, at most so many.
    pub(super) fn best(&self, max: usize) -> Vec<Ranked> {
        let ideal = self.weight() * (SATURATION + 1.0);
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
        let all = self.weight();
        let words = counted(&texts.join(" "));
        match all > 0.0 {
            true => self.weight_of(|word| words.contains_key(word)) / all,
            false => 0.0,
        }
    }

    /// What all words of the question tell together, those that no page has among them.
    fn weight(&self) -> f64 {
        self.weight_of(|_| true) + self.unknown
    }

    /// What those of the question's words tell together that are wanted.
    fn weight_of(&self, is_wanted: impl Fn(&str) -> bool) -> f64 {
        let wanted = self.terms.iter().filter(|term| is_wanted(&term.word));
        wanted.map(|term| term.weight).sum()
    }

    /// The sentences that have most of the question's words, in the order in which they stand.
    pub(super) fn sentences(&self, texts: &[&str], max: usize) -> String {
        let sentences: Vec<&str> = texts
            .iter()
            .flat_map(|text| text.split_inclusive(['.', '!', '?']))
            .map(str::trim)
            .filter(|sentence| !sentence.is_empty())
            .collect();
        let weight = |sentence: &str| {
            let words = counted(sentence);
            self.weight_of(|word| words.contains_key(word))
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
            .map(|term| term.word.as_str());
        words.collect::<Vec<_>>().join(" ")
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a course has far fewer than 2^52 pages"
)]
fn figure(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: [&str; 3] = [
        "Machine learning finds patterns in data.",
        "Prompt engineering is the practice of designing inputs. It takes time.",
        "Prompts state a task. Engineering teams review prompts.",
    ];

    /// The pages ranked for these words, each with the number of pages that have it.
    fn ranking(words: &[(&str, i64)]) -> Ranking {
        let term = |(word, with): &(&str, i64)| Term {
            word: (*word).to_owned(),
            weight: weight(3, *with),
        };
        Ranking::new((words.iter().map(term).collect(), 0.0), &PAGES, 6.0)
    }

    #[test]
    fn the_page_that_is_about_the_question_comes_first() {
        let ranking = ranking(&[("prompt", 2), ("engineering", 2)]);
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
    fn a_question_without_words_of_the_course_finds_nothing() {
        let nothing = ranking(&[]);
        assert!(nothing.best(3).is_empty());
        assert_eq!(nothing.sentences(&PAGES, 3), "");
        assert_eq!(nothing.covered(&PAGES), 0.0);
    }
}
