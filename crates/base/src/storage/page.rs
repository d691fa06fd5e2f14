//! Pages of lists: which one is asked for, and what came.

/// Which page of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// 1-based number of the page.
    pub number: i64,
    /// Rows in a page, 1 to 1000.
    pub size: i64,
}

impl PageRequest {
    /// Rows before the page.
    pub fn offset(self) -> i64 {
        (self.number - 1).saturating_mul(self.size)
    }
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Rows in the whole list.
    pub total: i64,
    /// The rows of this page.
    pub rows: Vec<T>,
}

/// A pattern for `LIKE … ESCAPE '\'` that finds the text itself anywhere, wildcards and all.
pub fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
