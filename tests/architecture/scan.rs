//! Reads Rust text as far as the rules need it: comments, strings and character
//! literals are dropped, what is left becomes words and punctuation with lines.

use std::collections::BTreeSet;

/// One word (identifier, keyword, number), one `::`, or one punctuation mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    /// Counted from 1.
    pub line: usize,
}

/// The code of `source`, without comments and literals.
pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let next = skip_silent(&chars, at).unwrap_or_else(|| {
            let end = word_end(&chars, at);
            found.push(Token {
                text: chars[at..end].iter().collect(),
                line,
            });
            end
        });
        line += chars[at..next].iter().filter(|c| **c == '\n').count();
        at = next;
    }
    found
}

/// Where the space, comment or literal that starts at `at` ends; none if code
/// starts there.
fn skip_silent(chars: &[char], at: usize) -> Option<usize> {
    let pair = (chars[at], chars.get(at + 1).copied());
    match pair {
        (c, _) if c.is_whitespace() => Some(at + 1),
        ('/', Some('/')) => Some(find(chars, at, |c| c == '\n')),
        ('/', Some('*')) => Some(block_comment_end(chars, at)),
        ('"', _) => Some(quoted_end(chars, at, '"')),
        ('\'', Some('\\')) => Some(quoted_end(chars, at, '\'')),
        ('\'', Some(_)) if chars.get(at + 2) == Some(&'\'') => Some(at + 3),
        ('b' | 'c' | 'r', _) => prefixed_string_end(chars, at),
        _ => None,
    }
}

/// The end of `r"..."`, `r#"..."#`, `b"..."`, `br"..."`, `c"..."`, `b'x'`.
fn prefixed_string_end(chars: &[char], at: usize) -> Option<usize> {
    let raw_at = if chars[at] == 'r' { at } else { at + 1 };
    if chars.get(raw_at) == Some(&'r') {
        let open = find(chars, raw_at + 1, |c| c != '#');
        if chars.get(open) != Some(&'"') {
            return None;
        }
        let mut close = vec!['"'];
        close.extend(vec!['#'; open - raw_at - 1]);
        let body = &chars[open + 1..];
        let length = body.windows(close.len()).position(|part| part == close)?;
        return Some(open + 1 + length + close.len());
    }
    match chars.get(raw_at) {
        Some('"') => Some(quoted_end(chars, raw_at, '"')),
        Some('\'') if chars[at] == 'b' => Some(quoted_end(chars, raw_at, '\'')),
        _ => None,
    }
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (at, depth) = (at + 2, depth + 1),
            ('*', Some('/')) => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(chars.len())
}

fn quoted_end(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn word_end(chars: &[char], at: usize) -> usize {
    if is_word(chars[at]) {
        find(chars, at, |c| !is_word(c))
    } else if chars[at] == ':' && chars.get(at + 1) == Some(&':') {
        at + 2
    } else {
        at + 1
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn find(chars: &[char], from: usize, matches: impl Fn(char) -> bool) -> usize {
    (from..chars.len())
        .find(|at| matches(chars[*at]))
        .unwrap_or(chars.len())
}

/// The names that directly follow `root::`, in `use` lines and inline paths, also
/// those in braces: `root::{a::b, c}` gives `a` and `c`.
pub fn names_under(tokens: &[Token], root: &str) -> Vec<Token> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let continues_a_path = at > 0 && matches!(tokens[at - 1].text.as_str(), "::" | ".");
        if tokens[at].text == root && !continues_a_path && text(tokens, at + 1) == "::" {
            found.extend(first_names(tokens, at + 2));
        }
    }
    found
}

/// The first names of the path, or of the paths in braces, that starts at `at`.
pub fn first_names(tokens: &[Token], at: usize) -> Vec<Token> {
    if text(tokens, at) != "{" {
        return tokens.get(at).cloned().into_iter().collect();
    }
    let (mut found, mut depth) = (Vec::new(), 0);
    for (offset, token) in tokens[at..].iter().enumerate() {
        let starts_a_path = matches!(text(tokens, (at + offset).wrapping_sub(1)), "{" | ",");
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ if depth == 1 && starts_a_path && token.text != "," => found.push(token.clone()),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

/// The names reached by climbing to the root of the crate: `super::super::x` in a
/// file that is two modules deep gives `x`. `depth` is that of the file; modules
/// written inside it are counted on the way.
pub fn names_by_climbing(tokens: &[Token], depth: usize) -> Vec<Token> {
    let mut found = Vec::new();
    let mut blocks: Vec<bool> = Vec::new();
    for at in 0..tokens.len() {
        match tokens[at].text.as_str() {
            "{" => blocks.push(at >= 2 && tokens[at - 2].text == "mod"),
            "}" => drop(blocks.pop()),
            "super" if at == 0 || tokens[at - 1].text != "::" => {
                let inside = depth + blocks.iter().filter(|is_module| **is_module).count();
                let mut climbed = 1;
                while text(tokens, at + 2 * climbed) == "super" {
                    climbed += 1;
                }
                if climbed >= inside && text(tokens, at + 2 * climbed - 1) == "::" {
                    found.extend(first_names(tokens, at + 2 * climbed));
                }
            }
            _ => {}
        }
    }
    found
}

/// Each place where the words of `path` (`["Utc", "now"]`) follow one another
/// with `::` between them.
pub fn places_of(tokens: &[Token], path: &[&str]) -> Vec<usize> {
    let joined = path.join(" :: ");
    let pattern: Vec<&str> = joined.split(' ').collect();
    let lines: BTreeSet<usize> = tokens
        .windows(pattern.len())
        .filter(|part| part.iter().zip(&pattern).all(|(token, word)| token.text == *word))
        .map(|part| part[0].line)
        .collect();
    lines.into_iter().collect()
}

/// The text of a token, empty past the end.
pub fn text(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.text.as_str())
}
